/* pgp_opener.h: OpenPGP messages (RFC 4880, 9580), armoured or binary: marks what is encrypted,
 * unwraps what is only signed or compressed. Clear-signed text is nobody's business here. */
#ifndef CORDON_DECOMPOSE_PGP_OPENER_H
#define CORDON_DECOMPOSE_PGP_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool pgp_claims(const struct object *o);
void pgp_open(struct decompose *d, struct object *o);

#endif
