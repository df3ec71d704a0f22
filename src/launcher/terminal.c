/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * terminal.c - standard input as the guest's console: raw while the guest runs
 *
 * Side:    launcher.
 * Owns:    how the terminal was.
 * Callers: launch.c to choose, run.c to switch.
 * Needs:   after the filter: ioctl(TCSETS) on standard input.
 * Never:   takes a terminal from the job in its foreground.
 */
#include <asm/termbits.h> /* the kernel's struct: libc's would have its own */
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "launcher/terminal.h"

static struct termios before;
static bool is_raw;

static bool is_terminal(void)
{
	struct termios t;

	return ioctl(STDIN_FILENO, TCGETS, &t) == 0;
}

/* A terminal that is not our controlling one has no foreground to be in. */
static bool is_foreground(void)
{
	pid_t group;

	if (ioctl(STDIN_FILENO, TIOCGPGRP, &group) < 0)
		return true;
	return group == getpgrp();
}

enum terminal_input terminal_choose(const struct settings *s)
{
	/* The built-in guest never reads: Ctrl-C is worth more there. */
	const bool wanted = s->console ||
			    strcmp(s->kernel, SETTINGS_BUILTIN) != 0;

	if (is_terminal())
		return wanted && is_foreground() ? TERMINAL_KEYS
						 : TERMINAL_NONE;
	/* Only if asked for: scripts have inputs of their own to keep. */
	return s->console ? TERMINAL_STREAM : TERMINAL_NONE;
}

const char *terminal_input_name(enum terminal_input input)
{
	static const char *const names[] = {
		[TERMINAL_NONE] = "none",
		[TERMINAL_STREAM] = "stream",
		[TERMINAL_KEYS] = "terminal",
	};

	return names[input];
}

bool terminal_raw(void)
{
	struct termios raw;

	if (ioctl(STDIN_FILENO, TCGETS, &before) < 0)
		return false;
	raw = before;
	raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | IGNCR | INLCR | INPCK |
				   ISTRIP | IUCLC | IXON | PARMRK);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	/* In the background by now? Then this stops us until we are called
	 * back, as it should. */
	is_raw = ioctl(STDIN_FILENO, TCSETS, &raw) == 0;
	/* Whoever stopped us and put us into the background would otherwise
	 * stop us once more, in the middle of restoring. */
	(void)signal(SIGTTOU, SIG_IGN);
	return is_raw;
}

void terminal_restore(void)
{
	if (is_raw)
		(void)ioctl(STDIN_FILENO, TCSETS, &before);
	is_raw = false;
}
