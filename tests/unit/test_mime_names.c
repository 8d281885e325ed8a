/* test_mime_names.c: charsets, encoded-words, RFC 2231, candidate names and what is said about
 * them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/name_form.h"
#include "decompose/name_set.h"
#include "decompose/rfc2047.h"

static void
test_charsets(void **state)
{
	static const struct {
		const char *charset, *in, *want;
		size_t len;
		int ret;
	} cases[] = {
		{ "utf-8", "\xc3\xa4", "\xc3\xa4", 2, 0 },
		{ "UTF-8", "a\xc3", "a\xef\xbf\xbd", 2, 1 },
		{ "utf8", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", 2, 1 },
		{ "us-ascii", "abc", "abc", 3, 0 },
		{ "\"ISO-8859-1\"", "\xe4", "\xc3\xa4", 1, 0 },
		{ "iso_8859-15", "\xa4", "\xe2\x82\xac", 1, 0 },
		{ "windows-1251", "\xe0", "\xd0\xb0", 1, 0 },
		{ "koi8-r", "\xc1", "\xd0\xb0", 1, 0 },
		{ "utf-16", "\xff\xfe\x61\0", "a", 4, 0 },
		{ "utf-16", "\0\x61", "a", 2, 0 },
		{ "utf-16", "\x61\0", "a", 2, 0 },
		{ "utf-16be", "\xd8\x3d\xde\x00", "\xf0\x9f\x98\x80", 4, 0 },
		{ "utf-7", "+AGE-b", "ab", 6, 0 },
		{ "shift_jis", "\x82\xa0", "\xe3\x81\x82", 2, 0 },
		{ "iso-2022-jp", "\x1b$B$\"\x1b(B", "\xe3\x81\x82", 8, 0 },
		{ "gb2312", "\xb0\xa1", "\xe5\x95\x8a", 2, 0 },
		{ "ks_c_5601-1987", "\xb0\xa1", "\xea\xb0\x80", 2, 0 },
		{ "no-such", "a", "", 1, -ENOENT },
		{ "../../etc//TRANSLIT", "a", "", 1, -ENOENT },
		{ "", "a", "", 1, -ENOENT },
	};

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			CLEANUP(buf_done) struct buf out = { .len = 0 };
			int r;

			buf_init(&out, 100);
			r = charset_to_utf8(slice_of_str(cases[i].charset),
			    slice_of(cases[i].in, cases[i].len), &out);
			if (r != cases[i].ret || !slice_eq_str(buf_get(&out), cases[i].want))
				fail_msg("%s: %d '%s'", cases[i].charset, r, buf_get_str(&out));
		}
		charset_preload(); /* and the same again as inside a cage */
	}
}

static void
test_words(void **state)
{
	static const struct {
		const char *in, *want;
		unsigned words;
		bool bad;
	} cases[] = {
		{ "plain", "plain", 0, false },
		{ "=?utf-8?B?w6k=?=", "\xc3\xa9", 1, false },
		{ "=?UTF-8?b?w6k?=", "\xc3\xa9", 1, false },
		{ "=?iso-8859-1?Q?=E9_x?=", "\xc3\xa9 x", 1, false },
		{ "a =?utf-8?Q?b?= c", "a b c", 1, false },
		{ "=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab", 2, false },
		{ "=?utf-8?Q?a?= x =?utf-8?Q?b?=", "a x b", 2, false },
		{ "=?utf-8?B?ww==?==?utf-8?B?qQ==?=", "\xc3\xa9", 2, false },
		{ "=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "\xc3\xa9", 2, false },
		{ "=?utf-8*en?Q?a?=", "a", 1, false },
		{ "=?utf-8?Q?a b?=", "a b", 1, false },
		{ "=?utf-8?Q?abc", "abc", 1, true },
		{ "=?utf-8?X?abc?=", "=?utf-8?X?abc?=", 0, false },
		{ "=?utf-8?Q?=ZZ?=", "=ZZ", 1, true },
		{ "=?=?=?utf-8?Q?a?=", "=?=?a", 1, false },
		{ "=?", "=?", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = { .len = 0 };
		struct rfc2047_facts f;

		buf_init(&out, 1000);
		assert_int_equal(rfc2047_decode(slice_of_str(cases[i].in), &out, &f), 0);
		if (!slice_eq_str(buf_get(&out), cases[i].want) || f.words != cases[i].words ||
		    f.bad_form != cases[i].bad)
			fail_msg("%s: %u words, '%s'", cases[i].in, f.words, buf_get_str(&out));
	}
}

#define F(x) FACT_BIT(FACT_NAME_##x)
#define A(n) AMBIGUITY_BIT(n)

static void
test_names(void **state)
{
	static const struct {
		const char *value;
		const char *names[5]; /* must be there */
		uint64_t facts, classes;
	} cases[] = {
		{ "attachment; filename=a.zip", { "a.zip" }, 0, 0 },
		{ "attachment; filename=\"a.zip\" (words)", { "a.zip" }, 0, 0 },
		{ "=?utf-8?Q?attachment;_filename=3Da.zip?=", { "a.zip" }, 0, 0 },
		{ "attachment; filename=\"a b.zip\"", { "a b.zip" }, 0, 0 },
		{ "attachment; filename=a b.zip", { "a b.zip", "a" }, 0, 0 },
		{ "attachment; filename=\"=?utf-8?Q?=C3=A9.zip?=\"",
		    { "\xc3\xa9.zip", "=?utf-8?Q?=C3=A9.zip?=" }, 0, 0 },
		{ "attachment; filename*=utf-8''%C3%A9.zip", { "\xc3\xa9.zip" }, 0, 0 },
		{ "attachment; filename*0=a.; filename*1=zip", { "a.zip" }, 0, 0 },
		{ "attachment; filename*1=zip; filename*0=a.", { "a.zip", "zipa." }, F(DOTS),
		    A(41) },
		{ "attachment; filename*0=a.; filename*2=zip", { "a.zip" }, F(DOTS),
		    A(40) | A(41) },
		{ "attachment; filename*=UTF-16''%00a%00.%00z%00i%00p", { "a.zip" }, 0, 0 },
		{ "attachment; filename=a.txt; filename*=''a.zip", { "a.txt", "a.zip" }, 0,
		    A(40) },
		{ "attachment; filename=a.txt; filename=a.zip", { "a.txt", "a.zip" }, 0,
		    A(40) },
		{ "attachment; filename=\"a\".zip", { "a", "\"a\".zip", "a\".zip" }, 0, A(12) },
		{ "attachment; filename=a;.zip", { "a", "a;.zip" }, 0, A(12) },
		{ "attachment; filename=a.zip(.gif)", { "a.zip(.gif)", "a.zip" }, 0, 0 },
		{ "attachment; file(x)name=a.zip", { "a.zip" }, 0, 0 },
		{ "attachment, filename=a.zip", { "a.zip" }, 0, 0 },
		{ "attachment; filename=\"a\r\n .zip\"", { "a .zip", "a.zip", "a" }, 0, 0 },
		{ "attachment; filename=\"..\\\\..\\\\a.com\"", { "..\\..\\a.com", "a.com" },
		    F(PATH), A(43) },
		{ "attachment; filename=\"/etc/passwd\"", { "/etc/passwd", "passwd" }, F(PATH),
		    A(43) },
		{ "attachment; filename=\"a.txt:b.exe\"", { "a.txt", "b.exe" }, F(PATH),
		    A(43) },
		{ "attachment; filename=\"a.exe. .\"", { "a.exe. .", "a.exe" }, F(DOTS),
		    A(41) },
		{ "attachment; filename=\"a.pdf.exe\"", { "a.pdf.exe" }, 0, A(41) },
		{ "attachment; filename=\"a.tar.gz\"", { "a.tar.gz" }, 0, 0 },
		{ "attachment; filename=\"a.pdf        .exe\"", { "a.pdf        .exe" },
		    F(HIDDEN), A(41) },
		{ "attachment; filename=\"doc\xe2\x80\xae"
		  "fdp.com\"",
		    { "docfdp.com" }, F(BIDI), A(42) },
		{ "attachment; filename=\"a.e\xe2\x80\x8bxe\"", { "a.exe" }, F(HIDDEN), A(42) },
		{ "attachment; filename=\"a\xef\xbc\x8e"
		  "exe\"",
		    { "a.exe" }, 0, A(42) },
		{ "attachment; filename=\"a.\xd0\xb5xe\"", { "a.exe" }, 0, A(42) },
		{ "attachment; filename=\"\xd0\xbf\xd1\x80\xd0\xb8.txt\"",
		    { "\xd0\xbf\xd1\x80\xd0\xb8.txt" }, 0, 0 },
		{ "attachment; filename=\"=?x-none?Q?a.zip?=\"", { "a.zip" }, F(CHARSET), 0 },
	};
	struct arena *a = arena_new(1u << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct name_set s = { .count = 0 };

		name_set_read(a, slice_of_str(cases[i].value), "filename", &s);
		name_set_finish(a, &s);
		for (size_t k = 0; k < ARRAY_LEN(cases[i].names) && cases[i].names[k] != NULL;
		     k++) {
			size_t n = 0;

			while (n < s.count && !slice_eq_str(s.names[n], cases[i].names[k]))
				n++;
			if (n == s.count)
				fail_msg("%s: no name '%s'", cases[i].value, cases[i].names[k]);
		}
		if (s.facts != cases[i].facts || s.ambiguities != cases[i].classes)
			fail_msg("%s: facts %#llx, classes %#llx", cases[i].value,
			    (unsigned long long)s.facts, (unsigned long long)s.ambiguities);
	}
	arena_free(&a);
}

static void
test_display(void **state)
{
	struct arena *a = arena_new(1u << 20);

	(void)state;
	assert_true(slice_eq_str(
	    name_form_get_display(a, SLICE_LIT("a/b\\c:d\n.txt")), "a_b_c_d_.txt"));
	assert_true(slice_eq_str(name_form_get_display(a, SLICE_LIT("..")), "unnamed"));
	assert_true(slice_eq_str(name_form_get_display(a, SLICE_LIT("")), "unnamed"));
	assert_true(slice_eq_str(
	    name_form_get_display(a, SLICE_LIT("x\xe2\x80\xaey\xff")), "xy\xef\xbf\xbd"));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_display),
		cmocka_unit_test(test_charsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
