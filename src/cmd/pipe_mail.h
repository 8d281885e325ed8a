/* pipe_mail.h: what the commands that stand in a pipe share (filter, deliver, reinject,
 * qmail-queue): reading the mail, having it looked at, passing it on, and exit statuses. */
#ifndef CORDON_CMD_PIPE_MAIL_H
#define CORDON_CMD_PIPE_MAIL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "intake/intake.h"

struct config;
struct cordon_options;
struct message;
struct spool_pool;

/* Of sysexits.h. Whatever goes wrong with us is PIPE_EXIT_TEMPFAIL: an MTA then keeps the mail.
 */
enum {
	PIPE_EXIT_PASSED = 0,
	PIPE_EXIT_REJECTED = 69, /* EX_UNAVAILABLE: bounced by every MTA */
	PIPE_EXIT_TEMPFAIL = 75, /* EX_TEMPFAIL */
	PIPE_EXIT_DISCARD = 99,  /* of filter alone: the mail is to be dropped */
};

/* A connection to a gate: the daemon's, or one of our own. */
struct pipe_gate {
	int fd;
	int pid;            /* of our own; 0: the daemon's */
	int log_fd;         /* what our own could log nowhere else, or -1 */
	int64_t timeout_ms; /* for an answer about a mail */
};
/* The daemon when it answers and --local is not given, else our own, unless --no-local says
 * no. 0, or a negative errno with *e. */
int pipe_gate_open(
    struct pipe_gate *g, const struct cordon_options *o, struct config *c, struct err *e);
void pipe_gate_close(struct pipe_gate *g);
/* Writes such a log to standard error and closes it. */
void pipe_log_print(int *log_fd);

struct pipe_mail {
	struct spool_pool *pool;
	struct message *message; /* the bytes, without a "From " line of mbox at the start */
	struct slice from_line;  /* that line, with its end; in the message's arena */
	int fd;                  /* borrowed */
	int log_fd;              /* for pipe_log_print(), at the end; -1: none */
	bool is_cut;             /* above max_message_size: the rest still waits in fd */

	/* The answer; strings live in the message's arena. Zero: nobody looked. */
	enum intake_action action;
	unsigned code;
	const char *text;           /* of the reply, with its enhanced code; printable */
	const struct slice *pieces; /* when accepted: what is passed on, behind from_line */
	size_t piece_count;
};

/* Reads a mail from fd to its end, or to one byte above max_message_size. 0, or a negative
 * errno with *e; pipe_mail_done() in both cases. */
int pipe_mail_read(struct pipe_mail *m, const struct config *c, int fd, struct err *e);
void pipe_mail_done(struct pipe_mail *m);
/* Has it looked at, as way (`filter`, `deliver` ..., or the listener that the options name),
 * with an envelope made by submit_envelope_put(). 0: the answer is there. A negative errno with
 * *e: nobody knows, and m->action says tempfail. */
int pipe_mail_ask(struct pipe_mail *m, const struct cordon_options *o, struct config *c,
    const char *way, struct slice envelope, struct err *e);
/* Reads the answer of the gate into *m. -EPROTO: it is none. */
int pipe_mail_take_answer(struct pipe_mail *m, struct slice json, struct err *e);
/* Reads and forgets what still waits in m->fd. 0 or a negative errno. */
int pipe_mail_drop_rest(struct pipe_mail *m);
/* Writes what is passed on, and what still waits in m->fd behind it. 0 or a negative errno. */
int pipe_mail_write(const struct pipe_mail *m, int fd);

/* The envelope as the options give it: -f, --client ... and recipients (NULL at the end). */
int pipe_envelope_make(
    const struct cordon_options *o, char *const *recipients, struct buf *out, struct err *e);
/* Without angle brackets. */
struct slice pipe_address_strip(const char *address);

/* All of the above: standard input, the configuration, the question. What went wrong or was
 * refused is said on standard error, the reply's text first. The exit status, which is
 * PIPE_EXIT_PASSED when *m may be passed on. pipe_mail_done() in every case. */
int pipe_mail_run(struct pipe_mail *m, const struct cordon_options *o, const char *way,
    char *const *recipients);
/* Runs argv (found in PATH) with what is passed on as its standard input. Its exit status, or
 * PIPE_EXIT_TEMPFAIL when it could not be run or was killed by a signal; said on standard
 * error. */
int pipe_mail_hand_over(struct pipe_mail *m, char *const *argv);

#endif
