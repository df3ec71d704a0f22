/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * test_blk_memory.c - how much memory ringfence-blk --socket holds, both of its
 * processes, idle and after work
 *
 * Without src/served.ld and rf_trim() it is three times as much: one function
 * of the C library in the wrong place makes 64 KiB.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/blk_load.h"
#include "unit/unit.h"

#define IMAGE_BYTES (2 << 20)
#define WAIT_MS 10000
#define STEP_MS 10
/* For what is done once a fence is closed to be done. */
#define SETTLE_MS 200

/* qemu-storage-daemon needs 1,100 and 5,500. We reach 160 and 240: one function
 * in the wrong place is forgiven, for another linker or C library. */
#define DIRTY_KIB 200u
#define PSS_KIB 320u

struct server {
	char dir[32];
	char socket[64];
	char image[64];
	pid_t pid;
};

/* Also before there is a test that could fail. */
static bool start(struct server *s, const char *engine, const char *map_mib)
{
	rf_autofd image = -1;

	*s = (struct server){ .dir = "/tmp/rf-memory-XXXXXX" };
	if (!mkdtemp(s->dir))
		return false;
	(void)snprintf(s->socket, sizeof(s->socket), "%s/blk.sock", s->dir);
	(void)snprintf(s->image, sizeof(s->image), "%s/image", s->dir);
	image = open(s->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (image < 0 || ftruncate(image, IMAGE_BYTES) < 0)
		return false;
	s->pid = fork();
	if (s->pid == 0) {
		(void)execl(RF_TEST_BIN_DIR "/ringfence-blk", "ringfence-blk",
			    "--socket", s->socket, "--image", s->image, "--io",
			    engine, "--map-mib", map_mib, (char *)NULL);
		_exit(127);
	}
	return s->pid > 0;
}

static void end(const struct server *s)
{
	int status;

	(void)kill(s->pid, SIGTERM);
	(void)waitpid(s->pid, &status, 0);
	(void)unlink(s->socket);
	(void)unlink(s->image);
	(void)rmdir(s->dir);
}

/* 0, or the last error: it may not be there yet. */
static int open_client(const struct server *s, struct blk_client *c, bool seal)
{
	const struct blk_client_params params = {
		.path = s->socket,
		.nr_queues = 1,
		.queue_size = 64,
		.block_bytes = 4096,
		.depth = 16,
		.event_idx = true,
		.indirect = true,
		.seal = seal,
	};
	const char *step;
	int ms, err = -1;

	for (ms = 0; err && ms < WAIT_MS; ms += STEP_MS) {
		err = blk_client_new(c, &params, &step);
		if (err && waitpid(s->pid, NULL, WNOHANG) != 0)
			break;
		if (err)
			(void)poll(NULL, 0, STEP_MS);
	}
	return err;
}

/* Not counting `image_kib`: what the page cache has of the image. Where we have
 * it mapped that counts as ours, as dirty too until it is written back. */
static void assert_small(const struct usage_tree *tree, const char *when,
			 uint32_t image_kib)
{
	struct usage_memory memory;

	(void)poll(NULL, 0, SETTLE_MS);
	ck_assert_int_eq(usage_memory(tree, &memory), 0);
	printf("ringfence-blk --socket, %s: %llu KiB private dirty, %llu KiB "
	       "PSS\n",
	       when, (unsigned long long)memory.private_dirty / 1024,
	       (unsigned long long)memory.pss / 1024);
	/* That this measures something at all. */
	ck_assert_uint_gt(memory.private_dirty, 0);
	ck_assert_uint_gt(memory.pss, memory.private_dirty / 2);
	ck_assert_uint_le(memory.private_dirty / 1024, DIRTY_KIB + image_kib);
	ck_assert_uint_le(memory.pss / 1024, PSS_KIB + image_kib);
}

static void is_small(const char *engine, bool seal, const char *map_mib)
{
	bool maps = strcmp(engine, "sync") != 0 && strcmp(map_mib, "0") != 0;
	uint32_t mapped_kib = maps ? IMAGE_BYTES / 1024 : 0;
	struct blk_load load = {
		.pattern = BLK_PATTERN_RANDRW,
		.block_bytes = 4096,
		.depth = 16,
		.duration_ns = 100000000,
		.verify = true,
		.seed = 7,
		.ticks_per_us = bench_ticks_per_us(),
	};
	static struct blk_result result;
	struct usage_tree tree;
	struct blk_client c;
	struct server s;

	ck_assert(start(&s, engine, map_mib));
	ck_assert_int_eq(open_client(&s, &c, seal), 0);
	ck_assert_int_eq(usage_find(c.backend, &tree), 0);
	ck_assert_uint_eq(tree.nr, 2);
	assert_small(&tree, "connected", 0);
	ck_assert_int_eq(blk_load_run(&c, &load, &tree, &result), 0);
	ck_assert_uint_gt(result.verified, 0);
	ck_assert_uint_eq(result.wrong + result.failed, 0);
	assert_small(&tree, "after work", mapped_kib);
	blk_client_free(&c);
	end(&s);
}

START_TEST(it_is_small_without_seal)
{
	is_small("auto", false, "0");
}
END_TEST

START_TEST(it_is_small_with_seal)
{
	is_small("auto", true, "0");
}
END_TEST

START_TEST(a_mapping_adds_no_more_than_the_image)
{
	is_small("auto", true, "1024");
}
END_TEST

START_TEST(it_is_small_without_a_ring)
{
	is_small("sync", true, "1024");
}
END_TEST

static const char *why_not(void)
{
#if defined(RF_SANITIZED)
	return "a sanitizer's memory would be measured";
#elif !defined(RF_TEST_SERVED)
	return "not linked with src/served.ld: not static, or not this linker";
#else
	const char *why = NULL;
	struct blk_client c;
	struct server s;

	if (!start(&s, "sync", "0"))
		return "no place in /tmp";
	if (open_client(&s, &c, false))
		why = "no fence here: are user namespaces allowed?";
	else
		blk_client_free(&c);
	end(&s);
	return why;
#endif
}

int main(void)
{
	const TTest *const tests[] = {
		it_is_small_without_seal,
		it_is_small_with_seal,
		a_mapping_adds_no_more_than_the_image,
		it_is_small_without_a_ring,
	};
	const char *why;

	(void)signal(SIGPIPE, SIG_IGN);
	why = why_not();
	if (why)
		return unit_skip("blk_memory", why);
	return unit_run("blk_memory", tests, RF_ARRAY_LEN(tests));
}
