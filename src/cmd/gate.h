/* gate.h: the process that talks to the network: listeners, sessions, mails, policy. Shared by
 * gate.c (set-up, listeners, sessions), gate_mail.c (a mail's way), gate_control.c (control
 * socket), gate_submit.c (mails and connections that come by it) and gate_local.c (a gate without
 * a supervisor, below the cordon command). */
#ifndef CORDON_CMD_GATE_H
#define CORDON_CMD_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "intake/intake.h"
#include "message/message.h"

struct config;
struct control_client;
struct counters;
struct gate_listener;
struct gate_mail;
struct loop;
struct loop_timer;
struct pipeline;
struct spool_pool;

/* Descriptors it gets beside the common ones. */
enum { GATE_FD_RECORDS = 6, GATE_FD_COUNTERS = 7 };

struct gate {
	struct loop *loop;
	struct config *config;
	char hostname[256];
	struct pipeline *pipeline;
	struct spool_pool *spools;
	struct intake_env env;
	struct gate_listener *listeners;
	struct intake_session *sessions;
	unsigned session_count, mail_count;
	struct gate_mail *paused;   /* mails that wait for memory */
	struct gate_mail *orphans;  /* mails whose client went while they were looked at */
	struct loop_timer *pause_timer, *idle_timer, *drain_timer;
	const struct counters *counters;
	int supervisor_fd, records_fd; /* -1: there is none, as in the cordon command */
	struct control_client *clients;
	uint64_t sessions_total, sessions_refused;
	int64_t refused_logged_ms;
	bool draining;
	struct buf frame;           /* for records */
	struct buf text;
};

int gate_main(int argc, char **argv);

/* gate.c: set-up without listeners, supervisor and recorder. Takes over the reference of c;
 * counters (borrowed) are for `cordon status`. */
void gate_init(struct gate *g, struct config *c, const struct counters *counters);
/* Ends what is open and frees all. */
void gate_done(struct gate *g);
bool gate_is_full(const struct gate *g);
/* Into the list; session_closed takes it out. */
void gate_add_session(struct gate *g, struct intake_session *s);
/* A session of the protocol on *fd (taken over, non-blocking). When there is no room, or the
 * protocol does not want it, *fd is told so and closed. */
void gate_begin_session(struct gate *g, const struct intake_protocol *p,
    const struct intake_place *place, int *fd);

/* gate_mail.c */
extern const struct intake_sink gate_sink;
void gate_pause_tick(void *ctx);
/* Ends the scans that nobody waits for. */
void gate_drop_orphans(struct gate *g);
/* Memory became free: mails that waited go on. */
void gate_resume_paused(struct gate *g);

/* gate_control.c */
void gate_control_accept(struct gate *g, int *fd);
void gate_control_close_all(struct gate *g);
/* Closes all but those that wait for the answer to a mail. */
void gate_control_drain(struct gate *g);
/* Tells the supervisor. */
void gate_ask_reload(struct gate *g);
/* `cordon status` as one JSON object. */
int gate_format_status(struct gate *g, struct buf *out);
/* An intake_env's get_version: "Cordon 0.1.0/SIGNATURES/DATE OF THE NEWEST DATABASE". */
void gate_get_version(void *ctx, struct buf *out);
void gate_get_load(void *ctx, struct intake_load *ret);

/* gate_submit.c */
struct submission;
/* Runs `submit ARGUMENTS` with the descriptors of the mail and its envelope (both taken over):
 * the mail goes the way of all mails, and its answer is appended to out (borrowed), one JSON
 * object without a newline; then done(owner) is called, from the loop, never from here. NULL:
 * refused, *ret_why says why. */
struct submission *submission_new(struct gate *g, struct slice arguments, int *mail_fd,
    int *envelope_fd, struct buf *out, void (*done)(void *owner), void *owner,
    const char **ret_why);
/* The answer went out whole, or (delivered false) it is not wanted any more. NULL is accepted. */
void submission_end(struct submission **s, bool delivered);
bool submission_is_answered(const struct submission *s);
/* Runs `session ARGUMENTS` with the descriptor of a connection (taken over). NULL, or why not. */
const char *gate_take_connection(struct gate *g, struct slice arguments, int *fd);

/* gate_local.c: a gate in a process of its own, with caged workers, for one client. A connected
 * control socket, or -1 and *e; it ends when that is closed. *ret_pid is to be waited for.
 * *ret_log_fd: a file with what it could log nowhere else, or -1. */
int gate_local_start(struct config *c, int *ret_pid, int *ret_log_fd, struct err *e);

/* gate.c: ends the process when draining and nothing is left. */
void gate_end_if_drained(struct gate *g);

#endif
