/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * suppress.pml - who sleeps, who notifies: avail_event and used_event
 *
 * Both questions of virtqueue.c at once: the driver makes requests available
 * and asks whether to kick; the device, out of work, polls for a while, then
 * asks to be kicked and looks once more before it sleeps. The other way round
 * with used buffers and interrupts. Processors keep stores back (TSO): each
 * process has one store in its buffer, which the others see later, at the next
 * store, or at a full fence. A split ring's indices are modelled; the event
 * suppression areas of a packed ring are used in the same places.
 *
 * Checked: when nothing can move any more, the driver has every request back.
 *
 * Each of these breaks it, and the test expects spin to find out how:
 *   NO_DEVICE_AVAIL_FENCE   between "notify me" and the last look
 *   NO_DEVICE_USED_FENCE    between the used index and the driver's wish
 *   NO_DRIVER_KICK_FENCE    the driver's half of the first
 *   NO_DRIVER_SLEEP_FENCE   the driver's half of the second
 *   NO_LAST_LOOK            the device sleeps without looking once more
 */

#define NR_REQUESTS 3

/* What memory holds. */
byte avail_idx = 0;
byte avail_event = 0;
byte used_idx = 0;
byte used_event = 0;

/* Eventfds: the call to the other side, remembered until taken. */
bool kicked = false;
bool interrupted = false;

/* One store buffer for each side. */
mtype = { none, avail, avail_ev, use, used_ev };
mtype driver_slot = none;
byte driver_value;
mtype device_slot = none;
byte device_value;

inline drain(slot, value)
{
	if
	:: slot == avail -> avail_idx = value
	:: slot == avail_ev -> avail_event = value
	:: slot == use -> used_idx = value
	:: slot == used_ev -> used_event = value
	:: slot == none -> skip
	fi;
	slot = none
}

inline store(slot, value, where, what)
{
	atomic { drain(slot, value); slot = where; value = what }
}

inline fence(slot, value)
{
	atomic { drain(slot, value) }
}

/* What is held back gets out some time. */
active proctype driver_buffer()
{
end:
	do
	:: atomic { driver_slot != none -> drain(driver_slot, driver_value) }
	od
}

active proctype device_buffer()
{
end:
	do
	:: atomic { device_slot != none -> drain(device_slot, device_value) }
	od
}

active proctype driver()
{
	byte made = 0, back = 0, event;

	do
	:: made < NR_REQUESTS ->
		made++;
		store(driver_slot, driver_value, avail, made);
#ifndef NO_DRIVER_KICK_FENCE
		fence(driver_slot, driver_value);
#endif
		event = avail_event;
		/* One entry at a time: passed when it is the one before. */
		if
		:: event == made - 1 ->
			/* The write exits to the kernel: a full barrier. */
			fence(driver_slot, driver_value);
			kicked = true
		:: else -> skip
		fi
	:: back < made ->
		/* Take what is there; else ask, look once more, sleep. */
		if
		:: used_idx != back -> back = used_idx
		:: else ->
			store(driver_slot, driver_value, used_ev, back);
#ifndef NO_DRIVER_SLEEP_FENCE
			fence(driver_slot, driver_value);
#endif
			if
			:: used_idx != back -> skip
			:: else -> end_sleep: interrupted; interrupted = false
			fi
		fi
	:: back == NR_REQUESTS -> break
	od
}

inline serve()
{
	do
	:: avail_idx != next ->
		next++;
		store(device_slot, device_value, use, next)
	:: else -> break
	:: next != decided -> break	/* a pass has had its share */
	od;
	if
	:: next != decided ->
#ifndef NO_DEVICE_USED_FENCE
		fence(device_slot, device_value);
#endif
		event = used_event;
		if
		:: event >= decided && event < next ->
			fence(device_slot, device_value);
			interrupted = true
		:: else -> skip
		fi;
		decided = next
	:: else -> skip
	fi
}

active proctype device()
{
	byte next = 0, decided = 0, event;

	do
	:: serve();	/* also polling: as often as it likes */
	:: avail_idx == next && next == decided ->
		store(device_slot, device_value, avail_ev, next);
#ifndef NO_DEVICE_AVAIL_FENCE
		fence(device_slot, device_value);
#endif
		if
#ifndef NO_LAST_LOOK
		:: avail_idx != next -> skip
		:: else -> end_sleep: kicked; kicked = false
#else
		:: true -> end_asleep: kicked; kicked = false
#endif
		fi
	od
}

active proctype judge()
{
	timeout;
	assert(used_idx == NR_REQUESTS);
	assert(driver@end_sleep == false)
}
