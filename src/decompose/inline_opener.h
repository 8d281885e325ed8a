/* inline_opener.h: files that stand in the text of a mail without MIME: uuencode, yEnc, BinHex,
 * blocks of base64. Claims ROLE_TEXT objects with one quick pass over them, and other files
 * that begin that way or have such a name. */
#ifndef CORDON_DECOMPOSE_INLINE_OPENER_H
#define CORDON_DECOMPOSE_INLINE_OPENER_H

#include <stdbool.h>

#include "base/slice.h"

struct child;
struct decompose;
struct object;

bool inline_claims(const struct object *o);
void inline_open(struct decompose *d, struct object *o);

/* Each finds every file of its format in text, which lies inside parent->bytes or anywhere else
 * that stays valid for the call, emits them as children of parent and returns their number
 * (files that begin but give no byte are not counted). base gives names, roles, views and facts
 * that every file gets beside its own; base->step stands before the file's own name in the
 * trail; NULL: none of all that. No output may be open.
 * need_begin  false: the text as a whole is declared uuencoded: data lines are decoded even
 * when no "begin" line stands before them */
unsigned uu_emit(struct decompose *d, struct object *parent, const struct child *base,
    struct slice text, bool need_begin);
unsigned yenc_emit(
    struct decompose *d, struct object *parent, const struct child *base, struct slice text);
unsigned binhex_emit(
    struct decompose *d, struct object *parent, const struct child *base, struct slice text);

#endif
