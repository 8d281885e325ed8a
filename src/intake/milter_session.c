/* milter_session.c: the life of a milter session: start, time limits, writing, end, and the
 * calls of the sink. Reading is milter_receive.c's, what packets mean milter_command.c's.
 *
 * Every way in (loop, timer, sink) goes through session_enter() and session_leave(): inside, a
 * session only notes that it is dead; it is freed when nothing of it is on the stack. */
#include "intake/milter_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "intake/intake_peer.h"
#include "intake/milter_codec.h"
#include "intake/milter_session_private.h"

/* A field just short of its end, and one read behind it. */
#define IN_MAX_BYTES  (MILTER_FIELD_MAX_BYTES + 128 * 1024)
#define OUT_MAX_BYTES (4u * 1024 * 1024)

const struct intake_sink *
milter_session_get_sink(const struct milter_session *s)
{
	return s->base.env->sink;
}

void
milter_session_fail(struct milter_session *s, const char *fmt, ...)
{
	char text[512], address[LOG_QUOTE_SIZE(64)];
	va_list args;

	if (s->is_dead)
		return;
	s->is_dead = true;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_warn(NULL, "milter listener=%s client=%s error=\"%s\": connection closed%s",
	    s->base.client.listener,
	    log_quote(slice_of_str(s->base.client.address), 64, address, sizeof(address)), text,
	    s->mail == NULL ? "" : ", the MTA's default action answers the mail");
}

/* The peer closed or broke the connection. No warning: clients of the MTA come and go. */
static void
session_lost(struct milter_session *s, const char *how)
{
	if (s->mail != NULL)
		log_info(NULL, "milter listener=%s: %s with a mail in progress",
		    s->base.client.listener, how);
	s->is_dead = true;
}

bool
milter_session_can_go(const struct milter_session *s)
{
	return !s->is_dead && !s->is_paused && s->out.len == 0 && s->state < MILTER_STATE_SINK;
}

void
milter_session_end_mail(struct milter_session *s, bool delivered)
{
	void *mail = TAKE(s->mail);

	if (s->state > MILTER_STATE_IDLE)
		s->state = MILTER_STATE_IDLE;
	s->is_refused = s->is_dropping = s->is_paused = s->peer_spoke = false;
	if (mail != NULL)
		milter_session_get_sink(s)->mail_close(mail, delivered);
}

void
milter_session_flush(struct milter_session *s)
{
	while (s->out.len > 0) {
		ssize_t n = intake_peer_write(s->fd, &s->out);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			session_lost(s, "connection lost while answering");
			return;
		}
		s->has_moved = true;
	}
	buf_done(&s->out);
	if (s->state == MILTER_STATE_ANSWER) {
		milter_macros_clear(&s->macros, MILTER_STAGE_MAIL);
		milter_session_end_mail(s, true);
	}
}

static void
session_free(struct milter_session *s)
{
	s->busy++; /* the sink may call us for the last time */
	s->is_dead = true;
	milter_session_end_mail(s, false);
	loop_watch_free(&s->watch);
	session_clock_done(&s->clock);
	fd_close(&s->fd);
	milter_session_get_sink(s)->session_closed(s->base.env->ctx, &s->base);
	buf_done(&s->in);
	buf_done(&s->out);
	milter_macros_done(&s->macros);
	intake_session_done(&s->base);
	free(s);
}

static enum milter_wait
session_get_wait(const struct milter_session *s)
{
	bool in_packet = s->in.len > 0 || s->body_command != 0;

	if (s->out.len > 0)
		return MILTER_WAIT_WRITE;
	if (s->state == MILTER_STATE_SINK)
		return MILTER_WAIT_FINISH;
	if (s->is_paused)
		return MILTER_WAIT_RESUME;
	if (!in_packet)
		return MILTER_WAIT_COMMAND;
	return s->state < MILTER_STATE_HEADER ? MILTER_WAIT_ENVELOPE : MILTER_WAIT_PACKET;
}

/* Postfix' smtpd collects commands that get no reply in a buffer and writes it when it is
 * full, in the middle of a packet; the rest comes with the SMTP client's next word. So before
 * the header a part of a packet may wait as long as a whole command. */
static unsigned
session_get_limit_ms(const struct milter_session *s, enum milter_wait wait)
{
	const struct intake_env *env = s->base.env;

	switch (wait) {
	case MILTER_WAIT_COMMAND:
		return env->idle_timeout_ms;
	case MILTER_WAIT_ENVELOPE:
		return env->idle_timeout_ms == 0 || env->io_timeout_ms == 0
			   ? 0
			   : MAX_OF(env->idle_timeout_ms, env->io_timeout_ms);
	case MILTER_WAIT_PACKET:
	case MILTER_WAIT_WRITE:
		return env->io_timeout_ms;
	case MILTER_WAIT_RESUME:
	case MILTER_WAIT_FINISH:
		return env->progress_ms;
	case MILTER_WAIT_NOTHING:
		break;
	}
	return 0;
}

static void
session_set_limit(struct milter_session *s)
{
	enum milter_wait wait = session_get_wait(s);

	if (wait == s->wait && !s->has_moved)
		return;
	s->wait = wait;
	s->has_moved = false;
	s->body_moved = 0;
	session_clock_set_limit_ms(&s->clock, session_get_limit_ms(s, wait));
}

static void
session_enter(struct milter_session *s)
{
	ASSERT(s->busy < 200);
	s->busy++;
}

/* from_loop: the session may be freed here. */
static void
session_leave(struct milter_session *s, bool from_loop)
{
	unsigned events;

	if (--s->busy > 0)
		return;
	if (s->is_draining && s->state <= MILTER_STATE_IDLE && s->out.len == 0)
		s->is_dead = true;
	if (s->is_dead && from_loop) {
		session_free(s);
		return;
	}
	if (s->is_dead)
		events = 0;
	else if (s->out.len > 0)
		events = LOOP_WRITE;
	else if (s->state == MILTER_STATE_SINK)
		events = s->peer_spoke ? 0 : LOOP_READ; /* to see it vanish */
	else
		events = s->is_paused ? 0 : LOOP_READ;
	loop_watch_set(s->watch, events);
	session_set_limit(s);
	if (s->is_dead || (!from_loop && s->in.len > 0 && milter_session_can_go(s)))
		session_clock_kick(&s->clock);
}

/* While the sink works: is the peer still there? Bytes stay in the socket. */
static void
session_peek(struct milter_session *s)
{
	switch (intake_peer_peek(s->fd)) {
	case INTAKE_PEER_SPOKE:
		s->peer_spoke = true;
		break;
	case INTAKE_PEER_CLOSED:
		session_lost(s, "connection closed while the mail was scanned");
		break;
	case INTAKE_PEER_LOST:
		session_lost(s, "connection lost while the mail was scanned");
		break;
	case INTAKE_PEER_SILENT:
		break;
	}
}

static void
session_on_io(void *ctx, unsigned events)
{
	struct milter_session *s = ctx;

	session_enter(s);
	if ((events & LOOP_WRITE) != 0) {
		milter_session_flush(s);
		milter_receive_pending(s);
	}
	if ((events & LOOP_READ) != 0 && !s->is_dead) {
		if (s->state == MILTER_STATE_SINK)
			session_peek(s);
		else
			milter_receive(s);
	}
	session_leave(s, true);
}

static void
session_expire(struct milter_session *s)
{
	unsigned limit_ms = session_get_limit_ms(s, s->wait);

	s->has_moved = true; /* where it goes on, for another while */
	switch (s->wait) {
	case MILTER_WAIT_COMMAND:
		log_info(NULL, "milter listener=%s: closed after %u ms without a command",
		    s->base.client.listener, limit_ms);
		s->is_dead = true;
		break;
	case MILTER_WAIT_ENVELOPE:
	case MILTER_WAIT_PACKET:
		milter_session_fail(s, "the rest of a packet did not come in %u ms", limit_ms);
		break;
	case MILTER_WAIT_WRITE:
		milter_session_fail(s, "a reply was not taken in %u ms", limit_ms);
		break;
	case MILTER_WAIT_RESUME:
		if (intake_peer_has_closed(s->fd))
			session_lost(s, "connection closed while reading was paused");
		break;
	case MILTER_WAIT_FINISH:
		if (intake_peer_has_closed(s->fd))
			session_lost(s, "connection closed while the mail was scanned");
		else if (milter_put_packet(&s->out, MILTER_REPLY_PROGRESS, SLICE_NONE) == 0)
			milter_session_flush(s);
		break;
	case MILTER_WAIT_NOTHING:
		break;
	}
}

static void
session_on_timer(void *ctx)
{
	struct milter_session *s = ctx;

	session_enter(s);
	switch (session_clock_take(&s->clock)) {
	case SESSION_CLOCK_KICKED:
		milter_receive_pending(s);
		break;
	case SESSION_CLOCK_EXPIRED:
		if (!s->is_dead)
			session_expire(s);
		break;
	case SESSION_CLOCK_EARLY:
		break;
	}
	session_leave(s, true);
}

static struct milter_session *
session_of(struct intake_session *base)
{
	return (struct milter_session *)base; /* its first member */
}

static void
session_finish(struct intake_session *base, const struct intake_reply *r)
{
	struct milter_session *s = session_of(base);
	int failed;

	if (s->is_dead) /* mail_close is on its way */
		return;
	ASSERT(s->state == MILTER_STATE_SINK && s->mail != NULL);
	session_enter(s);
	s->state = MILTER_STATE_ANSWER;
	failed = milter_answer_put(s, r);
	if (failed < 0)
		milter_session_fail(s, "cannot build the answer: %s", strerror(-failed));
	else
		milter_session_flush(s);
	session_leave(s, false);
}

static void
session_resume(struct intake_session *base)
{
	struct milter_session *s = session_of(base);

	session_enter(s);
	s->is_paused = false;
	session_leave(s, false);
}

static void
session_close(struct intake_session *base)
{
	struct milter_session *s = session_of(base);

	session_enter(s);
	s->is_dead = true;
	session_leave(s, true);
}

static void
session_drain(struct intake_session *base)
{
	struct milter_session *s = session_of(base);

	session_enter(s);
	s->is_draining = true;
	session_leave(s, false);
}

static const struct intake_session_ops session_ops = {
	.finish = session_finish,
	.resume = session_resume,
	.close = session_close,
	.drain = session_drain,
};

struct intake_session *
milter_session_start(struct intake_env *env, int *fd, const struct intake_place *place)
{
	struct milter_session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fd_close(fd);
		return NULL;
	}
	intake_session_init(&s->base, &session_ops, env, place->listener);
	buf_init(&s->in, IN_MAX_BYTES);
	buf_init(&s->out, OUT_MAX_BYTES);
	s->fd = TAKE_FD(*fd);
	s->watch = loop_watch_new(env->loop, s->fd, LOOP_READ, session_on_io, s);
	session_clock_init(&s->clock, env->loop, session_on_timer, s);
	session_set_limit(s);
	return &s->base;
}
