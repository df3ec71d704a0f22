/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * main.c - the program `ringfence`: starts fenced microVMs, watches over them
 *
 * Side:    launcher. The only program here that is started by a person and
 *          has that person's power; it sees no guest byte.
 * Owns:    the table of commands.
 * Callers: the shell.
 * Never:   goes on with a standard descriptor closed: the next file opened
 *          would take its place, and an error message go into a disk image.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ringfence/log.h>

#include "launcher/run.h"

#define VERSION "0.1.0"

static const struct command {
	const char *name;
	int (*run)(int argc, char *const *argv);
	const char *summary;
} commands[] = {
	{ "run", cmd_run, "start a microVM, every device in its own fence" },
	{ "demo", cmd_demo, "run the built-in guest by each kind of doorbell" },
	{ "probe", cmd_probe, "what this host offers, and why not the rest" },
	{ "policy", cmd_policy, "which system calls our processes may make" },
	{ "limit", cmd_limit, "change what a disk of a running VM may do" },
	{ "bench", cmd_bench, "measure doorbells and rings" },
};

static void print_help(FILE *out)
{
	size_t i;

	(void)fprintf(out, "usage: ringfence COMMAND [options]\n"
			   "\n"
			   "microVMs whose devices live in fenced processes of "
			   "their own\n"
			   "\n");
	for (i = 0; i < RF_ARRAY_LEN(commands); i++)
		(void)fprintf(out, "  %-8s %s\n", commands[i].name,
			      commands[i].summary);
	(void)fprintf(out, "  %-8s %s\n  %-8s %s\n", "help",
		      "show this, or the help of a command", "version",
		      "show the version");
	(void)fprintf(out, "\n`ringfence COMMAND --help` tells what a command "
			   "takes.\n");
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[RF_ARRAY_LEN(commands)];
	const char *nearest;
	size_t i;

	for (i = 0; i < RF_ARRAY_LEN(commands); i++)
		names[i] = commands[i].name;
	nearest = say_nearest(name, names, RF_ARRAY_LEN(names));
	if (nearest)
		say("unknown command \"%.40s\"; did you mean %s?", name,
		    nearest);
	else
		say("unknown command \"%.40s\"; `ringfence help` lists them",
		    name);
	return SAY_USAGE;
}

static int help(int argc, char *const *argv)
{
	static char word[] = "--help";
	static char *const args[] = { word, NULL };
	const struct command *command;

	if (argc == 0) {
		print_help(stdout);
		return SAY_OK;
	}
	command = find_command(argv[0]);
	if (!command)
		return unknown_command(argv[0]);
	return command->run(1, args);
}

static bool open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : "";

	if (!open_standard_fds())
		return SAY_FAILED;
	rf_log_name("ringfence", -1);
	if (argc < 2) {
		print_help(stderr);
		return SAY_USAGE;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
	    strcmp(name, "-h") == 0)
		return help(argc - 2, argv + 2);
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
		(void)printf("ringfence %s\n", VERSION);
		return SAY_OK;
	}
	command = find_command(name);
	if (!command)
		return unknown_command(name);
	return command->run(argc - 2, argv + 2);
}
