/* smtp_session.c: the life of an SMTP session: start, time limits, writing, end, and the calls
 * of the sink. Reading is smtp_receive.c's, commands smtp_dialogue.c's, the next hop
 * smtp_relay.c's.
 *
 * Every way in (loop, timer, sink, next hop) goes through smtp_session_enter() and _leave():
 * inside, a session only notes that it is dead; it is freed when nothing of it is on the stack.
 */
#include "intake/smtp_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config_address.h"
#include "intake/intake_peer.h"
#include "intake/smtp_session_private.h"

#define IN_MAX_BYTES      (256u * 1024)
#define OUT_MAX_BYTES     (8u << 20)   /* a reply of the next hop for each recipient (LMTP) */
#define OUT_HIGH_BYTES    (64u * 1024) /* above it no further command is looked at */
#define CARRY_MAX_BYTES   (128u * 1024)
#define WAITING_MAX_BYTES (2u << 20)

static void session_on_io(void *ctx, unsigned events);
static void session_on_timer(void *ctx);

const struct intake_sink *
smtp_session_get_sink(const struct smtp_session *s)
{
	return s->base.env->sink;
}

void
smtp_session_fail(struct smtp_session *s, const char *fmt, ...)
{
	char text[512], address[LOG_QUOTE_SIZE(64)];
	va_list args;

	if (s->is_dead)
		return;
	s->is_dead = true;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_info(NULL, "smtp listener=%s client=%s error=\"%s\": connection closed%s",
	    s->base.client.listener,
	    log_quote(slice_of_str(s->base.client.address), 64, address, sizeof(address)), text,
	    s->mail == NULL ? "" : ", the client keeps the mail");
}

void
smtp_session_say(struct smtp_session *s, const char *fmt, ...)
{
	char line[512];
	va_list args;
	size_t len;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line) - 2, fmt, args);
	va_end(args);
	len = strlen(line);
	for (size_t i = 0; i < len; i++) {
		if (line[i] < 0x20 || line[i] > 0x7e)
			line[i] = '?';
	}
	memcpy(line + len, "\r\n", 2);
	if (buf_append(&s->out, line, len + 2) < 0)
		smtp_session_fail(s, "replies are not read");
}

void
smtp_session_quit(struct smtp_session *s, const char *text)
{
	if (s->state == SMTP_STATE_QUIT)
		return;
	smtp_session_say(s, "421 %s", text);
	smtp_session_close_mail(s, false);
	next_hop_drop(&s->hop);
	s->state = SMTP_STATE_QUIT;
}

void
smtp_session_close_mail(struct smtp_session *s, bool delivered)
{
	void *mail = TAKE(s->mail);

	s->is_dropping = s->is_paused = s->peer_spoke = false;
	s->pieces = NULL;
	buf_done(&s->carry);
	if (mail != NULL)
		smtp_session_get_sink(s)->mail_close(mail, delivered);
}

bool
smtp_session_can_go(const struct smtp_session *s)
{
	return !s->is_dead && !s->is_paused && !s->is_handshaking && !s->is_hello_waiting &&
	       s->state < SMTP_STATE_SINK && s->out.len < OUT_HIGH_BYTES;
}

/* Bytes would only pile up while a command waits for the next hop's replies. */
static bool
session_wants_bytes(const struct smtp_session *s)
{
	return smtp_session_can_go(s) && (s->in.len == 0 || !smtp_relay_is_waiting(s));
}

/* Everything is written: the mail whose answer it was is over. */
static void
session_written(struct smtp_session *s)
{
	buf_done(&s->out);
	if (s->state == SMTP_STATE_QUIT)
		s->is_dead = true;
	if (s->state != SMTP_STATE_ANSWER)
		return;
	smtp_session_close_mail(s, s->is_delivered);
	s->state = SMTP_STATE_IDLE;
	s->junk = 0;
	smtp_xforward_done(&s->xforward); /* it told of this one mail */
	smtp_dialogue_reset(s);
	if (s->is_closing_421)
		s->is_dead = true;
}

void
smtp_session_flush(struct smtp_session *s)
{
	while (s->out.len > 0 && !s->is_dead && !s->is_handshaking) {
		ssize_t n = stream_write(s->stream, s->out.data, s->out.len);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			smtp_session_fail(s, "connection lost while answering");
			return;
		}
		buf_consume(&s->out, (size_t)n);
		s->has_moved = true;
	}
	if (s->out.len == 0 && !s->is_dead)
		session_written(s);
}

static void
session_free(struct smtp_session *s)
{
	s->busy++; /* the sink may call us for the last time */
	s->is_dead = true;
	smtp_session_close_mail(s, false);
	next_hop_drop(&s->hop);
	next_hop_question_cancel(&s->question);
	loop_watch_free(&s->watch);
	session_clock_done(&s->clock);
	stream_free(&s->stream);
	tls_context_unref(&s->tls);
	if (s->is_counted)
		smtp_client_count_leave(s->peer);
	smtp_session_get_sink(s)->session_closed(s->base.env->ctx, &s->base);
	buf_done(&s->in);
	buf_done(&s->out);
	buf_done(&s->waiting);
	buf_done(&s->carry);
	smtp_xforward_done(&s->xforward);
	intake_session_done(&s->base);
	config_unref(&s->config);
	free(s);
}

static enum smtp_wait
session_get_wait(const struct smtp_session *s)
{
	if (s->is_handshaking)
		return SMTP_WAIT_DATA;
	if (s->out.len > 0)
		return SMTP_WAIT_WRITE;
	if (s->state >= SMTP_STATE_SINK || s->is_paused || s->is_hello_waiting ||
	    (s->in.len > 0 && smtp_relay_is_waiting(s)))
		return SMTP_WAIT_NOTHING;
	if (s->state == SMTP_STATE_DATA || s->state == SMTP_STATE_CHUNK ||
	    s->state == SMTP_STATE_PROXY)
		return SMTP_WAIT_DATA;
	return SMTP_WAIT_COMMAND;
}

static unsigned
session_get_limit_ms(const struct smtp_session *s, enum smtp_wait wait)
{
	switch (wait) {
	case SMTP_WAIT_COMMAND:
		return s->options->command_timeout_ms;
	case SMTP_WAIT_DATA:
	case SMTP_WAIT_WRITE:
		return s->base.env->io_timeout_ms;
	case SMTP_WAIT_NOTHING:
		break;
	}
	return 0;
}

static void
session_set_limit(struct smtp_session *s)
{
	enum smtp_wait wait = session_get_wait(s);

	if (wait == s->wait && !s->has_moved)
		return;
	s->wait = wait;
	s->has_moved = false;
	s->moved = 0;
	session_clock_set_limit_ms(&s->clock, session_get_limit_ms(s, wait));
}

static void
session_set_watch(struct smtp_session *s)
{
	unsigned want = 0;

	if (s->is_dead) {
		loop_watch_set(s->watch, 0);
		return;
	}
	if (s->out.len > 0)
		want |= LOOP_WRITE;
	if (s->is_handshaking || session_wants_bytes(s) ||
	    (s->state >= SMTP_STATE_SINK && s->state < SMTP_STATE_QUIT && !s->peer_spoke))
		want |= LOOP_READ;
	loop_watch_set(s->watch, stream_get_events(s->stream, want));
}

void
smtp_session_enter(struct smtp_session *s)
{
	ASSERT(s->busy < 200);
	s->busy++;
}

void
smtp_session_leave(struct smtp_session *s, bool from_loop)
{
	if (s->busy == 1 && !s->is_dead) {
		smtp_session_flush(s);
		if (s->hop != NULL && !s->is_dead)
			next_hop_push(s->hop);
	}
	if (--s->busy > 0)
		return;
	if (s->is_draining && s->state <= SMTP_STATE_IDLE && s->out.len == 0)
		s->is_dead = true;
	if (s->is_dead && from_loop) {
		session_free(s);
		return;
	}
	session_set_watch(s);
	session_set_limit(s);
	if (s->is_dead ||
	    (session_wants_bytes(s) && ((s->in.len > 0 && !s->is_in_cut) || s->carry.len > 0 ||
					   stream_has_pending(s->stream))))
		session_clock_kick(&s->clock);
}

/* While the sink or the next hop works: is the client still there? Bytes stay in the socket.
 * Once the end of the mail is on its way nobody can stop it any more. */
static void
session_peek(struct smtp_session *s)
{
	enum intake_peer_word word = intake_peer_peek(stream_get_fd(s->stream));

	if (word == INTAKE_PEER_SILENT)
		return;
	if (word == INTAKE_PEER_SPOKE || s->state != SMTP_STATE_SINK)
		s->peer_spoke = true;
	if (word != INTAKE_PEER_SPOKE && (s->hop == NULL || !next_hop_mail_is_sent(s->hop)))
		smtp_session_fail(s, "connection closed while the mail was looked at");
}

static void
session_handshake(struct smtp_session *s)
{
	struct err e = { 0 };
	int r = stream_handshake(s->stream, &e);

	if (r < 0) {
		smtp_session_fail(s, "TLS handshake: %s", e.text);
		return;
	}
	if (r == 0)
		return;
	s->is_handshaking = false;
	intake_client_set(&s->base.client.tls, slice_of_str(stream_get_tls_text(s->stream)));
}

static void
session_on_io(void *ctx, unsigned events)
{
	struct smtp_session *s = ctx;

	smtp_session_enter(s);
	if (s->is_handshaking)
		session_handshake(s);
	smtp_session_flush(s);
	if (!s->is_dead)
		smtp_receive_pending(s);
	if ((events & LOOP_READ) != 0 || stream_has_pending(s->stream)) {
		if (s->state >= SMTP_STATE_SINK)
			session_peek(s);
		else if (!s->is_dead && !s->is_handshaking)
			smtp_receive(s);
	}
	if (!s->is_dead)
		smtp_session_flush(s);
	smtp_session_leave(s, true);
}

static void
session_expire(struct smtp_session *s)
{
	s->has_moved = true;
	switch (s->wait) {
	case SMTP_WAIT_COMMAND:
		smtp_session_quit(s, "4.4.2 Idle for too long, closing");
		break;
	case SMTP_WAIT_DATA:
		if (s->is_handshaking || s->state == SMTP_STATE_PROXY)
			smtp_session_fail(s, "the client is too slow");
		else
			smtp_session_quit(s, "4.4.2 Too slow, closing");
		break;
	case SMTP_WAIT_WRITE:
		smtp_session_fail(s, "replies are not read in time");
		break;
	case SMTP_WAIT_NOTHING:
		break;
	}
}

static void
session_on_timer(void *ctx)
{
	struct smtp_session *s = ctx;

	smtp_session_enter(s);
	switch (session_clock_take(&s->clock)) {
	case SESSION_CLOCK_KICKED:
		s->has_moved = true;
		if (!s->is_dead)
			smtp_receive_pending(s);
		if (!s->is_dead && stream_has_pending(s->stream) && session_wants_bytes(s))
			smtp_receive(s);
		break;
	case SESSION_CLOCK_EXPIRED:
		session_expire(s);
		break;
	case SESSION_CLOCK_EARLY:
		break;
	}
	smtp_session_leave(s, true);
}

static void
session_finish(struct intake_session *base, const struct intake_reply *r)
{
	struct smtp_session *s = (struct smtp_session *)base;

	smtp_session_enter(s);
	ASSERT(s->state == SMTP_STATE_SINK);
	smtp_answer_finish(s, r);
	smtp_session_leave(s, false);
}

static void
session_resume(struct intake_session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	smtp_session_enter(s);
	s->is_paused = false;
	smtp_session_leave(s, false);
	if (s->busy == 0)
		session_clock_kick(&s->clock);
}

static void
session_close(struct intake_session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	s->is_dead = true;
	if (s->busy == 0)
		session_free(s);
}

static void
session_drain(struct intake_session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	smtp_session_enter(s);
	s->is_draining = true;
	if (s->state <= SMTP_STATE_IDLE)
		smtp_session_quit(s, "4.3.2 Shutting down, try again later");
	smtp_session_leave(s, false);
}

static const struct intake_session_ops session_ops = {
	.finish = session_finish,
	.resume = session_resume,
	.close = session_close,
	.drain = session_drain,
};

void
smtp_session_greet(struct smtp_session *s)
{
	s->state = SMTP_STATE_CONNECTED;
	smtp_session_say(
	    s, "220 %s %s Cordon", s->base.env->hostname, s->is_lmtp ? "LMTP" : "ESMTP");
}

bool
smtp_session_trusts(const struct config_listener *o, const char *address)
{
	static const char *const own[] = { "127.0.0.0/8", "::1" };
	size_t count = o->trusted.count > 0 ? o->trusted.count : ARRAY_LEN(own);

	if (address[0] == '\0')
		return true;
	for (size_t i = 0; i < count; i++) {
		struct config_network n;

		if (config_network_parse(
			o->trusted.count > 0 ? o->trusted.items[i] : own[i], &n) &&
		    config_network_has(&n, address))
			return true;
	}
	return false;
}

static void
refuse(int *fd, const char *reply)
{
	(void)send(*fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	fd_close(fd);
}

static struct intake_session *
session_start(struct intake_env *env, int *fd, const struct intake_place *place, bool is_lmtp)
{
	struct smtp_session *s;

	if (place->options == NULL || place->options->next_hop[0] == '\0') {
		refuse(fd, "421 4.3.5 No next hop is configured\r\n");
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		refuse(fd, "421 4.3.0 No memory, try again later\r\n");
		return NULL;
	}
	intake_session_init(&s->base, &session_ops, env, place->listener);
	if (place->peer_address != NULL) {
		snprintf(s->peer, sizeof(s->peer), "%s", place->peer_address);
		s->base.client.port = place->peer_port;
	} else {
		(void)intake_client_set_peer(&s->base.client, *fd);
		memcpy(s->peer, s->base.client.address, sizeof(s->peer));
	}
	snprintf(s->base.client.address, sizeof(s->base.client.address), "%s", s->peer);
	s->is_trusted = smtp_session_trusts(place->options, s->peer);
	if (!s->is_trusted) {
		s->is_counted =
		    smtp_client_count_enter(s->peer, place->options->client_connections);
		if (!s->is_counted) {
			refuse(fd, "421 4.7.0 Too many connections from your address\r\n");
			intake_session_done(&s->base);
			free(s);
			return NULL;
		}
	}
	s->config = config_ref(place->config);
	s->options = place->options;
	s->place = next_hop_place_get(env->loop, place->config, place->options);
	s->is_lmtp = is_lmtp;
	buf_init(&s->in, IN_MAX_BYTES);
	buf_init(&s->out, OUT_MAX_BYTES);
	buf_init(&s->carry, CARRY_MAX_BYTES);
	buf_init(&s->waiting, WAITING_MAX_BYTES);
	s->watch = loop_watch_new(env->loop, *fd, LOOP_READ, session_on_io, s);
	s->stream = stream_new(fd);
	session_clock_init(&s->clock, env->loop, session_on_timer, s);
	s->has_moved = true;
	if (s->options->proxy_protocol)
		s->state = SMTP_STATE_PROXY;
	else
		smtp_session_greet(s);
	smtp_session_enter(s);
	smtp_session_leave(s, false);
	return &s->base;
}

struct intake_session *
smtp_session_start(struct intake_env *env, int *fd, const struct intake_place *place)
{
	return session_start(env, fd, place, false);
}

struct intake_session *
lmtp_session_start(struct intake_env *env, int *fd, const struct intake_place *place)
{
	return session_start(env, fd, place, true);
}
