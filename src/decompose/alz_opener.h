/* alz_opener.h: ALZ, the archives of ALZip: stored, deflate and bzip2. Passwords are not tried.
 */
#ifndef CORDON_DECOMPOSE_ALZ_OPENER_H
#define CORDON_DECOMPOSE_ALZ_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool alz_opener_claims(const struct object *o);
void alz_opener_open(struct decompose *d, struct object *o);

#endif
