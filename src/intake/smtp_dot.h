/* smtp_dot.h: the bytes between DATA and CRLF.CRLF, in both directions. One rule against
 * smuggling (two hops that see different ends of a mail): only CRLF.CRLF ends a mail, and what
 * goes out has no CR and no LF but in CRLF. */
#ifndef CORDON_INTAKE_SMTP_DOT_H
#define CORDON_INTAKE_SMTP_DOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/slice.h"

struct smtp_dot_decoder {
	unsigned state;   /* private; all zero: at the start of a mail */
	bool has_bare_cr; /* a CR without LF was seen (in a dot line or elsewhere) */
	bool has_bare_lf;
	bool is_over;    /* CRLF.CRLF was eaten; never set with is_chunked */
	bool is_chunked; /* BDAT: dots mean nothing, only line ends are made CRLF */
};

/* Decodes bytes from the wire. Bare CR and bare LF become CRLF, dots are unstuffed (at the
 * start of a line that CRLF began; a dot behind a bare line end that was made CRLF stays, it is
 * text).
 * out       at least 1 byte of room; the bytes may not overlap with in
 * ret_used  bytes of in that were eaten
 * ret_made  bytes written to out (made <= out_len)
 * Eats as much as fits; at least something when in is not empty, out_len >= 8 and it is not
 * over. Behind the end nothing is eaten. A CR at the very end of in is kept in the state.
 * Source: RFC 5321 section 4.5.2, 2.3.8. */
void smtp_dot_decode(struct smtp_dot_decoder *d, struct slice in, uint8_t *out, size_t out_len,
    size_t *ret_used, size_t *ret_made);
/* The end of a BDAT mail: a CR that was kept back. Writes at most 2 bytes; returns how many. */
size_t smtp_dot_decode_end(struct smtp_dot_decoder *d, uint8_t out[2]);

struct smtp_dot_encoder {
	unsigned state; /* private; all zero: at the start of a mail */
};

/* Appends in to out as it goes over the wire: dots stuffed, bare CR and LF made CRLF (they do
 * not occur when the mail came through the decoder). Eats at most so much that out grows by no
 * more than room bytes (at least 4, to eat anything at all). Returns bytes eaten; -ENOMEM, or
 * -ENOBUFS when out takes nothing more: then nothing has changed. */
ssize_t smtp_dot_encode(
    struct smtp_dot_encoder *d, struct slice in, size_t room, struct buf *out);
/* The end: CRLF when the mail does not end in one, then ".CRLF". 0 or buf.h's errors. */
int smtp_dot_encode_end(struct smtp_dot_encoder *d, struct buf *out);

#endif
