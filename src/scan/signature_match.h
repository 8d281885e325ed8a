/* signature_match.h: all literal signatures at once over a run of bytes (libhs). */
#ifndef CORDON_SCAN_SIGNATURE_MATCH_H
#define CORDON_SCAN_SIGNATURE_MATCH_H

#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

struct signature_set;
struct signature_match;

/* Compiles the set (taken over by value: its items move in, *s is left empty). NULL and *e when
 * libhs refuses. A set without items gives a matcher that never matches. */
struct signature_match *signature_match_new(struct signature_set *s, struct err *e);
void signature_match_free(struct signature_match **m);
size_t signature_match_get_count(const struct signature_match *m);
/* Calls hit once per signature found (NUL-terminated name, valid as long as m), at most
 * SIGNATURE_HITS_MAX of them. 0, or a negative errno: then the bytes count as not looked at. */
#define SIGNATURE_HITS_MAX 16
int signature_match_run(struct signature_match *m, struct slice bytes,
    void (*hit)(void *ctx, const char *name), void *ctx);

#endif
