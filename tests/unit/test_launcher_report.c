/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_launcher_report.c - twin of src/launcher/report.c: counters that lie
 */
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "launcher/report.h"
#include "unit/unit.h"

static struct rf_report pages[2];
static struct vm vm;

static void setup(void)
{
	memset(pages, 0, sizeof(pages));
	vm = (struct vm){ .nr = 2, .doorbell = RF_DOORBELL_COALESCED };
	memcpy(vm.procs[0].name, "vmm", 4);
	memcpy(vm.procs[1].name, "blk[0]", 7);
	vm.procs[0].report = &pages[0];
	vm.procs[1].report = &pages[1];
}

START_TEST(start_up_is_from_exec_to_sealed)
{
	setup();
	vm.procs[0].exec_ns = 1000;
	pages[0].fenced_ns = 5000;
	pages[0].sealed_ns = 6000;
	ck_assert_uint_eq(report_startup_ns(&vm, 0), 5000);
}
END_TEST

START_TEST(nonsense_counts_as_not_there)
{
	setup();
	vm.procs[1].exec_ns = 1000;
	ck_assert_uint_eq(report_startup_ns(&vm, 1), 0);
	pages[1].sealed_ns = 900; /* before exec */
	ck_assert_uint_eq(report_startup_ns(&vm, 1), 0);
	pages[1].sealed_ns = 1500;
	ck_assert_uint_eq(report_startup_ns(&vm, 1), 500);
	vm.procs[1].report = NULL;
	ck_assert_uint_eq(report_startup_ns(&vm, 1), 0);
}
END_TEST

START_TEST(exits_are_counted_from_the_drivers_start)
{
	double value = 77;

	ck_assert(report_exits_per_request(150, 50, 200, &value));
	ck_assert(value > 0.499 && value < 0.501);
	ck_assert(report_exits_per_request(50, 50, 1, &value));
	ck_assert(value == 0);
	value = 77;
	ck_assert(!report_exits_per_request(49, 50, 1, &value));
	ck_assert(!report_exits_per_request(50, 50, 0, &value));
	ck_assert(value == 77);
}
END_TEST

START_TEST(the_report_is_json_with_every_counter)
{
	static char text[65536];
	json_error_t error;
	json_t *root;
	json_t *blk;
	int fds[2];
	ssize_t n;

	setup();
	pages[0].register_pages = 2;
	pages[0].exits_ack = 3;
	pages[1].requests = 42;
	pages[1].bytes_read = UINT64_MAX >> 1;
	vm.ended = true;
	vm.guest_status = 7;
	ck_assert_int_eq(pipe(fds), 0);
	report_write(&vm, fds[1]);
	(void)close(fds[1]);
	n = 0;
	for (;;) {
		ssize_t got = read(fds[0], text + n, sizeof(text) - (size_t)n);

		ck_assert_int_ge(got, 0);
		if (got == 0)
			break;
		n += got;
	}
	(void)close(fds[0]);
	root = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(root != NULL, "%s", error.text);
	ck_assert_str_eq(json_string_value(json_object_get(root, "doorbell")),
			 "coalesced");
	ck_assert_int_eq(
		json_integer_value(json_object_get(root, "guest_status")), 7);
	ck_assert_str_eq(json_string_value(json_object_get(root, "registers")),
			 "page");
	blk = json_array_get(json_object_get(root, "processes"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(blk, "exits_ack")),
			 3);
	blk = json_array_get(json_object_get(root, "processes"), 1);
	ck_assert_str_eq(json_string_value(json_object_get(blk, "name")),
			 "blk[0]");
	ck_assert_int_eq(json_integer_value(json_object_get(blk, "requests")),
			 42);
	ck_assert(json_integer_value(json_object_get(blk, "bytes_read")) ==
		  INT64_MAX);
	json_decref(root);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		start_up_is_from_exec_to_sealed,
		nonsense_counts_as_not_there,
		exits_are_counted_from_the_drivers_start,
		the_report_is_json_with_every_counter,
	};

	return unit_run("launcher_report", tests, RF_ARRAY_LEN(tests));
}
