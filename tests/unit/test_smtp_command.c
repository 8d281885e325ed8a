/* test_smtp_command.c: command lines, paths, parameters, BDAT's arguments. */
#include "intake/smtp_command.h"
#include "test_common.h"

static const struct {
	const char *in;
	enum smtp_verb verb;
	const char *args;
} commands[] = {
	{ "HELO a.example", SMTP_VERB_HELO, "a.example" },
	{ "ehlo a.example", SMTP_VERB_EHLO, "a.example" },
	{ "LhLo a", SMTP_VERB_LHLO, "a" },
	{ "MAIL FROM:<a@b>", SMTP_VERB_MAIL, "FROM:<a@b>" },
	{ "RCPT  TO:<a@b> \t", SMTP_VERB_RCPT, "TO:<a@b>" },
	{ "DATA", SMTP_VERB_DATA, "" },
	{ "DATA ", SMTP_VERB_DATA, "" },
	{ "BDAT 10 LAST", SMTP_VERB_BDAT, "10 LAST" },
	{ "RSET", SMTP_VERB_RSET, "" },
	{ "NOOP\tx y", SMTP_VERB_NOOP, "x y" },
	{ "QUIT", SMTP_VERB_QUIT, "" },
	{ "StartTLS", SMTP_VERB_STARTTLS, "" },
	{ "XFORWARD NAME=x", SMTP_VERB_XFORWARD, "NAME=x" },
	{ "XCLIENT NAME=x", SMTP_VERB_XCLIENT, "NAME=x" },
	{ "VRFY x", SMTP_VERB_VRFY, "x" },
	{ "HELP", SMTP_VERB_HELP, "" },
	{ "", SMTP_VERB_UNKNOWN, "" },
	{ " DATA", SMTP_VERB_UNKNOWN, "DATA" },
	{ "DATAX", SMTP_VERB_UNKNOWN, "" },
	{ "DAT", SMTP_VERB_UNKNOWN, "" },
	{ "MAIL:FROM", SMTP_VERB_UNKNOWN, "" },
	{ "GET / HTTP/1.1", SMTP_VERB_UNKNOWN, "/ HTTP/1.1" },
	{ "DATA\r", SMTP_VERB_UNKNOWN, "" },
	{ "NOOP a\rb", SMTP_VERB_UNKNOWN, "" },
	{ "NOOP a\nDATA", SMTP_VERB_UNKNOWN, "" },
	{ "NOOP \x01", SMTP_VERB_NOOP, "\x01" },
};

static void
test_commands(void **state UNUSED)
{
	struct smtp_command c;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		c = smtp_command_parse(slice_of_str(commands[i].in));
		if (c.verb != commands[i].verb)
			fail_msg("\"%s\"", commands[i].in);
		assert_slice(c.args, commands[i].args);
	}
	assert_int_equal(smtp_command_parse(SLICE_LIT("NOOP a\0b")).verb, SMTP_VERB_UNKNOWN);
	assert_int_equal(smtp_command_parse(SLICE_LIT("NOOP\0")).verb, SMTP_VERB_UNKNOWN);
	assert_int_equal(smtp_command_parse(SLICE_NONE).verb, SMTP_VERB_UNKNOWN);
}

/* address NULL: refused. */
static const struct {
	const char *in, *address, *params;
} paths[] = {
	{ "FROM:<a@b>", "a@b", "" },
	{ "from:<a@b> SIZE=1 ", "a@b", "SIZE=1" },
	{ "FROM:<>", "", "" },
	{ "FROM:<>\tBODY=8BITMIME SMTPUTF8", "", "BODY=8BITMIME SMTPUTF8" },
	{ "FROM: \t<a@b>", "a@b", "" },
	{ "FROM:<postmaster>", "postmaster", "" },
	{ "FROM:<\xc3\xa9@b>", "\xc3\xa9@b", "" },
	{ "FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", "" },
	{ "FROM:<a+b=c!d%e@f>", "a+b=c!d%e@f", "" },
	/* quoted local parts */
	{ "FROM:<\"a b\"@c>", "\"a b\"@c", "" },
	{ "FROM:<\"a>b\"@c> X", "\"a>b\"@c", "X" },
	{ "FROM:<\"a\\\"> b\"@c> X", "\"a\\\"> b\"@c", "X" },
	{ "FROM:<\"a\\\\\"@c>", "\"a\\\\\"@c", "" },
	{ "FROM:<\"<a>\"@c>", "\"<a>\"@c", "" },
	{ "FROM:<\"a@b\"@c>", "\"a@b\"@c", "" },
	{ "FROM:<x.\"y z\".w@c>", "x.\"y z\".w@c", "" },
	{ "FROM:<\"\"@c>", "\"\"@c", "" },
	{ "FROM:<\"a\">", "\"a\"", "" },
	/* source routes */
	{ "FROM:<@a:b@c>", "b@c", "" },
	{ "FROM:<@a,@b.example:c@d> X=1", "c@d", "X=1" },
	{ "FROM:<@[IPv6:::1]:c@d>", "c@d", "" },
	{ "FROM:@a:b@c", "b@c", "" },
	{ "FROM:<@a:\"b:c\"@d>", "\"b:c\"@d", "" },
	/* no angle brackets */
	{ "FROM:a@b", "a@b", "" },
	{ "FROM: a@b  SIZE=1", "a@b", "SIZE=1" },
	/* a backslash of old days */
	{ "FROM:<a\\x@b>", "a\\x@b", "" },
	/* refused */
	{ "", NULL, NULL },
	{ "FROM", NULL, NULL },
	{ "FROM:", NULL, NULL },
	{ "FROM: ", NULL, NULL },
	{ "FROM :<a@b>", NULL, NULL },
	{ " FROM:<a@b>", NULL, NULL },
	{ "TO:<a@b>", NULL, NULL },
	{ "FROM:<", NULL, NULL },
	{ "FROM:<a@b", NULL, NULL },
	{ "FROM:a@b>", NULL, NULL },
	{ "FROM:<a@b>SIZE=1", NULL, NULL },
	{ "FROM:<a@b>>", NULL, NULL },
	{ "FROM:<<a@b>>", NULL, NULL },
	{ "FROM:<a b@c>", NULL, NULL },
	{ "FROM:< a@b>", NULL, NULL },
	{ "FROM:<a@b >", NULL, NULL },
	{ "FROM:< >", NULL, NULL },
	{ "FROM:x<a@b>", NULL, NULL },
	{ "FROM:<a\tb@c>", NULL, NULL },
	{ "FROM:<a\rb@c>", NULL, NULL },
	{ "FROM:<a\nb@c>", NULL, NULL },
	{ "FROM:<a\x7f@c>", NULL, NULL },
	{ "FROM:a\x01@c", NULL, NULL },
	{ "FROM:<\"a\tb\"@c>", NULL, NULL },
	{ "FROM:<\"a\\\tb\"@c>", NULL, NULL },
	{ "FROM:<\"a@b>", NULL, NULL },
	{ "FROM:<\"a\\\"@b>", NULL, NULL },
	{ "FROM:<\"a\\", NULL, NULL },
	{ "FROM:<\"", NULL, NULL },
	{ "FROM:<a\"b>c\"@d>", NULL, NULL },
	{ "FROM:<\"a\"b@d>", NULL, NULL },
	{ "FROM:<\"a\"\"b\"@d>", NULL, NULL },
	{ "FROM:<a@b.\"c>d\">", NULL, NULL },
	{ "FROM:<a@\"b>c\">", NULL, NULL },
	{ "FROM:<a\\>b@c>", NULL, NULL },
	{ "FROM:<a\\\"b@c>", NULL, NULL },
	{ "FROM:<a\\\\>", NULL, NULL },
	{ "FROM:a\\b@c", NULL, NULL },
	{ "FROM:\"a b\"@c", NULL, NULL },
	{ "FROM:\"a\"@c", NULL, NULL },
	{ "FROM:<@a>", NULL, NULL },
	{ "FROM:<@a:>", NULL, NULL },
	{ "FROM:@a:", NULL, NULL },
	{ "FROM:<@a:@b:c@d>", NULL, NULL },
	{ "FROM:@a:@b:c@d", NULL, NULL },
	{ "FROM:<@a,b:c@d>", NULL, NULL },
	{ "FROM:<@a,:c@d>", NULL, NULL },
	{ "FROM:<@a@b:c@d>", NULL, NULL },
	{ "FROM:<@a>:b@c>", NULL, NULL },
	{ "FROM:<@a b:c@d>", NULL, NULL },
	{ "FROM:<@[a:b@c>", NULL, NULL },
};

static void
test_paths(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct smtp_path path = { SLICE_LIT("untouched"), SLICE_NONE };
		int ret = smtp_path_parse(slice_of_str(paths[i].in), "FROM:", &path);

		if (ret != (paths[i].address == NULL ? -EINVAL : 0))
			fail_msg("\"%s\"", paths[i].in);
		assert_slice(path.address, ret == 0 ? paths[i].address : "untouched");
		assert_slice(path.params, ret == 0 ? paths[i].params : "");
	}
}

static void
test_path_to(void **state UNUSED)
{
	struct smtp_path path;

	assert_int_equal(smtp_path_parse(SLICE_LIT("To:<a@b>"), "TO:", &path), 0);
	assert_int_equal(smtp_path_parse(SLICE_LIT("FROM:<a@b>"), "TO:", &path), -EINVAL);
	assert_int_equal(smtp_path_parse(SLICE_LIT("TO:<a\0@b>"), "TO:", &path), -EINVAL);
	assert_int_equal(smtp_path_parse(SLICE_LIT("TO:\0a@b"), "TO:", &path), -EINVAL);
}

static void
test_path_longest(void **state UNUSED)
{
	static const char *const ends[][2] = { { "TO:<", ">" }, { "TO:", "" },
		{ "TO:<@route.example:", ">" } };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		for (size_t len = 1024; len <= 1025; len++) {
			struct smtp_path path;
			char text[1100];

			(void)snprintf(text, sizeof(text), "%s%0*d%s", ends[i][0], (int)len, 1,
			    ends[i][1]);
			assert_int_equal(smtp_path_parse(slice_of_str(text), "TO:", &path),
			    len == 1024 ? 0 : -EINVAL);
		}
	}
}

/* What comes out, joined; "!" at the end: refused. */
static const struct {
	const char *in, *want;
} params[] = {
	{ "", "" },
	{ "  \t", "" },
	{ "SIZE=100", "SIZE:100;" },
	{ "SIZE=100  BODY=8BITMIME\tSMTPUTF8", "SIZE:100;BODY:8BITMIME;SMTPUTF8:;" },
	{ "ORCPT=rfc822;a+3Db@c NOTIFY=SUCCESS,DELAY",
	    "ORCPT:rfc822;a+3Db@c;NOTIFY:SUCCESS,DELAY;" },
	{ "AUTH=<>", "AUTH:<>;" },
	{ "X-a=b=c", "X-a:b=c;" },
	{ "ORCPT=utf-8;\xc3\xa9", "ORCPT:utf-8;\xc3\xa9;" },
	{ "1A", "1A:;" },
	{ "A=1 =2", "A:1;!" },
	{ "A=1 B=", "A:1;!" },
	{ "-A", "!" },
	{ "A_B=1", "!" },
	{ "=", "!" },
	{ "A=\x01", "!" },
	{ "A=\r", "!" },
	{ "\xc3\xa9=1", "!" },
	{ "A,B", "!" },
};

static void
test_params(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		CLEANUP(buf_done) struct buf got;
		struct slice rest = slice_of_str(params[i].in), name, value, before;
		int ret;

		buf_init(&got, 1000);
		for (;;) {
			before = rest;
			ret = smtp_param_next(&rest, &name, &value);
			if (ret <= 0)
				break;
			assert_int_equal(
			    buf_printf(&got, "%.*s:%.*s;", SLICE_FMT(name), SLICE_FMT(value)),
			    0);
		}
		if (ret < 0) {
			assert_int_equal(ret, -EINVAL);
			assert_true(slice_eq(rest, before));
			assert_int_equal(buf_append_str(&got, "!"), 0);
		}
		assert_slice(buf_get(&got), params[i].want);
	}
}

static const struct {
	const char *in;
	int ret;
	uint64_t size;
	bool is_last;
} bdats[] = {
	{ "0", 0, 0, false },
	{ "0 LAST", 0, 0, true },
	{ "1000", 0, 1000, false },
	{ "1000  last", 0, 1000, true },
	{ "007\tLast", 0, 7, true },
	{ "9223372036854775807", 0, INT64_MAX, false },
	{ "9223372036854775808", -EINVAL, 0, false },
	{ "18446744073709551616", -EINVAL, 0, false },
	{ "99999999999999999999999999", -EINVAL, 0, false },
	{ "", -EINVAL, 0, false },
	{ "LAST", -EINVAL, 0, false },
	{ "-1", -EINVAL, 0, false },
	{ "+1", -EINVAL, 0, false },
	{ "0x10", -EINVAL, 0, false },
	{ "1LAST", -EINVAL, 0, false },
	{ "1 LAST x", -EINVAL, 0, false },
	{ "1 LASTx", -EINVAL, 0, false },
	{ "1 1", -EINVAL, 0, false },
	{ " 1", -EINVAL, 0, false },
};

static void
test_bdat(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(bdats); i++) {
		uint64_t size = 0;
		bool is_last = false;

		if (smtp_bdat_parse(slice_of_str(bdats[i].in), &size, &is_last) != bdats[i].ret)
			fail_msg("\"%s\"", bdats[i].in);
		assert_int_equal(size, bdats[i].size);
		assert_int_equal(is_last, bdats[i].is_last);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_commands),
		cmocka_unit_test(test_paths), cmocka_unit_test(test_path_to),
		cmocka_unit_test(test_path_longest), cmocka_unit_test(test_params),
		cmocka_unit_test(test_bdat) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
