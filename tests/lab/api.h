/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api.h - what the cases of the API's contract are written with
 *
 * Each case runs in a process of its own with a limit of time, so it may leave
 * anything open, and die of anything. Words used in the cases:
 *
 *   ring    a buffer: its descriptor and this process's mapping, if any
 *   zone    guest addresses (or ports) whose writes are to go to a ring
 *   write   a real store by a real guest, which has a fate: it was put in the
 *           ring, or it exited to user space
 *   peer    another process, connected by a socket that carries descriptors
 *
 * A ring has one of two producers: the kernel (KVM_CAP_COALESCED_MMIO2), or the
 * library's `exit` doorbell, which takes writes that exited and puts them in a
 * page of the same layout. Cases that are marked for both hold for both.
 */
#ifndef TESTS_LAB_API_H
#define TESTS_LAB_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ringfence/doorbell.h>
#include <ringfence/kvm_coalesced2.h>
#include <ringfence/ring.h>

#include "kvm/tiny_vm.h"

enum api_kind {
	API_KERNEL = 1,
	API_USER = 2,
	API_BOTH = API_KERNEL | API_USER,
};

struct api_case {
	const char *name;
	enum api_kind kinds;
	void (*run)(void);
};

#define CASE(kinds, name)            \
	{                            \
#name, (kinds), name \
	}

struct api_chapter {
	const struct api_case *cases;
	size_t nr;
};

extern const struct api_chapter api_errors;
extern const struct api_chapter api_zones;
extern const struct api_chapter api_pages;
extern const struct api_chapter api_polls;
extern const struct api_chapter api_lives;
extern const struct api_chapter api_races;

/* The producer under test; one of the two. */
extern enum api_kind api_kind;

/* Where the reason goes, in one write of at most so many bytes. */
extern int api_why_fd;
#define API_WHY_BYTES 256u

/* End this process; the case is "not ok", for this reason. */
_Noreturn void api_fail(const char *file, int line, const char *what,
			const char *fmt, ...) RF_PRINTF(4, 5);

/* What is found instead may follow, as for printf. */
#define CHECK(cond, ...)                                                      \
	do {                                                                  \
		if (!(cond))                                                  \
			api_fail(__FILE__, __LINE__, #cond, " " __VA_ARGS__); \
	} while (0)
/* A call that must work: its value. */
#define MUST(call) api_must((call), #call, __FILE__, __LINE__)
/* A call that must fail with this errno. */
#define MUST_FAIL(call, err) \
	api_must_fail((call), (err), #call, __FILE__, __LINE__)

long api_must(long value, const char *call, const char *file, int line);
void api_must_fail(long value, int err, const char *call, const char *file,
		   int line);

/* A VM of one vCPU. */
struct api_vm {
	struct tiny_vm tiny;
	struct rf_doorbell_set *set; /* user space is the producer */
	struct rf_doorbell *bell;    /* the one its writes go to */
};

void api_vm_open(struct api_vm *vm);
void api_vm_close(struct api_vm *vm);

struct api_ring {
	int fd;
	int wake; /* polled for entries: fd, or the producer's eventfd */
	struct rf_ring_page *page; /* NULL: not mapped here */
	struct rf_doorbell *bell;
};

/* Make one; map it; both; unmap and close what of it there is. */
void api_ring_open(struct api_vm *vm, struct api_ring *ring);
void api_ring_map(struct api_ring *ring);
void api_ring_unmap(struct api_ring *ring);
void api_ring_close(struct api_ring *ring);
/* Opened, mapped, and with a zone of 4 bytes at API_GPA. */
void api_ring_ready(struct api_vm *vm, struct api_ring *ring);
/* Another mapping of a descriptor. */
struct rf_ring_page *api_map(int fd);
void api_unmap(struct rf_ring_page *page);

#define API_GPA 0xd0000050u

/* Registration with either producer; port I/O and errors with the kernel's. */
void api_register(struct api_vm *vm, struct api_ring *ring, uint64_t gpa,
		  uint32_t size);
void api_unregister(struct api_vm *vm, struct api_ring *ring, uint64_t gpa,
		    uint32_t size);
/* As the ioctl returns. */
int api_zone(int vm_fd, unsigned long request, int fd, uint64_t addr,
	     uint32_t size, uint32_t pio);

enum api_fate { API_RINGED, API_EXITED };

/* One write of `len` bytes: 1, 2, 4 or 8. */
enum api_fate api_write(struct api_vm *vm, uint32_t gpa, uint64_t value,
			uint32_t len);
/* To a port: 1, 2 or 4 bytes. */
enum api_fate api_out(struct api_vm *vm, uint16_t port, uint32_t value,
		      uint32_t len);
/* `nr` writes of 4 bytes in one go, of from, from + API_STEP, ... Returns how
 * many exited; exited(ctx, value), if given, is called for each. */
#define API_STEP 0x10000u
typedef void api_exited_fn(void *ctx, uint32_t value);
uint32_t api_write_many(struct api_vm *vm, uint32_t gpa, uint32_t from,
			uint32_t nr, api_exited_fn *exited, void *ctx);

/* Take the oldest entry; false: there is none. */
bool api_pop(struct rf_ring_page *page, struct rf_ring_entry *out);
uint32_t api_value(const struct rf_ring_entry *entry);
/* The ring holds these, and nothing else. */
void api_expect(struct rf_ring_page *page, uint64_t gpa, uint32_t value);
void api_expect_nothing(struct rf_ring_page *page);
uint32_t api_waiting(const struct rf_ring_page *page);

/* Readable within so many milliseconds? */
bool api_is_readable(int fd, int wait_ms);

/* Readable, and the sleeper was woken for it: poll looks once more when its time
 * is over, and would find what nobody told it. */
bool api_is_woken(int fd);

/* A child that does not outlive its parent, nor hold up the case's end. */
pid_t api_fork(void);

struct api_peer {
	pid_t pid;
	int sock;
};

/* Start one before there is a VM, or it inherits the VM's descriptor. */
void api_peer_start(struct api_peer *peer, void (*run)(int sock));
/* One word, with a descriptor or -1. */
void api_tell(int sock, uint32_t word, int fd);
uint32_t api_hear(int sock, int *fd);
/* It must end by itself, content; or it is killed. */
void api_peer_end(struct api_peer *peer);
void api_peer_kill(struct api_peer *peer);

#endif
