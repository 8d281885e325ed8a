/* html_text.c: see html_text.h. */
#include "decompose/html_text.h"

#include <string.h>

#include "base/macros.h"
#include "decompose/charset.h"

static const struct {
	const char *name;
	char value;
} references[] = {
	{ "amp", '&' },
	{ "lt", '<' },
	{ "gt", '>' },
	{ "quot", '"' },
	{ "apos", '\'' },
	{ "colon", ':' },
	{ "semi", ';' },
	{ "comma", ',' },
	{ "sol", '/' },
	{ "plus", '+' },
	{ "equals", '=' },
	{ "Tab", '\t' },
	{ "NewLine", '\n' },
	{ "lpar", '(' },
	{ "rpar", ')' },
	{ "period", '.' },
	{ "num", '#' },
	{ "percnt", '%' },
	{ "excl", '!' },
	{ "bsol", '\\' },
	{ "lowbar", '_' },
	{ "grave", '`' },
	{ "ast", '*' },
	{ "AMP", '&' },
	{ "LT", '<' },
	{ "GT", '>' },
	{ "QUOT", '"' },
	{ "lsqb", '[' },
	{ "rsqb", ']' },
	{ "quest", '?' },
};

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly n hex digits at the front of s, or false. */
static bool
hex_read(struct slice s, size_t n, uint32_t *ret_value)
{
	uint32_t value = 0;

	if (s.len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (hex_value(s.ptr[i]) < 0)
			return false;
		value = value << 4 | (uint32_t)hex_value(s.ptr[i]);
	}
	*ret_value = value;
	return true;
}

static bool
code_append(struct buf *out, uint32_t code)
{
	uint8_t bytes[4];
	size_t n;

	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		code = 0xfffd;
	n = utf8_encode(code, bytes);
	return buf_append(out, bytes, n) == 0;
}

size_t
html_reference_read(struct slice s, uint32_t *ret_code)
{
	uint32_t value = 0;
	size_t i = 2, digits = 0;
	bool hex;

	if (s.len < 3)
		return 0;
	if (s.ptr[1] != '#') {
		for (size_t k = 0; k < ARRAY_LEN(references); k++) {
			size_t len = strlen(references[k].name);

			if (slice_starts_with(
				slice_from(s, 1), slice_of_str(references[k].name)) &&
			    len + 1 < s.len && s.ptr[len + 1] == ';') {
				*ret_code = (uint8_t)references[k].value;
				return len + 2;
			}
		}
		return 0;
	}
	hex = (s.ptr[2] | 0x20) == 'x';
	for (i += hex; i < s.len; i++, digits++) {
		int v = hex_value(s.ptr[i]);

		if (v < 0 || (!hex && v > 9))
			break;
		if (value < 0x200000)
			value = value * (hex ? 16 : 10) + (uint32_t)v;
	}
	*ret_code = value;
	return digits == 0 ? 0 : i + (i < s.len && s.ptr[i] == ';');
}

/* Plain bytes up to the next mark go over as they are, what stands at a mark as read says. */
static bool
decode(struct slice in, struct buf *out, uint8_t mark,
    size_t (*read)(struct slice s, uint32_t *ret_code))
{
	size_t i = 0;

	while (i < in.len) {
		size_t at = slice_find_byte(in, mark, i), n;
		uint32_t code = UINT32_MAX;

		at = MIN_OF(at, in.len);
		if (buf_append(out, in.ptr + i, at - i) < 0)
			return false;
		if (at == in.len)
			return true;
		n = read(slice_from(in, at), &code);
		if (n == 0) {
			if (buf_append_byte(out, mark) < 0)
				return false;
			n = 1;
		} else if (code != UINT32_MAX && !code_append(out, code)) {
			return false;
		}
		i = at + n;
	}
	return true;
}

bool
html_decode_references(struct slice in, struct buf *out)
{
	return decode(in, out, '&', html_reference_read);
}

static size_t
escape_read(struct slice s, uint32_t *ret_code)
{
	if (s.len < 2)
		return 0;
	switch (s.ptr[1]) {
	case 'x':
		return hex_read(slice_from(s, 2), 2, ret_code) ? 4 : 0;
	case 'u':
		return hex_read(slice_from(s, 2), 4, ret_code) ? 6 : 0;
	case 'n':
	case 'r':
	case 't':
		*ret_code = ' ';
		return 2;
	case '\n':
		return 2;
	case '\r':
		return s.len > 2 && s.ptr[2] == '\n' ? 3 : 2;
	default:
		*ret_code = s.ptr[1];
		return s.ptr[1] < 0x80 ? 2 : 0;
	}
}

bool
html_decode_escapes(struct slice in, struct buf *out)
{
	return decode(in, out, '\\', escape_read);
}

bool
html_decode_percent(struct slice in, struct buf *out)
{
	size_t i = 0;
	uint32_t value;

	while (i < in.len) {
		size_t at = MIN_OF(slice_find_byte(in, '%', i), in.len);

		if (buf_append(out, in.ptr + i, at - i) < 0)
			return false;
		i = at;
		if (at == in.len)
			return true;
		if (hex_read(slice_from(in, at + 1), 2, &value)) {
			i += 3;
			if (buf_append_byte(out, (uint8_t)value) < 0)
				return false;
		} else if (at + 1 < in.len && in.ptr[at + 1] == 'u' &&
			   hex_read(slice_from(in, at + 2), 4, &value)) {
			i += 6;
			if (!code_append(out, value))
				return false;
		} else {
			i++;
			if (buf_append_byte(out, '%') < 0)
				return false;
		}
	}
	return true;
}
