/* fuzz_ole.c: OLE2 compound files, VBA projects, messages. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.doc");
	return 0;
}
