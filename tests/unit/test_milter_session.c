/* test_milter_session.c: the milter state machine over a socket pair, with a sink that records.
 * Dialogues run whole and byte by byte. */
#include "unit/test_milter_peer.h"

static const size_t steps[] = { 0, 1, 2, 7, 100 };

static void
test_dialogue(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CLEANUP(buf_done) struct buf b;
		struct peer p;

		peer_init(&p);
		buf_init(&b, 1 << 20);
		add_client(&b, false);
		peer_send(&p, b.data, b.len, steps[i]);
		peer_expect_replies(&p, "O");
		assert_string_equal(p.session->client.address, "192.0.2.7");
		assert_int_equal(p.session->client.port, 40000);
		assert_string_equal(p.session->client.name, "client.example");
		assert_string_equal(p.session->client.helo, "client.example");
		assert_string_equal(p.session->client.listener, "inbound");
		buf_clear(&b);
		for (unsigned mails = 0; mails < 3; mails++)
			add_mail(&b);
		peer_send(&p, b.data, b.len, steps[i]);
		peer_expect_replies(&p, "ccc");
		peer_expect_heard(&p, HEARD_MAIL("") HEARD_MAIL("") HEARD_MAIL(""));
		assert_string_equal(buf_get_str(&p.body), BODY_MAIL BODY_MAIL BODY_MAIL);
		assert_string_equal(p.session->client.tls, "TLSv1.3 AES");
		assert_string_equal(p.session->client.user, "ann");
		buf_clear(&b);
		PACKET(&b, 'Q', "");
		peer_send(&p, b.data, b.len, steps[i]);
		peer_expect_heard(&p, "closed\n");
		assert_null(p.session);
		peer_expect_replies(&p, "");
		peer_done(&p);
	}
}

/* Version 2: every command has a reply, values lose their blank. */
static void
test_version_2(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CLEANUP(buf_done) struct buf b;
		struct peer p;

		peer_init(&p);
		buf_init(&b, 1 << 20);
		add_client(&b, true);
		PACKET(&b, 'U', "FOO bar\0");
		add_mail(&b);
		peer_send(&p, b.data, b.len, steps[i]);
		/* C H U | M R R T L L N B B B | E */
		peer_expect_replies(&p, "Occc"
					"cccccccccc"
					"c");
		peer_expect_heard(&p, HEARD_MAIL("(cooked)"));
		peer_done(&p);
	}
}

static void
test_several_clients(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct peer p;

	peer_init(&p);
	buf_init(&b, 1 << 20);
	add_client(&b, false);
	add_mail(&b);
	PACKET(&b, 'K', "");
	PACKET(&b, 'C',
	    "[2001:db8::5]\0"
	    "6\0\x19"
	    "IPv6:2001:db8::5\0");
	PACKET(&b, 'H', "six\0");
	PACKET(&b, 'M', "<>\0");
	peer_send(&p, b.data, b.len, 0);
	assert_string_equal(p.session->client.address, "2001:db8::5");
	assert_string_equal(p.session->client.name, "");
	assert_string_equal(p.session->client.helo, "six");
	assert_string_equal(p.session->client.user, "");
	assert_string_equal(p.session->client.tls, "");
	peer_expect_heard(&p, HEARD_MAIL("") "begin <>\n");
	buf_clear(&b);
	PACKET(&b, 'Q', ""); /* with the mail open */
	peer_send(&p, b.data, b.len, 0);
	peer_expect_heard(&p, "close\nclosed\n");
	peer_done(&p);
}

static void
test_client_families(void **state UNUSED)
{
	static const struct {
		const char *macros;
		size_t macros_len;
		const char *connect;
		size_t connect_len;
		const char *address, *name;
		uint16_t port;
	} cases[] = {
#define CASE(macros, connect, address, name, port)                                             \
	{ macros, sizeof(macros) - 1, connect, sizeof(connect) - 1, address, name, port }
		CASE("C",
		    "unknown\0"
		    "4\0\x50"
		    "192.0.2.9\0",
		    "192.0.2.9", "", 80),
		CASE("C",
		    "h\0"
		    "L\0\0"
		    "/run/x\0",
		    "", "h", 0),
		CASE("C", "h\0U", "", "h", 0),
		CASE("C{client_addr}\0IPv6:2001:db8::2\0{client_port}\0"
		     "99\0",
		    "h\0U", "2001:db8::2", "h", 99),
		CASE("C_\0ann@h [192.0.2.3] (may be forged)\0", "h\0U", "192.0.2.3", "h", 0),
		CASE("C_\0h [nonsense\0{client_port}\0"
		     "70000\0",
		    "h\0"
		    "4\0\1"
		    "bad\n\0",
		    "", "h", 1),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b;
		struct peer p;

		peer_init(&p);
		buf_init(&b, 1 << 20);
		PACKET(&b, 'O', OFFER_ALL);
		packet_add(&b, 'D', cases[i].macros, cases[i].macros_len);
		packet_add(&b, 'C', cases[i].connect, cases[i].connect_len);
		peer_send(&p, b.data, b.len, 0);
		assert_non_null(p.session);
		assert_string_equal(p.session->client.address, cases[i].address);
		assert_string_equal(p.session->client.name, cases[i].name);
		assert_int_equal(p.session->client.port, cases[i].port);
		peer_done(&p);
	}
}

/* ABORT, a new MAIL, a new HELO, the end of the connection and QUIT after each packet of a
 * mail; afterwards a whole mail gets through where the connection goes on. */
static void
test_abort_everywhere(void **state UNUSED)
{
	static const char ways[] = "AMHXQK";
	CLEANUP(buf_done) struct buf mail, client, b;

	buf_init(&mail, 1 << 20);
	buf_init(&client, 1 << 20);
	buf_init(&b, 1 << 20);
	add_client(&client, false);
	add_mail(&mail);
	for (const char *way = ways; *way != '\0'; way++) {
		size_t end = 0;

		for (;;) {
			struct peer p;

			end += 4 + ((size_t)mail.data[end + 2] << 8 | mail.data[end + 3]);
			if (end >= mail.len)
				break;
			peer_init(&p);
			peer_send(&p, client.data, client.len, 0);
			peer_send(&p, mail.data, end, 0);
			buf_clear(&b);
			if (*way == 'X') {
				fd_close(&p.fd);
				peer_run(&p);
				assert_null(p.session);
			} else {
				packet_add(&b, *way, "<x>", *way == 'M' || *way == 'H' ? 4 : 0);
				peer_send(&p, b.data, b.len, 0);
			}
			if (*way == 'Q' || *way == 'X') {
				assert_null(p.session);
				assert_int_equal(p.delivered, 0);
			} else {
				assert_int_equal(p.closed, p.begun - (*way == 'M' ? 1 : 0));
				peer_send(&p, mail.data, mail.len, 0);
				assert_non_null(p.session);
				assert_int_equal(p.delivered, 1);
				peer_expect_replies(&p, "Oc");
			}
			peer_done(&p);
		}
		assert_int_equal(end, mail.len);
	}
}

static void
add_big_mail(struct buf *b, size_t chunk, size_t chunks, size_t last, struct buf *body)
{
	uint8_t *data = malloc(chunk + last);

	assert_non_null(data);
	PACKET(b, 'M', "<a@example.com>\0");
	PACKET(b, 'R', "<b@example.net>\0");
	PACKET(b, 'N', "");
	for (size_t i = 0; i < chunks; i++) {
		for (size_t k = 0; k < chunk; k++)
			data[k] = (uint8_t)(k * 31 + i + (k >> 8));
		packet_add(b, 'B', data, chunk);
		assert_int_equal(buf_append(body, data, chunk), 0);
	}
	memset(data, 'z', last);
	packet_add(b, 'E', data, last);
	assert_int_equal(buf_append(body, data, last), 0);
	free(data);
}

static void
assert_body(struct peer *p, const struct buf *want)
{
	assert_int_equal(p->body.len, want->len);
	assert_memory_equal(p->body.data, want->data, want->len);
}

static void
test_big_chunks(void **state UNUSED)
{
	static const struct {
		size_t chunk, chunks, last, room_max;
	} cases[] = {
		{ 1024 * 1024 - 1, 5, 1024 * 1024 - 1, 0 },
		{ 65535, 40, 1234, 0 },
		{ 65535, 4, 0, 1000 },
		{ 100, 50, 1, 1 },
		{ 16384 - 5, 9, 16384 - 5, 4096 },
		{ 1024 * 1024 + 64, 1, 0, 65536 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b, body;
		struct peer p;

		buf_init(&b, 1 << 26);
		buf_init(&body, 1 << 26);
		peer_init(&p);
		p.room_max = cases[i].room_max;
		add_client(&b, false);
		add_big_mail(&b, cases[i].chunk, cases[i].chunks, cases[i].last, &body);
		peer_send(&p, b.data, b.len, 0);
		assert_int_equal(p.delivered, 1);
		assert_body(&p, &body);
		peer_expect_replies(&p, "Oc");
		peer_done(&p);
	}
}

/* Most of a big chunk goes from the socket to the sink: few calls, not one per 16 KB. */
static void
test_direct_read(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b, body;
	int size = 4 * 1024 * 1024;
	struct peer p;

	buf_init(&b, 1 << 26);
	buf_init(&body, 1 << 26);
	peer_init(&p);
	if (setsockopt(p.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0) {
		peer_done(&p);
		print_message("needs root to enlarge a socket's buffer\n");
		skip();
	}
	add_client(&b, false);
	add_big_mail(&b, 1024 * 1024 - 1, 2, 100, &body);
	peer_send(&p, b.data, b.len, 0);
	assert_body(&p, &body);
	assert_true(p.reserves < 10);
	peer_done(&p);
}

static void
test_pause(void **state UNUSED)
{
	for (unsigned inside = 0; inside < 2; inside++) {
		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			CLEANUP(buf_done) struct buf b;
			struct peer p;

			peer_init(&p);
			buf_init(&b, 1 << 20);
			p.pause_at = 10; /* in the second chunk, when it comes whole: between */
			p.resume_inside = inside == 1;
			add_client(&b, false);
			add_mail(&b);
			add_mail(&b);
			if (inside == 0) {
				/* All of it is in the socket while the session stands. */
				peer_send(&p, b.data, b.len, steps[i]);
				assert_int_equal(p.ended, 0);
				assert_null(strstr(buf_get_str(&p.heard), "end\n"));
				p.session->ops->resume(p.session);
				p.session->ops->resume(p.session);
				peer_run(&p);
			} else {
				peer_send(&p, b.data, b.len, steps[i]);
			}
			assert_int_equal(p.delivered, 2);
			assert_string_equal(buf_get_str(&p.body), BODY_MAIL BODY_MAIL);
			peer_expect_replies(&p, "Occ");
			p.session->ops->resume(p.session); /* of nothing */
			peer_run(&p);
			assert_non_null(p.session);
			peer_done(&p);
		}
	}
}

static void
test_pause_big(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b, body;
	struct peer p;
	size_t sent;

	buf_init(&b, 1 << 26);
	buf_init(&body, 1 << 26);
	peer_init(&p);
	p.pause_at = 100 * 1000;
	p.room_max = 50 * 1000;
	add_client(&b, false);
	add_big_mail(&b, 1024 * 1024 - 1, 2, 0, &body);
	sent = 0;
	for (unsigned i = 0; i < 50; i++) { /* as far as the socket's buffer goes */
		ssize_t n = send(p.fd, b.data + sent, b.len - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		peer_run(&p);
	}
	assert_in_range(p.body.len, 100 * 1000, 150 * 1000);
	assert_true(sent < b.len); /* the peer feels it */
	p.session->ops->resume(p.session);
	peer_send(&p, b.data + sent, b.len - sent, 0);
	assert_int_equal(p.delivered, 1);
	assert_body(&p, &body);
	peer_done(&p);
}

static void
test_drop(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b, body;
	struct peer p;

	buf_init(&b, 1 << 26);
	buf_init(&body, 1 << 26);
	peer_init(&p);
	p.drop_at = 70000;
	p.room_max = 1000;
	p.reply = (struct intake_reply){
		.action = INTAKE_REJECT, .code = 552, .enhanced = "5.3.4", .text = "too big"
	};
	add_client(&b, false);
	add_big_mail(&b, 65535, 60, 999, &body);
	peer_send(&p, b.data, b.len, 0);
	assert_in_range(p.body.len, 70000, 71000);
	assert_memory_equal(p.body.data, body.data, 70000);
	assert_int_equal(p.delivered, 1);
	peer_expect_replies(&p, "Oy");
	/* The next mail is taken again. */
	p.drop_at = 0;
	buf_clear(&p.body);
	buf_clear(&b);
	add_mail(&b);
	peer_send(&p, b.data, b.len, 0);
	assert_string_equal(buf_get_str(&p.body), BODY_MAIL);
	peer_done(&p);
}

static void
test_refused(void **state UNUSED)
{
	for (unsigned v2 = 0; v2 < 2; v2++) {
		CLEANUP(buf_done) struct buf b, body;
		struct peer p;

		buf_init(&b, 1 << 26);
		buf_init(&body, 1 << 26);
		peer_init(&p);
		p.refuse = true;
		add_client(&b, v2 == 1);
		add_mail(&b);
		peer_send(&p, b.data, b.len, 0);
		peer_expect_replies(&p, v2 == 1 ? "Occ"
						  "yyyyyyyyyy"
						  "y"
						: "Oy");
		peer_expect_heard(&p, "refused\n");
		buf_clear(&b);
		add_big_mail(&b, 65535, 10, 10, &body);
		peer_send(&p, b.data, b.len, 0);
		assert_string_equal(
		    (char *)p.got.data + p.got.len - strlen("again later") - 1, "again later");
		buf_clear(&p.got);
		p.refuse = false;
		buf_clear(&p.heard);
		buf_clear(&b);
		add_mail(&b);
		peer_send(&p, b.data, b.len, 0);
		peer_expect_heard(&p, v2 == 1 ? HEARD_MAIL("(cooked)") : HEARD_MAIL(""));
		assert_int_equal(p.delivered, 1);
		peer_done(&p);
	}
}

static void
test_answers(void **state UNUSED)
{
	static const struct intake_header_edit edits[] = {
		{ "X-Virus-Scanned", NULL, 1 },
		{ "X-First", "1", 0 },
		{ "X-Virus-Scanned", NULL, 3 },
		{ "X-Second", "2", 0 },
		{ "bad name", "3", 0 },
	};
	/* As Sendmail and Postfix count: removals from the highest down, before additions; the
	 * last addition first, so that the first ends topmost. */
	static const char edited[] = "\0\0\0\x16m\0\0\0\3X-Virus-Scanned\0\0"
				     "\0\0\0\x16m\0\0\0\1X-Virus-Scanned\0\0"
				     "\0\0\0\x11i\0\0\0\0X-Second\0 2\0"
				     "\0\0\0\x10i\0\0\0\0X-First\0 1\0";
#define CASE(offer, action, edit_count, want)                                                  \
	{                                                                                      \
		offer, action, edit_count, want, sizeof(want) - 1                              \
	}
	static const struct {
		const char *offer;
		enum intake_action action;
		size_t edit_count;
		const char *want;
		size_t want_len;
	} cases[] = {
		CASE(OFFER_ALL, INTAKE_ACCEPT, 0, "\0\0\0\1c"),
		CASE(OFFER_ALL, INTAKE_REJECT, 5, "\0\0\0\x10y550 5.7.1 50%%\0"),
		CASE(OFFER_ALL, INTAKE_TEMPFAIL, 5, "\0\0\0\x10y451 4.7.1 50%%\0"),
		CASE(OFFER_ALL, INTAKE_DISCARD, 5, "\0\0\0\1d"),
		CASE(OFFER_ALL, INTAKE_HOLD, 0, "\0\0\0\6qheld\0\0\0\0\1c"),
		/* without QUARANTINE a hold must not become a delivery */
		CASE("\0\0\0\6\0\0\0\x11\0\x1f\xff\xff", INTAKE_HOLD, 0,
		    "\0\0\0\x22y451 4.7.1 Please try again later\0"),
		/* without CHGHDRS, without ADDHDRS, in version 2 */
		CASE("\0\0\0\6\0\0\0\x21\0\x1f\xff\xff", INTAKE_ACCEPT, 2,
		    "\0\0\0\x10i\0\0\0\0X-First\0 1\0\0\0\0\1c"),
		CASE("\0\0\0\6\0\0\0\x30\0\x1f\xff\xff", INTAKE_ACCEPT, 2,
		    "\0\0\0\x16m\0\0\0\1X-Virus-Scanned\0\0\0\0\0\1c"),
		CASE("\0\0\0\6\0\0\0\0\0\x1f\xff\xff", INTAKE_ACCEPT, 5, "\0\0\0\1c"),
		CASE("\0\0\0\2\0\0\0\x3f\0\0\0\xff", INTAKE_ACCEPT, 2,
		    "\0\0\0\x16m\0\0\0\1X-Virus-Scanned\0\0\0\0\0\x0bhX-First\0"
		    "1\0\0\0\0\1c"),
	};

	for (size_t i = 0; i < ARRAY_LEN(cases) + 1; i++) {
		bool all = i == ARRAY_LEN(cases); /* every edit */
		CLEANUP(buf_done) struct buf b;
		struct peer p;
		size_t want = all ? sizeof(edited) - 1 + 5 : cases[i].want_len;

		peer_init(&p);
		buf_init(&b, 1 << 20);
		p.reply =
		    (struct intake_reply){ .action = all ? INTAKE_ACCEPT : cases[i].action,
			    .text = "50%",
			    .hold_reason = "held",
			    .edits = edits,
			    .edit_count = all ? 5 : cases[i].edit_count };
		packet_add(&b, 'O', all ? OFFER_ALL : cases[i].offer, 12);
		PACKET(&b, 'M', "<a@b>\0");
		PACKET(&b, 'E', "");
		peer_send(&p, b.data, b.len, 0);
		assert_int_equal(p.delivered, 1);
		if (p.got.len < want)
			fail_msg("case %zu: %zu bytes", i, p.got.len);
		if (memcmp(p.got.data + p.got.len - want, all ? edited : cases[i].want,
			all ? want - 5 : want) != 0)
			fail_msg("case %zu", i);
		peer_done(&p);
	}
#undef CASE
}

static void
test_finish_later(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct peer p;

	peer_init(&p);
	buf_init(&b, 1 << 20);
	p.finish_at_once = false;
	add_client(&b, false);
	add_mail(&b);
	add_mail(&b); /* waits behind the first, although no MTA does that */
	peer_send(&p, b.data, b.len, 0);
	assert_int_equal(p.ended, 1);
	assert_int_equal(p.closed, 0);
	peer_expect_replies(&p, "O");
	p.session->ops->finish(p.session, &p.reply);
	assert_int_equal(p.delivered, 1); /* a small answer goes at once */
	assert_int_equal(p.ended, 1);     /* but reading goes on from the loop only */
	peer_run(&p);
	peer_expect_replies(&p, "c");
	assert_int_equal(p.ended, 2);
	p.session->ops->finish(p.session, &p.reply);
	peer_run(&p);
	peer_expect_replies(&p, "c");
	buf_clear(&b);
	add_mail(&b);
	peer_send(&p, b.data, b.len, 0);
	assert_int_equal(p.ended, 3);
	/* QUIT while the sink works is read after the answer. */
	buf_clear(&b);
	PACKET(&b, 'Q', "");
	peer_send(&p, b.data, b.len, 0);
	assert_non_null(p.session);
	p.session->ops->finish(p.session, &p.reply);
	peer_run(&p);
	assert_null(p.session);
	assert_int_equal(p.delivered, 3);
	peer_done(&p);
}

/* An answer larger than the socket takes: mail_close comes when the last byte is out. */
static void
test_slow_reader(void **state UNUSED)
{
	enum { COUNT = 4000 };
	struct intake_header_edit *edits = calloc(COUNT, sizeof(*edits));
	CLEANUP(buf_done) struct buf b;
	char value[400];
	struct peer p;

	assert_non_null(edits);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < COUNT; i++)
		edits[i] = (struct intake_header_edit){ "X-Long", value, 0 };
	peer_init(&p);
	buf_init(&b, 1 << 20);
	p.finish_at_once = false;
	p.reply.edits = edits;
	p.reply.edit_count = COUNT;
	add_client(&b, false);
	add_mail(&b);
	add_mail(&b);
	peer_send(&p, b.data, b.len, 0);
	p.session->ops->finish(p.session, &p.reply);
	assert_int_equal(p.closed, 0);
	p.reply.edit_count = 0;
	peer_run(&p);
	peer_run(&p);
	assert_int_equal(p.delivered, 1);
	assert_int_equal(p.ended, 2);
	assert_true(p.got.len > COUNT * sizeof(value));
	p.session->ops->finish(p.session, &p.reply);
	peer_run(&p);
	assert_int_equal(p.delivered, 2);
	/* And one that takes nothing more at all. */
	p.env.io_timeout_ms = 40;
	p.reply.edit_count = COUNT;
	buf_clear(&b);
	add_mail(&b);
	peer_send(&p, b.data, b.len, 0);
	p.session->ops->finish(p.session, &p.reply);
	for (unsigned i = 0; i < 40 && p.session != NULL; i++) {
		usleep(5000);
		loop_timer_set_ms(p.timer, 0);
		loop_run_once(p.loop);
	}
	assert_null(p.session);
	assert_int_equal(p.delivered, 2);
	assert_int_equal(p.closed, 3);
	peer_done(&p);
	free(edits);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogue),
		cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_several_clients),
		cmocka_unit_test(test_client_families),
		cmocka_unit_test(test_abort_everywhere),
		cmocka_unit_test(test_big_chunks),
		cmocka_unit_test(test_direct_read),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_pause_big),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_finish_later),
		cmocka_unit_test(test_slow_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
