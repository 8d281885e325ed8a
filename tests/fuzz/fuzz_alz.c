/* fuzz_alz.c: ALZ archives. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.alz");
	return 0;
}
