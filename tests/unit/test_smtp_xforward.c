/* test_smtp_xforward.c: XFORWARD and XCLIENT attributes, in and out. */
#include "intake/smtp_xforward.h"
#include "test_common.h"

#include "intake/intake.h"

#define X(attribute) (1u << SMTP_XATTR_##attribute)
#define ALL          ((1u << SMTP_XATTR_COUNT) - 1)

/* want: the given values in the order of the enum, each followed by ";". NULL: refused. */
static const struct {
	const char *in;
	bool is_xclient;
	unsigned given;
	const char *want;
} ins[] = {
	{ "NAME=spike.example ADDR=192.0.2.1", false, X(NAME) | X(ADDR),
	    "spike.example;192.0.2.1;" },
	{ "name=a addr=192.0.2.1 Port=25", true, X(NAME) | X(ADDR) | X(PORT),
	    "a;192.0.2.1;25;" },
	{ "  HELO=x\t PROTO=ESMTP ", false, X(HELO) | X(PROTO), "ESMTP;x;" },
	{ "ADDR=IPV6:2001:DB8::1", false, X(ADDR), "2001:db8::1;" },
	{ "ADDR=ipv6:2001:db8:0:0:0:0:0:1", false, X(ADDR), "2001:db8::1;" },
	{ "ADDR=2001:db8::1", false, X(ADDR), "2001:db8::1;" },
	{ "ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", false, X(ADDR) | X(NAME), ";;" },
	{ "PORT=[unavailable]", false, X(PORT), ";" },
	{ "NAME=[UNAVAILABLE+5D", false, X(NAME), ";" },
	{ "IDENT=4A+2Bb SOURCE=local", false, X(IDENT) | X(SOURCE), "4A+b;local;" },
	{ "SOURCE=REMOTE", false, X(SOURCE), "REMOTE;" },
	{ "LOGIN=a+40b+3dc", true, X(LOGIN), "a@b=c;" },
	{ "HELO=a=b", false, X(HELO), "a=b;" },
	{ "HELO=a+20b", false, X(HELO), "a b;" },
	{ "HELO=\xc3\xa9+C3+A9", false, X(HELO), "\xc3\xa9\xc3\xa9;" },
	{ "HELO=a HELO=b", false, X(HELO), "b;" },
	{ "DESTADDR=192.0.2.2 DESTPORT=25 REVERSE_NAME=r", true,
	    X(DESTADDR) | X(DESTPORT) | X(REVERSE_NAME), "192.0.2.2;25;r;" },
	{ "PORT=65535", false, X(PORT), "65535;" },
	/* refused */
	{ "", false, 0, NULL },
	{ " ", false, 0, NULL },
	{ "NAME", false, 0, NULL },
	{ "NAME=", false, 0, NULL },
	{ "=x", false, 0, NULL },
	{ "NAME=a HELO", false, 0, NULL },
	{ "NAME = a", false, 0, NULL },
	{ "NAMES=a", false, 0, NULL },
	{ "NAM=a", false, 0, NULL },
	{ "LOGIN=a", false, 0, NULL },
	{ "DESTADDR=192.0.2.1", false, 0, NULL },
	{ "REVERSE_NAME=a", false, 0, NULL },
	{ "IDENT=a", true, 0, NULL },
	{ "SOURCE=LOCAL", true, 0, NULL },
	{ "SOURCE=x", false, 0, NULL },
	{ "ADDR=192.0.2", false, 0, NULL },
	{ "ADDR=192.0.2.01", false, 0, NULL },
	{ "ADDR=192.0.2.256", false, 0, NULL },
	{ "ADDR=IPV6:192.0.2.1", false, 0, NULL },
	{ "ADDR=IPV6:", false, 0, NULL },
	{ "ADDR=IPV6:x", false, 0, NULL },
	{ "ADDR=2001:db8::1%eth0", false, 0, NULL },
	{ "ADDR=spike.example", false, 0, NULL },
	{ "PORT=65536", false, 0, NULL },
	{ "PORT=-1", false, 0, NULL },
	{ "PORT=smtp", false, 0, NULL },
	{ "HELO=a+", false, 0, NULL },
	{ "HELO=a+2", false, 0, NULL },
	{ "HELO=a+2g", false, 0, NULL },
	{ "HELO=a+g2", false, 0, NULL },
	{ "HELO=a++", false, 0, NULL },
	{ "HELO=a+0D+0AQUIT", false, 0, NULL },
	{ "HELO=a+00", false, 0, NULL },
	{ "HELO=a+7F", false, 0, NULL },
	{ "HELO=a\x01", false, 0, NULL },
};

static void
test_in(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(ins); i++) {
		CLEANUP(smtp_xforward_done) struct smtp_xforward x = { 0 };
		CLEANUP(buf_done) struct buf got = { .max = 1000 };
		int ret = smtp_xforward_parse(&x, slice_of_str(ins[i].in), ins[i].is_xclient);

		if (ret != (ins[i].want == NULL ? -EINVAL : 0))
			fail_msg("\"%s\": %d", ins[i].in, ret);
		assert_int_equal(x.given, ins[i].given);
		for (unsigned a = 0; a < SMTP_XATTR_COUNT; a++) {
			assert_int_equal(x.values[a] != NULL, (x.given >> a) & 1);
			if (x.values[a] != NULL)
				assert_int_equal(buf_printf(&got, "%s;", x.values[a]), 0);
		}
		assert_slice(buf_get(&got), ret == 0 ? ins[i].want : "");
	}
}

static void
test_nul(void **state UNUSED)
{
	CLEANUP(smtp_xforward_done) struct smtp_xforward x = { 0 };

	assert_int_equal(smtp_xforward_parse(&x, SLICE_LIT("HELO=a\0b"), false), -EINVAL);
	assert_int_equal(smtp_xforward_parse(&x, SLICE_LIT("HELO=a\rb"), false), -EINVAL);
}

/* Several commands add up; one that is refused changes nothing. */
static void
test_several(void **state UNUSED)
{
	CLEANUP(smtp_xforward_done) struct smtp_xforward x = { 0 };

	assert_int_equal(smtp_xforward_parse(&x, SLICE_LIT("NAME=a ADDR=192.0.2.1"), false), 0);
	assert_int_equal(
	    smtp_xforward_parse(&x, SLICE_LIT("NAME=b HELO=h PORT=x"), false), -EINVAL);
	assert_string_equal(x.values[SMTP_XATTR_NAME], "a");
	assert_null(x.values[SMTP_XATTR_HELO]);
	assert_int_equal(smtp_xforward_parse(&x, SLICE_LIT("HELO=h ADDR=192.0.2.2"), false), 0);
	assert_string_equal(x.values[SMTP_XATTR_NAME], "a");
	assert_string_equal(x.values[SMTP_XATTR_ADDR], "192.0.2.2");
	assert_string_equal(x.values[SMTP_XATTR_HELO], "h");
	smtp_xforward_done(&x);
	assert_int_equal(x.given, 0);
	assert_null(x.values[SMTP_XATTR_NAME]);
}

static void
test_longest(void **state UNUSED)
{
	for (int len = 255; len <= 256; len++) {
		CLEANUP(smtp_xforward_done) struct smtp_xforward x = { 0 };
		CLEANUP(buf_done) struct buf plain = { .max = 1000 }, coded = { .max = 1000 };

		assert_int_equal(buf_printf(&plain, "HELO=%0*d", len, 1), 0);
		assert_int_equal(buf_append_str(&coded, "HELO="), 0);
		for (int i = 0; i < len; i++)
			assert_int_equal(buf_append_str(&coded, "+41"), 0);
		assert_int_equal(
		    smtp_xforward_parse(&x, buf_get(&plain), false), len == 255 ? 0 : -EINVAL);
		assert_int_equal(
		    smtp_xforward_parse(&x, buf_get(&coded), false), len == 255 ? 0 : -EINVAL);
	}
}

static void
test_apply(void **state UNUSED)
{
	CLEANUP(smtp_xforward_done) struct smtp_xforward x = { 0 };
	struct intake_client c = { .address = "127.0.0.1", .port = 1 };

	intake_client_set(&c.name, SLICE_LIT("localhost"));
	intake_client_set(&c.helo, SLICE_LIT("mta.example"));
	intake_client_set(&c.user, SLICE_LIT("u"));
	smtp_xforward_apply(&x, &c);
	assert_string_equal(c.address, "127.0.0.1");
	assert_string_equal(c.helo, "mta.example");
	assert_int_equal(
	    smtp_xforward_parse(&x,
		SLICE_LIT("NAME=spike.example ADDR=IPV6:2001:db8::1 PORT=4711 LOGIN=l"), true),
	    0);
	smtp_xforward_apply(&x, &c);
	assert_string_equal(c.address, "2001:db8::1");
	assert_int_equal(c.port, 4711);
	assert_string_equal(c.name, "spike.example");
	assert_string_equal(c.helo, "mta.example");
	assert_string_equal(c.user, "l");
	/* Unknown is not what it was before: that was another client. */
	assert_int_equal(
	    smtp_xforward_parse(&x,
		SLICE_LIT("NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] "
			  "HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]"),
		true),
	    0);
	smtp_xforward_apply(&x, &c);
	assert_string_equal(c.address, "");
	assert_int_equal(c.port, 0);
	assert_string_equal(c.name, "");
	assert_string_equal(c.helo, "");
	assert_string_equal(c.user, "");
	intake_client_done(&c);
}

static void
test_offer(void **state UNUSED)
{
	assert_int_equal(smtp_xforward_parse_offer(SLICE_LIT("")), 0);
	assert_int_equal(smtp_xforward_parse_offer(SLICE_LIT(" NAME addr  PROTO\tHELO ")),
	    X(NAME) | X(ADDR) | X(PROTO) | X(HELO));
	assert_int_equal(
	    smtp_xforward_parse_offer(SLICE_LIT("NAME ADDR PROTO HELO SOURCE PORT IDENT")),
	    X(NAME) | X(ADDR) | X(PROTO) | X(HELO) | X(SOURCE) | X(PORT) | X(IDENT));
	assert_int_equal(smtp_xforward_parse_offer(SLICE_LIT("NAMES X=NAME PORT")), X(PORT));
}

static void
expect_out(const struct intake_client *c, const char *ident, unsigned offered, int count,
    const char *want)
{
	CLEANUP(buf_done) struct buf out = { .max = 4096 };

	assert_int_equal(
	    smtp_xforward_format(c, "ESMTP", slice_of_str(ident), offered, &out), count);
	assert_slice(buf_get(&out), want);
}

static void
test_out(void **state UNUSED)
{
	struct intake_client none = { 0 };
	struct intake_client c = { .address = "192.0.2.1", .port = 4711 };

	intake_client_set(&c.name, SLICE_LIT("spike.example"));
	intake_client_set(&c.helo, SLICE_LIT("a b+c=d\xc3\xa9\r\n"));
	expect_out(&c, "4A", 0, 0, "");
	expect_out(&c, "4A", X(SOURCE) | X(LOGIN) | X(DESTADDR), 0, "");
	expect_out(&c, "4A", X(ADDR), 1, "XFORWARD ADDR=192.0.2.1\r\n");
	expect_out(&c, "4A", ALL, 1,
	    "XFORWARD NAME=spike.example ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP "
	    "HELO=a+20b+2Bc+3Dd+C3+A9?? IDENT=4A\r\n");
	(void)snprintf(c.address, sizeof(c.address), "2001:db8::1");
	expect_out(&c, "", X(ADDR) | X(IDENT), 1,
	    "XFORWARD ADDR=IPV6:2001:db8::1 IDENT=[UNAVAILABLE]\r\n");
	expect_out(&none, "", X(NAME) | X(ADDR) | X(PORT) | X(HELO) | X(IDENT), 1,
	    "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] "
	    "HELO=[UNAVAILABLE] IDENT=[UNAVAILABLE]\r\n");
	intake_client_done(&c);
}

/* Every length of two values, plain and all encoded: no line above 512, and what comes back is
 * the value or its begin. */
static void
test_out_lines(void **state UNUSED)
{
	static const char fills[] = { 'x', '+' };
	char value[301];

	for (size_t i = 0; i < 300 * ARRAY_LEN(fills); i++) {
		CLEANUP(smtp_xforward_done) struct smtp_xforward x = { 0 };
		CLEANUP(buf_done) struct buf out = { .max = 4096 };
		struct intake_client c = { .address = "192.0.2.1", .port = 4711 };
		struct slice rest;
		int count, lines = 0;

		memset(value, fills[i % 2], sizeof(value));
		value[i / 2] = '\0';
		intake_client_set(&c.name, slice_of_str(value));
		intake_client_set(&c.helo, slice_of_str(value));
		count = smtp_xforward_format(&c, "SMTP", slice_of_str(value), ALL, &out);
		for (rest = buf_get(&out); rest.len > 0; lines++) {
			size_t end = slice_find(rest, SLICE_LIT("\r\n"), 0);

			assert_true(end != SIZE_MAX && end <= 510);
			assert_true(slice_starts_with(rest, SLICE_LIT("XFORWARD ")));
			assert_int_equal(smtp_xforward_parse(
					     &x, slice_from(slice_sub(rest, 0, end), 9), false),
			    0);
			rest = slice_from(rest, end + 2);
		}
		assert_int_equal(lines, count);
		assert_true(slice_starts_with(
		    slice_of_str(value), slice_of_str(x.values[SMTP_XATTR_HELO])));
		assert_true(slice_starts_with(
		    slice_of_str(value), slice_of_str(x.values[SMTP_XATTR_NAME])));
		assert_true(slice_starts_with(
		    slice_of_str(value), slice_of_str(x.values[SMTP_XATTR_IDENT])));
		assert_true(
		    strlen(x.values[SMTP_XATTR_HELO]) >= MIN_OF(strlen(value), (size_t)160));
		intake_client_done(&c);
	}
}

static void
test_out_full(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out = { .max = 30 };
	struct intake_client c = { .address = "192.0.2.1" };

	assert_int_equal(smtp_xforward_format(&c, "SMTP", SLICE_NONE, ALL, &out), -ENOBUFS);
	assert_int_equal(out.len, 0);
}

/* One command for the next hop: what it may not have stays out, and it fits one line. */
static void
test_xclient(void **state)
{
	char name[] = "mx.far.example", helo[] = "a b", user[] = "u=1", nothing[] = "";
	static char long_name[255], long_helo[255];
	struct intake_client c = { .address = "2001:db8::7",
		.port = 25,
		.name = name,
		.helo = helo,
		.user = user,
		.tls = nothing,
		.listener = nothing };
	CLEANUP(buf_done) struct buf out = { .max = 4096 };

	(void)state;
	assert_int_equal(smtp_xclient_format(&c, "ESMTP", ALL, &out), 1);
	assert_string_equal(buf_get_str(&out),
	    "XCLIENT NAME=mx.far.example ADDR=IPV6:2001:db8::7 PORT=25 PROTO=ESMTP HELO=a+20b "
	    "LOGIN=u+3D1\r\n");
	buf_clear(&out);
	assert_int_equal(smtp_xclient_format(&c, "SMTP", 1u << SMTP_XATTR_IDENT, &out), 0);
	assert_int_equal(out.len, 0);
	memset(long_name, 'n', sizeof(long_name) - 1);
	memset(long_helo, 'h', sizeof(long_helo) - 1);
	c.name = long_name;
	c.helo = long_helo;
	assert_int_equal(smtp_xclient_format(&c, "SMTP", ALL, &out), 1);
	assert_true(out.len <= 512);
	assert_null(strstr(buf_get_str(&out), "HELO="));
	assert_non_null(strstr(buf_get_str(&out), "ADDR=IPV6:2001:db8::7"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_in),
		cmocka_unit_test(test_nul), cmocka_unit_test(test_several),
		cmocka_unit_test(test_longest), cmocka_unit_test(test_apply),
		cmocka_unit_test(test_offer), cmocka_unit_test(test_out),
		cmocka_unit_test(test_out_lines), cmocka_unit_test(test_out_full),
		cmocka_unit_test(test_xclient) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
