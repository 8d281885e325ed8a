/* test_mime_header.c: the parsers below the MIME opener, on their own: headers, parameters,
 * types, transfer encodings, the index of delimiter lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/budget.h"
#include "decompose/mime_encoding.h"
#include "decompose/mime_header.h"
#include "decompose/mime_line.h"
#include "decompose/mime_param.h"
#include "decompose/mime_text.h"
#include "decompose/mime_type.h"
#include "decompose/object.h"

static struct budget
new_budget(void)
{
	struct limits l = limits_get_default();
	struct budget b;

	budget_init(&b, &l, 0);
	return b;
}

/* ends: offsets of bodies, in the order in which they are returned; -1 ends the list. */
static void
test_header_ends(void **state)
{
	static const struct {
		const char *text;
		bool cr;
		unsigned fields;
		int bodies[5];
	} cases[] = {
		{ "Content-Type: a/b\r\n\r\nx", false, 1, { 21, -1 } },
		{ "Content-Type: a/b\n\nx", false, 1, { 19, -1 } },
		{ "\r\nx", false, 0, { 2, -1 } },
		{ "", false, 0, { 0, -1 } },
		{ "A: b\r\n", false, 0, { 6, -1 } },
		{ "A: b\r\n \t\r\nC: d\r\n\r\nx", false, 0, { 18, 10, -1 } },
		{ "A: b\r\njunk\r\nC: d\r\n\r\nx", false, 0, { 20, 6, -1 } },
		{ "A: b\r\njunk\r\njunk\r\nC: d\r\n\r\nx", false, 0, { 26, 6, -1 } },
		{ "no header at all\r\nnone", false, 0, { 0, -1 } },
		{ "--b: x\r\n\r\ny", false, 0, { 10, 0, -1 } },
		{ "A: b\rContent-Type: c/d\r\rx", true, 1, { 24, -1 } },
		{ " Content-Type: a/b\r\n\r\n", false, 1, { 22, 0, -1 } },
		{ "Content-Type \t: a/b\r\n\r\n", false, 1, { 23, -1 } },
		{ "\vContent-Type: a/b\r\n\r\n", false, 1, { 22, 0, -1 } },
		{ "Content-Type: a/b\r\r\n\r\r\nx", false, 1, { 23, -1 } },
		{ "A: b\r\n Content-Type: c/d\r\nMIME-Version: 1.0\r\n\r\n", false, 2,
		    { 47, -1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mime_header h;
		struct budget b = new_budget();
		size_t n = 0;

		mime_header_parse(&h, slice_of_str(cases[i].text), cases[i].cr, &b);
		if (h.count != cases[i].fields)
			fail_msg("%s: %zu fields", cases[i].text, h.count);
		for (; cases[i].bodies[n] >= 0; n++) {
			if (n >= h.end_count || h.ends[n].body != (size_t)cases[i].bodies[n])
				fail_msg("%s: end %zu is %zu", cases[i].text, n,
				    n < h.end_count ? h.ends[n].body : 0);
		}
		assert_int_equal(h.end_count, n);
	}
}

static void
test_header_fields(void **state)
{
	struct mime_header h;
	struct budget b = new_budget();

	(void)state;
	mime_header_parse(&h,
	    SLICE_LIT(
		"Content-Type: a/b;\r\n x=y\r\nX-Content-Type: no\r\n"
		"content-transfer-encoding : base64\r\nContent-Disposition:inline\r\n\r\n"),
	    false, &b);
	assert_int_equal(h.count, 3);
	assert_true(slice_eq_str(h.fields[0].value, " a/b;\r\n x=y"));
	assert_int_equal(h.fields[0].classes, 0);
	assert_int_equal(h.fields[1].kind, FIELD_ENCODING);
	assert_int_equal(h.fields[1].classes, AMBIGUITY_BIT(7));
	assert_int_equal(h.fields[2].kind, FIELD_DISPOSITION);
	assert_false(h.has_bare_cr);
	mime_header_parse(&h, SLICE_LIT("A: b\rC: d\r\n\r\n"), false, &b);
	assert_true(h.has_bare_cr);
	assert_true(mime_header_is_mail(SLICE_LIT("From: a\r\nTo: b\r\nSubject: c\r\n\r\nx")));
	assert_false(
	    mime_header_is_mail(SLICE_LIT("From: a\r\nI write to you\r\nbecause: of\r\n")));
	assert_true(mime_header_is_field(SLICE_LIT("content-foo: x")));
	assert_false(mime_header_is_field(SLICE_LIT("hello: x")));
}

static void
test_types(void **state)
{
	static const struct {
		const char *value, *name;
		bool multipart, proper;
		const char *boundaries[6];
	} cases[] = {
		{ " text/plain", "text/plain", false, false, { NULL } },
		{ "Text / Plain; charset=x", "text/plain", false, false, { NULL } },
		{ "multipart/mixed; boundary=ab", "multipart/mixed", true, true,
		    { "ab", NULL } },
		{ "multipart/mixed; boundary=\"a b\"", "multipart/mixed", true, true,
		    { "a b", "a", NULL } },
		{ "multipart/mixed; boundary=a; boundary=b", "multipart/mixed", true, true,
		    { "a", "b", NULL } },
		{ "multipart/mixed (x); boundary=ab", "multipart/mixed", true, true,
		    { "ab", NULL } },
		{ "multipart", "multipart", true, false, { NULL } },
		{ "\"multipart/mixed\"; boundary=ab", "multipart/mixed", true, true,
		    { "ab", NULL } },
		{ "text/plain multipart/mixed; boundary=ab", "text/plain", true, false,
		    { "ab", NULL } },
		{ "", "", false, false, { NULL } },
	};
	struct arena *a = arena_new(1u << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mime_type t;
		size_t n = 0;

		mime_type_read(a, slice_of_str(cases[i].value), &t);
		if (!slice_eq_str(t.name, cases[i].name))
			fail_msg("'%s': name '%.*s'", cases[i].value, SLICE_FMT(t.name));
		assert_int_equal(t.multipart, cases[i].multipart);
		assert_int_equal(t.proper, cases[i].proper);
		for (; cases[i].boundaries[n] != NULL; n++) {
			if (n >= t.boundary_count ||
			    !slice_eq_str(t.boundaries[n].value, cases[i].boundaries[n]))
				fail_msg("'%s': boundary %zu", cases[i].value, n);
		}
		if (t.boundary_count != n)
			fail_msg("'%s': %zu boundaries", cases[i].value, t.boundary_count);
	}
	arena_free(&a);
}

static void
test_encodings(void **state)
{
	static const struct {
		const char *value;
		enum mime_decoder order[3];
		size_t count;
		uint64_t classes; /* of the first */
	} cases[] = {
		{ "base64", { DECODER_BASE64 }, 1, 0 },
		{ " BASE64 \r\n ", { DECODER_BASE64 }, 1, 0 },
		{ "7bit", { DECODER_NONE }, 1, 0 },
		{ "x-uue", { DECODER_UU }, 1, 0 },
		{ "x-yencode", { DECODER_YENC }, 1, 0 },
		{ "8-bit", { DECODER_NONE }, 1, AMBIGUITY_BIT(34) },
		{ "", { DECODER_NONE }, 1, AMBIGUITY_BIT(34) },
		{ "base64, 7bit", { DECODER_BASE64, DECODER_NONE }, 2, AMBIGUITY_BIT(34) },
		{ "quoted-printable; base64", { DECODER_QP, DECODER_BASE64, DECODER_NONE }, 3,
		    AMBIGUITY_BIT(34) },
		{ "(c)base64", { DECODER_BASE64, DECODER_NONE }, 2, AMBIGUITY_BIT(5) },
		{ "bas64", { DECODER_BASE64, DECODER_NONE }, 2, AMBIGUITY_BIT(34) },
		{ "quoted_printabl", { DECODER_QP, DECODER_NONE }, 2, AMBIGUITY_BIT(34) },
	};
	struct arena *a = arena_new(1u << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mime_encodings e = { .count = 0 };

		mime_encodings_read(a, slice_of_str(cases[i].value), 0, 0, &e);
		if (e.count != cases[i].count || e.order[0] != cases[i].order[0] ||
		    e.classes[e.order[0]] != cases[i].classes)
			fail_msg(
			    "'%s': %zu, first %d", cases[i].value, e.count, (int)e.order[0]);
		for (size_t k = 0; k < e.count; k++)
			assert_int_equal(e.order[k], cases[i].order[k]);
	}
	arena_free(&a);
}

static void
test_params(void **state)
{
	static const char *const wanted[] = { "name", NULL };
	struct mime_param p[MIME_PARAMS_MAX];
	struct slice head, found[4];
	struct arena *a = arena_new(1u << 20);

	(void)state;
	assert_int_equal(
	    mime_params_parse(
		a, SLICE_LIT("a/b; x=y; name=\"q\\\";r\"z; NAME*0 = t ; s"), wanted, p, &head),
	    2);
	assert_true(slice_eq_str(head, "a/b"));
	assert_true(slice_eq_str(p[0].value, "q\";r"));
	assert_true(p[0].quoted && p[0].odd && !p[0].cut);
	assert_true(slice_eq_str(p[1].name, "NAME*0"));
	assert_true(slice_eq_str(p[1].value, "t"));
	assert_true(p[1].cut);
	assert_int_equal(
	    mime_params_grep(SLICE_LIT("x,name =1 filename=2;nameless=3"), "name", found, 4),
	    2);
	assert_true(slice_eq_str(found[1], "2;nameless=3"));
	assert_true(slice_eq_str(
	    mime_text_drop_comments(a, SLICE_LIT("a(b(c)\\))d \"(e)\" (f")), "ad \"(e)\""));
	arena_free(&a);
}

static void
test_lines(void **state)
{
	struct mime_lines l = { .all = NULL };
	struct budget b = new_budget();
	struct slice all =
	    SLICE_LIT("--a\r\nx --a\r\n  --a \t\r\n--a--\r\nz\r--a\r--ab\n---a\n--");
	static const uint32_t flags[] = { 0, LINE_INDENT, LINE_CLOSE, LINE_CR | LINE_CONTROL };
	size_t cursor = 0, n = 0;
	uint32_t index;

	(void)state;
	mime_lines_build(&l, all, &b);
	while (
	    mime_lines_next(&l, mime_line_hash(SLICE_LIT("a")), 0, all.len, &cursor, &index)) {
		assert_true(
		    mime_line_eq(mime_line_get_text(all, &l.all[index]), SLICE_LIT("a")));
		assert_true(n < ARRAY_LEN(flags));
		assert_int_equal(l.all[index].flags, flags[n++]);
	}
	assert_int_equal(n, ARRAY_LEN(flags));
	cursor = 0;
	assert_true(
	    mime_lines_next(&l, mime_line_hash(SLICE_LIT("-a")), 0, all.len, &cursor, &index));
	cursor = 0;
	assert_false(
	    mime_lines_next(&l, mime_line_hash(SLICE_LIT("a")), 33, all.len, &cursor, &index));
	assert_false(l.cut);
	mime_lines_done(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_ends),
		cmocka_unit_test(test_header_fields),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
