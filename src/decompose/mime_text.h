/* mime_text.h: the ways in which readers clean a header value before they look at it. All
 * results live in the arena given (or are the input itself when nothing changes); ptr is NULL
 * when the arena is full. */
#ifndef CORDON_DECOMPOSE_MIME_TEXT_H
#define CORDON_DECOMPOSE_MIME_TEXT_H

#include <stdbool.h>

#include "base/slice.h"

struct arena;

/* What stands in a value, found in one pass. */
#define TEXT_FOLD      (1u << 0) /* CR or LF inside */
#define TEXT_COMMENT   (1u << 1) /* '(' */
#define TEXT_CONTROL   (1u << 2) /* control characters other than TAB, CR, LF; DEL */
#define TEXT_NUL       (1u << 3)
#define TEXT_EIGHT_BIT (1u << 4)
#define TEXT_WORD      (1u << 5) /* "=?" */
#define TEXT_BACKSLASH (1u << 6)
#define TEXT_QUOTE     (1u << 7) /* '"' */
#define TEXT_BARE_CR   (1u << 8) /* a CR that no LF follows */
#define TEXT_STAR      (1u << 9) /* '*' */
unsigned mime_text_get_traits(struct slice v);

/* Joins the lines. keep_blank: as RFC 5322 section 2.2.3; else the white space at a fold goes
 * too. Blanks at both ends go. */
struct slice mime_text_unfold(struct arena *a, struct slice v, bool keep_blank);
/* Removes comments, nested ones and those never closed, outside of quoted strings (RFC 5322
 * section 3.2.2). */
struct slice mime_text_drop_comments(struct arena *a, struct slice v);
/* Removes control characters (TAB becomes a blank) and, when asked, bytes above 127. */
struct slice mime_text_drop_controls(struct arena *a, struct slice v, bool eight_bit_too);
/* Removes the backslashes of quoted-pairs. */
struct slice mime_text_unescape(struct arena *a, struct slice v);
/* Decodes encoded-words; v itself when there are none. */
struct slice mime_text_decode_words(struct arena *a, struct slice v);
/* Up to the first NUL. */
struct slice mime_text_cut_at_nul(struct slice v);
/* a and b one behind the other. */
struct slice mime_text_join(struct arena *a, struct slice first, struct slice second);

/* Offset of the first byte of v at or after from that is c, or SIZE_MAX; quoted strings (with
 * their escapes) are stepped over. */
size_t mime_text_find_unquoted(struct slice v, uint8_t c, size_t from);

#endif
