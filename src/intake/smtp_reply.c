/* smtp_reply.c: collects the lines of one reply. A next hop is trusted with a mail, not with
 * our memory or with what we pass on: a reply is bounded, and nothing in it can end a line.
 * What a code means is left to the session. */
#include "intake/smtp_reply.h"

#include <errno.h>

#define CODE_LEN 3u

void
smtp_reply_init(struct smtp_reply *r)
{
	*r = (struct smtp_reply){ 0 };
	buf_init(&r->text, SMTP_REPLY_MAX_BYTES);
	buf_init(&r->line, SMTP_REPLY_MAX_BYTES);
}

void
smtp_reply_done(struct smtp_reply *r)
{
	buf_done(&r->text);
	buf_done(&r->line);
}

void
smtp_reply_clear(struct smtp_reply *r)
{
	smtp_reply_done(r);
	smtp_reply_init(r);
}

static struct slice
without_cr(struct slice raw)
{
	return slice_sub(raw, 0, raw.len - (raw.len > 0 && raw.ptr[raw.len - 1] == '\r'));
}

/* Would a line of len bytes more be too long? The same for a line that is still growing. */
static bool
is_too_long(const struct smtp_reply *r, size_t len)
{
	return len > SMTP_REPLY_MAX_BYTES - 2 || r->text.len > SMTP_REPLY_MAX_BYTES - 2 - len;
}

static bool
has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((s.ptr[i] < 0x20 && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
			return true;
	}
	return false;
}

/* The code of a line, or 0: it has none. */
static unsigned
parse_code(struct slice line)
{
	uint64_t code;

	if (!slice_parse_uint(slice_sub(line, 0, CODE_LEN), 599, &code) || code < 200)
		return 0;
	if (line.len > CODE_LEN && line.ptr[CODE_LEN] != ' ' && line.ptr[CODE_LEN] != '-')
		return 0;
	return (unsigned)code;
}

/* One whole line, without LF. 1 it was the last one, 0, or an error. */
static int
take_line(struct smtp_reply *r, struct slice raw)
{
	struct slice line = without_cr(raw);
	unsigned code;
	int err;

	if (is_too_long(r, line.len) || r->lines >= SMTP_REPLY_MAX_LINES)
		return -ENOBUFS;
	code = parse_code(line);
	if (code == 0 || has_control(line) || (r->lines > 0 && code != r->code))
		return -EPROTO;
	err = buf_reserve(&r->text, line.len + 2);
	if (err < 0)
		return err;
	(void)buf_append_slice(&r->text, line);
	(void)buf_append(&r->text, "\r\n", 2);
	r->code = code;
	r->lines++;
	r->is_done = line.len <= CODE_LEN || line.ptr[CODE_LEN] == ' ';
	return r->is_done;
}

/* A piece of a line: at its end when is_whole. */
static int
feed_piece(struct smtp_reply *r, struct slice piece, bool is_whole)
{
	int err;

	if (r->line.len == 0 && is_whole)
		return take_line(r, piece);
	if (piece.len > SMTP_REPLY_MAX_BYTES - r->line.len)
		return -ENOBUFS;
	err = buf_append_slice(&r->line, piece);
	if (err < 0)
		return err;
	if (is_too_long(r, without_cr(buf_get(&r->line)).len))
		return -ENOBUFS;
	if (!is_whole)
		return 0;
	err = take_line(r, buf_get(&r->line));
	buf_clear(&r->line);
	return err;
}

int
smtp_reply_feed(struct smtp_reply *r, struct slice in, size_t *ret_used)
{
	size_t used = 0;

	while (!r->is_done && used < in.len) {
		size_t lf = slice_find_byte(in, '\n', used);
		bool is_whole = lf != SIZE_MAX;
		size_t end = is_whole ? lf : in.len;
		int err = feed_piece(r, slice_sub(in, used, end - used), is_whole);

		if (err < 0)
			return err;
		used = end + is_whole;
	}
	*ret_used = used;
	return r->is_done;
}

struct slice
smtp_reply_get_line(const struct smtp_reply *r, unsigned n)
{
	struct slice text = buf_get(&r->text);

	for (;;) {
		size_t lf = slice_find_byte(text, '\n', 0);

		if (lf == SIZE_MAX)
			return SLICE_NONE;
		if (n-- == 0)
			return slice_from(slice_sub(text, 0, lf - 1), CODE_LEN + 1);
		text = slice_from(text, lf + 1);
	}
}
