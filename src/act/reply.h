/* reply.h: from a decision to what the MTA is told: reply, header edits. */
#ifndef CORDON_ACT_REPLY_H
#define CORDON_ACT_REPLY_H

#include "decide/policy.h"
#include "intake/intake.h"

struct evidence;
struct message;

/* Fills *ret_reply; strings are borrowed from d and c, the edits and the pieces of the mail that
 * is sent on live in the message's arena. ev: what d was made from; NULL: no names are told.
 * Forged headers of our names are removed from the last to the first, so that the numbers of
 * those before stay true. */
void reply_make(const struct config *c, const struct decision *d, const struct evidence *ev,
    struct message *m, struct intake_reply *ret_reply);

#endif
