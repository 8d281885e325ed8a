/* fuzz_qp.c: quoted-printable under both rules: any cutting into pieces gives the same bytes
 * and facts, and nothing is written past the room that is promised to be enough. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "decompose/decode_qp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t
decode(struct slice in, bool keep, size_t step, uint8_t *out, struct qp_facts *ret_facts)
{
	uint8_t *room = malloc(MIN_OF(step, in.len) + QP_ROOM);
	struct qp_state s;
	size_t n, total = 0;

	ASSERT(room != NULL);
	qp_init(&s, keep);
	for (size_t at = 0; at < in.len; at += step) {
		n = qp_feed(&s, slice_sub(in, at, step), room);
		memcpy(out + total, room, n);
		total += n;
	}
	n = qp_finish(&s, room, ret_facts);
	memcpy(out + total, room, n);
	free(room);
	return total + n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t step = len > 1 ? 1 + (data[0] | (size_t)(data[1] & 7) << 8) : 1;
	uint8_t *whole = malloc(len + QP_ROOM), *pieces = malloc(len + QP_ROOM);

	ASSERT(whole != NULL && pieces != NULL);
	for (int keep = 0; keep < 2; keep++) {
		struct qp_facts a, b;
		size_t n = decode(slice_of(data, len), keep == 1, len + 1, whole, &a);
		size_t m = decode(slice_of(data, len), keep == 1, step, pieces, &b);

		ASSERT(n <= len);
		ASSERT(n == m && memcmp(whole, pieces, n) == 0);
		ASSERT(memcmp(&a, &b, sizeof(a)) == 0);
	}
	free(whole);
	free(pieces);
	return 0;
}
