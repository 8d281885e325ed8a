/* cordond.c: main() of the daemon: the supervisor, or, when started by it, one of its parts. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/gate.h"
#include "cmd/recorder.h"
#include "cmd/supervisor.h"

#ifndef CORDON_SYSCONFDIR
#define CORDON_SYSCONFDIR "/etc"
#endif
#define DEFAULT_CONFIG CORDON_SYSCONFDIR "/cordon/cordon.conf"

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} roles[] = {
	{ "gate", gate_main },
	{ "recorder", recorder_main },
};

static void
print_help(FILE *out)
{
	fprintf(out,
	    "Usage: cordond [-c FILE] [-p FILE] [-v]\n"
	    "Checks mail for viruses while the sending host is still on the line.\n"
	    "\n"
	    "  -c, --config FILE    configuration (default " DEFAULT_CONFIG ")\n"
	    "  -p, --pid-file FILE  write the process id there\n"
	    "  -v, --verbose        log debug lines too\n"
	    "  -V, --version        print the version\n"
	    "  -h, --help           print this\n"
	    "\n"
	    "It stays in the foreground. SIGHUP reads configuration, signatures and databases\n"
	    "again; SIGTERM finishes open mails and ends. Exit status: 0 stopped as asked,\n"
	    "1 cannot start, 2 wrong use. See cordond(8), cordon.conf(5), cordon(1).\n");
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "pid-file", required_argument, NULL, 'p' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = DEFAULT_CONFIG, *pid_file = NULL;
	int c;

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		if (argc > 2 && strcmp(argv[1], "--role") == 0 && strcmp(argv[2], roles[i].name) == 0)
			return roles[i].main(argc, argv);
	}
	while ((c = getopt_long(argc, argv, "c:p:vVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'p':
			pid_file = optarg;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'V':
			printf("cordond %s\n", CORDON_VERSION);
			return 0;
		case 'h':
			print_help(stdout);
			return 0;
		default:
			print_help(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "cordond: unexpected argument '%s'\n", argv[optind]);
		print_help(stderr);
		return 2;
	}
	log_use_fd("cordond", 2, false);
	return supervisor_run(config, pid_file);
}
