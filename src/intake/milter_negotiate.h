/* milter_negotiate.h: what the MTA offers, what we take of it. Pure. */
#ifndef CORDON_MILTER_NEGOTIATE_H
#define CORDON_MILTER_NEGOTIATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define MILTER_VERSION_MIN 2
#define MILTER_VERSION_MAX 6

/* Actions (SMFIF_*): what a filter may ask for. */
#define MILTER_ACT_ADDHDRS    0x001u
#define MILTER_ACT_CHGHDRS    0x010u
#define MILTER_ACT_QUARANTINE 0x020u
#define MILTER_ACT_SETSYMLIST 0x100u

/* Steps (SMFIP_*): what the MTA need not send, which replies it need not wait for, how it
 * sends. */
#define MILTER_STEP_NR_HDR      0x00000080u
#define MILTER_STEP_NOUNKNOWN   0x00000100u
#define MILTER_STEP_SKIP        0x00000400u
#define MILTER_STEP_RCPT_REJ    0x00000800u
#define MILTER_STEP_NR_CONN     0x00001000u
#define MILTER_STEP_NR_HELO     0x00002000u
#define MILTER_STEP_NR_MAIL     0x00004000u
#define MILTER_STEP_NR_RCPT     0x00008000u
#define MILTER_STEP_NR_DATA     0x00010000u
#define MILTER_STEP_NR_UNKN     0x00020000u
#define MILTER_STEP_NR_EOH      0x00040000u
#define MILTER_STEP_NR_BODY     0x00080000u
#define MILTER_STEP_HDR_LEADSPC 0x00100000u
#define MILTER_STEP_MDS_256K    0x10000000u
#define MILTER_STEP_MDS_1M      0x20000000u

struct milter_offer {
	uint32_t version, actions, steps;
};

/* The arguments of OPTNEG: three 32-bit numbers, big-endian; more is ignored.
 * returns  0, or -EINVAL with *e: too short, or a version below 2 */
int milter_offer_parse(struct slice data, struct milter_offer *ret, struct err *e);
/* The answer to an offer: the lower version; of actions and steps those that we want among
 * those offered, never one more (both MTAs refuse such a filter). Of the two chunk sizes the
 * larger one offered. */
struct milter_offer milter_offer_answer(const struct milter_offer *offer);
/* Largest body chunk that an answer allows the MTA to send. */
size_t milter_offer_get_chunk_bytes(const struct milter_offer *answer);
/* Appends the OPTNEG reply: the numbers and, with SETSYMLIST, the macros wanted per stage.
 * Returns 0 or buf.h's error. */
int milter_offer_put(struct buf *out, const struct milter_offer *answer);

#endif
