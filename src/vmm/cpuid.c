/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * cpuid.c - what the guest's processors say of themselves
 *
 * Side:    vmm, before the filter. The list is the host kernel's.
 * Owns:    nothing.
 * Callers: vm.c.
 * Never:   adds a capability that KVM did not offer.
 */
#include <errno.h>
#include <string.h>

#include "vmm/cpuid.h"

/* Leaves: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E. */
enum {
	CPUID_VENDOR = 0x0,
	CPUID_FEATURES = 0x1,
	CPUID_CACHES = 0x4,
	CPUID_EXTENDED = 0x7,
	CPUID_COUNTERS = 0xa,
	CPUID_TOPOLOGY = 0xb,
	CPUID_LAST_BRANCHES = 0x1c,
	CPUID_TOPOLOGY_2 = 0x1f,
};
#define CPUID_AMD_FEATURES 0x80000001u
#define CPUID_POWER 0x80000007u
#define CPUID_AMD_SIZES 0x80000008u
#define CPUID_AMD_SVM 0x8000000au
#define CPUID_AMD_CACHES 0x8000001du
#define CPUID_AMD_TOPOLOGY 0x8000001eu
#define CPUID_AMD_ENCRYPTION 0x8000001fu
#define CPUID_AMD_COUNTERS 0x80000022u
#define CPUID_AMD_TOPOLOGY_2 0x80000026u

#define CPUID_ECX_DTES64 (1u << 2) /* of the debug store */
#define CPUID_ECX_VMX (1u << 5)
#define CPUID_ECX_PDCM (1u << 15) /* there is IA32_PERF_CAPABILITIES */
#define CPUID_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_EDX_DS (1u << 21)
#define CPUID_EDX_INVARIANT_TSC (1u << 8)
#define CPUID_ECX_HYPERVISOR (1u << 31)
#define CPUID_EDX_HTT (1u << 28)       /* more than one in the package */
#define CPUID_ECX_CMP_LEGACY (1u << 1) /* AMD: and they are cores */
#define CPUID_ECX_SVM (1u << 2)
#define CPUID_ECX_PERF (1u << 23 | 1u << 24 | 1u << 28) /* core, NB, L3 */
#define CPUID_EDX_ARCH_LBR (1u << 19)
#define CPUID_CACHE_TYPE_MASK 0x1fu
#define CPUID_CACHE_LEVEL(eax) ((eax) >> 5 & 7)
#define CPUID_CACHE_OWN_MASK 0x3fffu /* of eax: not about sharing */
#define CPUID_LEVEL_THREAD (1u << 8)
#define CPUID_LEVEL_CORE (2u << 8)

/* Bits that number `nr` processors. */
static uint32_t id_bits(uint32_t nr)
{
	uint32_t bits = 0;

	while (1u << bits < nr)
		bits++;
	return bits;
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid,
				     uint32_t function)
{
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

/* A deadline in ticks is a time only if ticks are all alike. KVM offers the
 * timer regardless, and on a host without that a guest would oversleep. */
static bool is_tsc_invariant(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find(cpuid, CPUID_POWER);

	return e && e->edx & CPUID_EDX_INVARIANT_TSC;
}

static bool is_amd(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find(cpuid, CPUID_VENDOR);

	/* "Auth" of AuthenticAMD, "Hygo" of HygonGenuine. */
	return e && (e->ebx == 0x68747541 || e->ebx == 0x6f677948);
}

/* Leaves that tell of nothing else. Zero is what a processor without it says.
 *
 * Virtualization: KVM would run the guest's own guests with the host's rights,
 * and that code is large and not needed. Counters: they are the host's, and
 * tell of what shares them. Encryption: Linux asks a register about it before
 * it can take a fault, and a VM without it does not have that register. */
static bool is_withheld(uint32_t function)
{
	return function == CPUID_COUNTERS || function == CPUID_LAST_BRANCHES ||
	       function == CPUID_AMD_SVM || function == CPUID_AMD_ENCRYPTION ||
	       function == CPUID_AMD_COUNTERS;
}

/* The same of them in leaves that tell of more. */
static void withhold(struct kvm_cpuid_entry2 *e)
{
	if (is_withheld(e->function)) {
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
	}
	if (e->function == CPUID_FEATURES) {
		e->ecx &= ~(CPUID_ECX_DTES64 | CPUID_ECX_VMX | CPUID_ECX_PDCM);
		e->edx &= ~CPUID_EDX_DS;
	}
	if (e->function == CPUID_EXTENDED && e->index == 0)
		e->edx &= ~CPUID_EDX_ARCH_LBR;
	if (e->function == CPUID_AMD_FEATURES)
		e->ecx &= ~(CPUID_ECX_SVM | CPUID_ECX_PERF);
}

static bool is_host_topology(uint32_t function)
{
	return function == CPUID_TOPOLOGY || function == CPUID_TOPOLOGY_2 ||
	       function == CPUID_AMD_TOPOLOGY_2;
}

static void remove_host_topology(struct kvm_cpuid2 *cpuid)
{
	uint32_t kept = 0;
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++)
		if (!is_host_topology(cpuid->entries[i].function))
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->nent = kept;
}

/* Threads of a core: one. Cores of the package: all. Then the end. */
static int add_topology(struct kvm_cpuid2 *cpuid, uint32_t nr)
{
	const struct kvm_cpuid_entry2 *first;
	const struct kvm_cpuid_entry2 levels[] = {
		{ .ebx = 1, .ecx = CPUID_LEVEL_THREAD },
		{ .eax = id_bits(nr), .ebx = nr, .ecx = CPUID_LEVEL_CORE },
		{ .eax = 0 },
	};
	uint32_t i;

	remove_host_topology(cpuid);
	first = find(cpuid, CPUID_VENDOR);
	if (!first || first->eax < CPUID_TOPOLOGY)
		return 0;
	if (RF_ARRAY_LEN(levels) > CPUID_ENTRIES_MAX - cpuid->nent)
		return -ENOSPC;
	for (i = 0; i < RF_ARRAY_LEN(levels); i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[cpuid->nent++];

		*e = levels[i];
		e->function = CPUID_TOPOLOGY;
		e->index = i;
		e->ecx |= i;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	return 0;
}

static void set_features(struct kvm_cpuid_entry2 *e, uint32_t nr,
			 bool tsc_deadline)
{
	/* Numbers set aside for the package; fewer than 256. */
	e->ebx = (e->ebx & 0x0000ffffu) | (1u << id_bits(nr)) << 16;
	e->ecx |= CPUID_ECX_HYPERVISOR;
	/* KVM emulates it where the host's list does not say so. */
	e->ecx &= ~CPUID_ECX_TSC_DEADLINE;
	if (tsc_deadline)
		e->ecx |= CPUID_ECX_TSC_DEADLINE;
	e->edx &= ~CPUID_EDX_HTT;
	if (nr > 1)
		e->edx |= CPUID_EDX_HTT;
}

/* The first two levels are each core's own. */
static void set_cache(struct kvm_cpuid_entry2 *e, uint32_t nr, bool cores_too)
{
	const uint32_t all = (1u << id_bits(nr)) - 1;
	const uint32_t sharing = CPUID_CACHE_LEVEL(e->eax) > 2 ? all : 0;

	if ((e->eax & CPUID_CACHE_TYPE_MASK) == 0)
		return;
	e->eax = (e->eax & CPUID_CACHE_OWN_MASK) | sharing << 14;
	if (cores_too)
		e->eax |= all << 26;
}

static void fit(struct kvm_cpuid_entry2 *e, uint32_t nr, bool tsc_deadline,
		bool amd)
{
	switch (e->function) {
	case CPUID_FEATURES:
		set_features(e, nr, tsc_deadline);
		break;
	case CPUID_CACHES:
		set_cache(e, nr, true);
		break;
	case CPUID_AMD_FEATURES:
		e->ecx &= ~CPUID_ECX_CMP_LEGACY;
		if (amd && nr > 1)
			e->ecx |= CPUID_ECX_CMP_LEGACY;
		break;
	case CPUID_AMD_SIZES:
		e->ecx = amd ? id_bits(nr) << 12 | (nr - 1) : 0;
		break;
	case CPUID_AMD_CACHES:
		set_cache(e, nr, false);
		break;
	default:
		break;
	}
}

int cpuid_fit(struct kvm_cpuid2 *cpuid, uint32_t nr, bool tsc_deadline)
{
	const bool amd = is_amd(cpuid);
	uint32_t i;

	tsc_deadline = tsc_deadline && is_tsc_invariant(cpuid);
	for (i = 0; i < cpuid->nent; i++) {
		withhold(&cpuid->entries[i]);
		fit(&cpuid->entries[i], nr, tsc_deadline, amd);
	}
	return add_topology(cpuid, nr);
}

void cpuid_personalize(struct kvm_cpuid2 *cpuid, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		switch (e->function) {
		case CPUID_FEATURES: /* initial APIC id */
			e->ebx = (e->ebx & 0x00ffffffu) | id << 24;
			break;
		case CPUID_TOPOLOGY: /* x2APIC id */
			e->edx = id;
			break;
		case CPUID_AMD_TOPOLOGY: /* APIC id, core, node 0 of one */
			e->eax = id;
			e->ebx = id;
			e->ecx = 0;
			break;
		default:
			break;
		}
	}
}
