/* fuzz_binhex.c: BinHex in text, and its decoder: any room gives the same bytes. */
#include "fuzz_taken.h"

#include <string.h>

#include "decompose/decode_binhex.h"

#define OUT_MAX ((size_t)1 << 18)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t whole[OUT_MAX], pieces[OUT_MAX];
	struct binhex_state a = { 0 }, b = { 0 };
	struct slice in = slice_of(data, len), rest = in;
	size_t n = binhex_decode(&a, &rest, whole, OUT_MAX), m = 0, got;
	size_t step = len > 0 ? 1 + data[0] % 60u : 1;

	ASSERT(n == OUT_MAX || rest.len == 0);
	do {
		got = binhex_decode(&b, &in, pieces + m, MIN_OF(step, OUT_MAX - m));
		m += got;
	} while (got == step && m < OUT_MAX);
	ASSERT(n == m && memcmp(whole, pieces, n) == 0);
	(void)openers_run(slice_of(data, len), ROLE_TEXT, "");
	return 0;
}
