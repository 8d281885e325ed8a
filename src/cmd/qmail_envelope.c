/* qmail_envelope.c: see qmail_envelope.h. */
#include "cmd/qmail_envelope.h"

#include <stdint.h>

/* The field that begins at *at, which moves behind it. */
static enum qmail_envelope_result
field_take(struct slice text, size_t *at, uint8_t letter, struct slice *ret_value)
{
	size_t end;

	if (*at >= text.len)
		return QMAIL_ENVELOPE_CUT;
	if (text.ptr[*at] != letter)
		return QMAIL_ENVELOPE_BAD;
	end = slice_find_byte(text, '\0', *at);
	if ((end == SIZE_MAX ? text.len : end + 1) - *at > QMAIL_ADDRESS_MAX_BYTES)
		return QMAIL_ENVELOPE_TOO_LONG;
	if (end == SIZE_MAX)
		return QMAIL_ENVELOPE_CUT;
	*ret_value = slice_sub(text, *at + 1, end - *at - 1);
	*at = end + 1;
	return QMAIL_ENVELOPE_GOOD;
}

enum qmail_envelope_result
qmail_envelope_parse(struct slice text, struct qmail_envelope *ret_envelope, size_t *ret_len)
{
	struct qmail_envelope e;
	size_t at = 0, begin;
	enum qmail_envelope_result r = field_take(text, &at, 'F', &e.sender);

	begin = at;
	while (r == QMAIL_ENVELOPE_GOOD && !(at < text.len && text.ptr[at] == '\0')) {
		struct slice recipient;

		r = field_take(text, &at, 'T', &recipient);
	}
	if (r != QMAIL_ENVELOPE_GOOD)
		return r;
	e.recipients = slice_sub(text, begin, at - begin);
	*ret_envelope = e;
	*ret_len = at + 1;
	return QMAIL_ENVELOPE_GOOD;
}

bool
qmail_envelope_next(struct qmail_envelope *e, struct slice *ret_recipient)
{
	size_t at = 0;

	if (field_take(e->recipients, &at, 'T', ret_recipient) != QMAIL_ENVELOPE_GOOD)
		return false;
	e->recipients = slice_from(e->recipients, at);
	return true;
}
