/* fuzz_magic.c: type detection never fails, and never says the same bytes are two things. */
#include <stdint.h>

#include "base/macros.h"
#include "decompose/magic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct magic_type *t = magic_detect(slice_of(data, len));

	ASSERT(t != NULL && t->mime != NULL && t->format != NULL && t->kind != 0);
	ASSERT(magic_is(t, t->format) && t == magic_detect(slice_of(data, len)));
	return 0;
}
