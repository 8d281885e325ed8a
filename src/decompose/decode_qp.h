/* decode_qp.h: quoted-printable, leniently (RFC 2045 section 6.7), fed in any pieces. */
#ifndef CORDON_DECOMPOSE_DECODE_QP_H
#define CORDON_DECOMPOSE_DECODE_QP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define QP_ROOM       4096 /* feed may write in.len + QP_ROOM bytes, finish QP_ROOM */
#define QP_BLANKS_MAX 1024 /* a longer run of blanks at the end of a line is kept */

struct qp_facts {
	uint64_t bad_escapes;       /* '=' with neither two hex digits nor a line end: kept */
	uint64_t blanks_after_soft; /* soft breaks with blanks between '=' and the line end */
	uint64_t blanks_at_end; /* lines with blanks before a hard end (or the end of all) */
};

struct qp_state { /* private to decode_qp.c */
	bool keep_blanks, long_run;
	uint8_t escape, hex;
	uint16_t held_len;
	uint8_t held[QP_BLANKS_MAX];
	struct qp_facts facts;
};

/* keep_blanks  Thunderbird's rule: blanks at line ends stay, and a '=' before them is no soft
 *              break. Otherwise both are dropped, as the RFC says. */
void qp_init(struct qp_state *s, bool keep_blanks);
/* Returns the bytes written to out, which has room for in.len + QP_ROOM and does not overlap.
 */
size_t qp_feed(struct qp_state *s, struct slice in, uint8_t *out);
size_t qp_finish(struct qp_state *s, uint8_t *out, struct qp_facts *ret_facts);

#endif
