/* zip_inflate64.c: Deflate64 after RFC 1951 and what APPNOTE 5.4 adds: no source of the time
 * says more than "enhanced deflating". Written for being right; such members are rare. */
#include "decompose/zip_inflate64.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define WINDOW_BYTES 65536u
#define CODE_BITS_MAX 15
#define LITERALS_MAX 288
#define DISTANCES_MAX 32

struct code {
	uint16_t count[CODE_BITS_MAX + 1]; /* how many codes have that length */
	uint16_t symbol[LITERALS_MAX];     /* in the order of their codes */
};

struct inflate64 {
	struct slice in;
	size_t at;
	uint64_t bits;
	unsigned bit_count;
	bool starved; /* bits were wanted behind the end */
	struct stream_sink *out;
	bool full;
	size_t put, flushed; /* positions in the plain text, the window is their rest */
	struct code literals, distances;
	uint8_t window[WINDOW_BYTES];
};

static const uint8_t length_bits[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3,
	3, 4, 4, 4, 4, 5, 5, 5, 5, 16 };
static const uint16_t length_base[29] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27,
	31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 3 };

static unsigned
take_bits(struct inflate64 *z, unsigned n)
{
	unsigned v;

	while (z->bit_count < n) {
		if (z->at == z->in.len) {
			z->starved = true;
			z->bit_count += 8;
			continue;
		}
		z->bits |= (uint64_t)z->in.ptr[z->at++] << z->bit_count;
		z->bit_count += 8;
	}
	v = (unsigned)(z->bits & ((UINT64_C(1) << n) - 1));
	z->bits >>= n;
	z->bit_count -= n;
	return v;
}

/* Puts the codes of the given lengths in order. False: more codes than bits allow. */
static bool
code_build(struct code *c, const uint8_t *lengths, unsigned n)
{
	uint16_t offsets[CODE_BITS_MAX + 2] = { 0 };
	int left = 1;

	memset(c->count, 0, sizeof(c->count));
	for (unsigned i = 0; i < n; i++)
		c->count[lengths[i]]++;
	for (unsigned len = 1; len <= CODE_BITS_MAX; len++) {
		left = (left << 1) - c->count[len];
		if (left < 0)
			return false;
		offsets[len + 1] = (uint16_t)(offsets[len] + c->count[len]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (lengths[i] != 0)
			c->symbol[offsets[lengths[i]]++] = (uint16_t)i;
	}
	return true;
}

/* The next symbol, or -1. */
static int
code_take(struct inflate64 *z, const struct code *c)
{
	int code = 0, first = 0, index = 0;

	for (unsigned len = 1; len <= CODE_BITS_MAX; len++) {
		code |= (int)take_bits(z, 1);
		if (code - first < c->count[len])
			return c->symbol[index + code - first];
		index += c->count[len];
		first = (first + c->count[len]) << 1;
		code <<= 1;
	}
	return -1;
}

static void
flush(struct inflate64 *z)
{
	size_t from = z->flushed % WINDOW_BYTES, n = z->put - z->flushed;
	size_t first = MIN_OF(n, WINDOW_BYTES - from);

	if (z->full)
		return;
	if (!stream_sink_write(z->out, slice_of(z->window + from, first)) ||
	    !stream_sink_write(z->out, slice_of(z->window, n - first)))
		z->full = true;
	z->flushed = z->put;
}

static void
put_byte(struct inflate64 *z, uint8_t c)
{
	z->window[z->put++ % WINDOW_BYTES] = c;
	if (z->put - z->flushed == WINDOW_BYTES / 2)
		flush(z);
}

static enum stream_status
block_stored(struct inflate64 *z)
{
	unsigned len, check;

	(void)take_bits(z, z->bit_count % 8);
	len = take_bits(z, 16);
	check = take_bits(z, 16);
	if (z->starved)
		return STREAM_TRUNCATED;
	if ((len ^ check) != 0xffff)
		return STREAM_CORRUPT;
	while (len-- > 0) {
		put_byte(z, (uint8_t)take_bits(z, 8));
		if (z->starved)
			return STREAM_TRUNCATED;
	}
	return STREAM_END;
}

static void
codes_set_fixed(struct inflate64 *z)
{
	uint8_t lengths[LITERALS_MAX];

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	(void)code_build(&z->literals, lengths, LITERALS_MAX);
	memset(lengths, 5, DISTANCES_MAX);
	(void)code_build(&z->distances, lengths, DISTANCES_MAX);
}

static bool
codes_read(struct inflate64 *z)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2,
		14, 1, 15 };
	uint8_t lengths[LITERALS_MAX + DISTANCES_MAX + 160] = { 0 };
	unsigned literals = take_bits(z, 5) + 257, distances = take_bits(z, 5) + 1;
	unsigned n = take_bits(z, 4) + 4, i = 0;

	for (unsigned k = 0; k < n; k++)
		lengths[order[k]] = (uint8_t)take_bits(z, 3);
	if (literals > LITERALS_MAX || !code_build(&z->literals, lengths, 19))
		return false;
	memset(lengths, 0, sizeof(lengths));
	while (i < literals + distances) {
		int symbol = code_take(z, &z->literals);
		unsigned repeat = 1;
		uint8_t value = (uint8_t)symbol;

		if (symbol < 0 || (symbol == 16 && i == 0) || z->starved)
			return false;
		if (symbol == 16) {
			value = lengths[i - 1];
			repeat = take_bits(z, 2) + 3;
		} else if (symbol > 16) {
			value = 0;
			repeat = symbol == 17 ? take_bits(z, 3) + 3 : take_bits(z, 7) + 11;
		}
		if (i + repeat > literals + distances)
			return false;
		memset(lengths + i, value, repeat);
		i += repeat;
	}
	return code_build(&z->literals, lengths, literals) &&
	    code_build(&z->distances, lengths + literals, distances);
}

static enum stream_status
block_coded(struct inflate64 *z)
{
	for (;;) {
		int symbol = code_take(z, &z->literals);
		unsigned len, extra;
		size_t distance;

		if (z->starved)
			return STREAM_TRUNCATED;
		if (z->full)
			return STREAM_LIMIT;
		if (symbol < 0 || symbol > 285)
			return STREAM_CORRUPT;
		if (symbol == 256)
			return STREAM_END;
		if (symbol < 256) {
			put_byte(z, (uint8_t)symbol);
			continue;
		}
		len = length_base[symbol - 257] + take_bits(z, length_bits[symbol - 257]);
		symbol = code_take(z, &z->distances);
		if (symbol < 0)
			return z->starved ? STREAM_TRUNCATED : STREAM_CORRUPT;
		extra = symbol < 4 ? 0 : (unsigned)symbol / 2 - 1;
		distance = symbol < 4 ? (size_t)symbol + 1
		                      : ((size_t)(2 + symbol % 2) << extra) + 1;
		distance += take_bits(z, extra);
		if (distance > z->put || z->starved)
			return z->starved ? STREAM_TRUNCATED : STREAM_CORRUPT;
		while (len-- > 0)
			put_byte(z, z->window[(z->put - distance) % WINDOW_BYTES]);
	}
}

static enum stream_status
blocks(struct inflate64 *z)
{
	for (;;) {
		bool last = take_bits(z, 1) != 0;
		unsigned type = take_bits(z, 2);
		enum stream_status status;

		if (z->starved)
			return STREAM_TRUNCATED;
		if (type == 0) {
			status = block_stored(z);
		} else if (type == 3) {
			return STREAM_CORRUPT;
		} else {
			if (type == 1)
				codes_set_fixed(z);
			else if (!codes_read(z))
				return z->starved ? STREAM_TRUNCATED : STREAM_CORRUPT;
			status = block_coded(z);
		}
		if (status != STREAM_END || last)
			return status;
		if (z->full)
			return STREAM_LIMIT;
	}
}

enum stream_status
zip_inflate64(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	CLEANUP(mem_free) struct inflate64 *z = calloc(1, sizeof(*z));
	enum stream_status status;

	*ret_used = in.len;
	if (z == NULL)
		return STREAM_UNSUPPORTED;
	z->in = in;
	z->out = out;
	status = blocks(z);
	flush(z);
	if (z->full)
		status = STREAM_LIMIT;
	if (status == STREAM_END)
		*ret_used = z->at - z->bit_count / 8;
	return status;
}
