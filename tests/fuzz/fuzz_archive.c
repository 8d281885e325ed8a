/* fuzz_archive.c: archives through libarchive, disk images, self-extractors. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.bin");
	return 0;
}
