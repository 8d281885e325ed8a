/* fuzz_sheet.c: spreadsheets that are text. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_open(data, len, "a.csv");
	return 0;
}
