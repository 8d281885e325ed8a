/* fuzz_rtf.c: RTF and the OLE 1 objects in it. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.rtf");
	return 0;
}
