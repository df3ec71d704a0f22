/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launcher.c - the real `ringfence`: words, runs, deaths, what is left
 *
 * Deaths and signals are tried with the stand-in or with KVM, whichever is
 * there; the guest idles meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/launcher_rig.h"
#include "unit/unit.h"

#define IDLE "run --disk DISK --append rf.mode=idle"

static struct rig rig;

START_TEST(wrong_usage_is_status_2_and_named)
{
	static const struct {
		const char *line;
		const char *says;
	} cases[] = {
		{ "", "usage: ringfence COMMAND" },
		{ "rnu", "unknown command \"rnu\"; did you mean run?" },
		{ "run", "run: no disk" },
		{ "run --dsik x", "unknown option --dsik; did you mean" },
		{ "run --disk DISK --cpus 0", "--cpus: \"0\"" },
		{ "demo --accel tcg", "--accel: \"tcg\"" },
		{ "demo extra", "takes no \"extra\"" },
		{ "probe --jsno",
		  "unknown option --jsno; did you mean --json" },
		{ "policy blk.saeled", "did you mean blk.sealed" },
		{ "policy --bpf", "--bpf needs a NAME" },
		{ "help rnu", "unknown command" },
	};
	size_t i;

	rig_setup();
	for (i = 0; i < RF_ARRAY_LEN(cases); i++) {
		ck_assert_msg(rig_run(&rig, cases[i].line) == 2,
			      "%s: not status 2:\n%s", cases[i].line, rig.text);
		ck_assert_msg(rig_says(&rig, cases[i].says),
			      "%s: lacks %s:\n%s", cases[i].line, cases[i].says,
			      rig.text);
	}
	rig_teardown();
}
END_TEST

START_TEST(every_command_has_help)
{
	static const char *const lines[] = {
		"--help",	 "help",	"help run",
		"run --help",	 "demo --help", "probe --help",
		"policy --help", "help demo",	"run --help-config",
	};
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(lines); i++) {
		ck_assert_int_eq(rig_run(&rig, lines[i]), 0);
		ck_assert_msg(rig_says(&rig, "usage: ") ||
				      rig_says(&rig, "configuration"),
			      "%s:\n%s", lines[i], rig.text);
	}
	ck_assert_int_eq(rig_run(&rig, "--version"), 0);
	ck_assert(rig_says(&rig, "ringfence 0."));
}
END_TEST

START_TEST(what_cannot_be_opened_is_status_1_and_starts_nothing)
{
	rig_setup();
	ck_assert_int_eq(rig_run(&rig, "run --disk DIR/none"), 1);
	ck_assert(rig_says(&rig, "No such file"));
	ck_assert_int_eq(rig_run(&rig, "run --disk DISK --disk DISK"), 1);
	ck_assert(rig_says(&rig, "are the same"));
	ck_assert_int_eq(rig_run(&rig, "run --disk DISK --kernel DIR/none"), 1);
	ck_assert(rig_says(&rig, "--kernel"));
	rig_teardown();
}
END_TEST

START_TEST(a_bad_file_is_named_and_starts_nothing)
{
	rig_setup();
	rig_write("vm.json", "{\"disks\": [{\"path\": \"x\", \"readonly\": "
			     "true}]}");
	ck_assert_int_eq(rig_run(&rig, "run --config DIR/vm.json"), 2);
	ck_assert_msg(rig_says(&rig, "disks[0].readonly: unknown key"), "%s",
		      rig.text);
	rig_write("vm.json", "{\n\"cpus\" 1}");
	ck_assert_int_eq(rig_run(&rig, "run --config DIR/vm.json"), 2);
	ck_assert_msg(rig_says(&rig, "vm.json:2:"), "%s", rig.text);
	rig_teardown();
}
END_TEST

START_TEST(policies_are_shown_and_parse)
{
	static const char *const names[] = { "blk", "blk.sealed", "blk.uring",
					     "vmm", "vcpu",	  "launcher" };
	char line[64];
	size_t i;

	ck_assert_int_eq(rig_run(&rig, "policy"), 0);
	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		json_error_t error;
		json_t *root;

		ck_assert(rig_says(&rig, "blk.sealed") || i > 0);
		(void)snprintf(line, sizeof(line), "policy %s --json",
			       names[i]);
		ck_assert_int_eq(rig_run(&rig, line), 0);
		root = json_loads(rig.text, JSON_REJECT_DUPLICATES, &error);
		ck_assert_msg(root != NULL, "%s: %s", names[i], error.text);
		ck_assert_str_eq(
			json_string_value(json_object_get(root, "default")),
			"kill-process");
		ck_assert_uint_gt(
			json_array_size(json_object_get(root, "rules")), 0);
		json_decref(root);
		(void)snprintf(line, sizeof(line), "policy %s --bpf", names[i]);
		ck_assert_int_eq(rig_run(&rig, line), 0);
		ck_assert(rig_says(&rig, "return kill-process"));
	}
	ck_assert_int_eq(rig_run(&rig, "policy blk.sealed"), 0);
	ck_assert(rig_says(&rig, "preadv2: fd == "));
	ck_assert(!rig_says(&rig, "\nopenat"));
}
END_TEST

START_TEST(the_probe_tells_all_kinds_and_parses)
{
	json_error_t error;
	json_t *root;
	json_t *bells;

	ck_assert_int_eq(rig_run(&rig, "probe --json"), 0);
	root = json_loads(rig.text, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(root != NULL, "%s", error.text);
	bells = json_object_get(root, "doorbells");
	ck_assert_uint_eq(json_object_size(bells), 4);
	ck_assert(json_is_true(
		json_object_get(json_object_get(bells, "exit"), "there")));
	ck_assert_int_eq(json_is_true(json_object_get(
				 json_object_get(root, "kvm"), "there")),
			 rig_has_kvm());
	json_decref(root);
	ck_assert_int_eq(rig_run(&rig, "probe"), 0);
	ck_assert(rig_says(&rig, "doorbell coalesced2"));
}
END_TEST

START_TEST(the_guest_runs_to_its_end)
{
	size_t mounts = rig_mounts();
	json_error_t error;
	json_t *root;

	rig_setup();
	ck_assert_msg(rig_run(&rig, "run --disk DISK --who "
				    "--report DIR/report.json") == 0,
		      "%s", rig.text);
	ck_assert_msg(rig_says(&rig, "all compared"), "%s", rig.text);
	ck_assert(rig_says(&rig, "who is who"));
	ck_assert(rig_says(&rig, "capabilities none, own"));
	ck_assert(rig_says(&rig, "user mnt pid net ipc uts cgroup"));
	ck_assert(rig_says(&rig, rig_path("disk")));
	root = json_load_file(rig_path("report.json"), JSON_REJECT_DUPLICATES,
			      &error);
	ck_assert_msg(root != NULL, "%s", error.text);
	ck_assert(json_is_true(json_object_get(root, "ended")));
	ck_assert_uint_eq(json_array_size(json_object_get(root, "processes")),
			  2);
	json_decref(root);
	ck_assert_uint_eq(rig_mounts(), mounts);
	rig_teardown();
}
END_TEST

START_TEST(the_stand_in_runs_to_its_end)
{
	rig_setup();
	ck_assert_msg(rig_run(&rig, "run --disk DISK --accel none") == 0, "%s",
		      rig.text);
	ck_assert_msg(rig_says(&rig, "all compared"), "%s", rig.text);
	rig_teardown();
}
END_TEST

/* Three ways to be told to end; each leaves nothing. */
START_TEST(signals_end_everything)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	size_t mounts = rig_mounts();
	pid_t kids[RIG_KIDS_MAX];
	size_t nr;
	size_t i;
	size_t j;

	rig_setup();
	for (i = 0; i < RF_ARRAY_LEN(signals); i++) {
		rig_start(&rig, IDLE);
		rig_await(&rig, "\nidle");
		nr = rig_children(&rig, kids, RIG_KIDS_MAX);
		ck_assert_uint_eq(nr, 2);
		ck_assert_int_eq(kill(rig.pid, signals[i]), 0);
		ck_assert_int_eq(rig_end(&rig), 128 + signals[i]);
		ck_assert_msg(!rig_says(&rig, "killed"), "%s", rig.text);
		for (j = 0; j < nr; j++)
			ck_assert(rig_is_gone(kids[j]));
	}
	ck_assert_uint_eq(rig_mounts(), mounts);
	rig_teardown();
}
END_TEST

/* The terminal sends it to all processes of its foreground group. */
START_TEST(ctrl_c_reaches_all_and_is_no_death)
{
	rig_setup();
	rig_start(&rig, IDLE);
	rig_await(&rig, "\nidle");
	(void)kill(rig_child(&rig, "ringfence-vmm"), SIGINT);
	(void)kill(rig_child(&rig, "ringfence-blk"), SIGINT);
	ck_assert_int_eq(kill(rig.pid, SIGINT), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGINT);
	ck_assert_msg(!rig_says(&rig, "killed"), "%s", rig.text);
	rig_teardown();
}
END_TEST

START_TEST(a_killed_process_ends_the_guest_with_status_1)
{
	static const char *const names[] = { "ringfence-vmm", "ringfence-blk" };
	static const char *const says[] = { "vmm (pid ", "blk[0] (pid " };
	pid_t kids[RIG_KIDS_MAX];
	size_t nr;
	size_t i;
	size_t j;

	rig_setup();
	for (i = 0; i < RF_ARRAY_LEN(names); i++) {
		rig_start(&rig, IDLE);
		rig_await(&rig, "\nidle");
		nr = rig_children(&rig, kids, RIG_KIDS_MAX);
		(void)kill(rig_child(&rig, names[i]), SIGKILL);
		ck_assert_int_eq(rig_end(&rig), 1);
		ck_assert_msg(rig_says(&rig, says[i]) &&
				      rig_says(&rig, "killed by signal 9"),
			      "%s", rig.text);
		for (j = 0; j < nr; j++)
			ck_assert(rig_is_gone(kids[j]));
	}
	rig_teardown();
}
END_TEST

START_TEST(a_guest_may_outlive_its_device)
{
	rig_setup();
	rig_start(&rig, IDLE " --on-device-death keep");
	rig_await(&rig, "\nidle");
	(void)kill(rig_child(&rig, "ringfence-blk"), SIGKILL);
	rig_await(&rig, "the guest runs on without it");
	(void)usleep(100000);
	ck_assert_int_gt(rig_child(&rig, "ringfence-vmm"), 0);
	ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGTERM);
	rig_teardown();
}
END_TEST

START_TEST(a_killed_launcher_takes_all_with_it)
{
	size_t mounts = rig_mounts();
	pid_t kids[RIG_KIDS_MAX];
	size_t nr;
	size_t j;

	rig_setup();
	rig_start(&rig, IDLE);
	rig_await(&rig, "\nidle");
	nr = rig_children(&rig, kids, RIG_KIDS_MAX);
	ck_assert_uint_eq(nr, 2);
	ck_assert_int_eq(kill(rig.pid, SIGKILL), 0);
	ck_assert_int_eq(rig_end(&rig), -SIGKILL);
	for (j = 0; j < nr; j++)
		ck_assert(rig_is_gone(kids[j]));
	ck_assert_uint_eq(rig_mounts(), mounts);
	/* The lock went with them: the disk can be used again. */
	ck_assert_int_eq(rig_run(&rig, "run --disk DISK"), 0);
	rig_teardown();
}
END_TEST

START_TEST(a_launcher_killed_while_starting_leaves_nothing)
{
	int i;

	rig_setup();
	for (i = 0; i < 12; i++) {
		pid_t kids[RIG_KIDS_MAX];
		size_t nr;
		size_t j;

		rig_start(&rig, IDLE);
		(void)usleep((useconds_t)i * 2000);
		nr = rig_children(&rig, kids, RIG_KIDS_MAX);
		ck_assert_int_eq(kill(rig.pid, SIGKILL), 0);
		ck_assert_int_eq(rig_end(&rig), -SIGKILL);
		for (j = 0; j < nr; j++)
			ck_assert(rig_is_gone(kids[j]));
	}
	rig_teardown();
}
END_TEST

START_TEST(a_signal_while_starting_leaves_nothing)
{
	int i;

	rig_setup();
	for (i = 0; i < 12; i++) {
		int status;

		rig_start(&rig, IDLE);
		(void)usleep((useconds_t)i * 2000);
		ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
		status = rig_end(&rig);
		ck_assert_msg(status == 128 + SIGTERM || status == -SIGTERM,
			      "%d\n%s", status, rig.text);
	}
	rig_teardown();
}
END_TEST

START_TEST(a_disk_has_one_launcher)
{
	static struct rig other;

	rig_setup();
	rig_start(&rig, IDLE);
	rig_await(&rig, "\nidle");
	ck_assert_int_eq(rig_run(&other, "run --disk DISK"), 1);
	ck_assert_msg(rig_says(&other, "another process holds it"), "%s",
		      other.text);
	ck_assert_int_eq(rig_run(&other, "run --disk DISK,ro"), 1);
	ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGTERM);
	rig_teardown();
}
END_TEST

static void read_proc(pid_t pid, const char *file, char *text, size_t cap)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, cap - 1);
	(void)close(fd);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
}

/* Once everything stands, the launcher holds no disk and no way to a new
 * one. */
START_TEST(the_launcher_is_confined_while_the_guest_runs)
{
	char path[64];
	char text[4096];
	bool is_there;
	int fd;

	rig_setup();
	/* Strays that whoever started it forgot to close. */
	ck_assert_int_eq(dup2(STDIN_FILENO, 40), 40);
	ck_assert_int_eq(dup2(STDIN_FILENO, 300), 300);
	rig_start(&rig, IDLE);
	(void)close(40);
	(void)close(300);
	rig_await(&rig, "\nidle");
	read_proc(rig.pid, "status", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "Seccomp:\t2"));
	ck_assert_ptr_nonnull(strstr(text, "NoNewPrivs:\t1"));
	/* Socket to the vCPU process, signals, the disk's lifeline, two pidfds:
	 * no more. */
	for (fd = 3; fd < 1024; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", rig.pid,
			       fd);
		is_there = readlink(path, text, sizeof(text)) >= 0;
		ck_assert_msg(is_there == (fd == 3 || fd == 4 || fd == 11 ||
					   fd == 32 || fd == 33),
			      "descriptor %d", fd);
	}
	ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGTERM);
	rig_teardown();
}
END_TEST

/* All else alike, but without root. */
START_TEST(a_plain_account_may_run_it)
{
	static struct rig plain = { .plain = true };
	int status;

	rig_setup();
	ck_assert_int_eq(chmod(rig_path(""), 0755), 0);
	ck_assert_int_eq(chmod(rig_path("disk"), 0666), 0);
	status = rig_run(&plain, "run --disk DISK --who");
	if (status == RIG_NO_WAY) {
		printf("skipped: launcher: a plain account cannot reach %s\n",
		       RF_TEST_BIN_DIR);
	} else {
		ck_assert_msg(status == 0, "%s", plain.text);
		ck_assert_msg(rig_says(&plain, "all compared"), "%s",
			      plain.text);
		ck_assert_msg(rig_says(&plain, "capabilities none, own"), "%s",
			      plain.text);
		ck_assert_msg(rig_says(&plain, rig_path("disk")), "%s",
			      plain.text);
	}
	rig_teardown();
}
END_TEST

START_TEST(the_kernel_shows_the_jail_that_was_configured)
{
	char text[4096];
	char config[1024];
	pid_t blk;
	pid_t vmm;

	rig_setup();
	(void)snprintf(config, sizeof(config),
		       "{\"disks\": [{\"path\": \"%s\"}], \"jailer\": {%s"
		       "\"rlimits\": {\"nofile\": 1024, \"fsize\": \"16M\"},"
		       "\"root\": \"%s\", \"namespaces\": [\"user\", "
		       "\"mount\", \"net\"]}}",
		       rig_path("disk"),
		       geteuid() ? ""
				 : "\"ids\": {\"base\": 70000, \"devices\": "
				   "[{\"uid\": 80001, \"gid\": 80002}]},",
		       rig_path(""));
	rig_write("vm.json", config);
	ck_assert_int_eq(chmod(rig_path(""), 0755), 0);
	rig_start(&rig, "run --config DIR/vm.json --append rf.mode=idle --who");
	rig_await(&rig, "\nidle");
	blk = rig_child(&rig, "ringfence-blk");
	vmm = rig_child(&rig, "ringfence-vmm");
	if (geteuid() == 0) {
		read_proc(blk, "status", text, sizeof(text));
		ck_assert_ptr_nonnull(strstr(text, "Uid:\t80001\t80001\t"));
		ck_assert_ptr_nonnull(strstr(text, "Gid:\t80002\t80002\t"));
		read_proc(vmm, "status", text, sizeof(text));
		ck_assert_ptr_nonnull(strstr(text, "Uid:\t70000\t70000\t"));
	}
	read_proc(blk, "limits", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "16777216             16777216"));
	read_proc(vmm, "limits", text, sizeof(text));
	ck_assert_ptr_null(strstr(text, "16777216"));
	ck_assert_msg(rig_says(&rig, "own namespaces user mnt net\n"), "%s",
		      rig.text);
	ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGTERM);
	rig_teardown();
}
END_TEST

START_TEST(cgroups_come_and_go)
{
	static const char mount[] = "/sys/fs/cgroup/unified";
	char path[96];
	char config[512];
	char inside[160];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/test-launcher-%d", mount,
		       getpid());
	if (mkdir(path, 0755) < 0) {
		printf("skipped: cgroups: no cgroup can be made in %s\n",
		       mount);
		return;
	}
	rig_setup();
	(void)snprintf(config, sizeof(config),
		       "{\"jailer\": {\"cgroup\": {\"path\": \"%s\"}}}", path);
	rig_write("vm.json", config);
	rig_start(&rig, IDLE " --config DIR/vm.json");
	rig_await(&rig, "\nidle");
	(void)snprintf(inside, sizeof(inside), "%s/ringfence-%d/blk-0", path,
		       rig.pid);
	ck_assert_int_eq(stat(inside, &st), 0);
	ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGTERM);
	ck_assert_int_lt(stat(inside, &st), 0);
	/* Killed, it leaves them; the next launcher takes them away. */
	rig_start(&rig, IDLE " --config DIR/vm.json");
	rig_await(&rig, "\nidle");
	(void)snprintf(inside, sizeof(inside), "%s/ringfence-%d", path,
		       rig.pid);
	{
		pid_t kids[RIG_KIDS_MAX];
		size_t nr = rig_children(&rig, kids, RIG_KIDS_MAX);

		ck_assert_int_eq(kill(rig.pid, SIGKILL), 0);
		ck_assert_int_eq(rig_end(&rig), -SIGKILL);
		while (nr-- > 0)
			ck_assert(rig_is_gone(kids[nr]));
	}
	ck_assert_int_eq(stat(inside, &st), 0);
	ck_assert_int_eq(rig_run(&rig, "run --disk DISK --config DIR/vm.json"),
			 0);
	ck_assert_int_lt(stat(inside, &st), 0);
	ck_assert_int_eq(rmdir(path), 0);
	rig_teardown();
}
END_TEST

START_TEST(the_demo_ends_with_its_table_and_all_ok)
{
	ck_assert_msg(rig_run(&rig, "demo") == 0, "%s", rig.text);
	ck_assert(rig_says(&rig, "verdict"));
	ck_assert(rig_says(&rig, "all compared"));
	if (rig_has_kvm())
		ck_assert(rig_says(&rig, "\nioeventfd "));
}
END_TEST

START_TEST(the_demo_runs_without_kvm)
{
	ck_assert_msg(rig_run(&rig, "demo --accel none") == 0, "%s", rig.text);
	ck_assert(rig_says(&rig, "stand-in"));
	ck_assert(rig_says(&rig, "all compared"));
}
END_TEST

START_TEST(a_demo_that_is_ended_leaves_nothing)
{
	rig_start(&rig, "demo");
	rig_await(&rig, "who is who");
	ck_assert_int_eq(kill(rig.pid, SIGTERM), 0);
	ck_assert_int_eq(rig_end(&rig), 128 + SIGTERM);
}
END_TEST

int main(void)
{
	const TTest *const words[] = {
		wrong_usage_is_status_2_and_named,
		every_command_has_help,
		what_cannot_be_opened_is_status_1_and_starts_nothing,
		a_bad_file_is_named_and_starts_nothing,
		policies_are_shown_and_parse,
		the_probe_tells_all_kinds_and_parses,
	};
	const TTest *const runs[] = {
		the_guest_runs_to_its_end,
		the_stand_in_runs_to_its_end,
		signals_end_everything,
		ctrl_c_reaches_all_and_is_no_death,
		a_killed_process_ends_the_guest_with_status_1,
		a_guest_may_outlive_its_device,
		a_killed_launcher_takes_all_with_it,
		a_launcher_killed_while_starting_leaves_nothing,
		a_signal_while_starting_leaves_nothing,
		a_disk_has_one_launcher,
		the_launcher_is_confined_while_the_guest_runs,
		a_plain_account_may_run_it,
		the_kernel_shows_the_jail_that_was_configured,
		cgroups_come_and_go,
		the_demo_ends_with_its_table_and_all_ok,
		the_demo_runs_without_kvm,
		a_demo_that_is_ended_leaves_nothing,
	};
	const char *why = rig_why_not();
	int status;

	status = unit_run("launcher", words, RF_ARRAY_LEN(words));
	if (why)
		return status ? status : unit_skip("launcher", why);
	if (status)
		return status;
	return unit_run("launcher runs", runs, RF_ARRAY_LEN(runs));
}
