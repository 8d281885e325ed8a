/* fuzz_inspect_request.c: any bytes as a request. Promise: what decodes encodes to the same. */
#include <stdint.h>

#include "base/macros.h"
#include "scan/inspect_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(buf_done) struct buf b = { .max = 1 << 20 };
	struct inspect_request r;

	if (len > 65536 || !inspect_request_decode(slice_of(data, len), &r))
		return 0;
	ASSERT(r.input_len <= r.input_size && r.name.len <= len);
	ASSERT(inspect_request_encode(&r, &b) == 0);
	ASSERT(slice_eq(buf_get(&b), slice_of(data, len)));
	return 0;
}
