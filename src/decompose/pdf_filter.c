/* pdf_filter.c: see pdf_filter.h. */
#include "decompose/pdf_filter.h"

#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/stream_decode.h"

#define TICK_BYTES  1024
#define LZW_CLEAR   256
#define LZW_END     257
#define LZW_CODES   4096

enum pdf_filter
pdf_filter_find(struct slice name)
{
	static const struct {
		const char *name;
		enum pdf_filter filter;
	} filters[] = {
		{ "FlateDecode",     PDF_FILTER_FLATE }, { "Fl",  PDF_FILTER_FLATE },
		{ "LZWDecode",       PDF_FILTER_LZW   }, { "LZW", PDF_FILTER_LZW   },
		{ "ASCIIHexDecode",  PDF_FILTER_HEX   }, { "AHx", PDF_FILTER_HEX   },
		{ "ASCII85Decode",   PDF_FILTER_85    }, { "A85", PDF_FILTER_85    },
		{ "RunLengthDecode", PDF_FILTER_RUNS  }, { "RL",  PDF_FILTER_RUNS  },
		{ "Crypt",           PDF_FILTER_CRYPT },
		{ "DCTDecode",       PDF_FILTER_IMAGE }, { "DCT", PDF_FILTER_IMAGE },
		{ "JPXDecode",       PDF_FILTER_IMAGE }, { "JBIG2Decode", PDF_FILTER_IMAGE },
		{ "CCITTFaxDecode",  PDF_FILTER_IMAGE }, { "CCF", PDF_FILTER_IMAGE },
	};

	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		if (slice_eq_str(name, filters[i].name))
			return filters[i].filter;
	}
	return PDF_FILTER_OTHER;
}

/* zlib; a broken header or checksum does not keep readers from the data, nor us. */
static bool
flate_undo(struct decompose *d, struct slice in, struct buf *out)
{
	struct stream_sink sink = { .d = d, .buf = out };
	size_t used;

	while (in.len > 0 && (in.ptr[0] == '\r' || in.ptr[0] == '\n'))
		in = slice_from(in, 1);
	if (in.len == 0)
		return true;
	if (stream_inflate(in, 15, &sink, &used) == STREAM_END)
		return true;
	if (sink.total > 0 || in.len < 3)
		return sink.total > 0 && out->len == out->max;
	return stream_inflate(slice_from(in, 2), -15, &sink, &used) == STREAM_END;
}

static bool
hex_undo(struct decompose *d, struct slice in, struct buf *out)
{
	int high = -1;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = ascii_lower(in.ptr[i]);
		int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (i % TICK_BYTES == 0 && !budget_has_time(decompose_get_budget(d)))
			return false;
		if (c == '>')
			break;
		if (v < 0)
			continue;
		if (high < 0) {
			high = v;
			continue;
		}
		if (buf_append_byte(out, (uint8_t)(high << 4 | v)) < 0)
			return false;
		high = -1;
	}
	return high < 0 || buf_append_byte(out, (uint8_t)(high << 4)) == 0;
}

static bool
group85_put(uint32_t value, unsigned letters, struct buf *out)
{
	uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
		(uint8_t)value };

	return buf_append(out, bytes, letters - 1) == 0;
}

static bool
ascii85_undo(struct decompose *d, struct slice in, struct buf *out)
{
	uint32_t value = 0;
	unsigned letters = 0;

	if (slice_starts_with(slice_trim(in), SLICE_LIT("<~")))
		in = slice_from(slice_trim(in), 2);
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];

		if (i % TICK_BYTES == 0 && !budget_has_time(decompose_get_budget(d)))
			return false;
		if (c == '~')
			break;
		if (c == 'z' && letters == 0) {
			if (buf_append(out, "\0\0\0\0", 4) < 0)
				return false;
			continue;
		}
		if (c < '!' || c > 'u')
			continue;
		value = value * 85 + (c - '!');
		if (++letters == 5) {
			if (!group85_put(value, 5, out))
				return false;
			value = 0;
			letters = 0;
		}
	}
	if (letters < 2)
		return true;
	for (unsigned i = letters; i < 5; i++)
		value = value * 85 + 84;
	return group85_put(value, letters, out);
}

static bool
runs_undo(struct decompose *d, struct slice in, struct buf *out)
{
	size_t at = 0;

	while (at < in.len && in.ptr[at] != 128) {
		unsigned n = in.ptr[at++];
		struct slice run;

		if (!budget_has_time(decompose_get_budget(d)))
			return false;
		if (n < 128) {
			run = slice_sub(in, at, (size_t)n + 1);
			at += run.len;
			if (buf_append_slice(out, run) < 0 || run.len < n + 1)
				return false;
			continue;
		}
		for (n = 257 - n; n > 0 && at < in.len; n--) {
			if (buf_append_byte(out, in.ptr[at]) < 0)
				return false;
		}
		at++;
	}
	return true;
}

/* Each code stands for the text of an older one and one letter; what it stands for is found in
 * what was written already. */
struct lzw {
	size_t at[LZW_CODES];
	uint16_t len[LZW_CODES];
	unsigned next, width;
};

static bool
lzw_put(struct lzw *z, unsigned code, struct buf *out)
{
	size_t from, len;

	if (code < LZW_CLEAR)
		return buf_append_byte(out, (uint8_t)code) == 0;
	if (code >= z->next)
		return false;
	from = z->at[code];
	len = z->len[code];
	if (buf_reserve(out, len) < 0)
		return false;
	for (size_t i = 0; i < len; i++) /* may overlap with what it writes */
		out->data[out->len++] = out->data[from + i];
	return true;
}

static bool
lzw_undo(struct decompose *d, bool late, struct slice in, struct buf *out)
{
	struct lzw z = { .next = LZW_END + 1, .width = 9 };
	size_t at = 0, before = SIZE_MAX; /* where the text of the last code stands */
	uint32_t bits = 0;
	unsigned have = 0;

	for (;;) {
		unsigned code;
		size_t start = out->len;

		for (; have < z.width; have += 8) {
			if (at == in.len)
				return false;
			if (at % TICK_BYTES == 0 && !budget_has_time(decompose_get_budget(d)))
				return false;
			bits = bits << 8 | in.ptr[at++];
		}
		have -= z.width;
		code = bits >> have & ((1u << z.width) - 1);
		if (code == LZW_END)
			return true;
		if (code == LZW_CLEAR) {
			z.next = LZW_END + 1;
			z.width = 9;
			before = SIZE_MAX;
			continue;
		}
		if (before != SIZE_MAX && z.next < LZW_CODES) {
			size_t len = start - before + 1;

			z.at[z.next] = before;
			z.len[z.next++] = (uint16_t)MIN_OF(len, (size_t)LZW_CODES);
		}
		if (!lzw_put(&z, code, out))
			return false;
		before = start;
		while (z.width < 12 && z.next + (late ? 0u : 1u) >= 1u << z.width)
			z.width++;
	}
}

bool
pdf_filter_undo(struct decompose *d, enum pdf_filter f, bool late_change, struct slice in,
    struct buf *out)
{
	switch (f) {
	case PDF_FILTER_FLATE:
		return flate_undo(d, in, out);
	case PDF_FILTER_LZW:
		return lzw_undo(d, late_change, in, out);
	case PDF_FILTER_HEX:
		return hex_undo(d, in, out);
	case PDF_FILTER_85:
		return ascii85_undo(d, in, out);
	case PDF_FILTER_RUNS:
		return runs_undo(d, in, out);
	case PDF_FILTER_NONE:
	case PDF_FILTER_CRYPT:
		return buf_append_slice(out, in) == 0;
	case PDF_FILTER_IMAGE:
	case PDF_FILTER_OTHER:
		break;
	}
	return false;
}
