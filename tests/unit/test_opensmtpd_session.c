/* test_opensmtpd_session.c: dialogues with smtpd as it holds them: mails side by side, at any
 * piece size, in all versions, and peers that break off or talk nonsense. */
#include "intake/opensmtpd_session.h"
#include "unit/test_filter_peer.h"

#define CONFIG                                                                                 \
	"config|smtpd-version|7.5.0\nconfig|smtp-session-timeout|300\n"                        \
	"config|subsystem|smtp-in\nconfig|admd|mx.example\nconfig|ready\n"
#define REGISTER                                                                               \
	"register|report|smtp-in|link-connect\nregister|report|smtp-in|link-disconnect\n"      \
	"register|report|smtp-in|link-identify\nregister|report|smtp-in|link-tls\n"            \
	"register|report|smtp-in|link-auth\nregister|report|smtp-in|tx-mail\n"                 \
	"register|report|smtp-in|tx-rcpt\nregister|report|smtp-in|tx-reset\n"                  \
	"register|report|smtp-in|tx-rollback\nregister|filter|smtp-in|data-line\n"             \
	"register|filter|smtp-in|commit\nregister|ready\n"

/* Lines of version 0.6 for session n, which is one digit. */
#define R(n, event) "report|0.6|1.0|smtp-in|" event "|000000000000000" n
#define DATA(n, line)                                                                          \
	"filter|0.6|1.0|smtp-in|data-line|000000000000000" n "|00000000000000f" n "|" line "\n"
#define COMMIT(n) "filter|0.6|1.0|smtp-in|commit|000000000000000" n "|00000000000000c" n "|\n"
#define CONNECT(n)                                                                             \
	R(n, "link-connect") "|c" n ".example|pass|192.0.2." n ":300" n "|192.0.2.9:25\n"
#define MAIL(n)                                                                                \
	R(n, "tx-mail")                                                                        \
	"|0000000" n "|ok|s" n                                                                 \
	"@x.example\n" R(n, "tx-rcpt") "|0000000" n "|permfail|no@x.example\n" R(              \
	    n, "tx-rcpt") "|0000000" n "|ok|r" n "@x.example\n"
#define GIVEN(n, line)    "filter-dataline|000000000000000" n "|00000000000000f" n "|" line "\n"
#define RESULT(n, answer) "filter-result|000000000000000" n "|00000000000000c" n "|" answer "\n"
#define NOT_SEEN          "reject|451 4.3.0 Message was not scanned, try again later"

static void
begin(struct filter_peer *p)
{
	filter_init(p, opensmtpd_session_start);
	filter_send(p, CONFIG, 0);
	assert_got(p, REGISTER);
}

static void
test_one_mail(void **state UNUSED)
{
	static const size_t steps[] = { 0, 1, 2, 7, 64 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct filter_peer p;

		begin(&p);
		p.header = "X-Virus-Scanned: yes\r\n\tindeed\r\n";
		p.room_max = i == 0 ? 0 : i;
		p.pause_every = i < 2 ? 0 : 3;
		filter_send(&p,
		    CONNECT("1") R("1", "link-greeting") "|mx.example\n" R(
			"1", "link-identify") "|EHLO|me.example\n" R("1",
			"link-tls") "|TLSv1.3:TLS_AES_256_GCM_SHA384:256\n" R("1",
			"link-auth") "|bob|pass\n" MAIL("1") DATA("1", "Subject: x")
			DATA("1", "") DATA("1", "..dot") DATA("1", "...") DATA("1", "a|b|\r")
			    DATA("1", "\r") DATA("1", "."),
		    steps[i]);
		assert_slice(buf_get(&p.mails[0].envelope),
		    "<s1@x.example> c1.example [192.0.2.1]:3001 helo=me.example user=bob "
		    "tls=TLSv1.3 TLS_AES_256_GCM_SHA384 in=in\nid=00000001\n<r1@x.example>\n");
		assert_slice(buf_get(&p.mails[0].body),
		    "Subject: x\r\n\r\n.dot\r\n..\r\na|b|\r\r\n\r\r\n");
		assert_got(&p, GIVEN("1", "X-Virus-Scanned: yes") GIVEN("1", "\tindeed")
				   GIVEN("1", "Subject: x") GIVEN("1", "") GIVEN("1", "..dot")
				       GIVEN("1", "...") GIVEN("1", "a|b|\r") GIVEN("1", "\r")
					   GIVEN("1", "."));
		assert_false(p.mails[0].is_closed);
		filter_send(&p, COMMIT("1"), steps[i]);
		assert_got(&p, RESULT("1", "proceed"));
		assert_true(p.mails[0].is_delivered);
		filter_send(&p,
		    R("1", "tx-commit") "|00000001|50\n" R("1", "link-disconnect") "\n",
		    steps[i]);
		assert_int_equal(p.count, 1);
		assert_non_null(p.session);
		filter_done(&p);
	}
}

static void
test_side_by_side(void **state UNUSED)
{
	static const size_t steps[] = { 0, 1, 13 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct filter_peer p;

		begin(&p);
		p.finish_later = true;
		filter_send(&p,
		    CONNECT("1") CONNECT("2") MAIL("1") CONNECT("3") MAIL("2") DATA("1", "one")
			MAIL("3") DATA("2", "virus") DATA("3", "three") DATA("1", "uno")
			    DATA("2", ".") DATA("3", "tre") DATA("3", ".") DATA("1", "."),
		    steps[i]);
		assert_int_equal(p.count, 3);
		assert_slice(buf_get(&p.mails[0].body), "one\r\nuno\r\n");
		assert_slice(buf_get(&p.mails[1].body), "virus\r\n");
		assert_slice(buf_get(&p.mails[2].body), "three\r\ntre\r\n");
		assert_true(slice_has(buf_get(&p.mails[1].envelope), "c2.example [192.0.2.2]"));
		assert_true(slice_has(buf_get(&p.mails[2].envelope), "<r3@x.example>"));
		assert_got(&p, "");
		filter_finish(&p.mails[2]);
		filter_run(&p);
		assert_got(&p, GIVEN("3", "three") GIVEN("3", "tre") GIVEN("3", "."));
		filter_finish(&p.mails[1]);
		filter_run(&p);
		assert_got(&p, GIVEN("2", "."));
		filter_send(&p, COMMIT("2") COMMIT("3"), steps[i]);
		assert_got(
		    &p, RESULT("2", "reject|550 5.7.1 virus found ???") RESULT("3", "proceed"));
		filter_finish(&p.mails[0]);
		filter_run(&p);
		assert_got(&p, GIVEN("1", "one") GIVEN("1", "uno") GIVEN("1", "."));
		assert_true(p.mails[1].is_delivered && p.mails[2].is_delivered);
		assert_false(p.mails[0].is_closed);
		filter_send(&p, COMMIT("1"), steps[i]);
		assert_got(&p, RESULT("1", "proceed"));
		assert_true(p.mails[0].is_delivered);
		filter_done(&p);
	}
}

/* The order of fields in 0.5 and 0.7, a second mail in one session. */
static void
test_versions(void **state UNUSED)
{
	struct filter_peer p;

	begin(&p);
	filter_send(&p,
	    "report|0.5|1.0|smtp-in|link-connect|1||fail|[2001:db8::1]:9|[::1]:25\n"
	    "report|0.5|1.0|smtp-in|link-auth|1|bob|fail\n"
	    "report|0.5|1.0|smtp-in|tx-mail|1|0a||ok\n"
	    "report|0.5|1.0|smtp-in|tx-rcpt|1|0a|r@x.example|ok\n"
	    "filter|0.5|1.0|smtp-in|data-line|1|f|x\n"
	    "filter|0.5|1.0|smtp-in|data-line|1|f|.\n"
	    "filter|0.5|1.0|smtp-in|commit|1|c|\n",
	    0);
	assert_slice(buf_get(&p.mails[0].envelope),
	    "<>  [2001:db8::1]:9 helo= user= tls= in=in\nid=0a\n<r@x.example>\n");
	filter_send(&p,
	    "report|0.7|1.0|smtp-in|link-auth|1|pass|bob\n"
	    "report|0.7|1.0|smtp-in|tx-mail|1|0b|tempfail|no@x.example\n"
	    "report|0.7|1.0|smtp-in|tx-mail|1|0b|ok|s@x.example\n"
	    "report|0.7|1.0|smtp-in|tx-rcpt|1|0b|ok|r@x.example\n"
	    "filter|0.7|1.0|smtp-in|data-line|1|f|.\n"
	    "filter|0.7|1.0|smtp-in|commit|1|c|\n",
	    0);
	assert_slice(buf_get(&p.mails[1].envelope),
	    "<s@x.example>  [2001:db8::1]:9 helo= user=bob tls= in=in\nid=0b\n<r@x.example>\n");
	assert_got(&p, "filter-dataline|0000000000000001|000000000000000f|x\n"
		       "filter-dataline|0000000000000001|000000000000000f|.\n"
		       "filter-result|0000000000000001|000000000000000c|proceed\n"
		       "filter-dataline|0000000000000001|000000000000000f|.\n"
		       "filter-result|0000000000000001|000000000000000c|proceed\n");
	assert_int_equal(p.count, 2);
	filter_done(&p);
}

/* What the sink says, and what smtpd is told. */
static void
test_answers(void **state UNUSED)
{
	static const struct {
		struct intake_reply reply;
		bool has_no_pieces, refuse, drop, delivered;
		const char *answer;
	} cases[] = {
		{ { .action = INTAKE_TEMPFAIL,
		      .code = 451,
		      .enhanced = "4.3.0",
		      .text = "later" },
		    .delivered = true, .answer = "reject|451 4.3.0 later" },
		{ { .action = INTAKE_REJECT, .code = 554, .enhanced = "5.7.1", .text = "a|b" },
		    .delivered = true, .answer = "reject|554 5.7.1 a|b" },
		{ { .action = INTAKE_HOLD },
		    .answer = "reject|451 4.7.1 Please try again later" },
		{ { .action = INTAKE_DISCARD }, .answer = "reject|550 5.7.1 Message refused" },
		{ { .action = INTAKE_ACCEPT }, .has_no_pieces = true,
		    .answer = "reject|451 4.3.1 Message could not be kept, try again later" },
		{ { .action = INTAKE_ACCEPT }, .has_no_pieces = true, .drop = true,
		    .answer = "reject|451 4.3.1 Message could not be kept, try again later" },
		{ { .action = INTAKE_ACCEPT }, .refuse = true,
		    .answer = "reject|451 4.3.2 Too busy, try again later" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf want;
		struct filter_peer p;

		begin(&p);
		buf_init(&want, 4096);
		p.reply = cases[i].reply;
		p.has_no_pieces = cases[i].has_no_pieces;
		p.refuse = cases[i].refuse;
		p.drop = cases[i].drop;
		filter_send(
		    &p, CONNECT("1") MAIL("1") DATA("1", "x") DATA("1", ".") COMMIT("1"), 0);
		assert_int_equal(
		    buf_printf(&want, GIVEN("1", ".") RESULT("1", "%s"), cases[i].answer), 0);
		assert_got(&p, buf_get_str(&want));
		assert_int_equal(p.count, cases[i].refuse ? 0 : 1);
		if (p.count > 0)
			assert_int_equal(p.mails[0].is_delivered, cases[i].delivered);
		assert_non_null(p.session);
		filter_done(&p);
	}
}

/* Sessions that another process of ours saw begin, and lines that come too late. */
static void
test_not_seen(void **state UNUSED)
{
	struct filter_peer p;

	begin(&p);
	filter_send(&p, DATA("1", "half of") DATA("1", "a mail") DATA("1", ".") COMMIT("1"), 0);
	assert_got(&p, GIVEN("1", ".") RESULT("1", NOT_SEEN));
	assert_int_equal(p.count, 0);
	filter_send(&p, MAIL("1") DATA("1", "whole") DATA("1", ".") COMMIT("1"), 0);
	assert_got(&p, GIVEN("1", "whole") GIVEN("1", ".") RESULT("1", "proceed"));
	assert_true(slice_has(buf_get(&p.mails[0].envelope), "<s1@x.example>  []:0"));
	/* reset: nothing of the mail counts any more */
	filter_send(&p,
	    MAIL("1") DATA("1", "x") R("1", "tx-reset") "|00000001\n" DATA("1", "y")
		DATA("1", ".") COMMIT("1"),
	    0);
	assert_got(&p, GIVEN("1", ".") RESULT("1", NOT_SEEN));
	assert_true(p.mails[1].is_closed && !p.mails[1].is_delivered);
	/* no lines, and an answer is asked for twice */
	filter_send(&p, MAIL("1") COMMIT("1") COMMIT("1"), 0);
	assert_got(&p, RESULT("1", NOT_SEEN) RESULT("1", NOT_SEEN));
	/* another mail takes the place of one that is with the sink */
	p.finish_later = true;
	filter_send(&p,
	    MAIL("1") DATA("1", "x") DATA("1", ".") R("1", "tx-rollback") "|1\n" MAIL("1")
		DATA("1", "z") DATA("1", "."),
	    0);
	assert_int_equal(p.count, 5);
	assert_true(p.mails[3].is_closed && !p.mails[3].is_delivered);
	filter_finish(&p.mails[4]);
	filter_send(&p, COMMIT("1"), 0);
	assert_got(&p, GIVEN("1", "z") GIVEN("1", ".") RESULT("1", "proceed"));
	/* the client goes while its mail is scanned */
	filter_send(&p,
	    MAIL("1") DATA("1", "x") DATA("1", ".")
		R("1", "link-disconnect") "\n" DATA("1", ".") COMMIT("1"),
	    0);
	assert_got(&p, GIVEN("1", ".") RESULT("1", NOT_SEEN));
	assert_true(p.mails[5].is_closed);
	assert_non_null(p.session);
	filter_done(&p);
}

static void
test_nonsense(void **state UNUSED)
{
	static const char *const lines[] = {
		"nonsense\n",
		"\n",
		"config|ready\n",
		"filter|0.9|1.0|smtp-in|commit|1|1|\n",
		"filter|0.6|1.0|smtp-in|commit|zz|1|\n",
		"filter|0.6|1.0|smtp-in|rcpt-to|1|1|x\n",
		CONNECT("1") MAIL("1") DATA("1", ".") DATA("1", "more"),
		CONNECT("1") MAIL("1") DATA("1", ".") DATA("1", "."),
		CONNECT("1") MAIL("1") DATA("1", "later") DATA("1", ".") COMMIT("1"),
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct filter_peer p;

		begin(&p);
		p.finish_later = true;
		filter_send(&p, lines[i], 0);
		assert_null(p.session);
		filter_done(&p);
	}
}

static void
test_handshake(void **state UNUSED)
{
	struct filter_peer p;

	filter_init(&p, opensmtpd_session_start);
	filter_send(&p, "config|subsystem|smtp-out\nconfig|ready\n", 0);
	assert_null(p.session);
	assert_got(&p, "");
	filter_done(&p);
	filter_init(&p, opensmtpd_session_start); /* before subsystems were told */
	filter_send(&p, "config|smtpd-version|6.6.4p1\nconfig|ready\n", 1);
	assert_got(&p, REGISTER);
	filter_done(&p);
	filter_init(&p, opensmtpd_session_start);
	filter_send(&p, CONNECT("1"), 0);
	assert_null(p.session);
	filter_done(&p);
}

/* A smtpd that cuts long lines must not make of them what nobody scanned. */
static void
test_long_lines(void **state UNUSED)
{
	static const struct {
		const char *version;
		size_t len;
		bool passes;
	} cases[] = {
		{ "6.8.0p2", 1997, true },
		{ "6.8.0p2", 1998, false },
		{ "7.3.0p2", 60000, false },
		{ "7.4.0p0", 60000, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b;
		struct filter_peer p;

		buf_init(&b, 1 << 20);
		filter_init(&p, opensmtpd_session_start);
		assert_int_equal(buf_printf(&b,
				     "config|smtpd-version|%s\nconfig|ready\n" CONNECT("1")
					 MAIL("1") "filter|0.6|1.0|smtp-in|data-line|1|f1|",
				     cases[i].version),
		    0);
		for (size_t n = 0; n < cases[i].len; n++)
			assert_int_equal(buf_append_byte(&b, n < 2 ? '.' : 'x'), 0);
		assert_int_equal(buf_append_str(&b, "\n" DATA("1", ".") COMMIT("1")), 0);
		filter_send_bytes(&p, b.data, b.len, 1000);
		assert_int_equal(p.mails[0].body.len, cases[i].len - 1 + 2);
		assert_int_equal(
		    slice_has(buf_get(&p.got), RESULT("1", "proceed")), cases[i].passes);
		assert_int_equal(
		    slice_has(buf_get(&p.got), "|reject|550 5.6.0 "), !cases[i].passes);
		assert_int_equal(p.mails[0].is_delivered, cases[i].passes);
		filter_done(&p);
	}
}

static void
test_endless_line(void **state UNUSED)
{
	CLEANUP(mem_free) char *line = malloc(300000);
	struct filter_peer p;

	begin(&p);
	memset(line, 'x', 300000);
	filter_send_bytes(&p, line, 300000, 0);
	assert_null(p.session);
	filter_done(&p);
}

/* 30 MB go back while another session works; what waits in memory is bounded. */
static void
test_large_mail(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct filter_peer p;
	size_t lines = 0;

	begin(&p);
	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(
		    buf_append_str(&b, DATA("1", "0123456789012345678901234567890123"
						 "456789012345678901234567890123456789012345678"
						 "9012345678901234567890123456789"
						 "01234567890123456789012345678901234567890")),
		    0);
	filter_send(&p, CONNECT("1") CONNECT("2") MAIL("1") MAIL("2"), 0);
	for (unsigned i = 0; i < 100; i++)
		filter_send_bytes(&p, b.data, b.len, 0);
	p.is_deaf = true;
	filter_send(&p, DATA("1", "."), 0);
	filter_send(&p, DATA("2", "small") DATA("2", "."), 0); /* is read all the same */
	assert_int_equal(p.count, 2);
	assert_true(p.mails[1].is_ended);
	p.is_deaf = false;
	filter_run(&p);
	filter_send(&p, COMMIT("1") COMMIT("2"), 0);
	for (size_t at = 0; (at = slice_find_byte(buf_get(&p.got), '\n', at)) != SIZE_MAX; at++)
		lines++;
	assert_int_equal(lines, 30000 + 1 + 2 + 2);
	/* in turn: the small one did not wait for the large one's end */
	assert_true(slice_find(buf_get(&p.got), SLICE_LIT(GIVEN("2", ".")), 0) <
		    slice_find(buf_get(&p.got), SLICE_LIT(GIVEN("1", ".")), 0));
	assert_true(p.mails[0].is_delivered && p.mails[1].is_delivered);
	filter_done(&p);
}

static void
test_timeouts(void **state UNUSED)
{
	static const char *const half[] = { "", CONFIG "repo" };
	struct filter_peer p;

	for (size_t i = 0; i < ARRAY_LEN(half); i++) {
		filter_init(&p, opensmtpd_session_start);
		p.env.io_timeout_ms = 30;
		filter_send(&p, half[i][0] == '\0' ? "config|x|y\n" : half[i], 0);
		assert_non_null(p.session);
		filter_run_ms(&p, 120);
		assert_null(p.session);
		filter_done(&p);
	}
	filter_init(&p, opensmtpd_session_start); /* lines move it on, and it stays */
	p.env.io_timeout_ms = 60;
	for (unsigned i = 0; i < 3; i++) {
		filter_send(&p, "config|x|y\n", 0);
		filter_run_ms(&p, 20);
	}
	filter_run_ms(&p, 300);
	assert_null(p.session);
	filter_done(&p);
	begin(&p); /* idle: no limit */
	p.env.io_timeout_ms = 30;
	filter_send(&p, CONNECT("1"), 0);
	filter_run_ms(&p, 120);
	assert_non_null(p.session);
	filter_done(&p);
}

static void
test_vanished(void **state UNUSED)
{
	static const char *const until[] = {
		CONNECT("1"),
		CONNECT("1") MAIL("1"),
		CONNECT("1") MAIL("1") DATA("1", "x"),
		CONNECT("1") MAIL("1") DATA("1", "x") DATA("1", "."),
	};

	for (size_t i = 0; i < ARRAY_LEN(until); i++) {
		for (unsigned finished = 0; finished < 2; finished++) {
			struct filter_peer p;

			begin(&p);
			p.finish_later = finished == 0;
			filter_send(&p, until[i], 0);
			fd_close(&p.fd);
			filter_run(&p);
			assert_null(p.session);
			assert_int_equal(p.count, i == 0 ? 0 : 1);
			assert_false(p.mails[0].is_delivered);
			filter_done(&p);
		}
	}
}

static void
test_drain(void **state UNUSED)
{
	struct filter_peer p;

	begin(&p);
	p.finish_later = true;
	filter_send(&p, CONNECT("1") CONNECT("2") MAIL("1") DATA("1", "x") DATA("1", "."), 0);
	p.session->ops->drain(p.session);
	filter_run(&p);
	assert_non_null(p.session);
	filter_send(&p, MAIL("2") DATA("2", "x") DATA("2", ".") COMMIT("2"), 0);
	assert_got(
	    &p, GIVEN("2", ".") RESULT("2", "reject|451 4.3.2 Too busy, try again later"));
	filter_finish(&p.mails[0]);
	filter_send(&p, COMMIT("1"), 0);
	filter_run(&p);
	assert_got(&p, GIVEN("1", "x") GIVEN("1", ".") RESULT("1", "proceed"));
	assert_null(p.session);
	filter_done(&p);
	begin(&p);
	p.session->ops->drain(p.session);
	filter_run(&p);
	assert_null(p.session);
	filter_done(&p);
}

/* Too many SMTP sessions: the further ones are tempfailed, nothing breaks. */
static void
test_many(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct filter_peer p;

	begin(&p);
	buf_init(&b, 1 << 22);
	for (unsigned i = 0; i < 10001; i++)
		assert_int_equal(buf_printf(&b,
				     "report|0.6|1.0|smtp-in|link-connect|%x||fail|"
				     "192.0.2.1:1|192.0.2.2:25\n",
				     i + 0x1000),
		    0);
	filter_send_bytes(&p, b.data, b.len, 0);
	filter_send(&p, MAIL("1") DATA("1", "x") DATA("1", ".") COMMIT("1"), 0);
	assert_got(&p, GIVEN("1", ".") RESULT("1", NOT_SEEN));
	filter_send(&p,
	    "report|0.6|1.0|smtp-in|link-disconnect|1234\n" MAIL("1") DATA("1", "x")
		DATA("1", ".") COMMIT("1"),
	    0);
	assert_got(&p, GIVEN("1", "x") GIVEN("1", ".") RESULT("1", "proceed"));
	filter_done(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_mail),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_not_seen),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_large_mail),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_vanished),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
