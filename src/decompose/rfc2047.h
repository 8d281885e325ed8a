/* rfc2047.h: encoded-words in header values. */
#ifndef CORDON_DECOMPOSE_RFC2047_H
#define CORDON_DECOMPOSE_RFC2047_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct rfc2047_facts {
	unsigned words;   /* encoded-words decoded */
	bool bad_charset; /* unknown charset or bytes without a meaning in it */
	bool bad_form;    /* not closed, unknown encoding, broken base64 or hex */
};

/* Appends text to out as UTF-8 with every encoded-word in it decoded, wherever it stands: in
 * quotes, inside a word, with blanks in its text, without its end. White space between two
 * words is dropped; neighbours of one charset are joined before conversion, so that a cut
 * character survives. Bytes outside of words are copied (read as Latin-1 when not UTF-8).
 * returns  0, or -ENOBUFS / -ENOMEM when out is full (it then holds a part)
 * source   RFC 2047, RFC 2231 section 5 (language tag), with the leniency of real readers */
int rfc2047_decode(struct slice text, struct buf *out, struct rfc2047_facts *ret_facts);

/* "=?" occurs: worth a call of the above. */
bool rfc2047_is_likely(struct slice text);

#endif
