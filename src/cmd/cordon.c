/* cordon.c: main() of the command line: options and the table of commands. */
#include "cmd/cordon.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/lookup.h"
#include "cmd/pipe_mail.h"
#include "config/config.h"
#include "decompose/trail.h"

#ifndef CORDON_SYSCONFDIR
#define CORDON_SYSCONFDIR "/etc"
#endif
#define DEFAULT_CONFIG CORDON_SYSCONFDIR "/cordon/cordon.conf"
#define OUTPUT_MAX (16u << 20)
#define ARGUMENTS_MAX (1 << 20)
#define QMAIL_EXIT_TEMPFAIL 71

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
	    ARGUMENTS_MAX },
	{ "explain", "[--local] FILE",
	    "show everything found in one file, and why it would be decided so", cordon_explain,
	    1, 1 },
	{ "list", "[--json] [--local] FILE...",
	    "print the members of files as a table: attachments, archives, streams",
	    cordon_list, 1, ARGUMENTS_MAX },
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
	{ "filter", "[-f SENDER] [RCPT...]",
	    "a mail on standard input, the checked mail on standard output", cordon_filter, 0,
	    ARGUMENTS_MAX },
	{ "deliver", "[-f SENDER] RCPT... -- COMMAND...",
	    "the checked mail becomes standard input of COMMAND, a delivery agent", cordon_deliver, 1,
	    ARGUMENTS_MAX },
	{ "reinject", "[-f SENDER] RCPT...", "the checked mail is handed back to sendmail",
	    cordon_reinject, 1, ARGUMENTS_MAX },
	{ "smtp", "[--listener NAME]", "SMTP on standard input and output, as a listener would",
	    cordon_smtp, 0, 0 },
	{ "opensmtpd", "[--listener NAME | ADDRESS]", "a filter of OpenSMTPD (proc-exec)",
	    cordon_opensmtpd, 0, 1 },
	{ "qmail-queue", "", "in the place of qmail's program, by the variable QMAILQUEUE",
	    cordon_qmail_queue, 0, 0 },
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

/* An MTA that runs us must keep the mail when its administrator made a mistake. */
static int
command_get_unsure(const struct command *c)
{
	static int (*const mail_commands[])(const struct cordon_options *) = { cordon_filter,
		cordon_deliver, cordon_reinject, cordon_smtp, cordon_opensmtpd };

	for (size_t i = 0; i < ARRAY_LEN(mail_commands); i++) {
		if (c->run == mail_commands[i])
			return PIPE_EXIT_TEMPFAIL;
	}
	return c->run == cordon_qmail_queue ? QMAIL_EXIT_TEMPFAIL : CORDON_EXIT_UNSURE;
}

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
	    "Exit status of scan: 0 clean, 1 something found, 2 could not look; of filter and the\n"
	    "like: 0 passed, 69 refused, 75 try again. See cordon(1), also for their options.\n");
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
	if (messages.len > 0 && (c == NULL || !o->takes_mail))
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

/* Options without a letter of their own. */
enum {
	OPTION_NO_LOCAL = 256,
	OPTION_DEFAULTS,
	OPTION_LISTENER,
	OPTION_INFECTED,
	OPTION_CLIENT,
	OPTION_CLIENT_NAME,
	OPTION_HELO,
	OPTION_USER,
	OPTION_QUEUE_ID,
	OPTION_SENDMAIL,
	OPTION_QMAIL_QUEUE,
};

#define OPTION_LETTERS "c:f:jlqh"

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },
	{ "local", no_argument, NULL, 'l' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "defaults", no_argument, NULL, OPTION_DEFAULTS },
	{ "help", no_argument, NULL, 'h' },
	{ "sender", required_argument, NULL, 'f' },
	{ "no-local", no_argument, NULL, OPTION_NO_LOCAL },
	{ "listener", required_argument, NULL, OPTION_LISTENER },
	{ "infected", required_argument, NULL, OPTION_INFECTED },
	{ "client", required_argument, NULL, OPTION_CLIENT },
	{ "client-name", required_argument, NULL, OPTION_CLIENT_NAME },
	{ "helo", required_argument, NULL, OPTION_HELO },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "queue-id", required_argument, NULL, OPTION_QUEUE_ID },
	{ "sendmail", required_argument, NULL, OPTION_SENDMAIL },
	{ "qmail-queue", required_argument, NULL, OPTION_QMAIL_QUEUE },
	{ NULL, 0, NULL, 0 },
};

static const char **
option_get_text(struct cordon_options *o, int option)
{
	switch (option) {
	case 'c':
		return &o->config_path;
	case 'f':
		return &o->sender;
	case OPTION_LISTENER:
		return &o->listener;
	case OPTION_INFECTED:
		return &o->infected;
	case OPTION_CLIENT:
		return &o->client;
	case OPTION_CLIENT_NAME:
		return &o->client_name;
	case OPTION_HELO:
		return &o->helo;
	case OPTION_USER:
		return &o->mail_user;
	case OPTION_QUEUE_ID:
		return &o->queue_id;
	case OPTION_SENDMAIL:
		return &o->sendmail;
	case OPTION_QMAIL_QUEUE:
		return &o->qmail_queue;
	default:
		return NULL;
	}
}

/* False: it is none of ours. */
static bool
option_take(struct cordon_options *o, int option, bool *want_defaults, bool *want_help)
{
	const char **text = option_get_text(o, option);

	if (text != NULL) {
		*text = optarg;
		return true;
	}
	switch (option) {
	case 'j':
		o->json = true;
		return true;
	case 'l':
		o->local = true;
		return true;
	case 'q':
		o->quiet = true;
		return true;
	case 'h':
		*want_help = true;
		return true;
	case OPTION_DEFAULTS:
		*want_defaults = true;
		return true;
	case OPTION_NO_LOCAL:
		o->no_local = true;
		return true;
	default:
		return false;
	}
}

/* Whether anything but options stands in the first words, which getopt_long() may sort. */
static bool
has_arguments_before(int argc, char **argv)
{
	bool has = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "-" OPTION_LETTERS, options, NULL)) != -1)
		has = has || option == 1;
	opterr = 1;
	optind = 0; /* from the start again */
	return has;
}

/* The "--" between recipients and COMMAND: the first one, or, when that only ends the options (so
 * that a recipient may begin with '-'), the second one. Cut off there; 0: there is none. */
static int
command_cut(int argc, char **argv)
{
	int first = 1, second;

	while (first < argc && strcmp(argv[first], "--") != 0)
		first++;
	for (second = first + 1; second < argc; second++) {
		if (strcmp(argv[second], "--") == 0)
			break;
	}
	if (second < argc && !has_arguments_before(first, argv))
		first = second;
	return first < argc ? first : 0;
}

static int
usage_print(const struct command *c)
{
	fprintf(stderr, "Usage: cordon %s [-c FILE] %s\n", c->name, c->args);
	return command_get_unsure(c);
}

static int
command_run(const struct command *c, int argc, char **argv)
{
	static char *defaults[] = { (char *)"defaults", NULL };
	struct cordon_options o = { 0 };
	bool want_defaults = false, want_help = false;
	bool has_command = c->run == cordon_deliver;
	int option, cut = has_command ? command_cut(argc, argv) : 0;

	if (cut > 0) {
		o.command = argv + cut + 1;
		argv[cut] = NULL;
		argc = cut;
	}
	while ((option = getopt_long(argc, argv, OPTION_LETTERS, options, NULL)) != -1) {
		if (!option_take(&o, option, &want_defaults, &want_help)) {
			fprintf(stderr, "Try 'cordon help'.\n");
			return command_get_unsure(c);
		}
	}
	if (want_help)
		return cordon_help(NULL);
	o.takes_mail = command_get_unsure(c) != CORDON_EXIT_UNSURE;
	o.args = want_defaults ? defaults : argv + optind;
	o.arg_count = want_defaults ? 1 : argc - optind;
	if (o.arg_count < c->least || o.arg_count > c->most ||
	    (has_command && (o.command == NULL || o.command[0] == NULL)))
		return usage_print(c);
	return c->run(&o);
}

/* A stream that was closed is one that fails: else a file of ours takes its number, and a mail
 * is "written" there. */
static bool
streams_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode) != fd)
			return false;
	}
	return true;
}

/* jansson 2.14 drops what it has no memory for and goes on: a name of a header in an answer of
 * the daemon would lose its last letters. */
static void *
json_memory_new(size_t size)
{
	void *p = malloc(size);

	ASSERT(p != NULL);
	return p;
}

int
main(int argc, char **argv)
{
	int command = 1;
	char **rest;

	if (!streams_hold())
		return PIPE_EXIT_TEMPFAIL;
	json_set_alloc_funcs(json_memory_new, free);
	log_use_fd("cordon", STDERR_FILENO, false);
	/* -c FILE may stand before the command too, and -f SENDER, where Sendmail puts it. */
	while (argc > command + 2 && (strcmp(argv[command], "-c") == 0 ||
	    strcmp(argv[command], "--config") == 0 || strcmp(argv[command], "-f") == 0))
		command += 2;
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
