/* fuzz_uu.c: uuencode in text. Beside the promises of fuzz_taken.h: a line gives no more bytes
 * than its count says, and never more than UU_LINE_MAX. */
#include "fuzz_taken.h"

#include "decompose/decode_sink.h"
#include "decompose/decode_uu.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = slice_of(data, len), line;
	uint8_t out[UU_LINE_MAX + 2];
	size_t pos = 0, before = 0;

	while (text_next_line(text, &pos, &line)) {
		size_t n = uu_line_decode(line, out);

		ASSERT(pos > before && pos <= len);
		ASSERT(n <= UU_LINE_MAX);
		ASSERT(uu_line_judge(line) != UU_EMPTY || n == 0);
		before = pos;
	}
	ASSERT(pos == len);
	(void)openers_run(text, ROLE_TEXT, "");
	return 0;
}
