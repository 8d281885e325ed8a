/* fuzz_smtp_dot.c: any bytes as a mail on the wire, and as a mail. Promises: pieces and rooms
 * make no difference; text and wire hold CR and LF as CRLF only; CRLF.CRLF stands on the wire
 * at its end alone; what goes out comes back.
 *
 * Input: 3 bytes (chunked, size of the pieces, size of the room), then the bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "base/macros.h"
#include "intake/smtp_dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_line_ends(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\r')
			ASSERT(i + 1 < s.len && s.ptr[i + 1] == '\n');
		if (s.ptr[i] == '\n')
			ASSERT(i > 0 && s.ptr[i - 1] == '\r');
	}
}

/* Returns bytes eaten. Each call gets memory of the exact size, so that overruns are seen. */
static size_t
decode(struct smtp_dot_decoder *d, struct slice in, size_t step, size_t room, struct buf *text)
{
	CLEANUP(mem_free) uint8_t *out = malloc(room);
	uint8_t end[2];
	size_t at = 0;

	ASSERT(out != NULL);
	while (at < in.len && !d->is_over) {
		struct slice piece = slice_sub(in, at, step);
		size_t used, made;

		smtp_dot_decode(d, piece, out, room, &used, &made);
		ASSERT(used <= piece.len && made <= room && (used > 0 || room < 8));
		ASSERT(used + made > 0);
		ASSERT(buf_append(text, out, made) == 0);
		at += used;
	}
	if (d->is_chunked)
		ASSERT(buf_append(text, end, smtp_dot_decode_end(d, end)) == 0);
	return at;
}

static void
encode(struct slice in, size_t step, size_t room, struct buf *wire)
{
	struct smtp_dot_encoder e = { 0 };
	size_t at = 0;

	while (at < in.len) {
		struct slice piece = slice_sub(in, at, step);
		size_t before = wire->len;
		ssize_t n = smtp_dot_encode(&e, piece, room, wire);

		ASSERT(n > 0 && (size_t)n <= piece.len && wire->len - before <= room);
		at += (size_t)n;
	}
	ASSERT(smtp_dot_encode_end(&e, wire) == 0);
}

/* The wire behind "DATA CRLF" has one end, its last bytes. */
static void
check_one_end(struct slice wire)
{
	size_t at = slice_starts_with(wire, SLICE_LIT(".\r\n"))
			? 0
			: slice_find(wire, SLICE_LIT("\r\n.\r\n"), 0) + 2;

	check_line_ends(wire);
	ASSERT(at == wire.len - 3);
}

static void
check_way_out(struct slice text, size_t step, size_t room, bool is_clean)
{
	CLEANUP(buf_done) struct buf wire = { .max = SIZE_MAX / 2 };
	CLEANUP(buf_done) struct buf again = { .max = SIZE_MAX / 2 };
	CLEANUP(buf_done) struct buf back = { .max = SIZE_MAX / 2 };
	struct smtp_dot_decoder d = { 0 };
	bool is_whole = text.len == 0 || text.ptr[text.len - 1] == '\n';

	encode(text, SIZE_MAX, SIZE_MAX, &wire);
	encode(text, step, room, &again);
	ASSERT(slice_eq(buf_get(&wire), buf_get(&again)));
	check_one_end(buf_get(&wire));
	ASSERT(decode(&d, buf_get(&wire), step, room, &back) == wire.len);
	ASSERT(d.is_over && !d.has_bare_cr && !d.has_bare_lf);
	if (!is_clean)
		return;
	ASSERT(back.len == text.len + (is_whole ? 0 : 2));
	ASSERT(slice_starts_with(buf_get(&back), text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(buf_done) struct buf whole = { .max = SIZE_MAX / 2 };
	CLEANUP(buf_done) struct buf pieces = { .max = SIZE_MAX / 2 };
	struct smtp_dot_decoder d = { 0 }, d2 = { 0 };
	struct slice in;
	size_t step, room;

	if (len < 3)
		return 0;
	d.is_chunked = d2.is_chunked = data[0] & 1;
	step = 1u + data[1];
	room = 4u + data[2];
	in = slice_of(data + 3, len - 3);
	ASSERT(decode(&d, in, SIZE_MAX, 2 * len + 8, &whole) ==
	       decode(&d2, in, step, room, &pieces));
	ASSERT(slice_eq(buf_get(&whole), buf_get(&pieces)));
	ASSERT(d.is_over == d2.is_over && !(d.is_over && d.is_chunked));
	ASSERT(d.has_bare_cr == d2.has_bare_cr && d.has_bare_lf == d2.has_bare_lf);
	check_line_ends(buf_get(&whole));
	check_way_out(buf_get(&whole), step, room, true);
	check_way_out(in, step, room, false);
	return 0;
}
