/* fuzz_submit_request.c: the control requests that bring a mail or a connection, and the
 * envelope of a mail. The first byte chooses. Promises: what is understood is written again to
 * the same bytes, so nothing is passed over; nobody can ask for infected mail to pass. */
#include <stdint.h>
#include <string.h>

#include "cmd/submit_request.c" /* programs are no library */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
request_check(struct slice text, struct buf *again)
{
	struct submit_request r;

	if (!submit_request_parse(text, &r))
		return;
	ASSERT(submit_request_format(&r, again) == 0);
	/* Leading zeros are the only freedom. */
	ASSERT(again->len >= 9 && again->len - 8 <= text.len);
	ASSERT(slice_find_byte(text, '\n', 0) == SIZE_MAX);
}

static void
session_check(struct slice text, struct buf *again)
{
	struct session_request r;

	if (!session_request_parse(text, &r))
		return;
	ASSERT(session_request_format(&r, again) == 0);
	ASSERT(again->len >= 10 && again->len - 9 <= text.len);
	ASSERT(slice_find_byte(text, '\n', 0) == SIZE_MAX);
}

static void
envelope_check(struct slice text, struct buf *again)
{
	struct submit_envelope e, second;
	struct slice recipient;
	size_t at = 0;
	int r;

	if (!submit_envelope_parse(text, &e))
		return;
	ASSERT(e.infected == NULL || strcmp(e.infected, "accept") != 0);
	r = submit_envelope_put(again, SUBMIT_SENDER, e.sender);
	r |= submit_envelope_put(again, SUBMIT_CLIENT_ADDRESS, e.client_address);
	r |= submit_envelope_put(again, SUBMIT_CLIENT_NAME, e.client_name);
	r |= submit_envelope_put(again, SUBMIT_HELO, e.helo);
	r |= submit_envelope_put(again, SUBMIT_USER, e.user);
	r |= submit_envelope_put(again, SUBMIT_QUEUE_ID, e.queue_id);
	r |= submit_envelope_put(again, SUBMIT_INFECTED, slice_of_str(e.infected));
	second = e;
	while (submit_envelope_next(&second, &recipient)) {
		r |= submit_envelope_put(again, SUBMIT_RECIPIENT, recipient);
		ASSERT(++at <= text.len);
	}
	ASSERT(r == 0 && again->len == text.len);
	ASSERT(submit_envelope_parse(buf_get(again), &second));
	ASSERT(slice_eq(e.sender, second.sender) && slice_eq(e.recipients, second.recipients));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const checks[])(
	    struct slice, struct buf *) = { request_check, session_check, envelope_check };
	struct buf again;

	if (len == 0)
		return 0;
	buf_init(&again, len + 300);
	checks[data[0] % ARRAY_LEN(checks)](slice_of(data + 1, len - 1), &again);
	buf_done(&again);
	return 0;
}
