/* test_filter_peer.h: for tests of protocols with many mails at once: a peer's end of a socket
 * pair, and a sink that keeps each mail apart. A mail stays in the list when it is closed, so
 * that tests can look at it; its room is memory of its own, so that AddressSanitizer sees a
 * write beyond it. */
#ifndef CORDON_TEST_FILTER_PEER_H
#define CORDON_TEST_FILTER_PEER_H

#include "unit/test_session_wire.h"

#define FILTER_MAILS_MAX 64

struct filter_mail {
	struct filter_peer *peer;
	struct intake_session *session;
	struct buf envelope; /* "<sender> client ...\n<recipient>\n" */
	struct buf body;
	struct buf added; /* the header of `header`, and */
	struct slice pieces[3];
	struct room room;
	bool is_ended, is_closed, is_delivered;
};

struct filter_peer {
	struct loop *loop;
	struct loop_timer *timer;
	struct intake_env env;
	struct intake_session *session; /* NULL once session_closed was heard */
	int fd;
	struct buf got; /* bytes the session wrote */
	struct filter_mail mails[FILTER_MAILS_MAX];
	unsigned count, paused;
	/* how the sink behaves */
	struct intake_reply reply;
	bool finish_later;
	bool refuse;        /* mail_begin gives NULL */
	bool drop;          /* reserve wants no more */
	bool has_no_pieces; /* an accepted mail was not kept */
	bool is_deaf;       /* filter_run() does not read */
	size_t room_max;    /* of one reserve; 0: as wanted */
	size_t pause_every; /* this many reserves one pauses; 0: never */
	size_t reserves;
	const char *header; /* put in front of accepted mails */
};

static inline void *
filter_mail_begin(
    void *ctx, struct intake_session *s, struct slice sender, struct slice args UNUSED)
{
	struct filter_peer *p = ctx;
	struct filter_mail *m = &p->mails[p->count];
	const struct intake_client *c = &s->client;

	if (p->refuse)
		return NULL;
	assert_true(p->count < FILTER_MAILS_MAX);
	p->count++;
	*m = (struct filter_mail){ .peer = p, .session = s };
	buf_init(&m->envelope, 1 << 16);
	buf_init(&m->body, 1 << 28);
	buf_init(&m->added, 1 << 16);
	assert_int_equal(
	    buf_printf(&m->envelope, "<%.*s> %s [%s]:%u helo=%s user=%s tls=%s in=%s\n",
		SLICE_FMT(sender), c->name, c->address, c->port, c->helo, c->user, c->tls,
		c->listener),
	    0);
	return m;
}

static inline struct filter_mail *
filter_open(void *mail)
{
	struct filter_mail *m = mail;

	assert_false(m->is_closed);
	return m;
}

static inline void
filter_mail_recipient(void *mail, struct slice recipient)
{
	assert_int_equal(
	    buf_printf(&filter_open(mail)->envelope, "<%.*s>\n", SLICE_FMT(recipient)), 0);
}

static inline void
filter_mail_set_queue_id(void *mail, struct slice id)
{
	assert_int_equal(
	    buf_printf(&filter_open(mail)->envelope, "id=%.*s\n", SLICE_FMT(id)), 0);
}

static inline uint8_t *
filter_mail_body_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct filter_mail *m = filter_open(mail);
	struct filter_peer *p = m->peer;

	assert_true(want > 0 && !m->is_ended);
	room_free(&m->room);
	*ret_room = 0;
	if (p->pause_every != 0 && ++p->reserves % p->pause_every == 0) {
		p->paused++;
		return NULL;
	}
	if (p->drop) {
		*ret_room = SIZE_MAX;
		return NULL;
	}
	return room_make(&m->room, want, p->room_max, ret_room);
}

static inline void
filter_mail_body_commit(void *mail, size_t len)
{
	struct filter_mail *m = filter_open(mail);

	room_commit(&m->room, len, &m->body);
}

/* The answer of p->reply, or a refusal when the mail has "virus" in it. */
static inline void
filter_finish(struct filter_mail *m)
{
	struct filter_peer *p = m->peer;
	struct intake_reply r = p->reply;

	if (slice_has(buf_get(&m->body), "virus"))
		r = (struct intake_reply){ .action = INTAKE_REJECT,
			.code = 550,
			.enhanced = "5.7.1",
			.text = "virus\nfound \xe2\x82\xac" };
	if ((r.action == INTAKE_ACCEPT || r.action == INTAKE_HOLD) && !p->has_no_pieces) {
		size_t half = m->body.len / 2;

		assert_int_equal(
		    buf_append_str(&m->added, p->header == NULL ? "" : p->header), 0);
		m->pieces[0] = buf_get(&m->added);
		m->pieces[1] = slice_sub(buf_get(&m->body), 0, half);
		m->pieces[2] = slice_from(buf_get(&m->body), half);
		r.pieces = m->pieces;
		r.piece_count = 3;
	}
	m->session->ops->finish(m->session, &r);
}

static inline void
filter_mail_end(void *mail)
{
	struct filter_mail *m = filter_open(mail);

	assert_false(m->is_ended);
	m->is_ended = true;
	if (!m->peer->finish_later)
		filter_finish(m);
}

static inline void
filter_mail_close(void *mail, bool delivered)
{
	struct filter_mail *m = filter_open(mail);

	assert_true(m->is_ended || !delivered);
	room_free(&m->room);
	m->is_closed = true;
	m->is_delivered = delivered;
	if (m->body.len > 0) /* its pieces must not be used any more */
		memset(m->body.data, '#', m->body.len);
}

static inline void
filter_session_closed(void *ctx, struct intake_session *s)
{
	struct filter_peer *p = ctx;

	assert_ptr_equal(s, p->session);
	p->session = NULL;
}

static const struct intake_sink filter_sink = {
	.mail_begin = filter_mail_begin,
	.mail_recipient = filter_mail_recipient,
	.mail_set_queue_id = filter_mail_set_queue_id,
	.mail_body_reserve = filter_mail_body_reserve,
	.mail_body_commit = filter_mail_body_commit,
	.mail_end = filter_mail_end,
	.mail_close = filter_mail_close,
	.session_closed = filter_session_closed,
};

static inline void
filter_connect(struct filter_peer *p, intake_start_fn start)
{
	fd_close(&p->fd);
	p->session = wire_start(&p->env, start, "in", &p->fd);
}

static inline void
filter_init(struct filter_peer *p, intake_start_fn start)
{
	*p = (struct filter_peer){ .loop = loop_new(), .fd = -1 };
	p->timer = wire_timer_new(p->loop);
	p->env = (struct intake_env){ .loop = p->loop,
		.sink = &filter_sink,
		.ctx = p,
		.io_timeout_ms = 30000,
		.idle_timeout_ms = 30000,
		.progress_ms = 30000 };
	p->reply = (struct intake_reply){ .action = INTAKE_ACCEPT };
	buf_init(&p->got, 1 << 28);
	filter_connect(p, start);
}

/* Lets the loop handle what is ready until nothing new happens; reads what was written. Paused
 * sessions are resumed. */
static inline void
filter_run(struct filter_peer *p)
{
	for (unsigned quiet = 0; quiet < 4; quiet++) {
		wire_turn(p->loop, p->timer);
		if (p->paused > 0 && p->session != NULL) {
			p->paused = 0;
			p->session->ops->resume(p->session);
			quiet = 0;
		}
		if (!p->is_deaf && wire_read(p->fd, &p->got, NULL))
			quiet = 0;
	}
}

static inline void
filter_run_ms(struct filter_peer *p, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 5) {
		usleep(5000);
		filter_run(p);
	}
}

/* Sends bytes in pieces of `step` (0: as much as goes), letting the session work in between. */
static inline void
filter_send_bytes(struct filter_peer *p, const void *data, size_t len, size_t step)
{
	struct wire_bytes left = { .at = data, .len = len };

	while (wire_send_step(p->fd, &left, step))
		filter_run(p);
}

static inline void
filter_send(struct filter_peer *p, const char *text, size_t step)
{
	filter_send_bytes(p, text, strlen(text), step);
}

/* What was written since the last time. */
static inline void
filter_expect(struct filter_peer *p, const char *want, const char *file, int line)
{
	slice_expect(buf_get(&p->got), want, file, line);
	buf_clear(&p->got);
}
#define assert_got(p, want) filter_expect((p), (want), __FILE__, __LINE__)

static inline void
filter_done(struct filter_peer *p)
{
	fd_close(&p->fd);
	filter_run(p);
	if (p->session != NULL)
		p->session->ops->close(p->session);
	assert_null(p->session);
	for (unsigned i = 0; i < p->count; i++) {
		assert_true(p->mails[i].is_closed);
		buf_done(&p->mails[i].envelope);
		buf_done(&p->mails[i].body);
		buf_done(&p->mails[i].added);
	}
	buf_done(&p->got);
	loop_timer_free(&p->timer);
	loop_free(&p->loop);
}

#endif
