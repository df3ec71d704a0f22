/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * run.c - `ringfence run`: one VM, from words to its end
 *
 * Side:    launcher.
 * Owns:    the order: read, open, start, show, confine, go, report.
 * Callers: main.c; run_vm() demo.c too.
 * Never:   starts anything before everything is read and open.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "launcher/config.h"
#include "launcher/options.h"
#include "launcher/report.h"
#include "launcher/run.h"
#include "launcher/who.h"

int run_vm(struct vm *vm, const struct settings *s, struct images *im)
{
	struct complaint c = { "" };
	int err;

	if (im->stands_in)
		say("no KVM here (%s): a stand-in plays the guest",
		    im->why_no_kvm);
	err = vm_start(vm, s, im, &c);
	/* The processes have what they need; what we keep, we could lose. */
	vm->report = rf_fd_take(&im->report);
	images_close(im);
	if (err) {
		if (err != -ECANCELED)
			say("%s", c.text);
		return vm_status(vm);
	}
	if (!vm_await(vm))
		return vm_status(vm);
	if (s->who)
		who_show(vm, STDOUT_FILENO);
	/* Not before everything stands: who waits for that may want to end it
	 * by Ctrl-C. */
	if (vm->input == TERMINAL_KEYS && !terminal_raw())
		say("the terminal cannot be set to raw mode");
	if (!vm_confine(vm)) {
		terminal_restore();
		return vm_status(vm);
	}
	vm_run(vm);
	terminal_restore();
	if (vm->report >= 0)
		report_write(vm, vm->report);
	return vm_status(vm);
}

int cmd_run(int argc, char *const *argv)
{
	static struct settings s;
	static struct vm vm;
	struct images im;
	struct complaint c = { "" };
	enum options_run what;

	if (options_run(argc, argv, &s, &what, &c) < 0) {
		say("run: %s", c.text);
		return SAY_USAGE;
	}
	if (what == OPTIONS_RUN_HELP) {
		(void)fputs(options_run_help, stdout);
		return SAY_OK;
	}
	if (what == OPTIONS_RUN_HELP_CONFIG) {
		(void)fputs(config_help, stdout);
		(void)fputs(config_example, stdout);
		return SAY_OK;
	}
	if (images_open(&s, &im, &c) < 0) {
		say("run: %s", c.text);
		return SAY_FAILED;
	}
	/* Inside the filter, exit handlers have no business any more. */
	_exit(run_vm(&vm, &s, &im));
}
