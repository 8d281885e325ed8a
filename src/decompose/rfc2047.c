/* rfc2047.c: encoded-words in header values. Readers disagree about broken ones, attackers live
 * in that gap: everything that resembles a word is decoded; the caller keeps the raw form as a
 * reading of its own. Unfolding is done before. */
#include "decompose/rfc2047.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "decompose/charset.h"

#define WORD_BYTES_MAX (256u * 1024)

struct word {
	struct slice charset, text;
	uint8_t encoding; /* 'b' or 'q' */
	size_t len;       /* bytes from "=?" to behind "?=" */
	bool closed;
};

bool
rfc2047_is_likely(struct slice text)
{
	return slice_find(text, SLICE_LIT("=?"), 0) != SIZE_MAX;
}

/* Reads "=?charset?e?text?=" at the front of s. */
static bool
word_parse(struct slice s, struct word *w)
{
	size_t mark, mark2, end, star;

	if (s.len < 6 || s.ptr[0] != '=' || s.ptr[1] != '?')
		return false;
	mark = slice_find_byte(slice_sub(s, 0, 80), '?', 2);
	if (mark == SIZE_MAX || mark == 2)
		return false;
	mark2 = slice_find_byte(slice_sub(s, 0, mark + 6), '?', mark + 1);
	if (mark2 == SIZE_MAX)
		return false;
	w->charset = slice_trim(slice_sub(s, 2, mark - 2));
	star = slice_find_byte(w->charset, '*', 0);
	if (star != SIZE_MAX)
		w->charset.len = star;
	w->text = slice_trim(slice_sub(s, mark + 1, mark2 - mark - 1));
	if (w->text.len != 1)
		return false;
	w->encoding = ascii_lower(w->text.ptr[0]);
	if (w->encoding != 'b' && w->encoding != 'q')
		return false;
	/* "=?x?Q??=" and "=?x?Q?=41?=": the first "?=" that is not the start of an escape. */
	end = slice_find(s, SLICE_LIT("?="), mark2 + 1);
	w->closed = end != SIZE_MAX;
	if (!w->closed)
		end = s.len;
	w->text = slice_sub(s, mark2 + 1, end - mark2 - 1);
	w->len = w->closed ? end + 2 : end;
	return true;
}

static int
base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
decode_b(struct slice in, struct buf *out, bool *bad)
{
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < in.len; i++) {
		int v = base64_value(in.ptr[i]), r;

		if (v < 0) {
			if (in.ptr[i] == '=')
				count = 0; /* a padded quantum ends; what follows starts anew */
			else if (in.ptr[i] > ' ')
				*bad = true;
			continue;
		}
		bits = bits << 6 | (uint32_t)v;
		if (++count % 4 != 1 && (r = buf_append_byte(out,
					     (uint8_t)(bits >> (count % 4 == 2      ? 4
								   : count % 4 == 3 ? 2
										    : 0)))) < 0)
			return r;
	}
	return 0;
}

static int
decode_q(struct slice in, struct buf *out, bool *bad)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];
		int r;

		if (c == '_') {
			c = ' ';
		} else if (c == '=') {
			int high = i + 2 < in.len ? hex_value(in.ptr[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_value(in.ptr[i + 2]) : -1;

			if (high >= 0 && low >= 0) {
				c = (uint8_t)(high << 4 | low);
				i += 2;
			} else {
				*bad = true;
			}
		}
		if ((r = buf_append_byte(out, c)) < 0)
			return r;
	}
	return 0;
}

/* Converts the bytes gathered from neighbours of one charset. */
static int
flush_bytes(struct buf *bytes, struct slice charset, struct buf *out, struct rfc2047_facts *f)
{
	int r;

	if (bytes->len == 0)
		return 0;
	r = charset_to_utf8(charset, buf_get(bytes), out);
	if (r == -ENOENT) {
		f->bad_charset = true;
		r = charset_to_utf8(SLICE_LIT("iso-8859-1"), buf_get(bytes), out);
	}
	if (r == 1)
		f->bad_charset = true;
	buf_clear(bytes);
	return r < 0 ? r : 0;
}

static int
copy_plain(struct slice plain, struct buf *out)
{
	int r;

	if (utf8_is_valid(plain))
		return buf_append_slice(out, plain);
	r = charset_to_utf8(SLICE_LIT("iso-8859-1"), plain, out);
	return r < 0 ? r : 0;
}

int
rfc2047_decode(struct slice text, struct buf *out, struct rfc2047_facts *ret_facts)
{
	CLEANUP(buf_done) struct buf bytes = { .len = 0 };
	struct slice charset = SLICE_NONE;
	int r = 0;

	buf_init(&bytes, WORD_BYTES_MAX);
	memset(ret_facts, 0, sizeof(*ret_facts));
	while (text.len > 0 && r >= 0) {
		size_t at = slice_find(text, SLICE_LIT("=?"), 0);
		struct slice plain = slice_sub(text, 0, at == SIZE_MAX ? text.len : at);
		struct word w;

		text = slice_from(text, plain.len);
		if (at != SIZE_MAX && !word_parse(text, &w)) {
			plain.len += 2;
			text = slice_from(text, 2);
			at = SIZE_MAX;
		}
		if (plain.len > 0 &&
		    (ret_facts->words == 0 || at == SIZE_MAX || slice_trim(plain).len > 0)) {
			if ((r = flush_bytes(&bytes, charset, out, ret_facts)) < 0 ||
			    (r = copy_plain(plain, out)) < 0)
				break;
		}
		if (at == SIZE_MAX)
			continue;
		if (!slice_eq_nocase(charset, w.charset) &&
		    (r = flush_bytes(&bytes, charset, out, ret_facts)) < 0)
			break;
		charset = w.charset;
		r = w.encoding == 'b' ? decode_b(w.text, &bytes, &ret_facts->bad_form)
				      : decode_q(w.text, &bytes, &ret_facts->bad_form);
		ret_facts->bad_form |= !w.closed;
		ret_facts->words++;
		text = slice_from(text, w.len);
	}
	return r < 0 ? r : flush_bytes(&bytes, charset, out, ret_facts);
}
