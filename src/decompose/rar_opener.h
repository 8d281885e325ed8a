/* rar_opener.h: RAR archives. */
#ifndef CORDON_DECOMPOSE_RAR_OPENER_H
#define CORDON_DECOMPOSE_RAR_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool rar_opener_claims(const struct object *o);
/* Emits every member: stored ones as they are, compressed ones through libarchive, each alone
 * unless the archive is solid, so that one that is broken costs no other. Bytes got are compared
 * with bytes declared. Encrypted members are emitted packed, with that fact.
 * facts    ENCRYPTED (data or headers), MULTI_VOLUME, TRUNCATED, CORRUPT, UNSUPPORTED, limits */
void rar_opener_open(struct decompose *d, struct object *o);

#endif
