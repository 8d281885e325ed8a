/* fuzz_qmail_envelope.c: any bytes as the envelope given to qmail-queue. Promises: a good one
 * is made of its fields and nothing else, up to the length that is told; bytes behind it change
 * nothing; each shorter one is cut. */
#include <stdint.h>

#include "cmd/qmail_envelope.c" /* programs are no library */
#include "base/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = slice_of(data, len), recipient;
	struct qmail_envelope e, same;
	size_t used = 0, again = 0, sum;

	if (qmail_envelope_parse(text, &e, &used) != QMAIL_ENVELOPE_GOOD)
		return 0;
	ASSERT(used <= len && used >= 3 && data[used - 1] == '\0');
	ASSERT(qmail_envelope_parse(slice_sub(text, 0, used), &same, &again) ==
	       QMAIL_ENVELOPE_GOOD);
	ASSERT(again == used && slice_eq(e.recipients, same.recipients));
	ASSERT(qmail_envelope_parse(slice_sub(text, 0, used - 1), &same, &again) ==
	       QMAIL_ENVELOPE_CUT);
	sum = e.sender.len + 2 + 1;
	while (qmail_envelope_next(&e, &recipient)) {
		ASSERT(slice_find_byte(recipient, '\0', 0) == SIZE_MAX);
		sum += recipient.len + 2;
	}
	ASSERT(sum == used);
	return 0;
}
