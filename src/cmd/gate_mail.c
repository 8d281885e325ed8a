/* gate_mail.c: one mail from MAIL to its record; the folders in a row. */
#include <stdlib.h>

#include "act/reply.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "cmd/gate.h"
#include "config/config.h"
#include "decide/policy.h"
#include "decompose/object.h"
#include "proc/frame.h"
#include "record/record.h"
#include "scan/pipeline.h"

#define PAUSE_TICK_MS 500u
#define PAUSE_MAX_MS  30000
#define MAILS_PER_SESSION 2u

struct gate_mail {
	struct gate *gate;
	struct intake_session *session;
	struct message *message;
	struct config *config;      /* the one it began with */
	struct scan_job job;
	struct decision *decision;  /* owned; NULL before it was decided */
	struct gate_mail *next, *prev; /* while paused, or an orphan */
	int64_t starved_ms;         /* since when it got no memory; 0: it got some */
	bool is_paused;             /* in the gate's list */
	bool scanning;
};

static void
pause_add(struct gate_mail *gm)
{
	struct gate *g = gm->gate;

	if (gm->is_paused)
		return;
	gm->is_paused = true;
	if (gm->starved_ms == 0)
		gm->starved_ms = clock_now_ms();
	gm->prev = NULL;
	gm->next = g->paused;
	if (g->paused != NULL)
		g->paused->prev = gm;
	g->paused = gm;
	loop_timer_set_ms(g->pause_timer, PAUSE_TICK_MS);
}

static void
pause_remove(struct gate_mail *gm)
{
	struct gate *g = gm->gate;

	if (!gm->is_paused)
		return;
	gm->is_paused = false;
	if (gm->prev == NULL)
		g->paused = gm->next;
	else
		gm->prev->next = gm->next;
	if (gm->next != NULL)
		gm->next->prev = gm->prev;
}

/* Each paused mail tries again, at once or later from the loop; one that finds no room comes
 * back to the list. It may be over when resume() returns. */
void
gate_resume_paused(struct gate *g)
{
	for (unsigned turns = 0; g->paused != NULL && turns < 64; turns++) {
		struct gate_mail *gm = g->paused;

		pause_remove(gm);
		gm->session->ops->resume(gm->session);
		if (g->paused == gm)
			break; /* still none: the others need not try */
	}
}

void
gate_pause_tick(void *ctx)
{
	struct gate *g = ctx;
	int64_t now = clock_now_ms();

	for (struct gate_mail *gm = g->paused, *next; gm != NULL; gm = next) {
		next = gm->next;
		if (now - gm->starved_ms < PAUSE_MAX_MS)
			continue;
		log_warn(gm->message->id, "event=no_memory: memory_budget stayed spent for %d s, the "
		    "mail gets the policy for unscanned mail", PAUSE_MAX_MS / 1000);
		gm->message->flags |= MESSAGE_NO_MEMORY;
		pause_remove(gm);
		gm->session->ops->resume(gm->session);
		next = g->paused; /* the call may have changed the list */
	}
	gate_resume_paused(g);
	if (g->paused != NULL)
		loop_timer_set_ms(g->pause_timer, PAUSE_TICK_MS);
}

static void *
mail_begin(void *ctx, struct intake_session *s, struct slice sender, struct slice args)
{
	struct gate *g = ctx;
	struct message_limits limits = { g->config->max_message_size,
		g->config->limits.header_bytes, g->config->limits.recipients };
	struct gate_mail *gm;

	if (g->mail_count >= g->config->max_sessions * MAILS_PER_SESSION)
		return NULL;
	gm = mem_new(sizeof(*gm));
	gm->gate = g;
	gm->session = s;
	gm->config = config_ref(g->config);
	gm->message = message_new(&limits, g->spools, &s->client, sender, args);
	g->mail_count++;
	return gm;
}

static void
mail_recipient(void *mail, struct slice recipient)
{
	message_add_recipient(((struct gate_mail *)mail)->message, recipient);
}

static void
mail_set_queue_id(void *mail, struct slice queue_id)
{
	message_set_queue_id(((struct gate_mail *)mail)->message, queue_id);
}

static void
mail_header(void *mail, struct slice name, struct slice value, bool value_is_raw)
{
	message_add_header(((struct gate_mail *)mail)->message, name, value, value_is_raw);
}

static void
mail_header_end(void *mail)
{
	message_end_header(((struct gate_mail *)mail)->message);
}

static void
mail_set_file(void *mail, struct slice name)
{
	message_set_file(((struct gate_mail *)mail)->message, name);
}

static void
mail_set_next_hop(void *mail, unsigned code, struct slice text)
{
	message_set_next_hop(((struct gate_mail *)mail)->message, code, text);
}

static void
mail_set_answer(void *mail, unsigned code)
{
	((struct gate_mail *)mail)->message->answer_code = code;
}

static uint8_t *
mail_body_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct gate_mail *gm = mail;
	bool drop;
	uint8_t *to = message_reserve_body(gm->message, want, ret_room, &drop);

	if (to != NULL)
		return to;
	*ret_room = drop ? SIZE_MAX : 0;
	if (drop)
		message_count_dropped(gm->message, want);
	else
		pause_add(gm);
	return NULL;
}

static void
mail_body_commit(void *mail, size_t len)
{
	struct gate_mail *gm = mail;

	gm->starved_ms = 0;
	message_commit_body(gm->message, len);
}

static void
orphan_add(struct gate_mail *gm)
{
	struct gate *g = gm->gate;

	gm->session = NULL;
	gm->prev = NULL;
	gm->next = g->orphans;
	if (g->orphans != NULL)
		g->orphans->prev = gm;
	g->orphans = gm;
}

static void
orphan_remove(struct gate_mail *gm)
{
	if (gm->prev == NULL)
		gm->gate->orphans = gm->next;
	else
		gm->prev->next = gm->next;
	if (gm->next != NULL)
		gm->next->prev = gm->prev;
}

static void mail_free(struct gate_mail *gm, bool delivered);

/* decide -> act. The answer may close the mail before this returns. */
static void
mail_decide(struct gate_mail *gm, const struct evidence *ev)
{
	struct intake_reply reply;

	gm->decision = mem_new(sizeof(*gm->decision));
	policy_decide(gm->config, gm->gate->hostname, ev, gm->decision);
	if (gm->session == NULL) {
		orphan_remove(gm);
		mail_free(gm, false);
		return;
	}
	reply_make(gm->config, gm->decision, ev, gm->message, &reply);
	gm->session->ops->finish(gm->session, &reply);
}

static void
mail_scanned(struct scan_job *j)
{
	struct gate_mail *gm = j->owner;
	const struct config_listener *listener;
	struct evidence ev;

	gm->scanning = false;
	evidence_from_job(gm->message->id, j, &ev);
	listener = config_find_listener_slice(gm->config, gm->message->listener);
	ev.infected = listener == NULL ? NULL : listener->infected;
	if (gm->session != NULL && gm->session->infected != NULL)
		ev.infected = gm->session->infected;
	mail_decide(gm, &ev);
}

/* What could not be kept whole is not looked at: half a mail proves nothing. */
static void
mail_decide_unkept(struct gate_mail *gm)
{
	struct unscanned u = { .cause = (gm->message->flags & MESSAGE_TOO_BIG) != 0 ?
		CAUSE_TOO_BIG : CAUSE_ERROR };
	struct evidence ev = { .id = gm->message->id, .unscanned = &u, .unscanned_count = 1 };

	mail_decide(gm, &ev);
}

static void
mail_end(void *mail)
{
	struct gate_mail *gm = mail;
	struct message *m = gm->message;
	size_t room;
	int error = 0;

	pause_remove(gm);
	m->ended_us = clock_now_us();
	if (m->header_end == 0 && !m->is_file)
		message_find_header(m);
	if (m->spool.region == NULL && spool_reserve(&m->spool, 1, &room, &error) == NULL)
		m->flags |= MESSAGE_NO_MEMORY;
	if ((m->flags & (MESSAGE_TOO_BIG | MESSAGE_NO_MEMORY)) != 0) {
		mail_decide_unkept(gm);
		return;
	}
	gm->job = (struct scan_job){ .input = m->spool.region, .input_len = m->spool.len,
		.roles = m->is_file ? 0 : ROLE_ENTITY, .name = path_get_base(m->file_name),
		.timeout_ms = gm->config->message_timeout_ms, .done = mail_scanned, .owner = gm };
	gm->scanning = true;
	pipeline_start(gm->gate->pipeline, &gm->job);
}

static void
mail_record(struct gate_mail *gm, bool delivered)
{
	struct gate *g = gm->gate;
	static const struct decision undecided;
	const struct scan_job *j = gm->job.arena != NULL ? &gm->job : NULL;
	struct record r;

	record_make(&r, gm->message, j, gm->decision == NULL ? &undecided : gm->decision, delivered,
	    &g->text);
	buf_clear(&g->frame);
	if (g->records_fd >= 0 && record_encode(&r, &g->frame) == 0 &&
	    frame_send(g->records_fd, FRAME_RECORD, buf_get(&g->frame), NULL, 0) == 0)
		return;
	/* There is no recorder, or it is far behind: the line must not be lost. */
	buf_clear(&g->frame);
	if ((g->config->log_format == CONFIG_LOG_JSON ? record_format_json(&r, &g->frame)
						      : record_format_text(&r, &g->frame)) == 0)
		log_line(LOG_LEVEL_INFO, buf_get(&g->frame));
}

static void
mail_free(struct gate_mail *gm, bool delivered)
{
	struct gate *g = gm->gate;

	if (gm->message->ended_us != 0)
		mail_record(gm, delivered && gm->decision != NULL);
	scan_job_done(&gm->job);
	message_free(&gm->message);
	config_unref(&gm->config);
	free(gm->decision);
	free(gm);
	g->mail_count--;
	if (g->paused != NULL)
		loop_timer_set_ms(g->pause_timer, 0);
}

static void
mail_cancel(struct gate_mail *gm)
{
	if (!gm->scanning)
		return;
	pipeline_cancel(&gm->job);
	gm->job.arena = NULL;
}

/* A scan that a worker has begun goes on to its end without the client: to stop it would cost the
 * worker, and clients that vanish would leave none. What it finds is known when the mail comes
 * again. */
static void
mail_close(void *mail, bool delivered)
{
	struct gate_mail *gm = mail;

	pause_remove(gm);
	if (gm->scanning && !pipeline_is_waiting(&gm->job)) {
		orphan_add(gm);
		return;
	}
	mail_cancel(gm);
	mail_free(gm, delivered);
}

void
gate_drop_orphans(struct gate *g)
{
	while (g->orphans != NULL) {
		struct gate_mail *gm = g->orphans;

		orphan_remove(gm);
		mail_cancel(gm);
		mail_free(gm, false);
	}
}

static void
session_closed(void *ctx, struct intake_session *s)
{
	struct gate *g = ctx;

	if (s->prev == NULL)
		g->sessions = s->next;
	else
		s->prev->next = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	g->session_count--;
	gate_end_if_drained(g);
}

const struct intake_sink gate_sink = {
	.mail_begin = mail_begin,
	.mail_recipient = mail_recipient,
	.mail_set_queue_id = mail_set_queue_id,
	.mail_set_file = mail_set_file,
	.mail_set_next_hop = mail_set_next_hop,
	.mail_set_answer = mail_set_answer,
	.mail_header = mail_header,
	.mail_header_end = mail_header_end,
	.mail_body_reserve = mail_body_reserve,
	.mail_body_commit = mail_body_commit,
	.mail_end = mail_end,
	.mail_close = mail_close,
	.session_closed = session_closed,
};
