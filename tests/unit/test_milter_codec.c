/* test_milter_codec.c: packets, negotiation and macros of the milter protocol, by tables. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/macros.h"
#include "intake/milter_codec.h"
#include "intake/milter_macro.h"
#include "intake/milter_negotiate.h"

#define BYTES(s)                                                                               \
	{                                                                                      \
		s, sizeof(s) - 1                                                               \
	}

struct bytes {
	const char *data;
	size_t len;
};

static struct slice
slice_of_bytes(struct bytes b)
{
	return slice_of(b.data, b.len);
}

#define assert_bytes(have, want_literal)                                                       \
	do {                                                                                   \
		assert_int_equal((have).len, sizeof(want_literal) - 1);                        \
		assert_memory_equal((have).ptr, want_literal, sizeof(want_literal) - 1);       \
	} while (0)

static void
test_packet_check(void **state UNUSED)
{
	static const struct {
		uint32_t len;
		int command, want;
	} cases[] = {
		{ 0, -1, -EINVAL },
		{ 0, 'A', -EINVAL },
		{ 1, 'A', 0 },
		{ 1, -1, 0 },
		{ 1, 'Z', -EINVAL },
		{ 1, 0, -EINVAL },
		{ 65536, 'B', 0 },
		{ 1024 * 1024, 'B', 0 },
		{ 1024 * 1024, 'E', 0 },
		{ MILTER_BODY_MAX_BYTES + 1, 'B', 0 },
		{ MILTER_BODY_MAX_BYTES + 2, 'B', -EINVAL },
		{ MILTER_BODY_MAX_BYTES + 2, -1, -EINVAL },
		{ UINT32_MAX, -1, -EINVAL },
		{ UINT32_MAX, 'B', -EINVAL },
		{ 300 * 1024, 'L', 0 },
		{ MILTER_FIELD_MAX_BYTES + 2, 'L', -EINVAL },
		{ MILTER_COMMAND_MAX_BYTES + 1, 'M', 0 },
		{ MILTER_COMMAND_MAX_BYTES + 2, 'M', -EINVAL },
		{ MILTER_COMMAND_MAX_BYTES + 2, 'D', -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		int r = milter_packet_check(cases[i].len, cases[i].command, &e);

		if (r != cases[i].want)
			fail_msg("case %zu: %d, not %d", i, r, cases[i].want);
		assert_true(r == 0 || e.text[0] != '\0');
	}
	assert_string_equal(milter_command_name('M'), "MAIL");
	assert_string_equal(milter_command_name(0), "?");
}

static void
test_connect(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct bytes in;
		int want;
		const char *host;
		char family;
		uint16_t port;
		const char *address;
	} cases[] = {
		{ "v4",
		    BYTES("mx.example\0"
			  "4\x9c\x40"
			  "192.0.2.1\0"),
		    0, "mx.example", '4', 40000, "192.0.2.1" },
		{ "v6",
		    BYTES("h\0"
			  "6\0\x19"
			  "IPv6:2001:db8::1\0"),
		    0, "h", '6', 25, "2001:db8::1" },
		{ "v6 bare",
		    BYTES("h\0"
			  "6\0\x19"
			  "2001:db8::1\0"),
		    0, "h", '6', 25, "2001:db8::1" },
		{ "unix",
		    BYTES("localhost\0"
			  "L\0\0"
			  "/run/s\0"),
		    0, "localhost", 'L', 0, "/run/s" },
		{ "unknown", BYTES("h\0U"), 0, "h", 'U', 0, "" },
		{ "unknown and more", BYTES("h\0U\0\0x\0"), 0, "h", 'U', 0, "" },
		{ "empty", BYTES(""), -EINVAL, NULL, 0, 0, NULL },
		{ "no end", BYTES("host"), -EINVAL, NULL, 0, 0, NULL },
		{ "no family", BYTES("host\0"), -EINVAL, NULL, 0, 0, NULL },
		{ "bad family",
		    BYTES("host\0"
			  "5\0\0x\0"),
		    -EINVAL, NULL, 0, 0, NULL },
		{ "no port",
		    BYTES("host\0"
			  "4\0"),
		    -EINVAL, NULL, 0, 0, NULL },
		{ "no address",
		    BYTES("host\0"
			  "4\0\0"),
		    -EINVAL, NULL, 0, 0, NULL },
		{ "address without end",
		    BYTES("host\0"
			  "4\0\0"
			  "192.0.2.1"),
		    -EINVAL, NULL, 0, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct milter_connect c;
		struct err e = { 0 };
		int r = milter_connect_parse(slice_of_bytes(cases[i].in), &c, &e);

		if (r != cases[i].want)
			fail_msg("%s: %d", cases[i].name, r);
		if (r < 0)
			continue;
		assert_true(slice_eq_str(c.name, cases[i].host));
		assert_int_equal(c.family, cases[i].family);
		assert_int_equal(c.port, cases[i].port);
		assert_true(slice_eq_str(c.address, cases[i].address));
	}
}

static void
test_address(void **state UNUSED)
{
	static const struct {
		struct bytes in;
		int want;
		const char *address, *args;
	} cases[] = {
		{ BYTES("<a@b>\0"), 0, "a@b", "" },
		{ BYTES("<>\0"), 0, "", "" },
		{ BYTES("\0"), 0, "", "" },
		{ BYTES("a@b\0"), 0, "a@b", "" },
		{ BYTES("<a@b>\0SIZE=100\0BODY=8BITMIME\0"), 0, "a@b",
		    "SIZE=100 BODY=8BITMIME" },
		{ BYTES("<a@b\0.evil>\0"), 0, "<a@b",
		    ".evil>" }, /* a NUL in it: the MTA's view */
		{ BYTES("<\0"), 0, "<", "" },
		{ BYTES("<a@b>\0\0"), 0, "a@b", "" },
		{ BYTES(""), -EINVAL, NULL, NULL },
		{ BYTES("<a@b>"), -EINVAL, NULL, NULL },
		{ BYTES("<a@b>\0SIZE=1"), -EINVAL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *copy = malloc(cases[i].in.len + 1);
		struct slice address, args;
		struct err e;
		int r;

		assert_non_null(copy);
		memcpy(copy, cases[i].in.data, cases[i].in.len);
		r = milter_address_parse(copy, cases[i].in.len, &address, &args, &e);
		if (r != cases[i].want)
			fail_msg("case %zu: %d", i, r);
		if (r == 0) {
			assert_true(slice_eq_str(address, cases[i].address));
			assert_true(slice_eq_str(args, cases[i].args));
		}
		free(copy);
	}
}

static void
test_field(void **state UNUSED)
{
	static const struct {
		struct bytes in;
		int want;
		struct bytes name, value;
	} cases[] = {
		{ BYTES("Subject\0 hello\0"), 0, BYTES("Subject"), BYTES(" hello") },
		{ BYTES("Subject\0\0"), 0, BYTES("Subject"), BYTES("") },
		{ BYTES("\0\0"), 0, BYTES(""), BYTES("") },
		{ BYTES("X\0a\0b\0"), 0, BYTES("X"),
		    BYTES("a\0b") }, /* nothing hides behind a NUL */
		{ BYTES("X\0 a\n\tb\0"), 0, BYTES("X"), BYTES(" a\n\tb") },
		{ BYTES(""), -EINVAL, BYTES(""), BYTES("") },
		{ BYTES("X"), -EINVAL, BYTES(""), BYTES("") },
		{ BYTES("X\0"), -EINVAL, BYTES(""), BYTES("") },
		{ BYTES("X\0v"), -EINVAL, BYTES(""), BYTES("") },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice name, value;
		struct err e;
		int r = milter_field_parse(slice_of_bytes(cases[i].in), &name, &value, &e);

		if (r != cases[i].want)
			fail_msg("case %zu: %d", i, r);
		if (r == 0) {
			assert_true(slice_eq(name, slice_of_bytes(cases[i].name)));
			assert_true(slice_eq(value, slice_of_bytes(cases[i].value)));
		}
	}
}

static void
test_put_reply(void **state UNUSED)
{
	static const struct {
		bool permanent;
		unsigned code;
		const char *enhanced, *text, *want;
	} cases[] = {
		{ true, 550, "5.7.1", "Virus found", "550 5.7.1 Virus found" },
		{ true, 554, "5.7.0", "no", "554 5.7.0 no" },
		{ false, 451, "4.7.1", "later", "451 4.7.1 later" },
		{ false, 421, "4.3.2", "later", "421 4.3.2 later" },
		{ true, 250, "2.0.0", "ok", "550 5.7.1 ok" }, /* never a success */
		{ true, 451, "4.7.1", "x", "550 5.7.1 x" },
		{ false, 550, "5.7.1", "x", "451 4.7.1 x" },
		{ true, 0, NULL, NULL, "550 5.7.1 Message refused" },
		{ false, 0, "", "", "451 4.7.1 Please try again later" },
		{ true, 5501, "5.7.1.2", "x", "550 5.7.1 x" },
		{ true, 550, "5.7.", "x", "550 5.7.1 x" },
		{ true, 550, "5.7777.1", "x", "550 5.7.1 x" },
		{ true, 550, "5.7.1", "100% %s",
		    "550 5.7.1 100%% %%s" }, /* Sendmail: a format */
		{ true, 550, "5.7.1", "a\r\n250 ok", "550 5.7.1 a  250 ok" },
		{ true, 550, "5.7.1", "\r\n \x01\x7f", "550 5.7.1 Message refused" },
		{ true, 550, "5.7.1", "caf\xc3\xa9", "550 5.7.1 caf??" },
		{ true, 550, "5.7.1", "  a \t", "550 5.7.1 a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out;
		size_t want = strlen(cases[i].want) + 1;

		buf_init(&out, 4096);
		assert_int_equal(milter_put_reply(&out, cases[i].permanent, cases[i].code,
				     cases[i].enhanced, cases[i].text),
		    0);
		assert_int_equal(out.len, 5 + want);
		assert_int_equal(out.data[3], want + 1);
		assert_int_equal(out.data[4], 'y');
		assert_string_equal((char *)out.data + 5, cases[i].want);
	}
}

static void
test_put_reply_long(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out;
	char text[5000];

	memset(text, '%', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buf_init(&out, 4096);
	assert_int_equal(milter_put_reply(&out, true, 550, "5.7.1", text), 0);
	assert_int_equal(out.len, 5 + 10 + 2 * MILTER_TEXT_MAX_BYTES + 1);
	buf_clear(&out);
	out.max = 100;
	assert_int_equal(milter_put_reply(&out, true, 550, "5.7.1", text), -ENOBUFS);
	assert_int_equal(out.len, 0);
}

static void
test_put_header(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out;

	buf_init(&out, 65536);
	assert_int_equal(milter_put_header(&out, "X-A", "v", true, true), 0);
	assert_bytes(buf_get(&out), "\0\0\0\x0c"
				    "i\0\0\0\0X-A\0 v\0");
	buf_clear(&out);
	assert_int_equal(milter_put_header(&out, "X-A", " v", true, true), 0);
	assert_bytes(buf_get(&out), "\0\0\0\x0c"
				    "i\0\0\0\0X-A\0 v\0");
	buf_clear(&out);
	assert_int_equal(milter_put_header(&out, "X-A", "v", true, false), 0);
	assert_bytes(buf_get(&out), "\0\0\0\x0b"
				    "i\0\0\0\0X-A\0v\0");
	buf_clear(&out);
	assert_int_equal(milter_put_header(&out, "X-A", "v", false, false), 0);
	assert_bytes(buf_get(&out), "\0\0\0\x07"
				    "hX-A\0v\0");
	buf_clear(&out); /* no new field, no end of the header */
	assert_int_equal(
	    milter_put_header(&out, "X", "a\r\nB: c\r\n\r\nd\n e\x01\xff\r\n", false, false),
	    0);
	assert_bytes(buf_get(&out), "\0\0\0\x12"
				    "hX\0a B: c  d\n e??\0");
	buf_clear(&out);
	assert_int_equal(milter_put_header(&out, "X A", "v", false, false), -EINVAL);
	assert_int_equal(milter_put_header(&out, "X:", "v", false, false), -EINVAL);
	assert_int_equal(milter_put_header(&out, "", "v", false, false), -EINVAL);
	assert_int_equal(milter_put_header(&out, "X\n", "v", false, false), -EINVAL);
	assert_int_equal(out.len, 0);
	assert_int_equal(milter_put_header_removal(&out, "X-A", 258), 0);
	assert_bytes(buf_get(&out), "\0\0\0\x0a"
				    "m\0\0\x01\x02X-A\0\0");
	buf_clear(&out);
	assert_int_equal(milter_put_header_removal(&out, "X-A", 0), -EINVAL);
	assert_int_equal(milter_put_quarantine(&out, "held\nX"), 0);
	assert_bytes(buf_get(&out), "\0\0\0\x08"
				    "qheld X\0");
}

static void
test_negotiate(void **state UNUSED)
{
	const uint32_t quiet = 0x7f080u | 0x80000u; /* NR_*: all replies that may be left out */
	static const struct {
		const char *name;
		struct milter_offer offer, want;
		size_t chunk;
	} cases[] = {
		{ "Sendmail 8.17", { 6, 0x1ff, 0x1fffff }, { 6, 0x131, 0x1ff180 }, 65535 },
		{ "with 1 MB", { 6, 0x1ff, 0x201fffff }, { 6, 0x131, 0x201ff180 }, 1048575 },
		{ "with 256 KB", { 6, 0x1ff, 0x101fffff }, { 6, 0x131, 0x101ff180 }, 262143 },
		{ "with both", { 6, 0x1ff, 0x301fffff }, { 6, 0x131, 0x201ff180 }, 1048575 },
		{ "Postfix 3.7", { 6, 0x1ff, 0x1fffff }, { 6, 0x131, 0x1ff180 }, 65535 },
		{ "version 4", { 4, 0x3f, 0x3ff }, { 4, 0x31, 0x180 }, 65535 },
		{ "version 3", { 3, 0x3f, 0x17f }, { 3, 0x31, 0x100 }, 65535 },
		{ "version 2", { 2, 0x3f, 0x7f }, { 2, 0x31, 0 }, 65535 },
		{ "lists before 6", { 5, 0x1ff, 0 }, { 5, 0x31, 0 }, 65535 },
		{ "a later one", { 7, 0xffffffff, 0xcfffffff }, { 6, 0x131, 0x1ff180 }, 65535 },
		{ "nothing", { 6, 0, 0 }, { 6, 0, 0 }, 65535 },
	};

	assert_int_equal(quiet & 0x1ff180, quiet & ~0x100u);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct milter_offer a = milter_offer_answer(&cases[i].offer);

		if (a.version != cases[i].want.version || a.actions != cases[i].want.actions ||
		    a.steps != cases[i].want.steps)
			fail_msg("%s: %u %x %x", cases[i].name, a.version, a.actions, a.steps);
		assert_int_equal(a.actions & ~cases[i].offer.actions, 0);
		assert_int_equal(a.steps & ~cases[i].offer.steps, 0);
		assert_int_equal(milter_offer_get_chunk_bytes(&a), cases[i].chunk);
	}
	/* A subset of anything. */
	for (uint32_t bit = 1; bit != 0; bit <<= 1) {
		struct milter_offer a =
		    milter_offer_answer(&(struct milter_offer){ 6, bit, bit });

		assert_int_equal(a.actions & ~bit, 0);
		assert_int_equal(a.steps & ~bit, 0);
	}
}

static void
test_offer_bytes(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out;
	struct milter_offer o = { 6, 0x31, 0x1ff180 };
	struct err e;

	buf_init(&out, 4096);
	assert_int_equal(milter_offer_put(&out, &o), 0);
	assert_bytes(buf_get(&out), "\0\0\0\x0d"
				    "O\0\0\0\x06\0\0\0\x31\0\x1f\xf1\x80");
	buf_clear(&out);
	o.actions = 0x131;
	assert_int_equal(milter_offer_put(&out, &o), 0);
	assert_memory_equal(out.data + 17, "\0\0\0\0j {daemon_name} ", 20);
	/* Every list has a stage, names, an end; none is empty. */
	for (size_t at = 17, stage = 0; at < out.len; stage++) {
		size_t len = strlen((char *)out.data + at + 4);

		assert_int_equal(out.data[at + 3], stage);
		assert_true(len > 0);
		at += 4 + len + 1;
		assert_true(at <= out.len);
	}
	assert_int_equal(
	    milter_offer_parse(slice_of("\0\0\0\x06\0\0\1\xff\0\x1f\xff\xff", 12), &o, &e), 0);
	assert_int_equal(o.version, 6);
	assert_int_equal(o.actions, 0x1ff);
	assert_int_equal(o.steps, 0x1fffff);
	assert_int_equal(
	    milter_offer_parse(slice_of("\0\0\0\x06\0\0\1\xff\0\x1f\xff", 11), &o, &e),
	    -EINVAL);
	assert_int_equal(
	    milter_offer_parse(slice_of("\0\0\0\x01\0\0\1\xff\0\x1f\xff\xff", 12), &o, &e),
	    -EINVAL);
}

static void
macros_set(struct milter_macros *m, const char *data, size_t len, int want, bool want_new)
{
	bool is_new = false;
	struct err e;

	assert_int_equal(milter_macros_set(m, slice_of(data, len), &is_new, &e), want);
	assert_int_equal(is_new, want_new);
}
#define SET(m, s, is_new)         macros_set(m, s, sizeof(s) - 1, 0, is_new)
#define assert_macro(m, id, want) assert_true(slice_eq_str(milter_macros_get(m, id), want))

static void
test_macros(void **state UNUSED)
{
	CLEANUP(milter_macros_done) struct milter_macros m = { 0 };

	assert_macro(&m, MILTER_MACRO_QUEUE_ID, "");
	SET(&m,
	    "Cj\0mx\0{client_addr}\0"
	    "192.0.2.1\0_\0h [192.0.2.1]\0",
	    false);
	SET(&m, "H{tls_version}\0TLSv1.3\0{cipher}\0AES\0", false);
	SET(&m, "Mi\0Q1\0{auth_authen}\0ann\0{mail_addr}\0x\0", true);
	SET(&m, "Mi\0Q1\0{auth_authen}\0ann\0", false);
	assert_macro(&m, MILTER_MACRO_QUEUE_ID, "Q1");
	assert_macro(&m, MILTER_MACRO_AUTH_USER, "ann");
	assert_macro(&m, MILTER_MACRO_TLS_CIPHER, "AES");
	assert_macro(&m, MILTER_MACRO_CLIENT_PEER, "h [192.0.2.1]");
	assert_macro(&m, MILTER_MACRO_CLIENT_PORT, "");
	SET(&m, "T{i}\0Q1\0", false); /* the same id again, with braces */
	SET(&m, "Ei\0Q2\0", true);
	assert_macro(&m, MILTER_MACRO_QUEUE_ID, "Q2");
	/* The next mail has no user and no id: nothing of the last one stays. */
	SET(&m, "M", false);
	assert_macro(&m, MILTER_MACRO_QUEUE_ID, "");
	assert_macro(&m, MILTER_MACRO_AUTH_USER, "");
	assert_macro(&m, MILTER_MACRO_TLS_VERSION, "TLSv1.3");
	milter_macros_clear(&m, MILTER_STAGE_HELO);
	assert_macro(&m, MILTER_MACRO_TLS_VERSION, "");
	assert_macro(&m, MILTER_MACRO_CLIENT_ADDRESS, "192.0.2.1");
	SET(&m, "Xi\0Q3\0", false); /* no such stage */
	SET(&m, "Mi\0", false);     /* a name alone */
	SET(&m, "Mi\0\0", false);   /* empty */
	assert_macro(&m, MILTER_MACRO_QUEUE_ID, "");
	macros_set(&m, "", 0, -EINVAL, false);
	macros_set(&m, "Mi\0Q", 4, -EINVAL, false);
}

static void
test_macros_bounded(void **state UNUSED)
{
	CLEANUP(milter_macros_done) struct milter_macros m = { 0 };
	char data[20000] = "Mi";
	size_t total = 0;

	memset(data + 3, 'x', 10000);
	macros_set(&m, data, 3 + 10001, 0, true);
	assert_int_equal(
	    milter_macros_get(&m, MILTER_MACRO_QUEUE_ID).len, MILTER_MACRO_VALUE_MAX_BYTES);
	/* The same name many times is kept once. */
	data[0] = 'R';
	for (size_t at = 1; at + 6 <= sizeof(data); at += 6)
		memcpy(data + at, "i\0abc", 6);
	macros_set(&m, data, 1 + 6 * 3000, 0, true);
	for (unsigned i = 0; i < MILTER_STAGE_COUNT; i++)
		total += m.lengths[i];
	assert_true(total < 2 * MILTER_MACRO_VALUE_MAX_BYTES);
	assert_macro(&m, MILTER_MACRO_QUEUE_ID, "abc");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet_check),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_put_reply),
		cmocka_unit_test(test_put_reply_long),
		cmocka_unit_test(test_put_header),
		cmocka_unit_test(test_negotiate),
		cmocka_unit_test(test_offer_bytes),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_macros_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
