/* fuzz_inline.c: text with any inline format. Beside the promises of fuzz_taken.h: blocks of
 * base64 come in order, inside the text, and the search for them ends. */
#include "fuzz_taken.h"

#include "decompose/inline_scan.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = slice_of(data, len), block;
	size_t pos = 0, before = 0;
	bool any = false;

	while (inline_base64_next(text, &pos, &block)) {
		ASSERT(pos > before && pos <= len);
		ASSERT(block.ptr >= text.ptr && block.ptr + block.len <= text.ptr + len);
		before = pos;
		any = true;
	}
	ASSERT(((inline_scan(text, 0) & INLINE_BASE64) != 0) == any);
	(void)openers_run(text, ROLE_TEXT, "");
	return 0;
}
