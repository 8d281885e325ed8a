/* rar_unpack20.c: see rar_unpack20.h. LZ77 with a window of up to 1 MB and three Huffman codes,
 * whose lengths are sent as differences to those of the block before. Written from descriptions
 * of the format; bits come highest first, codes are canonical. */
#include "decompose/rar_unpack20.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/macros.h"

#define SYMBOLS_MAIN     298u
#define SYMBOLS_DISTANCE 48u
#define SYMBOLS_REPEAT   28u
#define SYMBOLS_ALL      (SYMBOLS_MAIN + SYMBOLS_DISTANCE + SYMBOLS_REPEAT)
#define SYMBOLS_LENGTHS  19u
#define CODE_BITS_MAX    15u
#define DISTANCE_MAX     ((size_t)1 << 20)
#define CHUNK_BYTES      65536u

/* The main code: bytes, then these. */
#define MAIN_REPEAT_LAST 256u /* length and distance of the last copy */
#define MAIN_REPEAT_OLD  257u /* .. 260: one of four older distances, a length of its own */
#define MAIN_SHORT       261u /* .. 268: two bytes, not far away */
#define MAIN_TABLES      269u
#define MAIN_COPY        270u /* .. 297: length, then distance */

struct huffman {
	uint16_t counts[CODE_BITS_MAX + 1]; /* codes of each length */
	uint16_t symbols[SYMBOLS_MAIN];     /* by length, then by number */
};

struct unpack {
	struct slice in;
	size_t bit; /* the next one of in */
	bool ended; /* more bits were asked for than there are */
	struct stream_sink *out;
	uint8_t *to; /* room in the output; what was written stands before it */
	size_t room, used;
	size_t made; /* bytes in all */
	uint64_t wanted;
	uint8_t lengths[SYMBOLS_ALL];
	struct huffman main, distance, repeat;
	size_t old_distances[4], last_distance;
	unsigned old_at, last_length;
};

static unsigned
bits_take(struct unpack *u, unsigned n)
{
	unsigned v = 0;

	for (; n > 0; n--, u->bit++) {
		size_t byte = u->bit / 8;

		v <<= 1;
		if (byte >= u->in.len)
			u->ended = true;
		else
			v |= u->in.ptr[byte] >> (7 - u->bit % 8) & 1u;
	}
	return v;
}

static void
huffman_make(struct huffman *h, const uint8_t *lengths, unsigned n)
{
	uint16_t at[CODE_BITS_MAX + 2] = { 0 };

	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < n; i++)
		h->counts[lengths[i]]++;
	h->counts[0] = 0;
	for (unsigned len = 1; len <= CODE_BITS_MAX; len++)
		at[len + 1] = (uint16_t)(at[len] + h->counts[len]);
	for (unsigned i = 0; i < n; i++) {
		if (lengths[i] != 0)
			h->symbols[at[lengths[i]]++] = (uint16_t)i;
	}
}

/* The next symbol, or -1: no such code, or the end. */
static int
huffman_take(struct unpack *u, const struct huffman *h)
{
	unsigned code = 0, first = 0, index = 0;

	for (unsigned len = 1; len <= CODE_BITS_MAX; len++) {
		code |= bits_take(u, 1);
		if (u->ended)
			return -1;
		if (code < first + h->counts[len])
			return code < first ? -1 : h->symbols[index + code - first];
		index += h->counts[len];
		first = (first + h->counts[len]) << 1;
		code <<= 1;
	}
	return -1;
}

/* The lengths of all codes; false: they make no sense. */
static bool
lengths_take(struct unpack *u, const struct huffman *h)
{
	for (unsigned i = 0; i < SYMBOLS_ALL;) {
		int symbol = huffman_take(u, h);
		unsigned run;
		uint8_t value = 0;

		if (symbol < 0)
			return false;
		if (symbol < 16) {
			u->lengths[i] = (uint8_t)((u->lengths[i] + (unsigned)symbol) & 15);
			i++;
			continue;
		}
		if (symbol == 16 && i == 0)
			return false;
		if (symbol == 16) {
			value = u->lengths[i - 1];
			run = bits_take(u, 2) + 3;
		} else {
			run = symbol == 17 ? bits_take(u, 3) + 3 : bits_take(u, 7) + 11;
		}
		for (; run > 0 && i < SYMBOLS_ALL; run--)
			u->lengths[i++] = value;
	}
	return !u->ended;
}

static enum stream_status
tables_take(struct unpack *u)
{
	uint8_t lengths[SYMBOLS_LENGTHS];
	struct huffman h;
	bool sound = bits_take(u, 1) != 0;

	if (sound)
		return STREAM_UNSUPPORTED;
	if (bits_take(u, 1) == 0)
		memset(u->lengths, 0, sizeof(u->lengths));
	for (unsigned i = 0; i < SYMBOLS_LENGTHS; i++)
		lengths[i] = (uint8_t)bits_take(u, 4);
	huffman_make(&h, lengths, SYMBOLS_LENGTHS);
	if (!lengths_take(u, &h))
		return u->ended ? STREAM_TRUNCATED : STREAM_CORRUPT;
	huffman_make(&u->main, u->lengths, SYMBOLS_MAIN);
	huffman_make(&u->distance, u->lengths + SYMBOLS_MAIN, SYMBOLS_DISTANCE);
	huffman_make(&u->repeat, u->lengths + SYMBOLS_MAIN + SYMBOLS_DISTANCE, SYMBOLS_REPEAT);
	return STREAM_END;
}

/* False: a limit. */
static bool
room_make(struct unpack *u)
{
	size_t left = (size_t)MIN_OF(u->wanted - u->made, (uint64_t)CHUNK_BYTES);

	if (u->used < u->room)
		return true;
	if (u->used > 0 && !stream_sink_commit(u->out, u->used))
		return false;
	u->used = u->room = 0;
	u->to = stream_sink_reserve(u->out, left, &u->room);
	if (u->to == NULL)
		u->room = 0;
	return u->to != NULL;
}

static bool
byte_put(struct unpack *u, uint8_t byte)
{
	if (!room_make(u))
		return false;
	u->to[u->used++] = byte;
	u->made++;
	return true;
}

/* What stands distance bytes back, again. The output is in one piece. */
static enum stream_status
copy_put(struct unpack *u, size_t distance, unsigned length)
{
	u->old_distances[u->old_at++ & 3] = distance;
	u->last_distance = distance;
	u->last_length = length;
	if (distance == 0 || distance > u->made || distance > DISTANCE_MAX)
		return STREAM_CORRUPT;
	for (; length > 0 && u->made < u->wanted; length--) {
		if (!room_make(u) || !byte_put(u, *(u->to + u->used - distance)))
			return STREAM_LIMIT;
	}
	return STREAM_END;
}

static unsigned
length_take(struct unpack *u, unsigned number)
{
	static const uint8_t bases[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28,
		32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224 };
	static const uint8_t bits[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3,
		3, 4, 4, 4, 4, 5, 5, 5, 5 };

	return bases[number] + bits_take(u, bits[number]);
}

/* Two numbers for each power of two, up to 16 bits more; then steps of 64 KB. */
static size_t
distance_take(struct unpack *u, unsigned number)
{
	unsigned bits = number < 4 ? 0 : MIN_OF((number - 2) / 2, 16u);
	size_t base;

	if (number < 4)
		base = number;
	else if (number < 36)
		base = (size_t)(2 + number % 2) << (number / 2 - 1);
	else
		base = (size_t)(number - 32) << 16;
	return base + bits_take(u, bits) + 1;
}

static enum stream_status
take_copy(struct unpack *u, unsigned symbol)
{
	unsigned length = length_take(u, symbol - MAIN_COPY) + 3;
	int number = huffman_take(u, &u->distance);
	size_t distance;

	if (number < 0)
		return u->ended ? STREAM_TRUNCATED : STREAM_CORRUPT;
	distance = distance_take(u, (unsigned)number);
	length += (distance >= 0x2000) + (distance >= 0x40000);
	return copy_put(u, distance, length);
}

static enum stream_status
take_old(struct unpack *u, unsigned symbol)
{
	size_t distance = u->old_distances[(u->old_at - (symbol - MAIN_REPEAT_LAST)) & 3];
	int number = huffman_take(u, &u->repeat);
	unsigned length;

	if (number < 0)
		return u->ended ? STREAM_TRUNCATED : STREAM_CORRUPT;
	length = length_take(u, (unsigned)number) + 2;
	length += (distance >= 0x101) + (distance >= 0x2000) + (distance >= 0x40000);
	return copy_put(u, distance, length);
}

static enum stream_status
take_short(struct unpack *u, unsigned symbol)
{
	static const uint8_t bases[] = { 0, 4, 8, 16, 32, 64, 128, 192 };
	static const uint8_t bits[] = { 2, 2, 3, 4, 5, 6, 6, 6 };
	unsigned i = symbol - MAIN_SHORT;

	return copy_put(u, (size_t)bases[i] + bits_take(u, bits[i]) + 1, 2);
}

static enum stream_status
symbol_take(struct unpack *u)
{
	int got = huffman_take(u, &u->main);
	unsigned symbol = (unsigned)got;

	if (got < 0)
		return u->ended ? STREAM_TRUNCATED : STREAM_CORRUPT;
	if (symbol < 256)
		return byte_put(u, (uint8_t)symbol) ? STREAM_END : STREAM_LIMIT;
	if (symbol >= MAIN_COPY)
		return take_copy(u, symbol);
	if (symbol == MAIN_TABLES)
		return tables_take(u);
	if (symbol == MAIN_REPEAT_LAST)
		return copy_put(u, u->last_distance, u->last_length);
	return symbol < MAIN_SHORT ? take_old(u, symbol) : take_short(u, symbol);
}

enum stream_status
rar_unpack20(struct slice in, uint64_t plain_bytes, struct stream_sink *out)
{
	struct unpack u = { .in = in, .out = out, .wanted = plain_bytes };
	enum stream_status status = tables_take(&u);

	while (status == STREAM_END && u.made < u.wanted)
		status = symbol_take(&u);
	if (u.used > 0 && !stream_sink_commit(out, u.used))
		return STREAM_LIMIT;
	return status;
}
