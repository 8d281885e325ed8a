/* fuzz_onenote.c: OneNote sections. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.one");
	return 0;
}
