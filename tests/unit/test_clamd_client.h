/* test_clamd_client.h: for the clamd session tests: a client's end of a socket pair, and a sink
 * that keeps many mails and answers when the test wants. Every mail is memory of its own, so
 * that AddressSanitizer sees a call after mail_close. */
#ifndef CORDON_TEST_CLAMD_CLIENT_H
#define CORDON_TEST_CLAMD_CLIENT_H

#include "intake/clamd_session.h"
#include "unit/test_session_wire.h"

struct sink_mail {
	struct sink_mail *next;
	struct intake_session *session;
	struct buf body;
	char file[256];
	struct room room;
	bool has_ended, is_answered;
};

/* What the sink heard and how it behaves; one for all clients of a test. */
struct sink_state {
	struct loop *loop;
	struct loop_timer *timer;
	struct intake_env env;
	struct sink_mail *mails; /* in the order they began */
	unsigned begun, closed, delivered, ended, sessions_closed, reloads, open_max;
	bool finish_at_once; /* what says "bad" is infected */
	bool refuse;
	size_t drop_at;              /* body bytes from which the rest is dropped; 0: never */
	size_t pause_at;             /* body bytes at which reserve pauses, once */
	enum intake_verdict verdict; /* of what is not bad */
	enum intake_action action;
	size_t room_max; /* of one reserve; 0: as wanted */
};

struct client {
	struct sink_state *sink;
	struct intake_session *session; /* NULL once the test saw session_closed */
	int fd;
	struct buf got;
	bool has_ended; /* the session closed its end */
};

static struct client *clients[16];

static inline void *
sink_mail_begin(void *ctx, struct intake_session *s, struct slice sender, struct slice args)
{
	struct sink_state *k = ctx;
	struct sink_mail *m, **end = &k->mails;
	unsigned open = 1;

	assert_int_equal(sender.len + args.len, 0);
	assert_string_equal(s->client.listener, "files");
	if (k->refuse)
		return NULL;
	m = calloc(1, sizeof(*m));
	assert_non_null(m);
	m->session = s;
	buf_init(&m->body, 1 << 26);
	for (; *end != NULL; end = &(*end)->next)
		open++;
	*end = m;
	k->begun++;
	k->open_max = MAX_OF(k->open_max, open);
	return m;
}

static inline struct sink_state *
sink_of(struct sink_mail *m)
{
	struct sink_state *k = m->session->env->ctx;
	struct sink_mail *at = k->mails;

	while (at != m) {
		assert_non_null(at);
		at = at->next;
	}
	return k;
}

static inline void
sink_mail_set_file(void *mail, struct slice name)
{
	struct sink_mail *m = mail;

	sink_of(m);
	assert_int_equal(m->body.len, 0);
	snprintf(m->file, sizeof(m->file), "%.*s", SLICE_FMT(name));
}

static inline uint8_t *
sink_mail_body_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct sink_mail *m = mail;
	struct sink_state *k = sink_of(m);

	assert_true(want > 0 && !m->has_ended);
	room_free(&m->room);
	if (k->pause_at != 0 && m->body.len >= k->pause_at) {
		k->pause_at = 0;
		*ret_room = 0;
		return NULL;
	}
	if (k->drop_at != 0 && m->body.len + want > k->drop_at) {
		*ret_room = SIZE_MAX;
		return NULL;
	}
	return room_make(&m->room, want, k->room_max, ret_room);
}

static inline void
sink_mail_body_commit(void *mail, size_t len)
{
	struct sink_mail *m = mail;

	sink_of(m);
	room_commit(&m->room, len, &m->body);
}

static inline void
sink_answer(struct sink_mail *m)
{
	static const struct slice names[] = { { (const uint8_t *)"Bad.One", 7 },
		{ (const uint8_t *)"Bad\n2", 5 } };
	struct sink_state *k = sink_of(m);
	bool is_bad = slice_find(buf_get(&m->body), SLICE_LIT("bad"), 0) != SIZE_MAX;
	struct intake_reply r = {
		.action = k->action, .verdict = k->verdict, .reason = "unscanned: timeout"
	};

	if (is_bad)
		r = (struct intake_reply){ .action = INTAKE_REJECT,
			.verdict = INTAKE_INFECTED,
			.names = names,
			.name_count = ARRAY_LEN(names) };
	m->is_answered = true;
	m->session->ops->finish(m->session, &r);
}

static inline void
sink_mail_end(void *mail)
{
	struct sink_mail *m = mail;
	struct sink_state *k = sink_of(m);

	assert_false(m->has_ended);
	m->has_ended = true;
	k->ended++;
	if (k->finish_at_once)
		sink_answer(m);
}

static inline void
sink_mail_close(void *mail, bool delivered)
{
	struct sink_mail *m = mail;
	struct sink_state *k = sink_of(m);
	struct sink_mail **at = &k->mails;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	assert_true(!delivered || m->is_answered);
	k->closed++;
	k->delivered += delivered;
	room_free(&m->room);
	buf_done(&m->body);
	free(m);
}

static inline void
sink_session_closed(void *ctx, struct intake_session *s)
{
	struct sink_state *k = ctx;

	for (struct sink_mail *m = k->mails; m != NULL; m = m->next)
		assert_ptr_not_equal(m->session, s);
	k->sessions_closed++;
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		if (clients[i] != NULL && clients[i]->session == s)
			clients[i]->session = NULL;
	}
}

static const struct intake_sink clamd_sink = {
	.mail_begin = sink_mail_begin,
	.mail_set_file = sink_mail_set_file,
	.mail_body_reserve = sink_mail_body_reserve,
	.mail_body_commit = sink_mail_body_commit,
	.mail_end = sink_mail_end,
	.mail_close = sink_mail_close,
	.session_closed = sink_session_closed,
};

static inline void
sink_ask_reload(void *ctx)
{
	((struct sink_state *)ctx)->reloads++;
}

static inline void
sink_get_version(void *ctx UNUSED, struct buf *out)
{
	(void)buf_append_str(out, "Cordon 9.9/12/Thu Jan  1 00:00:00 2026");
}

static inline void
sink_get_load(void *ctx UNUSED, struct intake_load *ret)
{
	*ret = (struct intake_load){ 4, 3, 7, 1 << 20, 8 << 20 };
}

static inline void
sink_init(struct sink_state *k)
{
	*k = (struct sink_state){ .loop = loop_new(),
		.finish_at_once = true,
		.verdict = INTAKE_CLEAN,
		.action = INTAKE_ACCEPT };
	k->timer = wire_timer_new(k->loop);
	k->env = (struct intake_env){ .loop = k->loop,
		.sink = &clamd_sink,
		.ctx = k,
		.idle_timeout_ms = 60000,
		.io_timeout_ms = 30000,
		.progress_ms = 30000,
		.ask_reload = sink_ask_reload,
		.get_version = sink_get_version,
		.get_load = sink_get_load };
}

static inline void
client_start(struct client *c, struct sink_state *k)
{
	*c = (struct client){ .sink = k };
	buf_init(&c->got, 1 << 24);
	c->session = wire_start(&k->env, clamd_session_start, "files", &c->fd);
	for (size_t i = 0;; i++) {
		assert_true(i < ARRAY_LEN(clients));
		if (clients[i] == NULL) {
			clients[i] = c;
			return;
		}
	}
}

/* Lets the loop handle what is ready until nothing new is heard. */
static inline void
sink_run(struct sink_state *k)
{
	size_t sum = 0, now;

	for (unsigned quiet = 0; quiet < 6; quiet++) {
		now = k->begun + k->closed + k->ended + k->sessions_closed;
		wire_turn(k->loop, k->timer);
		for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
			if (clients[i] == NULL)
				continue;
			(void)wire_read(
			    clients[i]->fd, &clients[i]->got, &clients[i]->has_ended);
			now += clients[i]->got.len;
		}
		for (struct sink_mail *m = k->mails; m != NULL; m = m->next)
			now += m->body.len;
		if (sum != now)
			quiet = 0;
		sum = now;
	}
}

static inline void
sink_run_ms(struct sink_state *k, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 5) {
		usleep(5000);
		sink_run(k);
	}
}

static inline void
client_done(struct client *c)
{
	fd_close(&c->fd);
	sink_run(c->sink);
	if (c->session != NULL)
		c->session->ops->close(c->session);
	assert_null(c->session);
	buf_done(&c->got);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		if (clients[i] == c)
			clients[i] = NULL;
	}
}

static inline void
sink_done(struct sink_state *k)
{
	assert_null(k->mails);
	assert_int_equal(k->begun, k->closed);
	loop_timer_free(&k->timer);
	loop_free(&k->loop);
}

/* Answers all that was ever asked. */
static inline void
sink_answer_all(struct sink_state *k)
{
	while (k->mails != NULL) {
		assert_true(k->mails->has_ended);
		sink_answer(k->mails);
		sink_run(k);
	}
}

/* Sends bytes in pieces of `step` (0: as much as goes), letting the session work in between. */
static inline void
client_send(struct client *c, const void *data, size_t len, size_t step)
{
	struct wire_bytes left = { .at = data, .len = len };

	while (wire_send_step(c->fd, &left, step))
		sink_run(c->sink);
}
#define SEND(c, literal) client_send(c, literal, sizeof(literal) - 1, 0)

/* One packet with a descriptor. */
static inline void
client_send_fd(struct client *c, const void *data, size_t len, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	assert_int_equal(sendmsg(c->fd, &msg, MSG_NOSIGNAL), (ssize_t)len);
	sink_run(c->sink);
}

/* All that was answered so far, which is forgotten then. */
static inline void
client_expect(struct client *c, const void *want, size_t len)
{
	bool is_same = slice_eq(buf_get(&c->got), slice_of(want, len));

	if (!is_same)
		for (size_t i = 0; i < c->got.len; i++)
			print_error("%c", c->got.data[i] == 0 ? (uint8_t)126 : c->got.data[i]);
	assert_true(is_same);
	buf_clear(&c->got);
}
#define EXPECT(c, literal) client_expect(c, literal, sizeof(literal) - 1)

#endif
