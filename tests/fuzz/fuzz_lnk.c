/* fuzz_lnk.c: shortcuts. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.lnk");
	return 0;
}
