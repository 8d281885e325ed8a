/* test_inline.c: files in plain text: uuencode, yEnc, BinHex, blocks of base64. */
#include "test_decode_helper.h"

#include "decompose/decode_uu.h"
#include "decompose/decode_yenc.h"
#include "decompose/inline_opener.h"
#include "decompose/inline_scan.h"

static const char payload[] =
    "This is the payload, which is long enough to need more than one line "
    "of every encoding there is, with some bytes \x01\x02\xff\x80 that are not text at all. "
    "And here it goes on for a while, so that blocks of base64 have their three full lines.\n";

static struct slice
payload_get(void)
{
	return slice_of(payload, sizeof(payload) - 1);
}

static void
text_add_uu(struct buf *text, const char *begin, const char *end)
{
	buf_append_str(text, begin);
	uu_encode(payload_get(), text);
	buf_append_str(text, end);
}

static void
check_uu(const char *begin, const char *end, const char *name)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(taken_free) struct taken *t = NULL;
	struct object *o;

	buf_init(&text, 1 << 20);
	buf_append_str(&text, "Dear all,\r\n\r\nbegin with this: see below.\r\n\r\n");
	text_add_uu(&text, begin, end);
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	o = taken_find(t, payload_get());
	if (o == NULL)
		fail_msg("not found behind '%s'", begin);
	assert_true(name[0] == '\0' || object_is_named(o, name));
	assert_true((o->views & VIEW_BIT(VIEW_UU_INLINE)) != 0);
	assert_true((o->notes & AMBIGUITY_BIT(36)) != 0);
	assert_int_equal(o->ambiguities, 0);
	assert_int_equal(o->parent, 1);
}

static void
test_uu_inline(void **state)
{
	(void)state;
	check_uu("begin 644 a.exe\r\n", "`\r\nend\r\n", "a.exe");
	check_uu(
	    "begin 100644 with blanks.exe \r\n", " \r\nend\r\nRegards\r\n", "with blanks.exe");
	check_uu("begin 644 no-end.exe\r\n", "", "no-end.exe");
	check_uu(
	    "begin 644 no-end.exe\r\n", "\r\nKind regards,\r\nsomebody else\r\n", "no-end.exe");
	check_uu("begin  a.exe\r\n", "`\r\nend\r\n", "a.exe");
	check_uu("begin 9x7 a.exe\r\n", "`\r\nend\r\n", "");
	check_uu("begin 644\r\n", "`\r\nend\r\n", "");
	check_uu("first line\rbegin 644 a.exe\r", "`\rend\r", "a.exe");
}

static void
test_uu_several(void **state)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(taken_free) struct taken *t = NULL;

	(void)state;
	buf_init(&text, 1 << 20);
	text_add_uu(&text, "begin 644 a\n", "`\nend\n");
	buf_append_str(&text, "begin 644 b\n#86)C\n`\nend\n");
	buf_append_str(&text, "begin 644 c\n#9&5F\nbegin 644 d\n#9VAI\n");
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	assert_true(object_is_named(taken_find(t, payload_get()), "a"));
	assert_true(object_is_named(taken_find_str(t, "abc"), "b"));
	assert_true(object_is_named(taken_find_str(t, "def"), "c"));
	assert_true(object_is_named(taken_find_str(t, "ghi"), "d"));
	assert_int_equal(taken_count(t), 5);
}

/* Blanks for zeros, stripped at the line end; lines of lower-case letters as masking decoders
 * read them; other lines in between. */
static void
test_uu_odd_lines(void **state)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	uint8_t out[UU_LINE_MAX + 2], zeros[45] = { 0 };

	(void)state;
	assert_int_equal(uu_line_decode(SLICE_LIT("M"), out), 45);
	assert_memory_equal(out, zeros, 45);
	assert_int_equal(uu_line_judge(SLICE_LIT("#86)C")), UU_DATA);
	assert_int_equal(uu_line_judge(SLICE_LIT("#86)C!")), UU_DATA);
	assert_int_equal(uu_line_judge(SLICE_LIT("`")), UU_EMPTY);
	assert_int_equal(uu_line_judge(SLICE_LIT("Kind regards")), UU_NO);
	assert_int_equal(uu_line_judge(SLICE_LIT("#xviC")), UU_LOOSE);
	assert_int_equal(uu_line_decode(SLICE_LIT("#xviC"), out), 3);
	assert_memory_equal(out, "abc", 3);
	t = taken_run(
	    SLICE_LIT("begin 644 x\n#86)C\n\nan advertisement stands here today\n#xviC\n"
		      "`\nend\n"),
	    ROLE_TEXT, "");
	assert_non_null(taken_find_str(t, "abcabc"));
}

static void
test_uu_base64(void **state)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(taken_free) struct taken *t = NULL;
	struct object *o;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_append_str(&text, "see:\nbegin-base64 644 b.zip\n");
	base64_encode(slice_sub(payload_get(), 0, 30), 20, &text);
	buf_append_str(&text, "\n====\nbegin-base64-encoded 644 Yy5leGU=\nYWJj\n====\n");
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	o = taken_find(t, slice_sub(payload_get(), 0, 30));
	assert_non_null(o);
	assert_true(object_is_named(o, "b.zip"));
	assert_true(object_is_named(taken_find_str(t, "abc"), "c.exe"));
}

static void
yenc_line(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = (uint8_t)(in.ptr[i] + 42);

		if (c == 0 || c == '\r' || c == '\n' || c == '=') {
			buf_append_byte(out, '=');
			c = (uint8_t)(c + 64);
		}
		buf_append_byte(out, c);
		if (i % 64 == 63)
			buf_append_str(out, "\r\n");
	}
	buf_append_str(out, "\r\n");
}

static void
test_yenc(void **state)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(taken_free) struct taken *t = NULL;
	uint8_t all[1024];
	struct object *o;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	buf_init(&text, 1 << 20);
	buf_append_str(
	    &text, "Here it is:\r\n=ybegin line=64 size=1024 name=all bytes.bin\r\n");
	yenc_line(slice_of(all, sizeof(all)), &text);
	buf_append_str(&text, "=yend size=1024 crc32=00000000\r\nbye\r\n");
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	o = taken_find(t, slice_of(all, sizeof(all)));
	assert_non_null(o);
	assert_true(object_is_named(o, "all bytes.bin"));
	assert_true((o->views & VIEW_BIT(VIEW_YENC_INLINE)) != 0);
	assert_true((o->notes & AMBIGUITY_BIT(37)) != 0);
}

/* Three parts out of order make one file; parts that do not fit are files of their own too. */
static void
test_yenc_parts(void **state)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(taken_free) struct taken *t = NULL;
	struct slice p = payload_get();

	(void)state;
	buf_init(&text, 1 << 20);
	buf_append_str(
	    &text, "=ybegin part=2 total=3 line=64 size=1 name=x\n=ypart begin=11 end=20\n");
	yenc_line(slice_sub(p, 10, 10), &text);
	buf_append_str(
	    &text, "=yend size=10 part=2\n=ybegin part=3 name=x\n=ypart begin=21 end=999\n");
	yenc_line(slice_from(p, 20), &text);
	buf_append_str(&text, "=yend\n=ybegin part=1 name=x\n=ypart begin=1 end=10\n");
	yenc_line(slice_sub(p, 0, 10), &text);
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	assert_non_null(taken_find(t, p));
	assert_int_equal(taken_count(t), 2);
	taken_free(&t);
	buf_append_str(&text, "=yend\n=ybegin part=1 name=x\n=ypart begin=1 end=10\n");
	yenc_line(SLICE_LIT("other"), &text);
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	assert_non_null(taken_find_str(t, "other"));
}

static const char hqx_letters[] =
    "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

static void
hqx_encode(struct slice in, struct buf *out)
{
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t column = 0;

	buf_append_byte(out, ':');
	for (size_t i = 0; i < in.len; i++) {
		acc = acc << 8 | in.ptr[i];
		for (bits += 8; bits >= 6; bits -= 6) {
			buf_append_byte(out, (uint8_t)hqx_letters[acc >> (bits - 6) & 63]);
			if (++column % 64 == 0)
				buf_append_str(out, "\r\n");
		}
	}
	if (bits > 0)
		buf_append_byte(out, (uint8_t)hqx_letters[acc << (6 - bits) & 63]);
	buf_append_str(out, ":\r\n");
}

/* The stream before its six bits: 0x90 is doubled as 0x90 0, five 'x' are "x" 0x90 5. */
static void
hqx_file(struct buf *raw, const char *name, const char *data, const char *resource)
{
	uint8_t head[22] = { 0 };
	const char *forks[2] = { data, resource };

	head[0 + 13] = (uint8_t)strlen(data);
	head[0 + 17] = (uint8_t)strlen(resource);
	buf_append_byte(raw, (uint8_t)strlen(name));
	buf_append_str(raw, name);
	buf_append(raw, head, 1);
	buf_append_str(raw, "TEXTttxt");
	buf_append(raw, head, 2);
	buf_append(raw, head + 10, 10);
	for (size_t i = 0; i < 2; i++) {
		for (const char *p = forks[i]; *p != '\0'; p++) {
			buf_append_byte(raw, (uint8_t)*p);
			if (*p == '\x90')
				buf_append_byte(raw, 0);
			if (strncmp(p, "xxxxx", 5) == 0) {
				buf_append(raw, "\x90\x05", 2);
				p += 4;
			}
		}
		buf_append(raw, "zz", 2);
	}
}

static void
test_binhex(void **state)
{
	CLEANUP(buf_done) struct buf raw, text;
	CLEANUP(taken_free) struct taken *t = NULL;
	struct object *o;

	(void)state;
	buf_init(&raw, 4096);
	buf_init(&text, 8192);
	hqx_file(&raw, "mac file", "The data fork \x90 xxxxx has a run.", "resources here");
	buf_append_str(&text,
	    "Text before: this too.\r\n(This file must be converted with BinHex 4.0)"
	    "\r\n\r\n");
	hqx_encode(buf_get(&raw), &text);
	buf_append_str(&text, "text behind: it\r\n");
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	o = taken_find_str(t, "The data fork \x90 xxxxx has a run.");
	assert_non_null(o);
	assert_true(object_is_named(o, "mac file"));
	assert_true((o->views & VIEW_BIT(VIEW_HQX)) != 0);
	assert_non_null(taken_find_str(t, "resources here"));
	assert_int_equal(taken_count(t), 3);
}

static void
test_base64_blocks(void **state)
{
	static const size_t widths[] = { 40, 60, 64, 72, 76 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
		for (size_t before = 0; before < 70; before += 3) {
			CLEANUP(buf_done) struct buf text;
			CLEANUP(taken_free) struct taken *t = NULL;
			struct object *o;

			buf_init(&text, 1 << 20);
			for (size_t k = 0; k < before; k++)
				buf_append_byte(&text, k % 7 == 6 ? ' ' : 'w');
			buf_append_str(&text, ":\r\n\r\n");
			base64_encode(payload_get(), widths[i], &text);
			buf_append_str(&text, "\r\n\r\nThe end of it.\r\n");
			t = taken_run(buf_get(&text), ROLE_TEXT, "");
			o = taken_find(t, payload_get());
			if (o == NULL)
				fail_msg("width %zu behind %zu bytes", widths[i], before);
			assert_true((o->notes & AMBIGUITY_BIT(46)) != 0);
		}
	}
}

static void
test_base64_one_line(void **state)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(taken_free) struct taken *t = NULL;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_append_str(&text, "Please run this:\n");
	base64_encode(payload_get(), 0, &text);
	t = taken_run(buf_get(&text), ROLE_TEXT, "");
	assert_non_null(taken_find(t, payload_get()));
}

/* Ordinary text is not even claimed. */
static void
test_no_claims(void **state)
{
	static const char *const texts[] = {
		"Hello,\n\nbegin the meeting at nine. We will start to\nbegin and then end.\n",
		"This sentence mentions =ybegin in the middle of a line.\n",
		"See "
		"https://example.org/a/very/long/path/that/goes/on/and/on/and/on/and/on/and/"
		"on\n",
		"-----------------------------------------------------------------------------"
		"\n"
		"_____________________________________________________________________________"
		"\n"
		"============================================================================="
		"\n",
	};

	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(texts); i++) {
		struct object o = { .roles = ROLE_TEXT, .bytes = slice_of_str(texts[i]) };

		assert_false(inline_claims(&o));
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct taken *t = taken_run(slice_of_str(texts[i]), ROLE_TEXT, "");

		assert_int_equal(taken_count(t), 1);
		taken_free(&t);
	}
}

/* A file that is no text of a mail: near its start, or anywhere when its name says so. */
static void
test_files(void **state)
{
	static const struct {
		const char *name;
		size_t before;
		bool found;
	} cases[] = {
		{ "a.bin", 0, true },
		{ "a.bin", 5000, false },
		{ "a.UUE", 5000, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf text;
		CLEANUP(taken_free) struct taken *t = NULL;

		buf_init(&text, 1 << 20);
		while (text.len < cases[i].before)
			buf_append_str(&text, "just text\n");
		text_add_uu(&text, "begin 644 a.exe\n", "`\nend\n");
		t = taken_run(buf_get(&text), ROLE_LEAF, cases[i].name);
		assert_int_equal(taken_find(t, payload_get()) != NULL, cases[i].found);
	}
}

/* Marks are seen wherever they stand in the steps of 16. */
static void
test_scan_places(void **state)
{
	static const struct {
		const char *mark;
		unsigned found;
	} marks[] = {
		{ "\nbegin 644 x\n", INLINE_UU },
		{ "\n=ybegin line=1", INLINE_YENC },
		{ "with BinHex 4.0)\n", INLINE_BINHEX },
		{ "-----BEGIN PGP MESSAGE-----", INLINE_PGP },
	};
	uint8_t text[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		size_t len = strlen(marks[i].mark);

		for (size_t at = 0; at + len <= 120; at++) {
			for (size_t end = at + len; end <= at + len + 24; end++) {
				memset(text, '.', sizeof(text));
				memcpy(text + at, marks[i].mark, len);
				assert_int_equal(
				    inline_scan(slice_of(text, end), 0), marks[i].found);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uu_inline),
		cmocka_unit_test(test_uu_several),
		cmocka_unit_test(test_uu_odd_lines),
		cmocka_unit_test(test_uu_base64),
		cmocka_unit_test(test_yenc),
		cmocka_unit_test(test_yenc_parts),
		cmocka_unit_test(test_binhex),
		cmocka_unit_test(test_base64_blocks),
		cmocka_unit_test(test_base64_one_line),
		cmocka_unit_test(test_no_claims),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_scan_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
