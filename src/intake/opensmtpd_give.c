/* opensmtpd_give.c: a mail on its way back to smtpd, line by line, dots doubled. Many mails go
 * back at once, each a portion in turn, and out never holds more than a little of them. */
#include <string.h>

#include "base/log.h"
#include "intake/opensmtpd_line.h"
#include "intake/opensmtpd_session_private.h"

#define OUT_FULL_BYTES (256u * 1024)
#define PORTION_BYTES  (64u * 1024)
#define STEP_BYTES     (32u * 1024)

/* Bytes of a line, at least one. */
static int
put_bytes(struct opensmtpd_client *c, struct slice bytes)
{
	struct buf *out = &c->connection->out;
	bool is_dotted = !c->is_in_line && bytes.ptr[0] == '.';
	int failed = 0;

	if (!c->is_in_line) {
		failed = opensmtpd_put_data_prefix(out, c->id, c->token);
		c->line_bytes = 0;
		c->is_in_line = true;
	}
	if (failed == 0 && is_dotted)
		failed = buf_append_byte(out, '.');
	c->line_bytes += bytes.len + is_dotted;
	if (c->line_bytes > c->connection->line_limit)
		c->is_cut = true;
	return failed < 0 ? failed : buf_append_slice(out, bytes);
}

static int
put_line_end(struct opensmtpd_client *c)
{
	struct buf *out = &c->connection->out;
	int failed = 0;

	c->has_cr = false;
	if (!c->is_in_line)
		failed = opensmtpd_put_data_prefix(out, c->id, c->token);
	c->is_in_line = false;
	return failed < 0 ? failed : buf_append_byte(out, '\n');
}

/* Some bytes of a piece: to the end of a line, or of the piece, or STEP_BYTES. */
static int
give_step(struct opensmtpd_client *c)
{
	struct slice rest = slice_sub(c->pieces[c->piece], c->piece_at, STEP_BYTES);
	size_t end = slice_find_byte(rest, '\n', 0);
	struct slice text = slice_sub(rest, 0, MIN_OF(end, rest.len));
	bool ends_in_cr = text.len > 0 && text.ptr[text.len - 1] == '\r';
	int failed = 0;

	c->piece_at += end == SIZE_MAX ? rest.len : end + 1;
	if (c->piece_at == c->pieces[c->piece].len) {
		c->piece++;
		c->piece_at = 0;
	}
	if (c->has_cr && text.len > 0) { /* it ended no line */
		failed = put_bytes(c, SLICE_LIT("\r"));
		c->has_cr = false;
	}
	text.len -= ends_in_cr;
	if (failed == 0 && text.len > 0)
		failed = put_bytes(c, text);
	if (ends_in_cr)
		c->has_cr = true;
	return failed == 0 && end != SIZE_MAX ? put_line_end(c) : failed;
}

static int
give_end(struct opensmtpd_client *c)
{
	struct opensmtpd_session *s = c->connection;
	int failed = 0;

	if (c->is_in_line || c->has_cr)
		failed = put_line_end(c);
	if (failed == 0)
		failed = opensmtpd_put_data_end(&s->out, c->id, c->token);
	opensmtpd_list_remove(c);
	c->state = OPENSMTPD_GIVEN;
	return failed;
}

/* A portion of one mail; then it is the next one's turn. */
static int
give_portion(struct opensmtpd_client *c)
{
	struct opensmtpd_session *s = c->connection;
	size_t before = s->out.len;
	int failed = 0;

	while (
	    failed == 0 && c->piece < c->piece_count && s->out.len - before < PORTION_BYTES) {
		if (c->pieces[c->piece].len == 0)
			c->piece++;
		else
			failed = give_step(c);
	}
	if (failed == 0 && c->piece == c->piece_count)
		return give_end(c);
	opensmtpd_list_remove(c);
	opensmtpd_list_add(&s->giving, c);
	return failed;
}

void
opensmtpd_give(struct opensmtpd_session *s)
{
	while (!s->is_dead && s->giving.first != NULL && s->out.len < OUT_FULL_BYTES) {
		size_t before = s->out.len;

		opensmtpd_session_put(s, before, give_portion(s->giving.first));
	}
}
