/* fuzz_rar.c: RAR headers and members. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.rar");
	return 0;
}
