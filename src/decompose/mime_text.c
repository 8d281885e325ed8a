/* mime_text.c: the ways in which readers clean a header value. Judges nothing: which cleaning
 * makes a difference is seen by those who call. */
#include "decompose/mime_text.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/rfc2047.h"

#define WORDS_BYTES_MAX (64u * 1024)

unsigned
mime_text_get_traits(struct slice v)
{
	unsigned traits = 0;

	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.ptr[i];

		if (c >= 'A' && c <= 'Z')
			continue;
		if (c == '\r' || c == '\n') {
			traits |= TEXT_FOLD;
			if (c == '\r' &&
			    (i + 1 == v.len || (v.ptr[i + 1] != '\n' && v.ptr[i + 1] != '\r')))
				traits |= i + 1 == v.len ? 0 : TEXT_BARE_CR;
		} else if (c == 0) {
			traits |= TEXT_NUL | TEXT_CONTROL;
		} else if ((c < ' ' && c != '\t') || c == 0x7f) {
			traits |= TEXT_CONTROL;
		} else if (c >= 0x80) {
			traits |= TEXT_EIGHT_BIT;
		} else if (c == '(') {
			traits |= TEXT_COMMENT;
		} else if (c == '\\') {
			traits |= TEXT_BACKSLASH;
		} else if (c == '"') {
			traits |= TEXT_QUOTE;
		} else if (c == '*') {
			traits |= TEXT_STAR;
		} else if (c == '?' && i > 0 && v.ptr[i - 1] == '=') {
			traits |= TEXT_WORD;
		}
	}
	return traits;
}

static uint8_t *
text_new(struct arena *a, size_t len)
{
	return arena_alloc(a, len + 1);
}

struct slice
mime_text_unfold(struct arena *a, struct slice v, bool keep_blank)
{
	uint8_t *to;
	size_t n = 0;

	v = slice_trim(v);
	if (v.len == 0 ||
	    (memchr(v.ptr, '\n', v.len) == NULL && memchr(v.ptr, '\r', v.len) == NULL))
		return v;
	if ((to = text_new(a, v.len)) == NULL)
		return SLICE_NONE;
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] != '\r' && v.ptr[i] != '\n') {
			to[n++] = v.ptr[i];
			continue;
		}
		if (keep_blank)
			continue;
		while (n > 0 && (to[n - 1] == ' ' || to[n - 1] == '\t'))
			n--;
		while (i + 1 < v.len && (v.ptr[i + 1] == ' ' || v.ptr[i + 1] == '\t' ||
					    v.ptr[i + 1] == '\r' || v.ptr[i + 1] == '\n'))
			i++;
	}
	return slice_of(to, n);
}

/* Offset behind the comment that begins at i; v.len when it is never closed. */
static size_t
comment_end(struct slice v, size_t i)
{
	size_t depth = 0;

	for (; i < v.len; i++) {
		if (v.ptr[i] == '\\')
			i++;
		else if (v.ptr[i] == '(')
			depth++;
		else if (v.ptr[i] == ')' && --depth == 0)
			return i + 1;
	}
	return v.len;
}

struct slice
mime_text_drop_comments(struct arena *a, struct slice v)
{
	uint8_t *to;
	size_t n = 0;
	bool quoted = false;

	if (v.len == 0 || memchr(v.ptr, '(', v.len) == NULL)
		return v;
	if ((to = text_new(a, v.len)) == NULL)
		return SLICE_NONE;
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.ptr[i];

		if (c == '(' && !quoted) {
			i = comment_end(v, i) - 1;
			continue;
		}
		if (c == '"')
			quoted = !quoted;
		to[n++] = c;
		if (c == '\\' && i + 1 < v.len)
			to[n++] = v.ptr[++i];
	}
	return slice_trim(slice_of(to, n));
}

struct slice
mime_text_drop_controls(struct arena *a, struct slice v, bool eight_bit_too)
{
	uint8_t *to = text_new(a, v.len);
	size_t n = 0;

	if (to == NULL)
		return SLICE_NONE;
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.ptr[i];

		if (c == '\t')
			to[n++] = ' ';
		else if (c >= ' ' && c != 0x7f && (c < 0x80 || !eight_bit_too))
			to[n++] = c;
	}
	return slice_trim(slice_of(to, n));
}

struct slice
mime_text_unescape(struct arena *a, struct slice v)
{
	uint8_t *to;
	size_t n = 0;

	if (v.len == 0 || memchr(v.ptr, '\\', v.len) == NULL)
		return v;
	if ((to = text_new(a, v.len)) == NULL)
		return SLICE_NONE;
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] == '\\' && i + 1 < v.len)
			i++;
		to[n++] = v.ptr[i];
	}
	return slice_of(to, n);
}

struct slice
mime_text_decode_words(struct arena *a, struct slice v)
{
	CLEANUP(buf_done) struct buf out = { .len = 0 };
	struct rfc2047_facts facts;

	if (!rfc2047_is_likely(v))
		return v;
	buf_init(&out, WORDS_BYTES_MAX);
	if (rfc2047_decode(v, &out, &facts) < 0 || facts.words == 0)
		return v;
	return arena_copy(a, buf_get(&out));
}

struct slice
mime_text_cut_at_nul(struct slice v)
{
	size_t at = slice_find_byte(v, 0, 0);

	return at == SIZE_MAX ? v : slice_sub(v, 0, at);
}

struct slice
mime_text_join(struct arena *a, struct slice first, struct slice second)
{
	uint8_t *to = text_new(a, first.len + second.len);

	if (to == NULL)
		return SLICE_NONE;
	if (first.len > 0)
		memcpy(to, first.ptr, first.len);
	if (second.len > 0)
		memcpy(to + first.len, second.ptr, second.len);
	return slice_of(to, first.len + second.len);
}

size_t
mime_text_find_unquoted(struct slice v, uint8_t c, size_t from)
{
	bool quoted = false;

	for (size_t i = from; i < v.len; i++) {
		if (v.ptr[i] == '\\' && quoted)
			i++;
		else if (v.ptr[i] == '"')
			quoted = !quoted;
		else if (v.ptr[i] == c && !quoted)
			return i;
	}
	return SIZE_MAX;
}
