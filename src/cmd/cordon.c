/* cordon.c: main() of the command line: options and the table of commands. */
#include "cmd/cordon.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/lookup.h"
#include "config/config.h"
#include "decompose/trail.h"

#ifndef CORDON_SYSCONFDIR
#define CORDON_SYSCONFDIR "/etc"
#endif
#define DEFAULT_CONFIG CORDON_SYSCONFDIR "/cordon/cordon.conf"
#define OUTPUT_MAX (16u << 20)

static int cordon_check_config(const struct cordon_options *o);
static int cordon_dump_config(const struct cordon_options *o);
static int cordon_reload(const struct cordon_options *o);
static int cordon_purge(const struct cordon_options *o);
static int cordon_version(const struct cordon_options *o);
static int cordon_help(const struct cordon_options *o);

static const struct command {
	const char *name, *args, *help;
	int (*run)(const struct cordon_options *o);
	int least, most; /* arguments */
} commands[] = {
	{ "scan", "[--json] [--local] PATH...",
	    "look at files, folders, Maildirs, mboxes; - is standard input", cordon_scan, 1,
	    1 << 20 },
	{ "explain", "[--local] FILE",
	    "show everything found in one file, and why it would be decided so", cordon_explain,
	    1, 1 },
	{ "list", "[--json] [--local] FILE...",
	    "print the members of files as a table: attachments, archives, streams",
	    cordon_list, 1, 1 << 20 },
	{ "status", "[--json]",
	    "counters, workers, queue, cache, scanners of the running daemon", cordon_status, 0,
	    0 },
	{ "check-config", "", "name every mistake in the configuration as file:line",
	    cordon_check_config, 0, 0 },
	{ "dump-config", "[--defaults]",
	    "print the configuration in force, or the documented defaults", cordon_dump_config,
	    0, 1 },
	{ "reload", "", "have the daemon read configuration, signatures and databases again",
	    cordon_reload, 0, 0 },
	{ "purge", "", "have the daemon forget every earlier answer of a scanner", cordon_purge,
	    0, 0 },
	{ "version", "", "print the version", cordon_version, 0, 0 },
	{ "help", "", "print this", cordon_help, 0, 0 },
};

/* Those that have options of their own. */
static const struct own_command {
	const char *name, *args, *help;
	int (*run)(int argc, char **argv);
} own_commands[] = {
	{ "attach", "MTA [--mode MODE] [--dry-run] [--yes] ...",
	    "have an MTA pass its mail through Cordon; 'cordon attach --help' tells more",
	    cordon_attach },
	{ "detach", "MTA [--dry-run] [--yes] ...", "undo that", cordon_detach },
};

static void
print_help(FILE *out)
{
	fprintf(out, "Usage: cordon COMMAND [-c FILE] [OPTIONS] [ARGUMENTS]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(out, "  %-13s %s\n%16s%s\n", commands[i].name, commands[i].args, "",
		    commands[i].help);
	for (size_t i = 0; i < ARRAY_LEN(own_commands); i++)
		fprintf(out, "  %-13s %s\n%16s%s\n", own_commands[i].name, own_commands[i].args, "",
		    own_commands[i].help);
	fprintf(out, "\n"
	    "  -c, --config FILE   configuration (default " DEFAULT_CONFIG ", if it is there)\n"
	    "  -j, --json          print JSON, one line per file\n"
	    "  -l, --local         do not ask the running daemon\n"
	    "  -q, --quiet         print only what is not clean\n"
	    "\n"
	    "Exit status: 0 clean, 1 something found, 2 could not look. See cordon(1).\n");
}

static int
cordon_help(const struct cordon_options *o UNUSED)
{
	print_help(stdout);
	return 0;
}

static int
cordon_version(const struct cordon_options *o UNUSED)
{
	printf("cordon %s\n", CORDON_VERSION);
	return 0;
}

const char *
cordon_color(const char *sequence)
{
	const char *no_color = getenv("NO_COLOR");

	if ((no_color != NULL && no_color[0] != '\0') || !isatty(STDOUT_FILENO))
		return "";
	return sequence;
}

void
cordon_print_foreign(const char *text)
{
	struct slice s = slice_of_str(text);

	while (s.len > 0) {
		size_t len = utf8_printable_len(s);

		if (len == 0)
			putchar('?');
		else
			fwrite(s.ptr, 1, len, stdout);
		s = slice_from(s, len == 0 ? 1 : len);
	}
}

struct config *
cordon_load_config(const struct cordon_options *o)
{
	const char *path = o->config_path == NULL ? DEFAULT_CONFIG : o->config_path;
	struct buf messages;
	struct config *c;
	struct err e = { 0 };

	if (o->config_path == NULL && access(path, F_OK) < 0)
		return config_new_default();
	buf_init(&messages, OUTPUT_MAX);
	c = config_load(path, &messages, &e);
	if (messages.len > 0)
		fprintf(stderr, "%s%s", buf_get_str(&messages),
		    messages.data[messages.len - 1] == '\n' ? "" : "\n");
	if (c == NULL)
		fprintf(stderr, "cordon: %s\n", e.text);
	buf_done(&messages);
	return c;
}

struct lookup *
cordon_open_lookup(const struct cordon_options *o, struct config *c)
{
	struct lookup *l = NULL;
	struct err e = { 0 };

	if (!o->local)
		l = lookup_daemon_new(c->control_socket, &e);
	if (l == NULL)
		l = lookup_local_new(c, &e);
	if (l == NULL)
		fprintf(stderr, "cordon: %s\n", e.text);
	return l;
}

static int
cordon_check_config(const struct cordon_options *o)
{
	struct cordon_options named = *o;
	struct config *c;

	if (named.config_path == NULL)
		named.config_path = DEFAULT_CONFIG;
	c = cordon_load_config(&named);
	if (c == NULL)
		return CORDON_EXIT_UNSURE;
	if (!o->quiet)
		printf("%s: no mistakes\n", named.config_path);
	config_unref(&c);
	return 0;
}

static int
cordon_dump_config(const struct cordon_options *o)
{
	bool defaults = o->arg_count == 1 && strcmp(o->args[0], "defaults") == 0;
	struct config *c = defaults ? NULL : cordon_load_config(o);
	struct buf out;
	int r;

	if (!defaults && c == NULL)
		return CORDON_EXIT_UNSURE;
	buf_init(&out, OUTPUT_MAX);
	r = defaults ? config_format_defaults(&out) : config_format(c, &out);
	if (r == 0)
		fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	config_unref(&c);
	return r == 0 ? 0 : CORDON_EXIT_UNSURE;
}

static int
daemon_command(const struct cordon_options *o, const char *command, const char *done)
{
	struct config *c = cordon_load_config(o);
	struct buf out;
	struct err e = { 0 };
	int r;

	if (c == NULL)
		return CORDON_EXIT_UNSURE;
	buf_init(&out, OUTPUT_MAX);
	r = daemon_request(c->control_socket, command, &out, &e);
	if (r < 0)
		fprintf(stderr, "cordon: %s\n", e.text);
	else if (!o->quiet)
		printf("%s\n", done);
	buf_done(&out);
	config_unref(&c);
	return r < 0 ? CORDON_EXIT_UNSURE : 0;
}

static int
cordon_reload(const struct cordon_options *o)
{
	return daemon_command(o, "reload", "cordond was asked to reload; its log tells the result");
}

static int
cordon_purge(const struct cordon_options *o)
{
	return daemon_command(o, "purge", "earlier answers are forgotten");
}

static int
command_run(const struct command *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "local", no_argument, NULL, 'l' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "defaults", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static char *defaults[] = { (char *)"defaults", NULL };
	struct cordon_options o = { 0 };
	bool want_defaults = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:jlqh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			o.config_path = optarg;
			break;
		case 'j':
			o.json = true;
			break;
		case 'l':
			o.local = true;
			break;
		case 'q':
			o.quiet = true;
			break;
		case 'd':
			want_defaults = true;
			break;
		case 'h':
			print_help(stdout);
			return 0;
		default:
			fprintf(stderr, "Try 'cordon help'.\n");
			return CORDON_EXIT_UNSURE;
		}
	}
	o.args = want_defaults ? defaults : argv + optind;
	o.arg_count = want_defaults ? 1 : argc - optind;
	if (o.arg_count < c->least || o.arg_count > c->most) {
		fprintf(stderr, "Usage: cordon %s [-c FILE] %s\n", c->name, c->args);
		return CORDON_EXIT_UNSURE;
	}
	return c->run(&o);
}

int
main(int argc, char **argv)
{
	int command = 1;
	char **rest;

	log_use_fd("cordon", STDERR_FILENO, false);
	/* -c FILE may stand before the command too. */
	if (argc > 3 && (strcmp(argv[1], "-c") == 0 || strcmp(argv[1], "--config") == 0))
		command = 3;
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return cordon_help(NULL);
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
		return cordon_version(NULL);
	if (argc <= command) {
		print_help(stderr);
		return CORDON_EXIT_UNSURE;
	}
	rest = mem_new((size_t)(argc + 1) * sizeof(*rest));
	rest[0] = argv[command];
	for (int i = 1, n = 1; i < argc; i++) {
		if (i != command)
			rest[n++] = argv[i];
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, argv[command]) == 0) {
			int status = command_run(&commands[i], argc - 1, rest);

			free(rest);
			return status;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(own_commands); i++) {
		if (strcmp(own_commands[i].name, argv[command]) == 0) {
			int status = own_commands[i].run(argc - 1, rest);

			free(rest);
			return status;
		}
	}
	fprintf(stderr, "cordon: there is no command '%s'; try 'cordon help'\n", argv[command]);
	free(rest);
	return CORDON_EXIT_UNSURE;
}
