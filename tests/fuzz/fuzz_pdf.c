/* fuzz_pdf.c: PDF, encrypted and not. */
#include "fuzz_opener.h"

#include "decompose/zip_password.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct slice word = { (const uint8_t *)"Geheim42", 8 };

	zip_password_set_list(&word, 1);
	fuzz_open(data, len, "a.pdf");
	return 0;
}
