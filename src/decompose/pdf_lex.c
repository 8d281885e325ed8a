/* pdf_lex.c: see pdf_lex.h. */
#include "decompose/pdf_lex.h"

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"

#define STRING_BYTES_MAX ((size_t)4 << 20)
#define RESCAN_FACTOR    8
#define KEYWORD_MAX      32

static bool
is_blank(uint8_t c)
{
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' ';
}

static bool
is_delimiter(uint8_t c)
{
	return c == '(' || c == ')' || c == '<' || c == '>' || c == '[' || c == ']' ||
	       c == '{' || c == '}' || c == '/' || c == '%';
}

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
pdf_lexer_init(struct pdf_lexer *l, struct slice in)
{
	l->in = in;
	l->at = 0;
	l->left_rescan = (uint64_t)in.len * RESCAN_FACTOR;
}

static void
blanks_skip(struct pdf_lexer *l)
{
	while (l->at < l->in.len) {
		if (l->in.ptr[l->at] == '%') {
			while (l->at < l->in.len && l->in.ptr[l->at] != '\n' &&
			       l->in.ptr[l->at] != '\r')
				l->at++;
		} else if (!is_blank(l->in.ptr[l->at])) {
			return;
		} else {
			l->at++;
		}
	}
}

static struct pdf_token
name_take(struct pdf_lexer *l)
{
	size_t len = 0;

	l->at++;
	while (l->at < l->in.len) {
		uint8_t c = l->in.ptr[l->at];
		int high, low;

		if (is_blank(c) || is_delimiter(c))
			break;
		l->at++;
		if (c == '#' && l->in.len - l->at >= 2 &&
		    (high = hex_value(l->in.ptr[l->at])) >= 0 &&
		    (low = hex_value(l->in.ptr[l->at + 1])) >= 0) {
			c = (uint8_t)(high << 4 | low);
			l->at += 2;
		}
		if (len < PDF_NAME_MAX)
			l->name[len++] = c;
	}
	return (struct pdf_token){ .kind = PDF_NAME, .text = slice_of(l->name, len) };
}

/* At the "j" of "12 0 obj" or "endobj". */
static bool
is_object_mark(struct slice in, size_t start, size_t at)
{
	return at >= start + 5 && in.ptr[at - 1] == 'b' && in.ptr[at - 2] == 'o' &&
	       ((in.ptr[at - 3] == ' ' && in.ptr[at - 4] >= '0' && in.ptr[at - 4] <= '9') ||
		   (in.ptr[at - 3] == 'd' && in.ptr[at - 4] == 'n' && in.ptr[at - 5] == 'e'));
}

/* A string whose end does not come within reach is skipped as one character, and so is one that
 * would swallow objects: readers reach those through the cross-reference table. */
static struct pdf_token
string_take(struct pdf_lexer *l)
{
	size_t start = ++l->at, depth = 1, i = start;
	size_t end = start + MIN_OF(l->in.len - start, STRING_BYTES_MAX);

	end = (size_t)MIN_OF((uint64_t)end, start + l->left_rescan);
	for (; i < end; i++) {
		uint8_t c = l->in.ptr[i];

		if (c == '\\') {
			i++;
		} else if (c == '(') {
			depth++;
		} else if (c == 'j' && is_object_mark(l->in, start, i)) {
			break;
		} else if (c == ')' && --depth == 0) {
			l->at = i + 1;
			return (struct pdf_token){ .kind = PDF_STRING,
				.text = slice_sub(l->in, start, i - start) };
		}
	}
	l->left_rescan -= MIN_OF(l->left_rescan, (uint64_t)(i - start));
	return (struct pdf_token){ .kind = PDF_KEYWORD };
}

static struct pdf_token
hex_take(struct pdf_lexer *l)
{
	size_t start = ++l->at, i = start;

	while (i < l->in.len && (hex_value(l->in.ptr[i]) >= 0 || is_blank(l->in.ptr[i])))
		i++;
	l->at = i;
	if (i < l->in.len && l->in.ptr[i] == '>')
		l->at++;
	return (struct pdf_token){ .kind = PDF_HEX_STRING,
		.text = slice_sub(l->in, start, i - start) };
}

static struct pdf_token
word_take(struct pdf_lexer *l)
{
	struct pdf_token t = { .kind = PDF_KEYWORD };
	size_t start = l->at;
	uint64_t value;

	while (l->at < l->in.len && !is_blank(l->in.ptr[l->at]) &&
	       !is_delimiter(l->in.ptr[l->at]) && l->at - start < KEYWORD_MAX)
		l->at++;
	t.text = slice_sub(l->in, start, l->at - start);
	if (t.text.ptr[0] != '+' && t.text.ptr[0] != '-' && t.text.ptr[0] != '.' &&
	    (t.text.ptr[0] < '0' || t.text.ptr[0] > '9'))
		return t;
	/* "0obj": readers take the number and go on. */
	for (size_t i = 0; i < t.text.len; i++) {
		if ((t.text.ptr[i] | 0x20) >= 'a' && (t.text.ptr[i] | 0x20) <= 'z') {
			t.text.len = i;
			l->at = start + i;
			break;
		}
	}
	t.kind = PDF_NUMBER;
	if (slice_parse_uint(t.text, UINT32_MAX, &value))
		t.value = (uint32_t)value;
	return t;
}

static struct pdf_token
mark_take(struct pdf_lexer *l, enum pdf_token_kind kind, size_t len)
{
	l->at += len;
	return (struct pdf_token){ .kind = kind };
}

struct pdf_token
pdf_lexer_next(struct pdf_lexer *l)
{
	bool twice;
	uint8_t c;

	blanks_skip(l);
	if (l->at >= l->in.len)
		return (struct pdf_token){ .kind = PDF_END };
	c = l->in.ptr[l->at];
	twice = l->at + 1 < l->in.len && l->in.ptr[l->at + 1] == c;
	switch (c) {
	case '/':
		return name_take(l);
	case '(':
		return string_take(l);
	case '<':
		return twice ? mark_take(l, PDF_DICT_OPEN, 2) : hex_take(l);
	case '>':
		return mark_take(l, PDF_DICT_CLOSE, twice ? 2 : 1);
	case '[':
		return mark_take(l, PDF_ARRAY_OPEN, 1);
	case ']':
		return mark_take(l, PDF_ARRAY_CLOSE, 1);
	case ')':
	case '{':
	case '}':
		return mark_take(l, PDF_KEYWORD, 1);
	default:
		return word_take(l);
	}
}

/* Up to three octal digits behind a backslash. */
static size_t
octal_take(struct slice in, size_t at, uint8_t *ret_byte)
{
	unsigned v = 0;
	size_t n = 0;

	while (n < 3 && at + n < in.len && in.ptr[at + n] >= '0' && in.ptr[at + n] <= '7')
		v = v * 8 + (in.ptr[at + n++] - '0');
	*ret_byte = (uint8_t)v;
	return n;
}

static void
escapes_undo(struct slice in, struct buf *out)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];
		size_t n;

		if (c == '\\' && i + 1 < in.len) {
			const char *found = NULL;

			c = in.ptr[++i];
			if (c == '\n' || c == '\r') {
				if (c == '\r' && i + 1 < in.len && in.ptr[i + 1] == '\n')
					i++;
				continue;
			}
			for (size_t k = 0; k < sizeof(from) - 1; k++)
				found = (uint8_t)from[k] == c ? &to[k] : found;
			if (found != NULL)
				c = (uint8_t)*found;
			else if ((n = octal_take(in, i, &c)) > 0)
				i += n - 1;
			else
				c = in.ptr[i];
		}
		if (buf_append_byte(out, c) < 0)
			return;
	}
}

static void
hex_undo(struct slice in, struct buf *out)
{
	int high = -1;

	for (size_t i = 0; i < in.len; i++) {
		int v = hex_value(in.ptr[i]);

		if (v < 0)
			continue;
		if (high < 0) {
			high = v;
		} else {
			if (buf_append_byte(out, (uint8_t)(high << 4 | v)) < 0)
				return;
			high = -1;
		}
	}
	if (high >= 0)
		(void)buf_append_byte(out, (uint8_t)(high << 4));
}

void
pdf_string_get_bytes(const struct pdf_token *t, struct buf *out)
{
	if (t->kind == PDF_STRING)
		escapes_undo(t->text, out);
	else if (t->kind == PDF_HEX_STRING)
		hex_undo(t->text, out);
}

void
pdf_text_decode(struct slice bytes, struct buf *out)
{
	if ((slice_starts_with(bytes, SLICE_LIT("\xfe\xff")) ||
		slice_starts_with(bytes, SLICE_LIT("\xff\xfe"))) &&
	    charset_to_utf8(SLICE_LIT("UTF-16"), bytes, out) >= 0)
		return;
	(void)buf_append_slice(out, bytes);
}
