/* gate_submit.c: mails and connections that come by the control socket, brought there by the
 * cordon command. A mail is a session of its own with one mail; it goes the way of all mails
 * (gate_mail.c). A connection becomes a session as if a listener had accepted it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/macros.h"
#include "cmd/gate.h"
#include "cmd/submit_request.h"
#include "config/config.h"
#include "intake/clamd_walk.h"
#include "record/json_text.h"

#define CHUNK_BYTES (1u << 20) /* of one read */
#define TURN_BYTES  (4u << 20) /* then others get their turn */

struct submission {
	struct intake_session base; /* first */
	struct gate *gate;
	struct loop_timer *turn;
	int fd;
	uint64_t length, at; /* of the mail in fd */
	void *mail;          /* the sink's; NULL once closed */
	struct buf *out;     /* borrowed */
	void (*done)(void *owner);
	void *owner;
	bool is_reading, is_answered;
};

static const char *const verdict_texts[] = {
	[INTAKE_UNSCANNED] = "unscanned",
	[INTAKE_CLEAN] = "clean",
	[INTAKE_INFECTED] = "infected",
	[INTAKE_BANNED] = "banned",
};
static const char *const action_texts[] = {
	[INTAKE_TEMPFAIL] = "tempfail",
	[INTAKE_ACCEPT] = "accept",
	[INTAKE_REJECT] = "reject",
	[INTAKE_DISCARD] = "discard",
	[INTAKE_HOLD] = "hold",
};

static struct submission *
submission_of(struct intake_session *base)
{
	return (struct submission *)base; /* its first member */
}

static void
submission_free(struct submission *s)
{
	loop_timer_free(&s->turn);
	fd_close(&s->fd);
	intake_session_done(&s->base);
	free(s);
}

void
submission_end(struct submission **address, bool delivered)
{
	struct submission *s = *address;
	struct gate *g;

	if (s == NULL)
		return;
	*address = NULL;
	g = s->gate;
	if (s->mail != NULL)
		gate_sink.mail_close(TAKE(s->mail), delivered && s->is_answered);
	gate_sink.session_closed(g, &s->base);
	submission_free(s);
}

bool
submission_is_answered(const struct submission *s)
{
	return s->is_answered;
}

static int
json_member(struct buf *out, const char *key, const char *value)
{
	int s = buf_printf(out, ",\"%s\":", key);

	return s | json_text_append(out, slice_of_str(value));
}

static int
edits_format(const struct intake_reply *r, struct buf *out)
{
	int s = buf_append_str(out, ",\"edits\":[");

	for (size_t i = 0; i < r->edit_count && s >= 0; i++) {
		const struct intake_header_edit *e = &r->edits[i];

		s |= buf_append_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		s |= json_text_append(out, slice_of_str(e->name));
		s |= buf_append_str(out, ",\"value\":");
		s |= e->value == NULL ? buf_append_str(out, "null")
				      : json_text_append(out, slice_of_str(e->value));
		s |= buf_printf(out, ",\"index\":%u}", e->index);
	}
	return s | buf_append_byte(out, ']');
}

static int
reply_format(const struct intake_reply *r, struct buf *out)
{
	int s = buf_printf(out, "{\"verdict\":\"%s\",\"action\":\"%s\",\"code\":%u",
	    verdict_texts[r->verdict], action_texts[r->action], r->code);

	s |= json_member(out, "id", r->id);
	s |= json_member(out, "enhanced", r->enhanced);
	s |= json_member(out, "text", r->text);
	s |= json_member(out, "reason", r->reason);
	s |= buf_append_str(out, ",\"names\":[");
	for (size_t i = 0; i < r->name_count && s >= 0; i++) {
		s |= i > 0 ? buf_append_byte(out, ',') : 0;
		s |= json_text_append(out, r->names[i]);
	}
	s |= buf_append_byte(out, ']') | edits_format(r, out);
	return s | buf_append_byte(out, '}');
}

/* Nothing of s may be touched behind done(). */
static void
submission_answer(struct submission *s, const struct intake_reply *r, const char *error)
{
	size_t before = s->out->len;

	if (r != NULL && reply_format(r, s->out) < 0) {
		s->out->len = before;
		error = "the answer is too long to be told";
	}
	if (error != NULL && (buf_append_str(s->out, "{\"error\":") < 0 ||
				 json_text_append(s->out, slice_of_str(error)) < 0 ||
				 buf_append_byte(s->out, '}') < 0))
		s->out->len = before;
	s->is_answered = true;
	s->done(s->owner);
}

static void
submission_finish(struct intake_session *base, const struct intake_reply *r)
{
	submission_answer(submission_of(base), r, NULL);
}

/* One piece of the mail into the spool. 1 go on, 0 there is no more, -EAGAIN memory is spent
 * for now, other negative errno. */
static int
mail_read(struct submission *s)
{
	size_t room;
	uint8_t *to;
	ssize_t n;

	if (s->at == s->length)
		return 0;
	to = gate_sink.mail_body_reserve(s->mail, s->length - s->at, &room);
	if (to == NULL && room == 0)
		return -EAGAIN;
	if (to == NULL)
		return 0; /* the sink wants no more, and knows the length */
	n = pread(s->fd, to, MIN_OF(room, (size_t)CHUNK_BYTES), (off_t)s->at);
	if (n <= 0)
		return n < 0 && errno == EINTR ? 1 : -EIO;
	gate_sink.mail_body_commit(s->mail, (size_t)n);
	s->at += (uint64_t)n;
	return 1;
}

/* The submission may be gone when this returns. */
static void
submission_read(void *ctx)
{
	struct submission *s = ctx;
	uint64_t until = s->at + TURN_BYTES;
	int r = 1;

	s->is_reading = true;
	while (r == 1 && s->at < until)
		r = mail_read(s);
	s->is_reading = false;
	if (r == 1) {
		loop_timer_set_ms(s->turn, 0);
	} else if (r == 0) {
		gate_sink.mail_end(s->mail);
	} else if (r != -EAGAIN) {
		gate_sink.mail_close(TAKE(s->mail), false);
		submission_answer(s, NULL, "the mail cannot be read");
	}
}

static void
submission_resume(struct intake_session *base)
{
	struct submission *s = submission_of(base);

	if (!s->is_reading && !s->is_answered)
		submission_read(s);
}

/* The owner learns it from an empty answer, and ends it. */
static void
submission_close(struct intake_session *base)
{
	struct submission *s = submission_of(base);

	loop_timer_stop(s->turn);
	if (s->mail != NULL)
		gate_sink.mail_close(TAKE(s->mail), false);
	submission_answer(s, NULL, "cordond ends");
}

/* There is one mail: its end is the session's. */
static void
submission_drain(struct intake_session *base UNUSED)
{
}

static const struct intake_session_ops submission_ops = {
	.finish = submission_finish,
	.resume = submission_resume,
	.close = submission_close,
	.drain = submission_drain,
};

static bool
is_file(int fd, uint64_t least_bytes)
{
	uint64_t size = 0;

	/* Not one of a file system that is a user's program: reading it would wait for that. */
	return fd >= 0 && clamd_file_check(fd, &size) == NULL && size >= least_bytes;
}

static bool
envelope_read(int fd, struct buf *out)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(out, 65536) < 0)
			return false;
		n = pread(fd, out->data + out->len, 65536, (off_t)out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		out->len += (size_t)n;
	}
}

/* Gives the envelope to the sink. */
static bool
submission_begin(struct submission *s, struct submit_envelope *e)
{
	struct intake_client *c = &s->base.client;
	struct slice recipient;

	snprintf(c->address, sizeof(c->address), "%.*s", SLICE_FMT(e->client_address));
	intake_client_set(&c->name, e->client_name);
	intake_client_set(&c->helo, e->helo);
	intake_client_set(&c->user, e->user);
	s->base.infected = e->infected;
	s->mail = gate_sink.mail_begin(s->gate, &s->base, e->sender, SLICE_NONE);
	if (s->mail == NULL)
		return false;
	if (e->queue_id.len > 0)
		gate_sink.mail_set_queue_id(s->mail, e->queue_id);
	while (submit_envelope_next(e, &recipient))
		gate_sink.mail_recipient(s->mail, recipient);
	return true;
}

static const char *
submission_prepare(struct submission *s, const struct submit_request *r, int envelope_fd)
{
	struct submit_envelope envelope;
	const char *why = NULL;
	struct buf text;

	if (!is_file(s->fd, r->length) || !is_file(envelope_fd, 0))
		return "a mail and its envelope must be files, as long as was said";
	if (s->gate->draining || gate_is_full(s->gate))
		return "no room for another mail, try again later";
	buf_init(&text, SUBMIT_ENVELOPE_MAX_BYTES + 65536u);
	if (!envelope_read(envelope_fd, &text) ||
	    !submit_envelope_parse(buf_get(&text), &envelope))
		why = "the envelope makes no sense, or is too long";
	else if (!submission_begin(s, &envelope))
		why = "no room for another mail, try again later";
	buf_done(&text);
	return why;
}

struct submission *
submission_new(struct gate *g, struct slice arguments, int *mail_fd, int *envelope_fd,
    struct buf *out, void (*done)(void *owner), void *owner, const char **ret_why)
{
	struct submission *s = mem_new(sizeof(*s));
	struct submit_request r;

	intake_session_init(&s->base, &submission_ops, &g->env, "");
	s->gate = g;
	s->fd = TAKE_FD(*mail_fd);
	s->out = out;
	s->done = done;
	s->owner = owner;
	if (!submit_request_parse(arguments, &r)) {
		*ret_why = "submit wants WAY, LENGTH and two descriptors";
	} else {
		intake_client_set(&s->base.client.listener, r.way);
		s->length = r.length;
		*ret_why = submission_prepare(s, &r, *envelope_fd);
	}
	fd_close(envelope_fd);
	if (*ret_why != NULL) {
		submission_free(s);
		return NULL;
	}
	gate_add_session(g, &s->base);
	s->turn = loop_timer_new(g->loop, submission_read, s);
	loop_timer_set_ms(s->turn, 0);
	return s;
}

/* The listener that was named, or the first one of the protocol. */
static const struct config_listener *
listener_find(const struct config *c, const struct session_request *r)
{
	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		if (slice_eq_str(r->protocol,
			config_protocol_get_name((enum config_protocol)l->protocol)) &&
		    (r->listener.len == 0 || slice_eq_str(r->listener, l->name)))
			return l;
	}
	return NULL;
}

static bool
is_connection(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

const char *
gate_take_connection(struct gate *g, struct slice arguments, int *fd)
{
	CLEANUP(fd_close) int connection = TAKE_FD(*fd);
	const struct config_listener *l;
	const struct intake_protocol *p;
	struct session_request r;
	char protocol[SUBMIT_NAME_MAX_BYTES + 1], address[64];

	if (!session_request_parse(arguments, &r) || !is_connection(connection))
		return "session wants PROTOCOL, LISTENER, ADDRESS, PORT and a connection";
	snprintf(protocol, sizeof(protocol), "%.*s", SLICE_FMT(r.protocol));
	snprintf(address, sizeof(address), "%.*s", SLICE_FMT(r.address));
	p = intake_protocol_find(protocol);
	if (p == NULL)
		return "the protocol is not known";
	l = listener_find(g->config, &r);
	/* Who sends mail on must be told where to; the others need no listener of their own. */
	if (l == NULL && (r.listener.len > 0 || slice_eq_str(r.protocol, "smtp") ||
			     slice_eq_str(r.protocol, "lmtp")))
		return "no listener of that name and protocol is configured";
	if (g->draining)
		return "cordond ends, try again later";
	gate_begin_session(g, p,
	    &(struct intake_place){ .listener = l == NULL ? protocol : l->name,
		.config = g->config,
		.options = l,
		.peer_address = r.address.len == 0 ? NULL : address,
		.peer_port = r.port },
	    &connection);
	return NULL;
}
