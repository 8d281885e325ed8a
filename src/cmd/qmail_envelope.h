/* qmail_envelope.h: the envelope that programs give to qmail-queue(8). */
#ifndef CORDON_CMD_QMAIL_ENVELOPE_H
#define CORDON_CMD_QMAIL_ENVELOPE_H

#include <stdbool.h>

#include "base/slice.h"

#define QMAIL_ENVELOPE_MAX_BYTES (16u << 20)
#define QMAIL_ADDRESS_MAX_BYTES  1003u /* with letter and zero byte; qmail-queue's own limit */

struct qmail_envelope {
	struct slice sender;
	struct slice recipients; /* for qmail_envelope_next() */
};

enum qmail_envelope_result {
	QMAIL_ENVELOPE_GOOD,
	QMAIL_ENVELOPE_CUT, /* ends too early: the writer gave up */
	QMAIL_ENVELOPE_BAD,
	QMAIL_ENVELOPE_TOO_LONG, /* an address */
};

/* "F" sender "\0", any number of "T" recipient "\0", "\0". What stands behind is passed over,
 * as qmail-queue does. Borrows text; *ret_envelope is set when it is good. */
enum qmail_envelope_result qmail_envelope_parse(
    struct slice text, struct qmail_envelope *ret_envelope, size_t *ret_len);
bool qmail_envelope_next(struct qmail_envelope *e, struct slice *ret_recipient);

#endif
