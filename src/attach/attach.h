/* attach.h: makes an MTA pass its mail through Cordon, and undoes that: `cordon attach`,
 * `cordon detach`. The change is shown, kept, applied with the MTA's own tools, checked by
 * them, tested with two mails, and taken back when any of that fails. doc/design/attach.md has
 * the drawing. */
#ifndef CORDON_ATTACH_ATTACH_H
#define CORDON_ATTACH_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "config/config.h"

#define ATTACH_STATE_DIR "/var/lib/cordon/attach"

struct attach_options {
	const char *mta; /* postfix, sendmail, exim, opensmtpd */
	/* NULL in all of these: the usual one. */
	const char *mode;       /* how: the names in attach_print_mtas() */
	const char *listener;   /* name of the listener in cordon.conf */
	const char *address;    /* where Cordon listens, instead of a listener */
	const char *next_hop;   /* where Cordon hands mail back, likewise */
	const char *config_dir; /* of the MTA */
	const char *config_file;
	const char *program;            /* of the MTA */
	const char *reload_command;     /* for the shell */
	const char *port;               /* [HOST:]PORT where the MTA takes mail, for the test */
	const char *sender, *recipient; /* of the test mails */
	const char *state_dir;
	const char *cordon_program; /* path of the cordon command */
	bool dry_run;               /* show, change nothing */
	bool no_test, no_reload;
	FILE *out; /* the diff, and a line for each step */
	/* Asks whether to go on. */
	bool (*confirm)(void *context, const char *question);
	/* Mails that the daemon found infected so far; negative when it does not say. NULL:
	 * cannot be asked. Only modes in which the MTA answers before Cordon was asked need it.
	 */
	int64_t (*count_infected)(void *context);
	void *context;
};

/* Attaches. c: the loaded configuration, borrowed.
 * returns	0 done, or already attached, or shown (dry_run); 1 not confirmed; negative with
 **e: it failed and everything is as it was before, unless the text says what is not */
int attach_attach(const struct attach_options *o, const struct config *c, struct err *e);
/* Detaches, from what attach kept. The same results; 0 also when nothing is attached. */
int attach_detach(const struct attach_options *o, struct err *e);
/* Compares the limits of the MTA, of Cordon and of its engines, and prints what disagrees and
 * what to set. 0: all agree; 1: something disagrees; negative with *e: could not be read. */
int attach_check(const struct attach_options *o, const struct config *c, struct err *e);
/* "postfix (milter, proxy, filter)" and so on, a line each. */
void attach_print_mtas(FILE *out);

#endif
