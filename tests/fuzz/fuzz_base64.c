/* fuzz_base64.c: base64 in every mode: vectors and scalar code agree, so does any cutting into
 * pieces, and nothing is written past what base64_bound() says. The first two bytes choose the
 * size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "decompose/decode_base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct result {
	uint8_t *bytes; /* owned */
	size_t len;
	struct base64_facts facts;
};

/* Every piece is decoded into a buffer of exactly the room it may need. */
static struct result
decode(struct slice in, enum base64_mode mode, bool map, bool scalar, size_t step)
{
	struct result r = { .bytes = malloc(in.len + 8) };
	uint8_t *room = malloc(base64_bound(MIN_OF(step, in.len)));
	struct base64_state s;
	size_t n;

	ASSERT(r.bytes != NULL && room != NULL);
	base64_init(&s, mode, map);
	for (size_t at = 0; at < in.len; at += step) {
		struct slice piece = slice_sub(in, at, step);

		n = scalar ? base64_feed_scalar(&s, piece, room) : base64_feed(&s, piece, room);
		memcpy(r.bytes + r.len, room, n);
		r.len += n;
	}
	n = base64_finish(&s, room, &r.facts);
	memcpy(r.bytes + r.len, room, n);
	r.len += n;
	free(room);
	return r;
}

static void
check_same(const struct result *a, const struct result *b)
{
	ASSERT(a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
	ASSERT(a->facts.foreign == b->facts.foreign && a->facts.white == b->facts.white);
	ASSERT(a->facts.padding_quanta == b->facts.padding_quanta);
	ASSERT(a->facts.urlsafe == b->facts.urlsafe && a->facts.tail == b->facts.tail);
	ASSERT(a->facts.used_bytes == b->facts.used_bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t step = len > 1 ? 1 + (data[0] | (size_t)(data[1] & 3) << 8) : 1;
	struct slice in = slice_of(data, len);

	for (int mode = BASE64_QUANTA; mode <= BASE64_RESTART; mode++) {
		for (int map = 0; map < 2; map++) {
			struct result whole, vector, pieces;

			whole = decode(in, (enum base64_mode)mode, map == 1, true, len + 1);
			vector = decode(in, (enum base64_mode)mode, map == 1, false, len + 1);
			pieces = decode(in, (enum base64_mode)mode, map == 1, false, step);
			check_same(&whole, &vector);
			check_same(&whole, &pieces);
			ASSERT(whole.facts.used_bytes <= len);
			ASSERT(whole.len <= len);
			free(whole.bytes);
			free(vector.bytes);
			free(pieces.bytes);
		}
	}
	return 0;
}
