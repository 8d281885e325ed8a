/* decode_base64.h: base64 as lenient readers take it, in three readings of padding. One pass,
 * any chunking; the AVX2 path and the scalar one give the same bytes and the same facts. */
#ifndef CORDON_DECOMPOSE_DECODE_BASE64_H
#define CORDON_DECOMPOSE_DECODE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Everything outside the alphabet is skipped in every mode (RFC 2045 section 6.8).
 * QUANTA   '=' counts as a character of its group; every four characters are decoded on
 *          their own and give 3 bytes less one per '=' (Thunderbird, Outlook)
 * STOP     the first '=' behind at least two characters of a group is the end (mutt, Python)
 * RESTART  '=' ends its group, whatever it lacks; the next letter begins a new one */
enum base64_mode { BASE64_QUANTA, BASE64_STOP, BASE64_RESTART };

struct base64_facts {
	uint64_t foreign;        /* bytes outside alphabet, padding and white space */
	uint64_t white;          /* blanks, tabs, CR, LF, VT, FF */
	uint64_t padding_quanta; /* padded groups that letters follow; in STOP mode 1 at most */
	bool urlsafe;            /* '-' or '_' were there (foreign too, unless mapped) */
	bool tail;         /* the end is irregular: padding missing or too much, a lone last
			    * letter, spare bits that are not zero */
	size_t used_bytes; /* encoded bytes read: all, but in STOP mode up to the padding */
};

struct base64_state { /* private to decode_base64.c */
	enum base64_mode mode;
	bool map_urlsafe, stopped, after_stop, padded_last, urlsafe, tail;
	uint8_t pos, eq, want_eq;
	uint32_t acc;
	uint64_t foreign, white, padding_quanta, used_bytes;
};

/* map_urlsafe: '-' and '_' stand for '+' and '/'; else they are skipped like other junk. */
void base64_init(struct base64_state *s, enum base64_mode mode, bool map_urlsafe);
/* Room that feeding in_len bytes, or finishing (in_len 0), may write to: more than the result
 * has, because whole vectors are stored. base64_fit() is its inverse: how many encoded bytes
 * may be fed with room bytes at out (0: fewer than one). */
size_t base64_bound(size_t in_len);
size_t base64_fit(size_t room);
/* Decodes a further piece; returns the bytes written. out must not overlap in. Any cutting
 * into pieces gives the same bytes and facts. */
size_t base64_feed(struct base64_state *s, struct slice in, uint8_t *out);
/* Writes what an unfinished last group holds (up to 3 bytes) and tells the facts. */
size_t base64_finish(struct base64_state *s, uint8_t *out, struct base64_facts *ret_facts);

/* For tests: the reference, which never uses vectors; and a switch for the whole program. */
size_t base64_feed_scalar(struct base64_state *s, struct slice in, uint8_t *out);
bool base64_has_vectors(void);

#endif
