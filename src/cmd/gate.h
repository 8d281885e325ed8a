/* gate.h: the process that talks to the network: listeners, sessions, mails, policy. Shared by
 * gate.c (set-up, listeners), gate_mail.c (a mail's way) and gate_control.c (control socket). */
#ifndef CORDON_CMD_GATE_H
#define CORDON_CMD_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
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
	struct loop_timer *pause_timer, *idle_timer, *drain_timer;
	const struct counters *counters;
	struct control_client *clients;
	uint64_t sessions_total, sessions_refused;
	int64_t refused_logged_ms;
	bool draining;
	struct buf frame;           /* for records */
	struct buf text;
};

int gate_main(int argc, char **argv);

/* gate_mail.c */
extern const struct intake_sink gate_sink;
void gate_pause_tick(void *ctx);
/* Memory became free: mails that waited go on. */
void gate_resume_paused(struct gate *g);

/* gate_control.c */
void gate_control_accept(struct gate *g, int *fd);
void gate_control_close_all(struct gate *g);
/* Tells the supervisor. */
void gate_ask_reload(struct gate *g);
/* `cordon status` as one JSON object. */
int gate_format_status(struct gate *g, struct buf *out);
/* An intake_env's get_version: "Cordon 0.1.0/SIGNATURES/DATE OF THE NEWEST DATABASE". */
void gate_get_version(void *ctx, struct buf *out);
void gate_get_load(void *ctx, struct intake_load *ret);

/* gate.c: ends the process when draining and nothing is left. */
void gate_end_if_drained(struct gate *g);

#endif
