/* fuzz_stream.c: single compressed streams. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.lzma");
	return 0;
}
