/* zip_explode.c: ZIP method 6, "implode" of PKZIP 1. Shannon-Fano codes for lengths, distances
 * and, if wanted, literals, stored in front; APPNOTE 5.3. */
#include "decompose/zip_inflate64.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define CODES_MAX 256
#define BITS_MAX 16
#define WINDOW_BYTES 8192u

struct tree {
	uint16_t count[BITS_MAX + 1];
	uint16_t symbol[CODES_MAX];
};

struct explode {
	struct slice in;
	size_t at;
	uint32_t bits;
	unsigned bit_count;
	bool starved;
	struct tree literals, lengths, distances;
	struct stream_sink *out;
	uint64_t put;
	size_t flushed;
	uint8_t window[WINDOW_BYTES];
};

static unsigned
take_bits(struct explode *z, unsigned n)
{
	unsigned v;

	while (z->bit_count < n) {
		if (z->at == z->in.len)
			z->starved = true;
		else
			z->bits |= (uint32_t)z->in.ptr[z->at++] << z->bit_count;
		z->bit_count += 8;
	}
	v = z->bits & ((1u << n) - 1);
	z->bits >>= n;
	z->bit_count -= n;
	return v;
}

/* The stored form: a byte with the number of bytes less one, then (codes - 1) << 4 | bits - 1.
 * False: the lengths make no complete code. */
static bool
tree_read(struct explode *z, struct tree *t, unsigned codes)
{
	uint8_t lengths[CODES_MAX];
	uint16_t offsets[BITS_MAX + 2] = { 0 };
	unsigned n = 0, pairs = take_bits(z, 8) + 1;
	int left = 1;

	memset(t, 0, sizeof(*t));
	while (pairs-- > 0) {
		unsigned bits = take_bits(z, 4) + 1, repeat = take_bits(z, 4) + 1;

		if (n + repeat > codes || z->starved)
			return false;
		memset(lengths + n, (int)bits, repeat);
		n += repeat;
	}
	if (n != codes)
		return false;
	for (unsigned i = 0; i < n; i++)
		t->count[lengths[i]]++;
	for (unsigned len = 1; len <= BITS_MAX; len++) {
		left = (left << 1) - t->count[len];
		if (left < 0)
			return false;
		offsets[len + 1] = (uint16_t)(offsets[len] + t->count[len]);
	}
	for (unsigned i = 0; i < n; i++)
		t->symbol[offsets[lengths[i]]++] = (uint16_t)i;
	return true;
}

/* Codes stand with all bits turned round: the canonical order counts down. */
static int
tree_take(struct explode *z, const struct tree *t)
{
	int code = 0, first = 0, index = 0;

	for (unsigned len = 1; len <= BITS_MAX; len++) {
		code |= (int)(take_bits(z, 1) ^ 1);
		if (code - first < t->count[len])
			return t->symbol[index + code - first];
		index += t->count[len];
		first = (first + t->count[len]) << 1;
		code <<= 1;
	}
	return -1;
}

static bool
flush(struct explode *z)
{
	size_t n = (size_t)z->put - z->flushed, from = z->flushed % WINDOW_BYTES;
	size_t first = MIN_OF(n, WINDOW_BYTES - from);

	z->flushed = (size_t)z->put;
	return stream_sink_write(z->out, slice_of(z->window + from, first)) &&
	    stream_sink_write(z->out, slice_of(z->window, n - first));
}

static bool
put_byte(struct explode *z, uint8_t c)
{
	z->window[z->put++ % WINDOW_BYTES] = c;
	return z->put - z->flushed < WINDOW_BYTES / 2 || flush(z);
}

static enum stream_status
explode_run(struct explode *z, unsigned low_bits, unsigned length_least, bool literal_tree,
    uint64_t plain_bytes)
{
	while (z->put < plain_bytes) {
		int symbol;
		size_t distance;
		unsigned len;

		if (take_bits(z, 1) != 0) {
			symbol = literal_tree ? tree_take(z, &z->literals) : (int)take_bits(z, 8);
			if (symbol < 0 || z->starved)
				return z->starved ? STREAM_TRUNCATED : STREAM_CORRUPT;
			if (!put_byte(z, (uint8_t)symbol))
				return STREAM_LIMIT;
			continue;
		}
		distance = take_bits(z, low_bits);
		symbol = tree_take(z, &z->distances);
		if (symbol < 0)
			return STREAM_CORRUPT;
		distance += ((size_t)symbol << low_bits) + 1;
		symbol = tree_take(z, &z->lengths);
		if (symbol < 0)
			return STREAM_CORRUPT;
		len = (unsigned)symbol + length_least;
		if (symbol == 63)
			len += take_bits(z, 8);
		if (z->starved)
			return STREAM_TRUNCATED;
		/* Before the first byte the window is zeros: PKZIP made use of that. */
		for (unsigned i = 0; i < len && z->put < plain_bytes; i++) {
			if (!put_byte(z, z->window[(z->put - distance) % WINDOW_BYTES]))
				return STREAM_LIMIT;
		}
	}
	return STREAM_END;
}

enum stream_status
zip_explode(struct slice in, bool big_window, bool literal_tree, uint64_t plain_bytes,
    struct stream_sink *out, size_t *ret_used)
{
	CLEANUP(mem_free) struct explode *z = calloc(1, sizeof(*z));
	enum stream_status status;

	*ret_used = in.len;
	if (z == NULL || plain_bytes == UINT64_MAX)
		return STREAM_UNSUPPORTED;
	z->in = in;
	z->out = out;
	if ((literal_tree && !tree_read(z, &z->literals, 256)) ||
	    !tree_read(z, &z->lengths, 64) || !tree_read(z, &z->distances, 64))
		return z->starved ? STREAM_TRUNCATED : STREAM_CORRUPT;
	status = explode_run(z, big_window ? 7 : 6, literal_tree ? 3 : 2, literal_tree,
	    plain_bytes);
	if (status != STREAM_LIMIT && !flush(z))
		return STREAM_LIMIT;
	return status;
}
