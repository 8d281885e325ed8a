/* milter_negotiate.c: see milter_negotiate.h, and doc/design/milter.md for why each flag is
 * wanted. */
#include "intake/milter_negotiate.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "intake/milter_codec.h"

#define ACTIONS_WANTED                                                                         \
	(MILTER_ACT_ADDHDRS | MILTER_ACT_CHGHDRS | MILTER_ACT_QUARANTINE |                     \
	    MILTER_ACT_SETSYMLIST)
/* No RCPT_REJ: refused recipients are no recipients. No SKIP: it is a reply to body chunks,
 * and those get none. */
#define STEPS_WANTED                                                                           \
	(MILTER_STEP_NOUNKNOWN | MILTER_STEP_NR_HDR | MILTER_STEP_NR_CONN |                    \
	    MILTER_STEP_NR_HELO | MILTER_STEP_NR_MAIL | MILTER_STEP_NR_RCPT |                  \
	    MILTER_STEP_NR_DATA | MILTER_STEP_NR_UNKN | MILTER_STEP_NR_EOH |                   \
	    MILTER_STEP_NR_BODY | MILTER_STEP_HDR_LEADSPC)

#define OFFER_BYTES 12

/* Macros wanted, by stage (SMFIM_*). No list is empty: libmilter never sends an empty one, and
 * Postfix then sends its default. "i" stands in every later stage because Postfix has a queue
 * id only after the first recipient. */
static const struct {
	uint8_t stage;
	const char *names;
} macro_lists[] = {
	{ 0, "j {daemon_name} {client_addr} {client_port} {client_name} _" }, /* CONNECT */
	{ 1, "{tls_version} {cipher}" },                                      /* HELO */
	{ 2, "i {auth_authen} {auth_type} {tls_version} {cipher}" },          /* MAIL */
	{ 3, "i" },                                                           /* RCPT */
	{ 4, "i" },                                                           /* DATA */
	{ 5, "i" },                                                           /* end of mail */
	{ 6, "i" }, /* end of header */
};

static uint32_t
number_get(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
number_put(uint8_t *p, uint32_t n)
{
	p[0] = (uint8_t)(n >> 24);
	p[1] = (uint8_t)(n >> 16);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
}

int
milter_offer_parse(struct slice data, struct milter_offer *ret, struct err *e)
{
	if (data.len < OFFER_BYTES)
		return err_set(
		    e, EINVAL, "OPTNEG with %zu bytes, %d are needed", data.len, OFFER_BYTES);
	if (number_get(data.ptr) < MILTER_VERSION_MIN)
		return err_set(e, EINVAL,
		    "OPTNEG offers protocol version %u, at least %d is needed",
		    number_get(data.ptr), MILTER_VERSION_MIN);
	*ret = (struct milter_offer){ .version = number_get(data.ptr),
		.actions = number_get(data.ptr + 4),
		.steps = number_get(data.ptr + 8) };
	return 0;
}

struct milter_offer
milter_offer_answer(const struct milter_offer *offer)
{
	struct milter_offer a = {
		.version = MIN_OF(offer->version, (uint32_t)MILTER_VERSION_MAX),
		.actions = offer->actions & ACTIONS_WANTED,
		.steps = offer->steps & STEPS_WANTED,
	};

	if ((offer->steps & MILTER_STEP_MDS_1M) != 0)
		a.steps |= MILTER_STEP_MDS_1M;
	else
		a.steps |= offer->steps & MILTER_STEP_MDS_256K;
	if (a.version < 6) /* the list came with version 6 */
		a.actions &= ~MILTER_ACT_SETSYMLIST;
	return a;
}

size_t
milter_offer_get_chunk_bytes(const struct milter_offer *answer)
{
	if ((answer->steps & MILTER_STEP_MDS_1M) != 0)
		return 1024 * 1024 - 1;
	return (answer->steps & MILTER_STEP_MDS_256K) != 0 ? 256 * 1024 - 1 : 65535;
}

int
milter_offer_put(struct buf *out, const struct milter_offer *answer)
{
	uint8_t data[512];
	size_t n = OFFER_BYTES;

	number_put(data, answer->version);
	number_put(data + 4, answer->actions);
	number_put(data + 8, answer->steps);
	if ((answer->actions & MILTER_ACT_SETSYMLIST) != 0) {
		for (size_t i = 0; i < ARRAY_LEN(macro_lists); i++) {
			size_t len = strlen(macro_lists[i].names) + 1;

			ASSERT(n + 4 + len <= sizeof(data));
			number_put(data + n, macro_lists[i].stage);
			memcpy(data + n + 4, macro_lists[i].names, len);
			n += 4 + len;
		}
	}
	return milter_put_packet(out, MILTER_REPLY_OPTNEG, slice_of(data, n));
}
