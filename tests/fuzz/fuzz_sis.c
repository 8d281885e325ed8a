/* fuzz_sis.c: installation files of Symbian OS. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.sis");
	return 0;
}
