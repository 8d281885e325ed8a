/* fuzz_yenc.c: yEnc in text, and its decoder: any cutting into pieces gives the same bytes. */
#include "fuzz_taken.h"

#include <string.h>

#include "decompose/decode_yenc.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *whole = malloc(len + YENC_ROOM), *pieces = malloc(len + 2 * YENC_ROOM);
	size_t step = len > 0 ? 1 + data[0] % 40u : 1, n, m = 0;
	bool escaped = false;

	ASSERT(whole != NULL && pieces != NULL);
	n = yenc_decode(slice_of(data, len), &escaped, whole);
	ASSERT(n <= len);
	escaped = false;
	for (size_t at = 0; at < len; at += step)
		m +=
		    yenc_decode(slice_sub(slice_of(data, len), at, step), &escaped, pieces + m);
	ASSERT(n == m && memcmp(whole, pieces, n) == 0);
	free(whole);
	free(pieces);
	(void)openers_run(slice_of(data, len), ROLE_TEXT, "");
	return 0;
}
