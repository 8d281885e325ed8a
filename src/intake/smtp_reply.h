/* smtp_reply.h: replies of a next hop, read byte run by byte run. */
#ifndef CORDON_INTAKE_SMTP_REPLY_H
#define CORDON_INTAKE_SMTP_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

#define SMTP_REPLY_MAX_BYTES (64u * 1024) /* of one reply, all lines */
#define SMTP_REPLY_MAX_LINES 512u

/* One reply, growing while its bytes come in. */
struct smtp_reply {
	unsigned code; /* 200 to 599; 0 before the first whole line */
	unsigned lines;
	bool is_done;
	struct buf
	    text; /* every whole line so far as it came, each with CRLF: ready to pass on */
	struct buf line; /* the beginning of a line */
};

void smtp_reply_init(struct smtp_reply *r);
void smtp_reply_done(struct smtp_reply *r);
/* Forgets the reply, ready for the next one; frees its memory. */
void smtp_reply_clear(struct smtp_reply *r);
/* Eats bytes up to the end of one reply.
 * ret_used  how many bytes of in were eaten; the rest belongs to the next reply
 * returns   1 the reply is whole; 0 more is needed; -EPROTO it is none (no three digits, a code
 *           outside 200 to 599, lines with different codes, control characters or NUL inside);
 *           -ENOBUFS longer than the sizes above; -ENOMEM
 * After an error it must be cleared. A whole reply eats nothing more until it is cleared. A
 * line may end in LF alone (then CRLF in text); tabs and bytes above 127 are let pass. Source:
 * RFC 5321 section 4.2. */
int smtp_reply_feed(struct smtp_reply *r, struct slice in, size_t *ret_used);
/* The text of line n (from 0) behind the code and its hyphen or blank. Empty beyond the last.
 */
struct slice smtp_reply_get_line(const struct smtp_reply *r, unsigned n);

#endif
