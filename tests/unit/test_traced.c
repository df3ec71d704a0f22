/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_traced.c - what a launcher remembers of threads, in any order of events
 *
 * Side:    test.
 * Owns:    the table, anew in each test's process.
 * Callers: ctest.
 * Never:   traces anything.
 */
#include "fence/traced.h"
#include "unit/unit.h"

START_TEST(process_is_its_own_first_thread)
{
	const struct traced *t;

	ck_assert(traced_add(10));
	t = traced_find(10);
	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(t->tgid, 10);
	ck_assert_ptr_null(traced_find(11));
	ck_assert_ptr_null(traced_find(0));
}
END_TEST

START_TEST(thread_seen_before_it_is_announced_is_one_thread)
{
	struct traced *early = traced_get(12, 0);

	ck_assert_ptr_nonnull(early);
	ck_assert_int_eq(early->tgid, 0);
	ck_assert_ptr_eq(traced_get(12, 10), early);
	ck_assert_int_eq(early->tgid, 10);
	/* Nor is it forgotten again what it belongs to. */
	ck_assert_ptr_eq(traced_get(12, 0), early);
	ck_assert_int_eq(early->tgid, 10);
}
END_TEST

START_TEST(culprit_is_found_in_its_process_alone)
{
	ck_assert(traced_add(10) && traced_add(20));
	traced_get(11, 10)->made_call = true;
	ck_assert_ptr_null(traced_culprit(20));
	ck_assert_int_eq(traced_culprit(10)->tid, 11);
}
END_TEST

START_TEST(culprit_that_was_never_announced_is_found)
{
	ck_assert(traced_add(10));
	traced_get(11, 0)->made_call = true;
	ck_assert_int_eq(traced_culprit(10)->tid, 11);
	/* One that is known to belong there comes first. */
	traced_get(12, 10)->made_call = true;
	ck_assert_int_eq(traced_culprit(10)->tid, 12);
}
END_TEST

START_TEST(end_of_a_thread_frees_its_place_unless_it_made_the_call)
{
	ck_assert(traced_add(10));
	traced_end_thread(traced_get(11, 10));
	ck_assert_ptr_null(traced_find(11));
	traced_get(12, 10)->made_call = true;
	traced_end_thread(traced_find(12));
	ck_assert_int_eq(traced_culprit(10)->tid, 12);
}
END_TEST

START_TEST(end_of_a_process_forgets_its_threads_and_strays)
{
	ck_assert(traced_add(10) && traced_add(20));
	ck_assert_ptr_nonnull(traced_get(11, 10));
	traced_get(12, 0)->made_call = true;
	traced_forget(10);
	ck_assert_ptr_null(traced_find(10));
	ck_assert_ptr_null(traced_find(11));
	ck_assert_ptr_null(traced_find(12));
	ck_assert_ptr_nonnull(traced_find(20));
}
END_TEST

START_TEST(number_that_comes_back_is_another_process)
{
	ck_assert(traced_add(10));
	traced_get(10, 10)->made_call = true;
	ck_assert(traced_add(10));
	ck_assert_ptr_null(traced_culprit(10));
}
END_TEST

START_TEST(full_table_is_no_failure_of_what_is_in_it)
{
	size_t at = 0, nr = 0;
	pid_t tid;

	ck_assert(traced_add(1));
	for (tid = 2; tid <= (pid_t)TRACED_MAX; tid++)
		ck_assert_ptr_nonnull(traced_get(tid, 1));
	ck_assert_ptr_null(traced_get(tid, 1));
	ck_assert(!traced_add(tid));
	ck_assert_ptr_nonnull(traced_get(5, 0));
	while (traced_next(&at))
		nr++;
	ck_assert_uint_eq(nr, TRACED_MAX);
	traced_forget(1);
	ck_assert(traced_add(tid));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		process_is_its_own_first_thread,
		thread_seen_before_it_is_announced_is_one_thread,
		culprit_is_found_in_its_process_alone,
		culprit_that_was_never_announced_is_found,
		end_of_a_thread_frees_its_place_unless_it_made_the_call,
		end_of_a_process_forgets_its_threads_and_strays,
		number_that_comes_back_is_another_process,
		full_table_is_no_failure_of_what_is_in_it,
	};

	return unit_run("traced", tests, RF_ARRAY_LEN(tests));
}
