/* cordon_attach.c: `cordon attach` and `cordon detach`: their options, the question, and what
 * only the daemon knows. The work is done in src/attach/. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/buf.h"
#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/lookup.h"
#include "config/config.h"

#define ANSWER_MAX (16u << 20)

struct attach_command {
	struct attach_options attach;
	const char *config_path;
	bool check, yes, help;
};

static const char attach_help[] =
    "Usage: cordon attach MTA [-c FILE] [--mode MODE] [--dry-run | --check] [--yes] [OPTIONS]\n"
    "       cordon detach MTA [--dry-run] [--yes] [OPTIONS]\n\n"
    "MTA and MODE (the first is the default):\n";

static const char attach_help_options[] =
    "\n"
    "  -c, --config FILE      configuration of Cordon\n"
    "  -n, --dry-run          show the change and end\n"
    "  -y, --yes              do not ask\n"
    "      --check            only compare the limits of MTA, Cordon and scanners\n"
    "      --listener NAME    listener of cordon.conf to use (default: the first that fits)\n"
    "      --address ADDRESS  where Cordon listens, instead of a listener\n"
    "      --next-hop ADDRESS where Cordon hands mail back (modes proxy and filter)\n"
    "      --config-dir DIR   configuration folder of the MTA\n"
    "      --config-file FILE configuration file of the MTA\n"
    "      --program PATH     program of the MTA (postfix, sendmail, exim4, smtpd)\n"
    "      --reload-command COMMAND   for the shell, instead of the MTA's own\n"
    "      --port [HOST:]PORT where the MTA takes the test mails\n"
    "      --sender ADDRESS, --recipient ADDRESS   of the test mails\n"
    "      --no-test          send no test mails\n"
    "      --no-reload        do not tell the MTA (no test mails either)\n"
    "      --state-dir DIR    where copies are kept (default " ATTACH_STATE_DIR ")\n"
    "\n"
    "Exit status: 0 done, 1 not done (answered no; limits disagree), 2 failed, all as "
    "before.\n";

enum {
	OPTION_CHECK = 256,
	OPTION_NO_TEST,
	OPTION_NO_RELOAD,
	OPTION_TEXT, /* and above: rows of text_options */
};

static const struct {
	const char *name;
	size_t offset;
} text_options[] = {
	{ "mode", offsetof(struct attach_options, mode) },
	{ "listener", offsetof(struct attach_options, listener) },
	{ "address", offsetof(struct attach_options, address) },
	{ "next-hop", offsetof(struct attach_options, next_hop) },
	{ "config-dir", offsetof(struct attach_options, config_dir) },
	{ "config-file", offsetof(struct attach_options, config_file) },
	{ "program", offsetof(struct attach_options, program) },
	{ "reload-command", offsetof(struct attach_options, reload_command) },
	{ "port", offsetof(struct attach_options, port) },
	{ "sender", offsetof(struct attach_options, sender) },
	{ "recipient", offsetof(struct attach_options, recipient) },
	{ "state-dir", offsetof(struct attach_options, state_dir) },
};

#define PLAIN_OPTIONS 7

static bool
options_take(struct attach_command *a, int option)
{
	size_t row = (size_t)option - OPTION_TEXT;

	switch (option) {
	case 'c':
		a->config_path = optarg;
		return true;
	case 'n':
		a->attach.dry_run = true;
		return true;
	case 'y':
		a->yes = true;
		return true;
	case 'h':
		a->help = true;
		return true;
	case OPTION_CHECK:
		a->check = true;
		return true;
	case OPTION_NO_TEST:
		a->attach.no_test = true;
		return true;
	case OPTION_NO_RELOAD:
		a->attach.no_reload = true;
		return true;
	default:
		if (option < OPTION_TEXT || row >= ARRAY_LEN(text_options))
			return false;
		*(const char **)(void *)((char *)&a->attach + text_options[row].offset) =
		    optarg;
		return true;
	}
}

static bool
options_parse(struct attach_command *a, int argc, char **argv)
{
	struct option all[PLAIN_OPTIONS + ARRAY_LEN(text_options) + 1] = {
		{ "config", required_argument, NULL, 'c' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "yes", no_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ "check", no_argument, NULL, OPTION_CHECK },
		{ "no-test", no_argument, NULL, OPTION_NO_TEST },
		{ "no-reload", no_argument, NULL, OPTION_NO_RELOAD },
	};
	int option;

	for (size_t i = 0; i < ARRAY_LEN(text_options); i++)
		all[PLAIN_OPTIONS + i] = (struct option){ text_options[i].name,
			required_argument, NULL, OPTION_TEXT + (int)i };
	while ((option = getopt_long(argc, argv, "c:nyh", all, NULL)) != -1)
		if (!options_take(a, option))
			return false;
	if (a->help)
		return true;
	if (argc - optind != 1) {
		fprintf(stderr, "cordon: expected one MTA\n");
		return false;
	}
	a->attach.mta = argv[optind];
	return true;
}

/* Asks on the terminal; only an answer that begins with y is one. */
static bool
ask(void *context, const char *question)
{
	const struct attach_command *a = context;
	char answer[64];

	if (a->yes)
		return true;
	printf("%s [y/N] ", question);
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) == NULL)
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}

/* The context of both callbacks. */
struct daemon_of {
	struct attach_command a; /* first: ask() wants no more */
	const char *control_socket;
};

static int64_t
count_infected(void *context)
{
	const struct daemon_of *d = context;
	struct buf out;
	struct err e = { 0 };
	int64_t count = -1;

	buf_init(&out, ANSWER_MAX);
	if (daemon_request(d->control_socket, "status", &out, &e) == 0) {
		json_t *status = json_loadb((const char *)out.data, out.len, 0, NULL);

		count = json_integer_value(
		    json_object_get(json_object_get(status, "verdicts"), "infected"));
		json_decref(status);
	}
	buf_done(&out);
	return count;
}

/* The path of this program, for an MTA that starts it. */
static const char *
own_path(char *ret_path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret_path, size - 1);

	if (n <= 0)
		return NULL;
	ret_path[n] = '\0';
	return ret_path;
}

static int
report(int r, const struct err *e)
{
	if (r < 0)
		fprintf(stderr, "cordon: %s\n", e->text);
	return r < 0 ? CORDON_EXIT_UNSURE : r;
}

/* True when this can go on; else *ret_status is the exit status. */
static bool
command_begin(struct attach_command *a, int argc, char **argv, int *ret_status)
{
	*ret_status = CORDON_EXIT_UNSURE;
	if (!options_parse(a, argc, argv)) {
		fprintf(stderr, "Try 'cordon %s --help'.\n", argv[0]);
		return false;
	}
	if (a->help) {
		fputs(attach_help, stdout);
		attach_print_mtas(stdout);
		fputs(attach_help_options, stdout);
		*ret_status = 0;
		return false;
	}
	if (!a->yes && !a->check && !a->attach.dry_run && !isatty(STDIN_FILENO)) {
		fprintf(stderr,
		    "cordon: standard input is no terminal to ask on: give --yes, or "
		    "--dry-run\n");
		return false;
	}
	a->attach.out = stdout;
	a->attach.confirm = ask;
	a->attach.context = a;
	return true;
}

int
cordon_attach(int argc, char **argv)
{
	struct daemon_of d = { 0 };
	struct cordon_options o = { 0 };
	struct err e = { 0 };
	char path[PATH_MAX];
	struct config *c;
	int r;

	if (!command_begin(&d.a, argc, argv, &r))
		return r;
	o.config_path = d.a.config_path;
	c = cordon_load_config(&o);
	if (c == NULL)
		return CORDON_EXIT_UNSURE;
	d.control_socket = c->control_socket;
	d.a.attach.count_infected = count_infected;
	d.a.attach.cordon_program = own_path(path, sizeof(path));
	r = d.a.check ? attach_check(&d.a.attach, c, &e) : attach_attach(&d.a.attach, c, &e);
	config_unref(&c);
	return report(r, &e);
}

int
cordon_detach(int argc, char **argv)
{
	struct attach_command a = { 0 };
	struct err e = { 0 };
	int r;

	if (!command_begin(&a, argc, argv, &r))
		return r;
	return report(attach_detach(&a.attach, &e), &e);
}
