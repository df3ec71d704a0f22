/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * interrupt.pml - InterruptStatus, InterruptACK and configuration changes
 *
 * The device process, which raises used-buffer interrupts past everybody; the
 * vCPU process, which owns bit 1 and the configuration; the driver's interrupt
 * handler. Checked: when nothing can move any more, the driver has seen every
 * used buffer and has the newest configuration, however late each step came.
 *
 * As it is (no define): bit 0 is always 1 while the driver runs, so that its
 * acknowledgement means nothing and may go anywhere: into an ioeventfd that
 * nobody reads, or into this process. An acknowledgement with bit 1 exits, and
 * the vCPU does not go on before the bit is cleared.
 *
 * Each of these breaks it, and the test expects spin to find out how:
 *   CLEAR_USED     an acknowledgement clears bit 0 too, though nobody can set
 *                  it again: the device's interrupts never pass here. (With
 *                  DEVICE_SETS, if the device could, this alone would be right;
 *                  with LATE_ACK as well it is wrong again.)
 *   LATE_ACK       acknowledgements travel in a ring, also those with bit 1,
 *                  and are taken from it some time later
 *   PULSE_FIRST    the interrupt is raised before the bit is shown
 *   ACK_LAST       a driver that acknowledges after it has looked (virtio
 *                  1.2, 4.2.3.2 does not promise that it will be right)
 */

#define NR_USED 3
#define NR_CONFIG 2

/* The register page and what the vCPU process keeps behind it. */
byte status = 1;
byte generation = 0;
byte config[2];		/* a field of two words: never half of one change */

byte used = 0;		/* the used ring */
bool pending = false;	/* the interrupt controller: an edge, remembered */

/* What the driver has. */
byte seen_used = 0;
byte seen_config[2];

#ifdef LATE_ACK
chan acks = [4] of { byte };
#endif

inline clear_bits(value)
{
	/* Under the lock of the registers: one step. */
	atomic {
#ifdef CLEAR_USED
		status = status & (3 - value);
#else
		status = status & (3 - (value & 2));
#endif
	}
}

active proctype device()
{
	byte n = 0;

	do
	:: n < NR_USED ->
		used++;
#ifdef DEVICE_SETS
		atomic { status = status | 1 };
#endif
		pending = true;
		n++
	:: else -> break
	od
}

active proctype vcpu_process()
{
	byte n = 0;
	byte ack;

	do
	:: n < NR_CONFIG ->
		/* A driver that reads across this sees two generations. One
		 * that reads wholly within may get half of it; the interrupt
		 * comes later than that. */
		generation++;
		config[0] = n + 1;
		config[1] = n + 1;
		generation++;
#ifdef PULSE_FIRST
		pending = true;
		atomic { status = status | 2 };
#else
		atomic { status = status | 2 };
		pending = true;
#endif
		n++
#ifdef LATE_ACK
	:: acks?ack -> clear_bits(ack)
	:: n == NR_CONFIG && empty(acks) -> end_acks: acks?ack; clear_bits(ack)
#else
	:: else -> break
#endif
	od
}

inline acknowledge(value)
{
#ifdef LATE_ACK
	acks!value
#else
	if
	:: value == 1 -> skip	/* datamatch 1: swallowed in the kernel */
	:: value == 1 -> clear_bits(value)	/* or it exits */
	:: else -> clear_bits(value)
	fi
#endif
}

inline read_config()
{
	do
	::
		before = generation;
		first = config[0];
		second = config[1];
		if
		:: before == generation -> break
		:: else -> skip
		fi
	od;
	seen_config[0] = first;
	seen_config[1] = second
}

active proctype driver()
{
	byte value, before, first, second;

end_idle:
	do
	:: pending ->
		pending = false;
		value = status;
#ifndef ACK_LAST
		if
		:: value != 0 -> acknowledge(value)
		:: else -> skip
		fi;
#endif
		if
		:: value & 2 -> read_config()
		:: else -> skip
		fi;
		if
		:: value & 1 -> seen_used = used
		:: else -> skip
		fi;
#ifdef ACK_LAST
		if
		:: value != 0 -> acknowledge(value)
		:: else -> skip
		fi
#endif
	od
}

/* Nobody can move: whatever the driver does not have now it never gets. */
active proctype judge()
{
	timeout;
	assert(seen_used == NR_USED);
	assert(seen_config[0] == NR_CONFIG && seen_config[1] == NR_CONFIG)
}
