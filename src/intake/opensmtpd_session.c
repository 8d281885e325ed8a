/* opensmtpd_session.c: the life of a connection from `cordon opensmtpd`: start, time limits,
 * reading, writing, end, and the calls of the sink. What lines mean is opensmtpd_event.c's.
 *
 * Every way in (loop, timer, sink) goes through session_enter() and session_leave(): inside, a
 * session only notes that it is dead; it is freed when nothing of it is on the stack. */
#include "intake/opensmtpd_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "intake/intake_peer.h"
#include "intake/opensmtpd_line.h"
#include "intake/opensmtpd_session_private.h"

#define READ_BYTES   (64u * 1024)
#define IN_MAX_BYTES (OPENSMTPD_LINE_MAX_BYTES + READ_BYTES)
/* Mails that go back fill it to 256 KB and a portion; answers may come on top. */
#define OUT_PAUSE_BYTES (1024u * 1024)
#define OUT_MAX_BYTES   (2u * 1024 * 1024)
/* Before other sessions have their turn. */
#define READS_PER_EVENT  8
#define WRITES_PER_EVENT 16

void
opensmtpd_session_fail(struct opensmtpd_session *s, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (s->is_dead)
		return;
	s->is_dead = true;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_warn(NULL,
	    "opensmtpd listener=%s error=\"%s\": connection closed, %u mails in progress "
	    "are tried again by their senders",
	    s->base.client.listener, text, s->mail_count);
}

/* The peer closed or broke the connection. */
static void
session_lost(struct opensmtpd_session *s, const char *how)
{
	if (s->mail_count > 0 && !s->is_dead)
		log_warn(NULL, "opensmtpd listener=%s: connection %s with %u mails in progress",
		    s->base.client.listener, how, s->mail_count);
	s->is_dead = true;
}

bool
opensmtpd_session_can_go(const struct opensmtpd_session *s)
{
	return !s->is_dead && !s->is_paused && s->out.len < OUT_PAUSE_BYTES;
}

void
opensmtpd_session_put(struct opensmtpd_session *s, size_t out_before, int failed)
{
	s->put_bytes += s->out.len - out_before;
	if (failed < 0)
		opensmtpd_session_fail(
		    s, "cannot keep what is to be written: %s", strerror(-failed));
}

/* Mails whose answers are written to their last byte are over. */
static void
session_close_answered(struct opensmtpd_session *s)
{
	struct opensmtpd_client *c;

	while ((c = s->answered.first) != NULL && c->answer_end <= s->sent_bytes)
		opensmtpd_client_end_mail(c, !c->is_overruled);
}

static void
session_flush(struct opensmtpd_session *s)
{
	for (unsigned i = 0; i < WRITES_PER_EVENT && !s->is_dead; i++) {
		ssize_t n;

		opensmtpd_give(s);
		if (s->out.len == 0 || s->is_dead)
			break;
		n = intake_peer_write(s->fd, &s->out);
		if (n == -EAGAIN)
			break;
		if (n < 0) {
			session_lost(s, "lost while writing");
			break;
		}
		s->sent_bytes += (uint64_t)n;
		s->has_moved = true;
		session_close_answered(s);
	}
	if (s->out.len == 0)
		buf_done(&s->out);
}

/* Acts on the lines that are here, as far as it can go. */
static void
session_run_lines(struct opensmtpd_session *s)
{
	size_t at = 0;

	while (opensmtpd_session_can_go(s)) {
		struct slice rest = slice_from(buf_get(&s->in), at);
		size_t end = slice_find_byte(rest, '\n', s->in_searched);

		if (end == SIZE_MAX) {
			s->in_searched = rest.len;
			if (rest.len > OPENSMTPD_LINE_MAX_BYTES)
				opensmtpd_session_fail(s, "a line of more than %u bytes",
				    OPENSMTPD_LINE_MAX_BYTES);
			break;
		}
		if (!opensmtpd_event_run(s, slice_sub(rest, 0, end)))
			break;
		s->in_searched = 0;
		if (s->wait != OPENSMTPD_WAIT_WRITE) /* that one is for what we write */
			s->has_moved = true;
		at += end + 1;
	}
	buf_consume(&s->in, at);
	if (s->in.len == 0)
		buf_done(&s->in);
}

/* False when nothing came, for whatever reason. */
static bool
session_read(struct opensmtpd_session *s)
{
	ssize_t n;

	if (buf_reserve(&s->in, READ_BYTES) < 0) {
		opensmtpd_session_fail(s, "no memory to read into");
		return false;
	}
	n = recv(s->fd, s->in.data + s->in.len, READ_BYTES, MSG_DONTWAIT);
	if (n > 0) {
		s->in.len += (size_t)n;
		session_run_lines(s);
		return n == READ_BYTES;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	session_lost(s, n == 0 ? "closed" : "lost");
	return false;
}

static void
session_free(struct opensmtpd_session *s)
{
	s->busy++; /* the sink may call us for the last time */
	s->is_dead = true;
	opensmtpd_client_remove_all(s);
	loop_watch_free(&s->watch);
	session_clock_done(&s->clock);
	fd_close(&s->fd);
	s->base.env->sink->session_closed(s->base.env->ctx, &s->base);
	buf_done(&s->in);
	buf_done(&s->out);
	intake_session_done(&s->base);
	free(s->table);
	free(s);
}

static enum opensmtpd_wait
session_get_wait(const struct opensmtpd_session *s)
{
	if (s->out.len > 0)
		return OPENSMTPD_WAIT_WRITE;
	if (!s->is_ready)
		return OPENSMTPD_WAIT_READY;
	return s->in.len > 0 && !s->is_paused ? OPENSMTPD_WAIT_LINE : OPENSMTPD_WAIT_NOTHING;
}

static void
session_set_limit(struct opensmtpd_session *s)
{
	enum opensmtpd_wait wait = session_get_wait(s);

	if (wait == s->wait && !s->has_moved)
		return;
	s->wait = wait;
	s->has_moved = false;
	session_clock_set_limit_ms(
	    &s->clock, wait == OPENSMTPD_WAIT_NOTHING ? 0 : s->base.env->io_timeout_ms);
}

static void
session_enter(struct opensmtpd_session *s)
{
	ASSERT(s->busy < 200);
	s->busy++;
}

/* from_loop: the session may be freed here. */
static void
session_leave(struct opensmtpd_session *s, bool from_loop)
{
	unsigned events = 0;

	if (--s->busy > 0)
		return;
	if (s->is_draining && s->mail_count == 0)
		s->is_dead = true;
	if (s->is_dead && from_loop) {
		session_free(s);
		return;
	}
	if (!s->is_dead && (s->out.len > 0 || s->giving.first != NULL))
		events |= LOOP_WRITE;
	if (opensmtpd_session_can_go(s))
		events |= LOOP_READ;
	loop_watch_set(s->watch, events);
	session_set_limit(s);
	if (s->is_dead || (!from_loop && s->in.len > 0 && opensmtpd_session_can_go(s)))
		session_clock_kick(&s->clock);
}

static void
session_on_io(void *ctx, unsigned events)
{
	struct opensmtpd_session *s = ctx;
	bool more = true;

	session_enter(s);
	if ((events & LOOP_WRITE) != 0) {
		session_flush(s);
		session_run_lines(s); /* which may have waited for room */
	}
	if ((events & LOOP_READ) != 0) {
		for (unsigned i = 0; i < READS_PER_EVENT && more && opensmtpd_session_can_go(s);
		     i++)
			more = session_read(s);
	}
	session_flush(s);
	session_leave(s, true);
}

static void
session_expire(struct opensmtpd_session *s)
{
	unsigned limit_ms = s->base.env->io_timeout_ms;

	switch (s->wait) {
	case OPENSMTPD_WAIT_WRITE:
		opensmtpd_session_fail(s, "nothing was read from us in %u ms", limit_ms);
		break;
	case OPENSMTPD_WAIT_READY:
		opensmtpd_session_fail(s, "no config|ready in %u ms", limit_ms);
		break;
	case OPENSMTPD_WAIT_LINE:
		opensmtpd_session_fail(s, "the rest of a line did not come in %u ms", limit_ms);
		break;
	case OPENSMTPD_WAIT_NOTHING:
		break;
	}
}

static void
session_on_timer(void *ctx)
{
	struct opensmtpd_session *s = ctx;

	session_enter(s);
	switch (session_clock_take(&s->clock)) {
	case SESSION_CLOCK_KICKED:
		s->has_moved = true; /* the limit begins anew */
		session_run_lines(s);
		session_flush(s);
		break;
	case SESSION_CLOCK_EXPIRED:
		session_expire(s);
		break;
	case SESSION_CLOCK_EARLY:
		break;
	}
	session_leave(s, true);
}

static void
client_finish(struct intake_session *base, const struct intake_reply *r)
{
	struct opensmtpd_client *c = (struct opensmtpd_client *)base; /* its first member */
	struct opensmtpd_session *s = c->connection;

	if (s->is_dead) /* mail_close is on its way */
		return;
	ASSERT(c->state == OPENSMTPD_SINK && c->mail != NULL);
	session_enter(s);
	opensmtpd_client_set_answer(c, r);
	session_flush(s);
	session_leave(s, false);
}

static void
session_resume(struct intake_session *base)
{
	struct opensmtpd_session *s = (struct opensmtpd_session *)base;

	session_enter(s);
	s->is_paused = false;
	session_leave(s, false);
}

static void
session_close(struct intake_session *base)
{
	struct opensmtpd_session *s = (struct opensmtpd_session *)base;

	session_enter(s);
	s->is_dead = true;
	session_leave(s, true);
}

static void
session_drain(struct intake_session *base)
{
	struct opensmtpd_session *s = (struct opensmtpd_session *)base;

	session_enter(s);
	s->is_draining = true;
	session_leave(s, false);
}

static void
client_resume(struct intake_session *base)
{
	session_resume(&((struct opensmtpd_client *)base)->connection->base);
}

static void
client_close(struct intake_session *base)
{
	session_close(&((struct opensmtpd_client *)base)->connection->base);
}

static void
client_drain(struct intake_session *base)
{
	session_drain(&((struct opensmtpd_client *)base)->connection->base);
}

const struct intake_session_ops opensmtpd_client_ops = {
	.finish = client_finish,
	.resume = client_resume,
	.close = client_close,
	.drain = client_drain,
};

/* Mails belong to clients: finish() is never called on the connection. */
static const struct intake_session_ops session_ops = {
	.resume = session_resume,
	.close = session_close,
	.drain = session_drain,
};

struct intake_session *
opensmtpd_session_start(struct intake_env *env, int *fd, const struct intake_place *place)
{
	CLEANUP(mem_free) struct opensmtpd_session *s = calloc(1, sizeof(*s));
	CLEANUP(mem_free)
	struct opensmtpd_client **table = calloc(OPENSMTPD_TABLE_SIZE, sizeof(*table));

	if (s == NULL || table == NULL) {
		fd_close(fd);
		return NULL;
	}
	intake_session_init(&s->base, &session_ops, env, place->listener);
	buf_init(&s->in, IN_MAX_BYTES);
	buf_init(&s->out, OUT_MAX_BYTES);
	s->table = TAKE(table);
	s->max_mail_bytes =
	    place->config == NULL ? UINT64_MAX : place->config->max_message_size;
	s->message_timeout_ms = place->config == NULL ? 0 : place->config->message_timeout_ms;
	s->line_limit = opensmtpd_get_line_limit(SLICE_NONE);
	s->fd = TAKE_FD(*fd);
	s->watch = loop_watch_new(env->loop, s->fd, LOOP_READ, session_on_io, s);
	session_clock_init(&s->clock, env->loop, session_on_timer, s);
	s->has_moved = true;
	session_set_limit(s);
	return &TAKE(s)->base;
}
