/* mime_opener.h: takes an entity (RFC 5322 message or MIME part) apart in every view of it. */
#ifndef CORDON_DECOMPOSE_MIME_OPENER_H
#define CORDON_DECOMPOSE_MIME_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

/* Claims ROLE_ENTITY objects. */
bool mime_claims(const struct object *o);
/* Emits every leaf that some reader would show, with trail ("2.1 base64 > name"), candidate
 * names, declared type, views and the classes of ambiguity. Embedded messages are emitted with
 * ROLE_ENTITY. Cost is linear in o->bytes for each level; limits are facts of o. */
void mime_open(struct decompose *d, struct object *o);

#endif
