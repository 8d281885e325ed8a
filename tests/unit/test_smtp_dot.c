/* test_smtp_dot.c: the bytes of a mail on the wire. Every sequence by which two hops were made
 * to see two different ends of a mail; in all pieces, with all sizes of room. */
#include "intake/smtp_dot.h"
#include "test_common.h"

#define CR 1u
#define LF 2u

struct wire {
	const char *in;   /* behind DATA */
	const char *text; /* what it means */
	const char *rest; /* NULL: it is not over */
	unsigned bare;
};

static const struct wire wires[] = {
	{ "a\r\n.\r\n", "a\r\n", "", 0 },
	{ "a\r\n.\r\nMAIL FROM:<x>\r\n", "a\r\n", "MAIL FROM:<x>\r\n", 0 },
	{ ".\r\nQUIT\r\n", "", "QUIT\r\n", 0 },
	{ "\r\n.\r\n", "\r\n", "", 0 },
	{ "a\r\n..\r\n.\r\n", "a\r\n.\r\n", "", 0 },
	{ "..\r\n.\r\n", ".\r\n", "", 0 },
	{ "...a\r\n.b\r\n.\r\n", "..a\r\nb\r\n", "", 0 },
	{ "a.\r\n.b.c.\r\n.\r\n", "a.\r\nb.c.\r\n", "", 0 },
	{ "a\r\n\r\n\r\n.\r\n", "a\r\n\r\n\r\n", "", 0 },
	{ "a", "a", NULL, 0 },
	{ "a\r\n.", "a\r\n", NULL, 0 },
	{ "a\r\n.\r", "a\r\n", NULL, 0 },
	{ "a\r", "a", NULL, 0 },
	/* ends that are none */
	{ "a\n.\n", "a\r\n.\r\n", NULL, LF },
	{ "a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", LF },
	{ "a\r.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", CR },
	{ "a\r.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", CR },
	{ "a\r.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", CR | LF },
	{ "a\n.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", CR | LF },
	{ "a\r\n.\rb\r\n.\r\n", "a\r\n\r\nb\r\n", "", CR },
	{ "a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "", LF },
	{ "a\r\n.\r.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "", CR },
	{ "a\r\n.\n.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "", LF },
	{ "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\n\r\nb\r\n", "", CR },
	{ "a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", 0 },
	{ "a\r\n. \r\nb\r\n.\r\n", "a\r\n \r\nb\r\n", "", 0 },
	{ "a\r\r\n.\r\n", "a\r\n\r\n", "", CR },
	{ "a\n\r\n.\r\n", "a\r\n\r\n", "", LF },
	{ "a\r\n\n.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "", LF },
	{ "a\r\n\r.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "", CR },
	{ "a\n\n.\n\n", "a\r\n\r\n.\r\n\r\n", NULL, LF },
	{ "a\n..\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", "", LF },
	{ "\n.\r\nb\r\n.\r\n", "\r\n.\r\nb\r\n", "", LF },
	{ ".\nb\r\n.\r\n", "\r\nb\r\n", "", LF },
	{ "\r\r\r\n.\r\n", "\r\n\r\n\r\n", "", CR },
	{ "\r.\r\n.\r\n", "\r\n.\r\n", "", CR },
};

/* Decodes in pieces of step bytes with room for only so much at a time. */
static size_t
decode(struct smtp_dot_decoder *d, struct slice in, size_t step, size_t room, struct buf *text)
{
	size_t at = 0;

	while (at < in.len && !d->is_over) {
		struct slice piece = slice_sub(in, at, step);
		uint8_t out[64];
		size_t used = SIZE_MAX, made = SIZE_MAX;

		smtp_dot_decode(d, piece, out, room, &used, &made);
		assert_true(used <= piece.len && made <= room);
		assert_true(used + made > 0);
		assert_int_equal(buf_append(text, out, made), 0);
		at += used;
	}
	return at;
}

static size_t
encode(struct slice in, size_t step, size_t room, struct buf *wire)
{
	struct smtp_dot_encoder e = { 0 };
	size_t at = 0;

	while (at < in.len) {
		size_t before = wire->len;
		ssize_t n = smtp_dot_encode(&e, slice_sub(in, at, step), room, wire);

		assert_true(n >= 0 && (size_t)n <= step);
		assert_true(wire->len - before <= room);
		assert_true(n > 0 || wire->len > before);
		at += (size_t)n;
	}
	assert_int_equal(smtp_dot_encode_end(&e, wire), 0);
	return wire->len;
}

static void
check_line_ends(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\r')
			assert_true(i + 1 < s.len && s.ptr[i + 1] == '\n');
		if (s.ptr[i] == '\n')
			assert_true(i > 0 && s.ptr[i - 1] == '\r');
	}
}

/* text goes out and comes back, has one end, and that is the last thing. */
static void
check_way_out(struct slice text, size_t step, size_t room)
{
	CLEANUP(buf_done) struct buf wire = { .max = 4096 }, back = { .max = 4096 };
	CLEANUP(buf_done) struct buf before = { .max = 4096 };
	struct smtp_dot_decoder d = { 0 };
	bool is_whole = text.len == 0 || text.ptr[text.len - 1] == '\n';

	assert_int_equal(buf_append_str(&before, "\r\n"), 0);
	(void)encode(text, step, room, &wire);
	check_line_ends(buf_get(&wire));
	assert_int_equal(buf_append_slice(&before, buf_get(&wire)), 0);
	assert_int_equal(
	    slice_find(buf_get(&before), SLICE_LIT("\r\n.\r\n"), 0), before.len - 5);
	assert_int_equal(decode(&d, buf_get(&wire), step, room, &back), wire.len);
	assert_true(d.is_over && !d.has_bare_cr && !d.has_bare_lf);
	assert_int_equal(back.len, text.len + (is_whole ? 0 : 2));
	assert_true(slice_starts_with(buf_get(&back), text));
}

static void
check_wire(const struct wire *c, size_t step, size_t room)
{
	CLEANUP(buf_done) struct buf text = { .max = 4096 };
	struct smtp_dot_decoder d = { 0 };
	struct slice in = slice_of_str(c->in);
	size_t used = decode(&d, in, step, room, &text);

	assert_slice(buf_get(&text), c->text);
	assert_int_equal(d.is_over, c->rest != NULL);
	assert_slice(slice_from(in, used), c->rest == NULL ? "" : c->rest);
	assert_int_equal(d.has_bare_cr, (c->bare & CR) != 0);
	assert_int_equal(d.has_bare_lf, (c->bare & LF) != 0);
	check_line_ends(buf_get(&text));
	check_way_out(buf_get(&text), step, MAX_OF(room, (size_t)4));
}

static void
test_wires(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
		for (size_t step = 1; step <= strlen(wires[i].in) + 1; step++) {
			for (size_t room = 2; room <= 40; room++)
				check_wire(&wires[i], step, room);
		}
	}
}

static void
test_nul(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text = { .max = 4096 };
	struct smtp_dot_decoder d = { 0 };
	struct slice in = SLICE_LIT("a\r\n\0.\r\n.\0\r\n\r\0\n.\r\nb\r\n.\r\n");
	struct slice want = SLICE_LIT("a\r\n\0.\r\n\0\r\n\r\n\0\r\n.\r\nb\r\n");

	assert_int_equal(decode(&d, in, 100, 64, &text), in.len);
	assert_true(slice_eq(buf_get(&text), want));
	assert_true(d.is_over && d.has_bare_cr && d.has_bare_lf);
	check_way_out(buf_get(&text), 1, 4);
}

/* Every text of seven bytes out of these: whatever it is, it has one meaning and one end. */
static void
test_all_short(void **state UNUSED)
{
	static const char letters[] = "\r\n.\0x";
	char in[7];

	for (unsigned n = 0; n < 5 * 5 * 5 * 5 * 5 * 5 * 5; n++) {
		CLEANUP(buf_done) struct buf whole = { .max = 64 }, bytes = { .max = 64 };
		struct smtp_dot_decoder d = { 0 }, d_bytes = { 0 };
		struct slice s = slice_of(in, sizeof(in));
		unsigned left = n;

		for (size_t i = 0; i < sizeof(in); i++, left /= 5)
			in[i] = letters[left % 5];
		assert_int_equal(
		    decode(&d, s, 64, 64, &whole), decode(&d_bytes, s, 1, 2, &bytes));
		assert_true(slice_eq(buf_get(&whole), buf_get(&bytes)));
		assert_int_equal(d.is_over, d_bytes.is_over);
		check_line_ends(buf_get(&whole));
		check_way_out(buf_get(&whole), 64, 64);
		check_way_out(buf_get(&whole), 1, 4);
		/* What was never decoded goes out safely too. */
		buf_clear(&bytes);
		(void)encode(s, 64, 64, &bytes);
		check_line_ends(buf_get(&bytes));
		buf_clear(&whole);
		d = (struct smtp_dot_decoder){ 0 };
		assert_int_equal(decode(&d, buf_get(&bytes), 64, 64, &whole), bytes.len);
		assert_true(d.is_over);
	}
}

static void
test_chunked(void **state UNUSED)
{
	static const struct wire chunks[] = {
		{ "a\r\n.\r\nb", "a\r\n.\r\nb", NULL, 0 },
		{ ".\r\n..\r\n", ".\r\n..\r\n", NULL, 0 },
		{ "a\n.\r\n", "a\r\n.\r\n", NULL, LF },
		{ "a\rb\r\n", "a\r\nb\r\n", NULL, CR },
		{ "a\r", "a\r\n", NULL, CR },
		{ "a\r\r", "a\r\n\r\n", NULL, CR },
		{ "a\r\n", "a\r\n", NULL, 0 },
		{ "", "", NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		for (size_t step = 1; step < 10; step++) {
			CLEANUP(buf_done) struct buf text = { .max = 64 };
			struct smtp_dot_decoder d = { .is_chunked = true };
			struct slice in = slice_of_str(chunks[i].in);
			uint8_t end[2];

			assert_int_equal(decode(&d, in, step, 8, &text), in.len);
			assert_int_equal(
			    buf_append(&text, end, smtp_dot_decode_end(&d, end)), 0);
			assert_int_equal(smtp_dot_decode_end(&d, end), 0);
			assert_slice(buf_get(&text), chunks[i].text);
			assert_false(d.is_over);
			assert_int_equal(d.has_bare_cr, (chunks[i].bare & CR) != 0);
			assert_int_equal(d.has_bare_lf, (chunks[i].bare & LF) != 0);
			check_way_out(buf_get(&text), step, 8);
		}
	}
}

static void
test_encode(void **state UNUSED)
{
	static const struct {
		const char *text, *wire;
	} outs[] = {
		{ "", ".\r\n" },
		{ "a", "a\r\n.\r\n" },
		{ "a\r\n", "a\r\n.\r\n" },
		{ ".", "..\r\n.\r\n" },
		{ ".\r\n.\r\n", "..\r\n..\r\n.\r\n" },
		{ "..a\r\nb.\r\n", "...a\r\nb.\r\n.\r\n" },
		{ "a\n.\n", "a\r\n..\r\n.\r\n" },
		{ "a\r.\r", "a\r\n..\r\n.\r\n" },
		{ "a\r\n\r", "a\r\n\r\n.\r\n" },
		{ "a\r\r\n.b", "a\r\n\r\n..b\r\n.\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(outs); i++) {
		for (size_t step = 1; step < 12; step++) {
			for (size_t room = 4; room < 30; room++) {
				CLEANUP(buf_done) struct buf wire = { .max = 64 };

				(void)encode(slice_of_str(outs[i].text), step, room, &wire);
				assert_slice(buf_get(&wire), outs[i].wire);
			}
		}
	}
}

/* out is full: as much as fits, then -ENOBUFS, and the end waits. */
static void
test_full(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf wire = { .max = 6 };
	struct smtp_dot_encoder e = { 0 };

	assert_int_equal(smtp_dot_encode(&e, SLICE_NONE, 100, &wire), 0);
	assert_int_equal(smtp_dot_encode(&e, SLICE_LIT("abcdefgh"), 100, &wire), 6);
	assert_int_equal(smtp_dot_encode(&e, SLICE_LIT("gh"), 100, &wire), -ENOBUFS);
	assert_int_equal(smtp_dot_encode(&e, SLICE_LIT("gh"), 0, &wire), 0);
	assert_int_equal(smtp_dot_encode_end(&e, &wire), -ENOBUFS);
	assert_slice(buf_get(&wire), "abcdef");
	buf_consume(&wire, 6);
	assert_int_equal(smtp_dot_encode_end(&e, &wire), 0);
	assert_slice(buf_get(&wire), "\r\n.\r\n");
}

/* Lines that cost most: no line may be searched again and again. Minutes if one were. */
static void
test_no_square(void **state UNUSED)
{
	static const char *const lines[] = { "\r", "\n", ".", "\r\n.x", "\n.", "x\r",
		"\r\n..\r" };
	const size_t len = 4u << 20;
	CLEANUP(mem_free) uint8_t *in = malloc(len), *out = malloc(2 * len + 8);

	assert_non_null(in);
	assert_non_null(out);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CLEANUP(buf_done) struct buf wire = { .max = SIZE_MAX / 2 };
		struct smtp_dot_decoder d = { 0 };
		struct smtp_dot_encoder e = { 0 };
		size_t used, made;

		for (size_t at = 0; at < len; at++)
			in[at] = (uint8_t)lines[i][at % strlen(lines[i])];
		smtp_dot_decode(&d, slice_of(in, len), out, 2 * len + 8, &used, &made);
		assert_int_equal(used, len);
		assert_int_equal(smtp_dot_encode(&e, slice_of(in, len), SIZE_MAX, &wire), len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_wires),
		cmocka_unit_test(test_nul), cmocka_unit_test(test_all_short),
		cmocka_unit_test(test_chunked), cmocka_unit_test(test_encode),
		cmocka_unit_test(test_full), cmocka_unit_test(test_no_square) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
