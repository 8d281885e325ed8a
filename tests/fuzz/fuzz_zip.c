/* fuzz_zip.c: the ZIP walker. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.zip");
	return 0;
}
