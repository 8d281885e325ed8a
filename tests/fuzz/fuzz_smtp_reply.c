/* fuzz_smtp_reply.c: any bytes as replies of a next hop. Promises: whole and byte by byte give
 * the same; the text is within its limits, whole lines with one code, and nothing in it but
 * CRLF could end a line. */
#include <errno.h>
#include <stdint.h>

#include "base/macros.h"
#include "intake/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_text(const struct smtp_reply *r)
{
	struct slice text = buf_get(&r->text);
	unsigned lines = 0;

	ASSERT(text.len <= SMTP_REPLY_MAX_BYTES && r->lines <= SMTP_REPLY_MAX_LINES);
	while (text.len > 0) {
		size_t cr = slice_find_byte(text, '\r', 0);
		uint64_t code;

		ASSERT(
		    cr != SIZE_MAX && cr >= 3 && cr + 1 < text.len && text.ptr[cr + 1] == '\n');
		ASSERT(slice_find_byte(slice_sub(text, 0, cr), '\n', 0) == SIZE_MAX);
		ASSERT(slice_find_byte(slice_sub(text, 0, cr), '\0', 0) == SIZE_MAX);
		ASSERT(slice_parse_uint(slice_sub(text, 0, 3), 599, &code) && code == r->code);
		ASSERT(slice_eq(
		    slice_from(slice_sub(text, 0, cr), 4), smtp_reply_get_line(r, lines)));
		lines++;
		ASSERT((cr > 3 && text.ptr[3] == '-') == (lines < r->lines || !r->is_done));
		text = slice_from(text, cr + 2);
	}
	ASSERT(lines == r->lines);
}

static int
feed_bytes(struct smtp_reply *r, struct slice in, size_t *ret_used)
{
	int ret = 0;

	*ret_used = 0;
	for (size_t i = 0; i < in.len && ret == 0; i++) {
		size_t used;

		ret = smtp_reply_feed(r, slice_sub(in, i, 1), &used);
		ASSERT(ret < 0 || used == 1);
		*ret_used += 1;
	}
	return ret;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(smtp_reply_done) struct smtp_reply whole, bytes;
	struct slice in = slice_of(data, len);
	int ret = 1;

	smtp_reply_init(&whole);
	smtp_reply_init(&bytes);
	while (ret == 1 && in.len > 0) {
		size_t used = SIZE_MAX, used_bytes;

		ret = smtp_reply_feed(&whole, in, &used);
		ASSERT(ret == feed_bytes(&bytes, in, &used_bytes));
		if (ret < 0)
			return 0;
		ASSERT(used == used_bytes && used > 0 && used <= in.len);
		ASSERT(whole.is_done == (ret == 1) && whole.code == bytes.code);
		ASSERT(slice_eq(buf_get(&whole.text), buf_get(&bytes.text)));
		check_text(&whole);
		in = slice_from(in, used);
		smtp_reply_clear(&whole);
		smtp_reply_clear(&bytes);
	}
	return 0;
}
