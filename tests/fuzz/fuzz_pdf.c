/* fuzz_pdf.c: PDF. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.pdf");
	return 0;
}
