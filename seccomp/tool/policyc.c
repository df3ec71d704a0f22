/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * policyc.c - turn one policy text into one C table
 *
 *   policyc NAME.policy -o policy_NAME.c [-d NAME.d] [-D SANITIZED]
 *
 * Side:    build time only, with the rights of whoever builds.
 * Owns:    the command line.
 * Callers: seccomp/CMakeLists.txt and tests/unit/test_policyc.c.
 * Never:   leaves a half-written output: it is written when all is known.
 *
 * The language, one statement a line; what follows '#' is a comment:
 *
 *   default kill-process           once in a policy, never in a file that is
 *                                  included: such a file cannot be loaded alone
 *   at-most 12                     a policy that grows past this many syscalls
 *                                  does not compile
 *   include common.policy          beside the file that names it
 *   include-if SANITIZED x.policy  only when built with -D SANITIZED
 *   epoll_wait                     # event.c: wait()
 *   preadv2: fd == RF_FD_BACKING   # engine_sync.c: start()
 *   mmap: prot & ~(PROT_READ|PROT_WRITE) == 0, flags & MAP_SHARED == MAP_SHARED
 *   read: fd in RF_FD_KICKS, count <= 8     # event.c: take()
 *
 * A rule needs a comment that names its caller. Conditions joined by a comma
 * must all hold; several rules of one syscall are alternatives. Each argument
 * may be judged once in a rule: the kernel's filters can do more, libseccomp
 * cannot. All comparisons are unsigned and of all 64 bits.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policyc.h"

void policyc_fail(struct policyc_at at, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", at.file, at.line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static _Noreturn void usage(void)
{
	fputs("usage: policyc NAME.policy -o FILE.c [-d FILE.d] [-D NAME]\n",
	      stderr);
	exit(2);
}

/* "seccomp/blk.sealed.policy" is the policy "blk.sealed". */
static void name_policy(struct policyc *p, const char *path)
{
	static const char ending[] = ".policy";
	const char *base = strrchr(path, '/');
	struct policyc_at at = { .file = path };
	size_t len;

	base = base ? base + 1 : path;
	len = strlen(base);
	if (len <= strlen(ending) ||
	    strcmp(base + len - strlen(ending), ending) != 0)
		policyc_fail(at, "a policy's file is called NAME.policy");
	len -= strlen(ending);
	if (len >= sizeof(p->name) ||
	    strspn(base, "abcdefghijklmnopqrstuvwxyz0123456789_.") < len)
		policyc_fail(at, "a policy's name is lower case letters, "
				 "digits, '_' and '.'");
	memcpy(p->name, base, len);
}

static void add_define(struct policyc *p, const char *name)
{
	struct policyc_at at = { .file = "-D" };

	if (!policyc_is_define(name))
		policyc_fail(at, "unknown condition '%s'", name);
	if (p->nr_defines == RF_ARRAY_LEN(p->defines))
		policyc_fail(at, "too many conditions");
	p->defines[p->nr_defines++] = name;
}

int main(int argc, char **argv)
{
	static struct policyc policy;
	const char *out_path = NULL;
	const char *dep_path = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "o:d:D:")) != -1) {
		if (opt == 'o')
			out_path = optarg;
		else if (opt == 'd')
			dep_path = optarg;
		else if (opt == 'D')
			add_define(&policy, optarg);
		else
			usage();
	}
	if (optind + 1 != argc || !out_path)
		usage();
	name_policy(&policy, argv[optind]);
	policyc_parse(&policy, argv[optind]);
	policyc_emit(&policy, out_path);
	if (dep_path)
		policyc_depfile(&policy, out_path, dep_path);
	while (policy.nr_files)
		free(policy.files[--policy.nr_files]);
	return 0;
}
