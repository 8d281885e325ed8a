/* answer_text.h: the sink's refusal as one line of SMTP, "550 5.7.1 text", for protocols that
 * hand such a line on to the client. */
#ifndef CORDON_INTAKE_ANSWER_TEXT_H
#define CORDON_INTAKE_ANSWER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct intake_reply;

/* An SMTP line has 512 bytes with its CRLF (RFC 5321 section 4.5.3.1.5). */
#define ANSWER_TEXT_SIZE 480

/* Writes "CODE ENHANCED TEXT" without a line end.
 * permanent  5xx, else 4xx. code and enhanced of r are used when they fit that class and are
 *            well formed, else 550 5.7.1 and 451 4.7.1
 * text       control bytes become blanks, 8-bit bytes '?'; what does not fit is cut; empty: a
 *            general one */
void answer_text_make(const struct intake_reply *r, bool permanent, char out[ANSWER_TEXT_SIZE]);

#endif
