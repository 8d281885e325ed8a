/* apple_opener.h: AppleSingle, AppleDouble (RFC 1740) and MacBinary: a file's forks in one. */
#ifndef CORDON_DECOMPOSE_APPLE_OPENER_H
#define CORDON_DECOMPOSE_APPLE_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool apple_claims(const struct object *o);
void apple_open(struct decompose *d, struct object *o);

#endif
