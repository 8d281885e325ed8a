/* rewrite.h: a mail with its header edits made, without copying it: the runs of its bytes that
 * stay, and the fields that are added. For protocols that send the mail on themselves. */
#ifndef CORDON_ACT_REWRITE_H
#define CORDON_ACT_REWRITE_H

#include <stddef.h>

#include "base/slice.h"

struct intake_header_edit;
struct message;

/* Makes the pieces of m with the edits: what is added goes to the top, in the order of the
 * list; what is removed goes with its folded lines. A line end of the mail's own kind (its
 * first one) ends an added field. *ret_pieces  in the message's arena; they point into the
 * message and the arena, and stay until message_free() returns      0, or -ENOMEM: nothing is
 * set */
int rewrite_make(struct message *m, const struct intake_header_edit *edits, size_t edit_count,
    const struct slice **ret_pieces, size_t *ret_count);

#endif
