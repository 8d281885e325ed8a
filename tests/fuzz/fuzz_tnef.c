/* fuzz_tnef.c: TNEF streams. The promises are those of fuzz_taken.h. */
#include "fuzz_taken.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	(void)openers_run(slice_of(data, len), ROLE_LEAF, "winmail.dat");
	return 0;
}
