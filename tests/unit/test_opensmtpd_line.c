/* test_opensmtpd_line.c: lines of OpenSMTPD's filter protocol, and refusals as lines of SMTP.
 */
#include "intake/answer_text.h"
#include "intake/intake.h"
#include "intake/opensmtpd_line.h"
#include "unit/test_common.h"

static void
test_parse(void **state UNUSED)
{
	static const struct {
		const char *in;
		int ret;
		enum opensmtpd_kind kind;
		unsigned minor;
		const char *name;
		uint64_t id, token;
		const char *parameters;
	} cases[] = {
		{ "config|smtpd-version|6.8.0p2", 0, OPENSMTPD_CONFIG, 0, "smtpd-version", 0, 0,
		    "6.8.0p2" },
		{ "config|ready", 0, OPENSMTPD_CONFIG, 0, "ready", 0, 0, "" },
		{ "report|0.6|1576146008.006099|smtp-in|link-connect|7641df9771b4ed00|a."
		  "example|"
		  "pass|192.0.2.1:33174|192.0.2.2:25",
		    0, OPENSMTPD_REPORT, 6, "link-connect", 0x7641df9771b4ed00, 0,
		    "a.example|pass|192.0.2.1:33174|192.0.2.2:25" },
		{ "report|0.5|1.0|smtp-in|link-disconnect|1", 0, OPENSMTPD_REPORT, 5,
		    "link-disconnect", 1, 0, "" },
		{ "report|0.7|1.0|smtp-out|tx-mail|1|x", 0, OPENSMTPD_OTHER, 7, "", 0, 0, "" },
		{ "report|0.7|1.0|stats|snapshot-begin", 0, OPENSMTPD_OTHER, 7, "", 0, 0, "" },
		{ "filter|0.7|1.0|smtp-in|data-line|FFFFFFFFFFFFFFFF|1ef1c203cc576e5d|a|b|", 0,
		    OPENSMTPD_FILTER, 7, "data-line", UINT64_MAX, 0x1ef1c203cc576e5d, "a|b|" },
		{ "filter|0.7|1.0|smtp-in|commit|1|2|", 0, OPENSMTPD_FILTER, 7, "commit", 1, 2,
		    "" },
		{ "filter|0.7|1.0|smtp-in|commit|1|2", 0, OPENSMTPD_FILTER, 7, "commit", 1, 2,
		    "" },
		{ .in = "", .ret = -EINVAL },
		{ .in = "filter", .ret = -EINVAL },
		{ .in = "register|ready", .ret = -EINVAL },
		{ .in = "filter|0.4|1.0|smtp-in|commit|1|2|", .ret = -EINVAL },
		{ .in = "filter|0.8|1.0|smtp-in|commit|1|2|", .ret = -EINVAL },
		{ .in = "filter|1.6|1.0|smtp-in|commit|1|2|", .ret = -EINVAL },
		{ .in = "filter|0.6|1.0|smtp-in|commit|1", .ret = -EINVAL },
		{ .in = "filter|0.6|1.0|smtp-in|commit|1|x|", .ret = -EINVAL },
		{ .in = "filter|0.6|1.0|smtp-in|commit||2|", .ret = -EINVAL },
		{ .in = "report|0.6|1.0|smtp-in|tx-reset", .ret = -EINVAL },
		{ .in = "report|0.6|1.0|smtp-in|tx-reset|01234567012345678", .ret = -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct opensmtpd_line l = { .id = 42 };
		struct err e;

		assert_int_equal(
		    opensmtpd_line_parse(slice_of_str(cases[i].in), &l, &e), cases[i].ret);
		if (cases[i].ret < 0) {
			assert_int_equal(l.id, 42);
			continue;
		}
		assert_int_equal(l.kind, cases[i].kind);
		assert_int_equal(l.minor, cases[i].minor);
		assert_slice(l.name, cases[i].name);
		assert_true(l.id == cases[i].id && l.token == cases[i].token);
		assert_slice(l.parameters, cases[i].parameters);
	}
}

static void
test_nul(void **state UNUSED)
{
	struct opensmtpd_line l;
	struct err e;

	assert_int_equal(opensmtpd_line_parse(
			     slice_of("filter|0.6|1.0|smtp-in|data-line|1|2|a\0b", 41), &l, &e),
	    -EINVAL);
	assert_non_null(strstr(e.text, "NUL"));
}

static void
test_address(void **state UNUSED)
{
	static const struct {
		const char *in;
		bool ret;
		const char *address;
		uint16_t port;
	} cases[] = {
		{ "192.0.2.1:33174", true, "192.0.2.1", 33174 },
		{ "[2001:db8::1]:25", true, "2001:db8::1", 25 },
		{ "[IPv6:2001:db8::1]:25", true, "2001:db8::1", 25 },
		{ "unix:/run/smtpd.sock", false, "", 0 },
		{ "unix:/a:1", false, "", 0 },
		{ "192.0.2.1", false, "", 0 },
		{ "192.0.2.1:", false, "", 0 },
		{ "192.0.2.1:65536", false, "", 0 },
		{ "", false, "", 0 },
		{ ":1", true, "", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice address = SLICE_NONE;
		uint16_t port = 0;

		assert_int_equal(
		    opensmtpd_address_parse(slice_of_str(cases[i].in), &address, &port),
		    cases[i].ret);
		assert_slice(address, cases[i].address);
		assert_int_equal(port, cases[i].port);
	}
}

/* The order of fields by version. */
static void
test_order(void **state UNUSED)
{
	static const struct {
		unsigned minor;
		const char *mail, *auth, *address, *user;
		bool mail_ok, auth_ok;
	} cases[] = {
		{ 5, "0a|a@b.example|ok", "me|pass", "a@b.example", "me", true, true },
		{ 5, "0a|a|b@c.example|permfail", "a|b|fail", "a|b@c.example", "a|b", false,
		    false },
		{ 6, "0a|ok|a|b@c.example", "a|b|pass", "a|b@c.example", "a|b", true, true },
		{ 6, "0a|tempfail|a@b.example", "ok|error", "a@b.example", "ok", false, false },
		{ 7, "0a|ok|", "pass|a|b", "", "a|b", true, true },
		{ 7, "0a", "pass", "", "", false, true },
		{ 5, "0a", "", "", "", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct opensmtpd_line l = { .minor = cases[i].minor };
		struct slice got;

		l.parameters = slice_of_str(cases[i].mail);
		assert_int_equal(opensmtpd_envelope_parse(&l, &got), cases[i].mail_ok);
		assert_slice(got, cases[i].address);
		l.parameters = slice_of_str(cases[i].auth);
		assert_int_equal(opensmtpd_auth_parse(&l, &got), cases[i].auth_ok);
		assert_slice(got, cases[i].user);
	}
}

static void
test_line_limit(void **state UNUSED)
{
	static const struct {
		const char *version;
		bool has_limit;
	} cases[] = {
		{ "6.8.0p2", true },
		{ "7.3.0p1", true },
		{ "7.4.0p0", false },
		{ "7.10.0", false },
		{ "8.0.0", false },
		{ "", true },
		{ "x.y.z", true },
		{ "8", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(opensmtpd_get_line_limit(slice_of_str(cases[i].version)),
		    cases[i].has_limit ? 1997 : SIZE_MAX);
}

static void
test_answer_text(void **state UNUSED)
{
	static const struct {
		bool permanent;
		unsigned code;
		const char *enhanced, *text, *want;
	} cases[] = {
		{ true, 550, "5.7.1", "no", "550 5.7.1 no" },
		{ true, 554, "5.6.0", " a\r\nb\tc\x7f ", "554 5.6.0 a  b c" },
		{ true, 451, "4.7.1", "no", "550 5.7.1 no" },
		{ false, 550, "5.7.1", "later", "451 4.7.1 later" },
		{ false, 452, "4.3.1", NULL, "452 4.3.1 Please try again later" },
		{ true, 0, NULL, "\r\n", "550 5.7.1 Message refused" },
		{ true, 550, "5.7", "\xc3\xa9", "550 5.7.1 ??" },
		{ true, 550, "5.7.1.2", "x", "550 5.7.1 x" },
		{ true, 550, "5.1234.1", "x", "550 5.7.1 x" },
		{ true, 550, "5.7.1 ", "x", "550 5.7.1 x" },
		{ true, 550, "5.+7.1", "x", "550 5.7.1 x" },
	};
	char out[ANSWER_TEXT_SIZE], text[2000];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		answer_text_make(&(struct intake_reply){ .code = cases[i].code,
				     .enhanced = cases[i].enhanced,
				     .text = cases[i].text },
		    cases[i].permanent, out);
		assert_string_equal(out, cases[i].want);
	}
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	answer_text_make(&(struct intake_reply){ .text = text }, true, out);
	assert_int_equal(strlen(out), ANSWER_TEXT_SIZE - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_answer_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
