/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * api.c - the contract of KVM_CAP_COALESCED_MMIO2, as a program
 *
 *   api [--kind coalesced2|exit] [--only TEXT] [--list]
 *
 * For each case a line "ok NAME" or "not ok NAME: why", then "1..N". Exits with
 * 0 only if there were cases and all of them hold. The cases are in api_*.c, a
 * chapter each; api.h has the words they use.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/api.h"

#define CASE_SECONDS 120u

static void run_here(const struct api_case *c, int why)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	api_why_fd = why;
	alarm(CASE_SECONDS);
	c->run();
	_exit(0);
}

/* What the processes of a case said: the first of them is the reason. */
static void read_why(int fd, char why[API_WHY_BYTES])
{
	size_t used = 0;
	ssize_t n;

	while (used < API_WHY_BYTES - 1 &&
	       (n = read(fd, why + used, API_WHY_BYTES - 1 - used)) > 0)
		used += (size_t)n;
	why[used] = '\0';
	why[strcspn(why, "\n")] = '\0';
}

static bool is_kept(const struct api_case *c)
{
	int fds[2];
	char why[API_WHY_BYTES];
	int status;
	pid_t pid;

	if (pipe(fds) < 0 || (pid = fork()) < 0) {
		printf("not ok %s: %s\n", c->name, strerror(errno));
		return false;
	}
	if (pid == 0)
		run_here(c, fds[1]);
	close(fds[1]);
	read_why(fds[0], why);
	close(fds[0]);
	(void)waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !why[0]) {
		printf("ok %s\n", c->name);
		return true;
	}
	if (!why[0] && WIFSIGNALED(status))
		(void)snprintf(why, sizeof(why), "ended by SIG%s",
			       sigabbrev_np(WTERMSIG(status)));
	printf("not ok %s: %s\n", c->name, why);
	return false;
}

struct wish {
	const char *only; /* NULL: all */
	bool list;
};

static int run_all(const struct wish *wish)
{
	const struct api_chapter *const chapters[] = {
		&api_errors, &api_zones, &api_pages,
		&api_polls,  &api_lives, &api_races,
	};
	uint32_t nr = 0;
	uint32_t kept = 0;
	size_t i, j;

	for (i = 0; i < RF_ARRAY_LEN(chapters); i++)
		for (j = 0; j < chapters[i]->nr; j++) {
			const struct api_case *c = &chapters[i]->cases[j];

			if (!(c->kinds & api_kind) ||
			    (wish->only && !strstr(c->name, wish->only)))
				continue;
			nr++;
			if (wish->list)
				printf("%s\n", c->name);
			else
				kept += is_kept(c);
		}
	if (!wish->list)
		printf("1..%u\n", nr);
	return nr > 0 && (wish->list || kept == nr) ? 0 : 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: api [--kind coalesced2|exit] [--only TEXT] "
			"[--list]\n");
	return 2;
}

static bool is_kind(const char *name)
{
	if (strcmp(name, "exit") == 0)
		api_kind = API_USER;
	else if (strcmp(name, "coalesced2") == 0)
		api_kind = API_KERNEL;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct wish wish = { .only = NULL };
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0)
			wish.list = true;
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			wish.only = argv[++i];
		else if (strcmp(argv[i], "--kind") != 0 || i + 1 >= argc ||
			 !is_kind(argv[++i]))
			return usage();
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	return run_all(&wish);
}
