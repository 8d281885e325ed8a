/* attach_mta.h: what the files of src/attach share: a job, and the table row of an MTA. A new
 * MTA is a file attach_NAME.c with a row, and its line in attach_mta.c. */
#ifndef CORDON_ATTACH_ATTACH_MTA_H
#define CORDON_ATTACH_ATTACH_MTA_H

#include "attach/attach.h"
#include "attach/attach_change.h"
#include "attach/attach_limits.h"
#include "config/config_address.h"

struct arena;
struct attach_job;

struct attach_mode {
	const char *name;              /* of --mode; the first of an MTA is its default */
	enum config_protocol protocol; /* of the listener it needs in cordon.conf */
	bool relays;                   /* Cordon hands mail back to the MTA, in this way: */
	enum config_way way;
	bool after_queue; /* the MTA answers its client before it asks Cordon */
};

/* All return 0, or negative with *e. */
struct attach_mta {
	const char *name;
	const struct attach_mode *modes; /* ends with a NULL name */
	/* Sets config_dir, config_file, program ... from options and defaults. */
	int (*locate)(struct attach_job *j, struct err *e);
	/* Fills j->change from the configuration as it is. Empty: has it already. */
	int (*plan)(struct attach_job *j, struct err *e);
	/* Only our part out of one file that both sides changed: appends the new text. NULL:
	 * cannot. */
	int (*undo)(struct attach_job *j, const struct attach_file *kept, struct slice current,
	    struct buf *ret_text, struct err *e);
	/* Has derived files made. NULL: there are none. */
	int (*rebuild)(struct attach_job *j, struct err *e);
	/* The MTA's own check of the configuration in place. */
	int (*check)(struct attach_job *j, struct err *e);
	int (*reload)(struct attach_job *j, struct err *e);
	/* Where it takes mail; called with the configuration in place. */
	int (*find_port)(
	    struct attach_job *j, struct config_address *ret_address, struct err *e);
	/* Its limits, as far as they can be read. */
	int (*read_limits)(struct attach_job *j, struct attach_limits *l, struct err *e);
};

struct attach_job {
	const struct attach_options *o;
	const struct config *config; /* NULL when detaching */
	const struct attach_mta *mta;
	const struct attach_mode *mode;
	const char *config_dir, *config_file, *program, *reload_command; /* NULL: none */
	const char *source_file;        /* what config_file is made from; NULL: by hand */
	const char *listener;           /* its name; "" when the address was given */
	struct config_address address;  /* of Cordon, as the MTA reaches it */
	struct config_address next_hop; /* of the MTA, as Cordon reaches it */
	const char *scratch;            /* a private folder, removed at the end */
	struct attach_change change;
	struct arena *arena;
	FILE *out;
};

/* A short text that lives as long as the job. Never NULL. */
const char *job_text(struct attach_job *j, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *job_copy(struct attach_job *j, struct slice s);
/* A line for people: what is done, or what they should know. */
void job_note(struct attach_job *j, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Full path of a program; --program stands for `name` itself, and others are looked for beside
 * it first. NULL and *e when there is none. */
const char *job_find_program(struct attach_job *j, const char *name, struct err *e);
/* Runs a program; standard output trimmed as a text of the job. NULL and *e. */
const char *job_run(struct attach_job *j, struct err *e, const char *program, ...)
    __attribute__((sentinel));
/* The reload command when one was given: true, and *ret is its result. */
bool job_reload_by_command(struct attach_job *j, int *ret, struct err *e);
/* SIGHUP to the process whose number is the first line of a file, after making sure that its
 * name begins with `name`. */
int job_hang_up(struct attach_job *j, const char *pid_file, const char *name, struct err *e);
/* "127.0.0.1" for an address that listens on all. */
const char *address_get_host(const struct config_address *a);
/* Milliseconds of "30s", "5m", "1h", "2d", "100" (in units of unit_ms); UINT64_MAX when
 * unclear. */
uint64_t duration_parse_ms(struct slice text, uint64_t unit_ms);

extern const struct attach_mta attach_postfix, attach_sendmail, attach_exim, attach_opensmtpd;
/* NULL when there is none of this name. */
const struct attach_mta *attach_mta_find(const char *name);

#endif
