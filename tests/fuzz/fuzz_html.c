/* fuzz_html.c: pages. Beside the promises of fuzz_taken.h: the quick pass finds the same with
 * and without newer vectors, and what it does not find at all is not opened. */
#include "fuzz_taken.h"

#include "decompose/html_opener.h"
#include "decompose/html_scan.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice page = slice_of(data, len);

	ASSERT(html_scan(page, 0) == html_scan_portable(page));
	(void)openers_run(page, ROLE_LEAF, "page.html");
	return 0;
}
