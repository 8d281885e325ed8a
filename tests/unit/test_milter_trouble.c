/* test_milter_trouble.c: a milter session with peers that vanish, dawdle or talk nonsense, with
 * a sink that closes and drains, and the memory of idle sessions. test_milter_session.c has
 * mail. */
#include <malloc.h>

#include "unit/test_milter_peer.h"

static void
test_progress(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct peer p;

	peer_init(&p);
	buf_init(&b, 1 << 20);
	p.finish_at_once = false;
	p.env.progress_ms = 20;
	p.env.idle_timeout_ms = p.env.io_timeout_ms =
	    40; /* do not count while the sink works */
	add_client(&b, false);
	add_mail(&b);
	peer_send(&p, b.data, b.len, 0);
	peer_run_ms(&p, 150);
	assert_non_null(p.session);
	p.session->ops->finish(p.session, &p.reply);
	peer_run(&p);
	assert_int_equal(p.delivered, 1);
	assert_true(p.got.len > 5);
	assert_memory_equal(
	    p.got.data + p.got.len - 20, "\0\0\0\1p\0\0\0\1p\0\0\0\1p\0\0\0\1c", 20);
	peer_done(&p);
}

static void
test_vanished(void **state UNUSED)
{
	for (unsigned way = 0; way < 3; way++) {
		CLEANUP(buf_done) struct buf b;
		struct peer p;

		peer_init(&p);
		buf_init(&b, 1 << 20);
		p.finish_at_once = false;
		p.env.progress_ms = 10;
		p.pause_at = way == 2 ? 5 : 0;
		add_client(&b, false);
		add_mail(&b);
		if (way == 1)
			PACKET(&b, 'A', ""); /* unread bytes in the socket hide its end */
		peer_send(&p, b.data, b.len, 0);
		assert_int_equal(p.ended, way == 2 ? 0 : 1);
		fd_close(&p.fd);
		peer_run(&p);
		if (way > 0)
			peer_run_ms(&p, 50);
		assert_null(p.session);
		assert_int_equal(p.closed, 1);
		assert_int_equal(p.delivered, 0);
		peer_done(&p);
	}
}

static void
test_timeouts(void **state UNUSED)
{
	static const struct {
		const char *name;
		bool client; /* has greeted */
		size_t mail; /* packets of a mail that were sent */
		size_t part; /* bytes of the next one */
		unsigned idle_ms, io_ms;
		bool want_end;
	} cases[] = {
		{ "silent from the start", false, 0, 0, 30, 1000, true },
		{ "idle", true, 0, 0, 30, 1000, true },
		{ "idle in a mail", true, 4, 0, 30, 1000, true },
		{ "inside a length", true, 8, 3, 1000, 30, true },
		{ "inside a field", true, 8, 7, 1000, 30, true },
		{ "inside a body", true, 10, 9, 1000, 30, true },
		{ "Postfix' full buffer", true, 3, 9, 1000, 30, false },
		{ "idle enough", true, 10, 0, 1000, 30, false },
		{ "no limits", true, 0, 0, 0, 0, false },
	};
	CLEANUP(buf_done) struct buf mail, client;

	buf_init(&mail, 1 << 20);
	buf_init(&client, 1 << 20);
	add_client(&client, false);
	add_mail(&mail);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct peer p;
		size_t end = 0;

		peer_init(&p);
		p.session->ops->close(p.session);
		fd_close(&p.fd);
		p.env.idle_timeout_ms = cases[i].idle_ms;
		p.env.io_timeout_ms = cases[i].io_ms;
		peer_start(&p);
		if (cases[i].client)
			peer_send(&p, client.data, client.len, 0);
		for (size_t k = 0; k < cases[i].mail; k++)
			end += 4 + ((size_t)mail.data[end + 2] << 8 | mail.data[end + 3]);
		peer_send(&p, mail.data, end + cases[i].part, 0);
		assert_non_null(p.session);
		peer_run_ms(&p, 90);
		if ((p.session == NULL) != cases[i].want_end)
			fail_msg("%s", cases[i].name);
		peer_done(&p);
	}
}

static void
test_malformed(void **state UNUSED)
{
	/* Bytes that follow a client and, where has_mail says so, MAIL. */
	static const struct {
		const char *name;
		bool has_mail;
		const char *data;
		size_t len;
	} cases[] = {
#define CASE(name, has_mail, data) { name, has_mail, data, sizeof(data) - 1 }
		CASE("length 0", true, "\0\0\0\0"),
		CASE("length 4 GB", true, "\xff\xff\xff\xff"),
		CASE("length 4 GB of body", true,
		    "\xff\xff\xff\xff"
		    "B"),
		CASE("length over the limit", true,
		    "\0\x10\x01\0"
		    "B"),
		CASE("long command", true,
		    "\0\x0a\0\0"
		    "R"),
		CASE("unknown command", true, "\0\0\0\1z"),
		CASE("a web browser", true, "GET / HTTP/1.0\r\n\r\n"),
		CASE("OPTNEG again", false, "\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"),
		CASE("OPTNEG in a mail", true, "\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"),
		CASE("CONNECT again", false, "\0\0\0\4Ch\0U"),
		CASE("CONNECT in a mail", true, "\0\0\0\4Ch\0U"),
		CASE("HELO without end", true, "\0\0\0\2Hh"),
		CASE("HELO empty", true, "\0\0\0\1H"),
		CASE("MAIL empty", false, "\0\0\0\1M"),
		CASE("MAIL without end", false, "\0\0\0\4M<a>"),
		CASE("RCPT outside", false, "\0\0\0\5R<a>\0"),
		CASE("RCPT empty", true, "\0\0\0\1R"),
		CASE("RCPT after DATA", true, "\0\0\0\1T\0\0\0\5R<a>\0"),
		CASE("DATA outside", false, "\0\0\0\1T"),
		CASE("DATA twice", true, "\0\0\0\1T\0\0\0\1T"),
		CASE("HEADER outside", false, "\0\0\0\5La\0b\0"),
		CASE("HEADER without value", true, "\0\0\0\3La\0"),
		CASE("HEADER without end", true, "\0\0\0\4La\0b"),
		CASE("HEADER after EOH", true, "\0\0\0\1N\0\0\0\5La\0b\0"),
		CASE("EOH outside", false, "\0\0\0\1N"),
		CASE("EOH twice", true, "\0\0\0\1N\0\0\0\1N"),
		CASE("BODY outside", false, "\0\0\0\2Bx"),
		CASE("BODYEOB outside", false, "\0\0\0\1E"),
		CASE("EOH after BODY", true, "\0\0\0\2Bx\0\0\0\1N"),
		CASE("MACRO empty", true, "\0\0\0\1D"),
		CASE("MACRO without end", true, "\0\0\0\3DMi"),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t step = 0; step < 2; step++) {
			CLEANUP(buf_done) struct buf b;
			struct peer p;

			peer_init(&p);
			buf_init(&b, 1 << 20);
			add_client(&b, false);
			if (cases[i].has_mail)
				PACKET(&b, 'M', "<a@b>\0");
			peer_send(&p, b.data, b.len, 0);
			peer_send(&p, cases[i].data, cases[i].len, step);
			if (p.session != NULL)
				fail_msg("%s: goes on", cases[i].name);
			assert_int_equal(p.begun, cases[i].has_mail ? 1 : 0);
			assert_int_equal(p.closed, p.begun);
			assert_int_equal(p.delivered, 0);
			peer_expect_replies(&p, "O");
			peer_done(&p);
		}
	}
}

static void
test_malformed_start(void **state UNUSED)
{
	static const char *const commands = "CDHMRTLNBEKU";

	for (const char *c = commands; *c != '\0'; c++) {
		uint8_t data[] = { 0, 0, 0, 3, (uint8_t)*c, 'x', 0 };
		struct peer p;

		peer_init(&p);
		peer_send(&p, data, sizeof(data), 0);
		assert_null(p.session);
		assert_int_equal(p.begun, 0);
		peer_done(&p);
	}
}

/* What an MTA may leave out is made good: the sink hears the end of the header once. */
static void
test_left_out(void **state UNUSED)
{
	static const struct {
		const char *data;
		size_t len;
		const char *want;
	} cases[] = {
#define CASE(data, want) { data, sizeof(data) - 1, want }
		CASE("\0\0\0\1E", "begin <a>\neoh\nend\nclose delivered\n"),
		CASE("\0\0\0\2Ex", "begin <a>\neoh\nend\nclose delivered\n"),
		CASE("\0\0\0\2Bx\0\0\0\1E", "begin <a>\neoh\nend\nclose delivered\n"),
		CASE("\0\0\0\1N\0\0\0\1E", "begin <a>\neoh\nend\nclose delivered\n"),
		CASE("\0\0\0\5La\0b\0\0\0\0\1E",
		    "begin <a>\nheader a:b\neoh\nend\nclose delivered\n"),
		CASE("\0\0\0\1T\0\0\0\1A", "begin <a>\nclose\n"),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b;
		struct peer p;

		peer_init(&p);
		buf_init(&b, 1 << 20);
		PACKET(&b, 'O', OFFER_ALL);
		PACKET(&b, 'M', "<a>\0");
		assert_int_equal(buf_append(&b, cases[i].data, cases[i].len), 0);
		peer_send(&p, b.data, b.len, 0);
		assert_non_null(p.session);
		peer_expect_heard(&p, cases[i].want);
		peer_done(&p);
	}
}

/* Sendmail 8.17 after RSET: no ABORT, but the next mail's macros. */
static void
test_sendmail_rset(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct peer p;

	peer_init(&p);
	buf_init(&b, 1 << 20);
	PACKET(&b, 'O', OFFER_ALL);
	PACKET(&b, 'D', "Mi\0Q1\0");
	PACKET(&b, 'M', "<a>\0");
	PACKET(&b, 'D', "Mi\0Q2\0");
	PACKET(&b, 'M', "<b>\0");
	PACKET(&b, 'A', "");
	peer_send(&p, b.data, b.len, 0);
	peer_expect_heard(&p, "begin <a>\nid Q1\nclose\nbegin <b>\nid Q2\nclose\n");
	peer_done(&p);
}

static void
test_long_field(void **state UNUSED)
{
	for (unsigned step = 0; step < 2; step++) {
		CLEANUP(buf_done) struct buf b;
		size_t len = step == 0 ? 900 * 1024 : 3000; /* the latter byte by byte */
		char *data = malloc(len);
		struct peer p;

		assert_non_null(data);
		memset(data, 'x', len);
		data[1] = data[len - 1] = '\0';
		peer_init(&p);
		buf_init(&b, 1 << 22);
		PACKET(&b, 'O', OFFER_ALL);
		PACKET(&b, 'M', "<a>\0");
		packet_add(&b, 'L', data, len);
		PACKET(&b, 'E', "");
		peer_send(&p, b.data, b.len, step);
		assert_int_equal(p.delivered, 1);
		peer_done(&p);
		free(data);
	}
}

static void
test_drain(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct peer p;

	buf_init(&b, 1 << 20);
	peer_init(&p); /* idle: soon */
	p.session->ops->drain(p.session);
	assert_non_null(p.session); /* but not under the caller's feet */
	peer_run(&p);
	assert_null(p.session);
	peer_done(&p);

	peer_init(&p); /* with a mail: after its answer */
	p.finish_at_once = false;
	add_client(&b, false);
	add_mail(&b);
	peer_send(&p, b.data, b.len - 6, 0);
	p.session->ops->drain(p.session);
	peer_run(&p);
	assert_non_null(p.session);
	peer_send(&p, b.data + b.len - 6, 6, 0);
	assert_int_equal(p.ended, 1);
	assert_non_null(p.session);
	p.session->ops->finish(p.session, &p.reply);
	peer_run(&p);
	assert_null(p.session);
	assert_int_equal(p.delivered, 1);
	peer_expect_replies(&p, "Oc");
	peer_done(&p);
}

static void
test_close(void **state UNUSED)
{
	static const char *const events[] = { "begin", "rcpt", "id", "header", "eoh", "pause",
		"end", "close" };
	CLEANUP(buf_done) struct buf b;
	struct peer p;

	buf_init(&b, 1 << 20);
	add_client(&b, false);
	add_mail(&b);
	add_mail(&b);
	for (size_t i = 0; i < ARRAY_LEN(events); i++) { /* from inside a call of the sink */
		peer_init(&p);
		p.pause_at = 5;
		p.resume_inside = true;
		p.close_at = events[i];
		peer_send(&p, b.data, b.len, 0); /* finish() after close() says nothing more */
		assert_null(p.session);
		assert_int_equal(p.begun, 1);
		assert_int_equal(p.delivered, strcmp(events[i], "close") == 0 ? 1 : 0);
		assert_int_equal(p.closed, 1);
		peer_done(&p);
	}
	peer_init(&p); /* from outside: at once */
	p.finish_at_once = false;
	peer_send(&p, b.data, b.len, 0);
	assert_int_equal(p.ended, 1);
	p.session->ops->close(p.session);
	assert_null(p.session);
	assert_int_equal(p.closed, 1);
	assert_int_equal(p.delivered, 0);
	peer_done(&p);
}

/* finish() on a connection that broke: no delivery is claimed, the end comes from the loop. */
static void
test_finish_broken(void **state UNUSED)
{
	for (unsigned at_once = 0; at_once < 2; at_once++) {
		CLEANUP(buf_done) struct buf b;
		struct peer p;

		peer_init(&p);
		buf_init(&b, 1 << 20);
		p.finish_at_once = at_once == 1;
		PACKET(&b, 'O', OFFER_ALL);
		peer_send(&p, b.data, b.len, 0);
		buf_clear(&b);
		add_mail(&b);
		assert_int_equal(send(p.fd, b.data, b.len, 0), b.len);
		if (at_once == 0)
			peer_run(&p);
		fd_close(&p.fd);
		if (at_once == 0) {
			p.session->ops->finish(p.session, &p.reply);
			assert_non_null(p.session);
			p.session->ops->resume(p.session);
			p.session->ops->drain(p.session);
		}
		peer_run(&p);
		assert_null(p.session);
		assert_int_equal(p.ended, 1);
		assert_int_equal(p.closed, 1);
		assert_int_equal(p.delivered, 0);
		peer_done(&p);
	}
}

/* 2,000 idle sessions, each of which greeted and sent a mail before, in under 16 MB: that is
 * 8 KB each for everything; the heap's part is measured here. */
static void
test_idle_memory(void **state UNUSED)
{
	enum { COUNT = 200 };
	struct peer main_peer, *p = &main_peer;
	struct intake_session *sessions[COUNT];
	int fds[COUNT];
	CLEANUP(buf_done) struct buf b;
	size_t before, after;

	peer_init(p);
	buf_init(&b, 1 << 20);
	add_client(&b, false);
	add_mail(&b);
	peer_send(p, b.data, b.len, 0);
	p->session->ops->close(p->session);
	fd_close(&p->fd);
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < COUNT; i++) {
		peer_start(p);
		peer_send(p, b.data, b.len, 0);
		buf_done(&p->heard);
		buf_done(&p->body);
		buf_done(&p->got);
		sessions[i] = p->session;
		fds[i] = p->fd;
	}
	after = mallinfo2().uordblks;
	if (before == 0 && after == 0) /* a sanitizer's malloc counts nothing here */
		print_message("memory is not counted in this build\n");
	else
		print_message("%zu heap bytes per idle session\n", (after - before) / COUNT);
	assert_true((after - before) / COUNT < 2048);
	for (unsigned i = 0; i < COUNT; i++) {
		p->session = sessions[i];
		sessions[i]->ops->close(sessions[i]);
		close(fds[i]);
	}
	p->fd = -1;
	peer_done(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_vanished),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_malformed_start),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_sendmail_rset),
		cmocka_unit_test(test_long_field),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_finish_broken),
		cmocka_unit_test(test_idle_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
