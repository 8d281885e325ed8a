/* fuzz_xforward.c: any bytes as attributes of XFORWARD and XCLIENT, and as an offer. Promises:
 * all or nothing; values are bounded and without controls; what is sent on is whole lines of at
 * most 512 bytes that the parser takes, with the values that came in.
 *
 * Input: one byte (bit 0: XCLIENT), the attributes, then perhaps a NUL and the offer. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "intake/intake.h"
#include "intake/smtp_xforward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_values(const struct smtp_xforward *x)
{
	ASSERT(x->given < 1u << SMTP_XATTR_COUNT);
	for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
		const char *v = x->values[i];

		ASSERT((v != NULL) == ((x->given >> i & 1) != 0));
		if (v == NULL)
			continue;
		ASSERT(strlen(v) <= SMTP_XFORWARD_VALUE_MAX_BYTES);
		for (; *v != '\0'; v++)
			ASSERT((uint8_t)*v >= 0x20 && *v != 0x7f);
	}
}

/* The begin of it, when it had to be cut. */
static void
check_came_back(const struct smtp_xforward *back, unsigned attribute, const char *sent)
{
	const char *got = back->values[attribute];
	struct slice want = slice_of_str(sent);

	ASSERT(got != NULL);
	if (slice_eq_str_nocase(want, "[UNAVAILABLE]") ||
	    slice_eq_str_nocase(want, "[TEMPUNAVAIL]"))
		want = SLICE_NONE;
	ASSERT(slice_starts_with(want, slice_of_str(got)));
	ASSERT(strlen(got) == want.len || strlen(got) >= 160);
}

static void
check_out(const struct intake_client *c, struct slice offer)
{
	CLEANUP(smtp_xforward_done) struct smtp_xforward back = { 0 };
	CLEANUP(buf_done) struct buf out = { .max = 4096 };
	unsigned offered = smtp_xforward_parse_offer(offer);
	int count, lines = 0;
	struct slice rest;

	count = smtp_xforward_format(c, "ESMTP", slice_of_str(c->user), offered, &out);
	ASSERT(count >= 0);
	for (rest = buf_get(&out); rest.len > 0; lines++) {
		size_t end = slice_find(rest, SLICE_LIT("\r\n"), 0);

		ASSERT(end <= 510 && slice_starts_with(rest, SLICE_LIT("XFORWARD ")));
		ASSERT(smtp_xforward_parse(&back, slice_sub(rest, 9, end - 9), false) == 0);
		rest = slice_from(rest, end + 2);
	}
	ASSERT(lines == count && (back.given & ~offered) == 0);
	if (offered & 1u << SMTP_XATTR_NAME)
		check_came_back(&back, SMTP_XATTR_NAME, c->name);
	if (offered & 1u << SMTP_XATTR_HELO)
		check_came_back(&back, SMTP_XATTR_HELO, c->helo);
	if (offered & 1u << SMTP_XATTR_ADDR)
		check_came_back(&back, SMTP_XATTR_ADDR, c->address);
	if (offered & 1u << SMTP_XATTR_IDENT)
		check_came_back(&back, SMTP_XATTR_IDENT, c->user);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(smtp_xforward_done) struct smtp_xforward x = { 0 };
	struct intake_client c = { .address = "192.0.2.1", .port = 25 };
	struct slice in = slice_of(data, len);
	struct slice args = slice_sub(in, 1, slice_find_byte(in, '\0', 1) - 1);
	int ret;

	if (len == 0)
		return 0;
	ASSERT(smtp_xforward_parse(&x, SLICE_LIT("HELO=before"), false) == 0);
	ret = smtp_xforward_parse(&x, args, data[0] & 1);
	check_values(&x);
	ASSERT(ret == 0 || (ret == -EINVAL && x.given == 1u << SMTP_XATTR_HELO));
	if (ret < 0)
		ASSERT(strcmp(x.values[SMTP_XATTR_HELO], "before") == 0);
	smtp_xforward_apply(&x, &c);
	check_out(&c, slice_from(in, args.len + 2));
	intake_client_done(&c);
	return 0;
}
