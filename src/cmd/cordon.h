/* cordon.h: the commands of the cordon program, and what they share. */
#ifndef CORDON_CMD_CORDON_H
#define CORDON_CMD_CORDON_H

#include <stdbool.h>

#include "base/err.h"

struct config;
struct lookup;

/* Exit codes: a promise to scripts. */
enum {
	CORDON_EXIT_CLEAN = 0,   /* or: done */
	CORDON_EXIT_FOUND = 1,
	CORDON_EXIT_UNSURE = 2,  /* could not look, or wrong use */
};

struct cordon_options {
	const char *config_path; /* NULL: the default one, if it is there */
	bool json, local, quiet;
	char **args;             /* behind the options; NULL at the end */
	int arg_count;
};

int cordon_scan(const struct cordon_options *o);
int cordon_explain(const struct cordon_options *o);
int cordon_list(const struct cordon_options *o);
int cordon_status(const struct cordon_options *o);
/* These have options of their own; argv[0] is the command. */
int cordon_attach(int argc, char **argv);
int cordon_detach(int argc, char **argv);

/* The configuration that the options name. NULL: mistakes were printed. */
struct config *cordon_load_config(const struct cordon_options *o);
/* The daemon when it answers and --local is not given, else ourselves. NULL: printed why. */
struct lookup *cordon_open_lookup(const struct cordon_options *o, struct config *c);
/* Text that a stranger chose, on standard output: what could move the cursor or turn the text
 * becomes '?'. */
void cordon_print_foreign(const char *text);
/* Escape sequences when standard output is a terminal and NO_COLOR is not set, else "". */
const char *cordon_color(const char *sequence);
#define COLOR_RED    "\033[1;31m"
#define COLOR_GREEN  "\033[32m"
#define COLOR_YELLOW "\033[33m"
#define COLOR_FAINT  "\033[2m"
#define COLOR_NONE   "\033[0m"

#endif
