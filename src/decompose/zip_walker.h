/* zip_walker.h: ZIP archives, read as every reader of them might. */
#ifndef CORDON_DECOMPOSE_ZIP_WALKER_H
#define CORDON_DECOMPOSE_ZIP_WALKER_H

#include <stdbool.h>

struct decompose;
struct object;

/* Claims leaves that begin like a ZIP, end with a ZIP directory (whatever stands in front), or
 * are called one by type or name. */
bool zip_walker_claims(const struct object *o);
/* Emits the union of what local headers and central directories name; equal places are decoded
 * once. What one reader would see and another would not is the fact DISAGREEMENT.
 * facts    ENCRYPTED, CORRUPT, TRUNCATED (no directory), UNSUPPORTED (method), MULTI_VOLUME,
 *          DISAGREEMENT, SELF_EXTRACTING, limits */
void zip_walker_open(struct decompose *d, struct object *o);

#endif
