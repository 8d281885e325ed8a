/* test_milter_peer.h: for the milter session tests: an MTA's end of a socket pair, and a sink
 * that writes down what it hears. Every mail is memory of its own, so that AddressSanitizer
 * sees a call after mail_close. */
#ifndef CORDON_TEST_MILTER_PEER_H
#define CORDON_TEST_MILTER_PEER_H

#include "intake/milter_session.h"
#include "unit/test_session_wire.h"

struct peer_mail {
	struct peer *peer;
	struct room room; /* what reserve gave */
};

struct peer {
	struct loop *loop;
	struct loop_timer *timer;
	struct intake_env env;
	struct intake_session *session; /* NULL once session_closed was heard */
	int fd;
	struct buf heard;       /* events, one per line */
	struct buf body;        /* of all mails */
	struct buf got;         /* bytes the session wrote */
	struct peer_mail *mail; /* the open one */
	struct intake_reply reply;
	unsigned begun, closed, delivered, ended, reserves, sessions_closed;
	/* how the sink behaves */
	bool finish_at_once;
	bool refuse;          /* mail_begin gives NULL */
	size_t room_max;      /* of one reserve; 0: as wanted */
	size_t pause_at;      /* body bytes after which reserve pauses, once */
	bool resume_inside;   /* resume() is called from inside that reserve */
	size_t drop_at;       /* body bytes after which reserve wants no more */
	const char *close_at; /* close() from inside this event */
};

static inline void
peer_note_event(struct peer *p, const char *event)
{
	assert_int_equal(buf_append_byte(&p->heard, '\n'), 0);
	if (p->close_at != NULL && strcmp(p->close_at, event) == 0 && p->session != NULL)
		p->session->ops->close(p->session);
}

/* One line: the event and what follows as for printf. */
#define peer_note(p, event, ...)                                                               \
	do {                                                                                   \
		assert_int_equal(buf_printf(&(p)->heard, event __VA_ARGS__), 0);               \
		peer_note_event(p, event);                                                     \
	} while (0)

static inline void *
peer_mail_begin(void *ctx, struct intake_session *s, struct slice sender, struct slice args)
{
	struct peer *p = ctx;

	assert_ptr_equal(s, p->session);
	assert_null(p->mail);
	if (p->refuse) {
		peer_note(p, "refused");
		return NULL;
	}
	p->mail = calloc(1, sizeof(*p->mail));
	assert_non_null(p->mail);
	p->mail->peer = p;
	p->begun++;
	peer_note(p, "begin", " <%.*s>%s%.*s", SLICE_FMT(sender), args.len > 0 ? " " : "",
	    SLICE_FMT(args));
	return p->mail;
}

static inline struct peer *
peer_of(void *mail)
{
	struct peer_mail *m = mail;

	assert_ptr_equal(m, m->peer->mail);
	return m->peer;
}

static inline void
peer_mail_recipient(void *mail, struct slice recipient)
{
	peer_note(peer_of(mail), "rcpt", " <%.*s>", SLICE_FMT(recipient));
}

static inline void
peer_mail_set_queue_id(void *mail, struct slice id)
{
	peer_note(peer_of(mail), "id", " %.*s", SLICE_FMT(id));
}

static inline void
peer_mail_header(void *mail, struct slice name, struct slice value, bool value_is_raw)
{
	peer_note(peer_of(mail), "header", " %.*s:%s%.*s", SLICE_FMT(name),
	    value_is_raw ? "" : "(cooked)", SLICE_FMT(value));
}

static inline void
peer_mail_header_end(void *mail)
{
	peer_note(peer_of(mail), "eoh");
}

static inline uint8_t *
peer_mail_body_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct peer *p = peer_of(mail);
	struct peer_mail *m = mail;

	assert_true(want > 0);
	p->reserves++;
	room_free(&m->room);
	if (p->pause_at != 0 && p->body.len >= p->pause_at) {
		p->pause_at = 0;
		*ret_room = 0;
		peer_note(p, "pause");
		if (p->resume_inside)
			p->session->ops->resume(p->session);
		return NULL;
	}
	if (p->drop_at != 0 && p->body.len >= p->drop_at) {
		peer_note(p, "drop");
		*ret_room = SIZE_MAX;
		return NULL;
	}
	return room_make(&m->room, want, p->room_max, ret_room);
}

static inline void
peer_mail_body_commit(void *mail, size_t len)
{
	struct peer *p = peer_of(mail);
	struct peer_mail *m = mail;

	room_commit(&m->room, len, &p->body);
}

static inline void
peer_mail_end(void *mail)
{
	struct peer *p = peer_of(mail);

	p->ended++;
	peer_note(p, "end");
	if (p->finish_at_once)
		p->session->ops->finish(p->session, &p->reply);
}

static inline void
peer_mail_close(void *mail, bool delivered)
{
	struct peer *p = peer_of(mail);

	room_free(&p->mail->room);
	free(p->mail);
	p->mail = NULL;
	p->closed++;
	p->delivered += delivered;
	peer_note(p, "close", "%s", delivered ? " delivered" : "");
}

static inline void
peer_session_closed(void *ctx, struct intake_session *s)
{
	struct peer *p = ctx;

	assert_ptr_equal(s, p->session);
	assert_null(p->mail);
	p->session = NULL;
	p->sessions_closed++;
	peer_note(p, "closed");
}

static const struct intake_sink peer_sink = {
	.mail_begin = peer_mail_begin,
	.mail_recipient = peer_mail_recipient,
	.mail_set_queue_id = peer_mail_set_queue_id,
	.mail_header = peer_mail_header,
	.mail_header_end = peer_mail_header_end,
	.mail_body_reserve = peer_mail_body_reserve,
	.mail_body_commit = peer_mail_body_commit,
	.mail_end = peer_mail_end,
	.mail_close = peer_mail_close,
	.session_closed = peer_session_closed,
};

static inline void
peer_start(struct peer *p)
{
	p->session = wire_start(&p->env, milter_session_start, "inbound", &p->fd);
}

static inline void
peer_init(struct peer *p)
{
	*p = (struct peer){ .loop = loop_new(), .fd = -1, .finish_at_once = true };
	p->timer = wire_timer_new(p->loop);
	p->env = (struct intake_env){ .loop = p->loop,
		.sink = &peer_sink,
		.ctx = p,
		.idle_timeout_ms = 60000,
		.io_timeout_ms = 30000,
		.progress_ms = 30000 };
	p->reply = (struct intake_reply){ .action = INTAKE_ACCEPT };
	buf_init(&p->heard, 1 << 24);
	buf_init(&p->body, 1 << 26);
	buf_init(&p->got, 1 << 24);
	peer_start(p);
}

/* Lets the loop handle what is ready until nothing new is heard; reads what was written. */
static inline void
peer_run(struct peer *p)
{
	size_t sum = 0;

	for (unsigned quiet = 0; quiet < 4; quiet++) {
		wire_turn(p->loop, p->timer);
		(void)wire_read(p->fd, &p->got, NULL);
		if (sum != p->heard.len + p->body.len + p->got.len)
			quiet = 0;
		sum = p->heard.len + p->body.len + p->got.len;
	}
}

static inline void
peer_run_ms(struct peer *p, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 5) {
		usleep(5000);
		peer_run(p);
	}
}

static inline void
peer_done(struct peer *p)
{
	fd_close(&p->fd);
	peer_run(p);
	if (p->session != NULL)
		p->session->ops->close(p->session);
	assert_null(p->session);
	assert_int_equal(p->begun, p->closed);
	buf_done(&p->heard);
	buf_done(&p->body);
	buf_done(&p->got);
	loop_timer_free(&p->timer);
	loop_free(&p->loop);
}

/* Sends bytes in pieces of `step` (0: as much as goes), letting the session work in between. */
static inline void
peer_send(struct peer *p, const void *data, size_t len, size_t step)
{
	struct wire_bytes left = { .at = data, .len = len };

	while (wire_send_step(p->fd, &left, step))
		peer_run(p);
}

/* Appends a packet to b. */
static inline void
packet_add(struct buf *b, char command, const void *data, size_t len)
{
	uint8_t head[5] = { (uint8_t)((len + 1) >> 24), (uint8_t)((len + 1) >> 16),
		(uint8_t)((len + 1) >> 8), (uint8_t)(len + 1), (uint8_t)command };

	assert_int_equal(buf_append(b, head, sizeof(head)), 0);
	assert_int_equal(buf_append(b, data, len), 0);
}
#define PACKET(b, command, literal) packet_add(b, command, literal, sizeof(literal) - 1)

/* Replies so far, by their letters; OPTNEG's too. Clears them. */
static inline void
peer_expect_replies(struct peer *p, const char *want)
{
	char have[256];
	size_t n = 0, at = 0;

	while (at + 5 <= p->got.len && n + 1 < sizeof(have)) {
		size_t len = (size_t)p->got.data[at + 2] << 8 | p->got.data[at + 3];

		assert_true(len > 0 && at + 4 + len <= p->got.len);
		have[n++] = (char)p->got.data[at + 4];
		at += 4 + len;
	}
	have[n] = '\0';
	assert_int_equal(at, p->got.len);
	assert_string_equal(have, want);
	buf_clear(&p->got);
}

static inline void
peer_expect_heard(struct peer *p, const char *want)
{
	assert_string_equal(buf_get_str(&p->heard), want);
	buf_clear(&p->heard);
}

/* One dialogue that all tests know. */
#define OFFER_ALL "\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"
#define OFFER_V2  "\0\0\0\2\0\0\0\x3f\0\0\0\x7f"

static inline void
add_client(struct buf *b, bool v2)
{
	if (v2)
		PACKET(b, 'O', OFFER_V2);
	else
		PACKET(b, 'O', OFFER_ALL);
	PACKET(b, 'D', "Cj\0mx\0_\0client.example [192.0.2.7]\0");
	PACKET(b, 'C',
	    "client.example\0"
	    "4\x9c\x40"
	    "192.0.2.7\0");
	PACKET(b, 'D', "H{tls_version}\0TLSv1.3\0{cipher}\0AES\0");
	PACKET(b, 'H', "client.example\0");
}

static inline void
add_mail(struct buf *b)
{
	PACKET(b, 'D', "M{auth_authen}\0ann\0");
	PACKET(b, 'M', "<a@example.com>\0SIZE=100\0BODY=8BITMIME\0");
	PACKET(b, 'R', "<b@example.net>\0NOTIFY=NEVER\0");
	PACKET(b, 'D', "Ri\0Q1\0");
	PACKET(b, 'R', "<c@example.net>\0");
	PACKET(b, 'D', "Ti\0Q1\0");
	PACKET(b, 'T', "");
	PACKET(b, 'L', "Subject\0 one\n two\0");
	PACKET(b, 'L', "X\0\0");
	PACKET(b, 'N', "");
	PACKET(b, 'B', "Hello,\r\n");
	PACKET(b, 'B', "");
	PACKET(b, 'B', "world\r\n");
	PACKET(b, 'D', "Ei\0Q1\0");
	PACKET(b, 'E', "last\r\n");
}

#define HEARD_MAIL(cooked)                                                                     \
	"begin <a@example.com> SIZE=100 BODY=8BITMIME\n"                                       \
	"rcpt <b@example.net>\n"                                                               \
	"id Q1\n"                                                                              \
	"rcpt <c@example.net>\n"                                                               \
	"header Subject:" cooked " one\n two\n"                                                \
	"header X:" cooked "\n"                                                                \
	"eoh\n"                                                                                \
	"end\n"                                                                                \
	"close delivered\n"
#define BODY_MAIL "Hello,\r\nworld\r\nlast\r\n"

#endif
