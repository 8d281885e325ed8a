/* onenote_opener.h: OneNote sections: embedded files. */
#ifndef CORDON_DECOMPOSE_ONENOTE_OPENER_H
#define CORDON_DECOMPOSE_ONENOTE_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool onenote_opener_claims(const struct object *o);
/* Emits the data of every FileDataStoreObject (MS-ONESTORE 2.6.13) and of every object data
 * BLOB (MS-FSSHTTPB 2.2.1.12.6.4), wherever they stand. Facts: EMBEDDED_FILE unless they are
 * images, TRUNCATED. */
void onenote_opener_open(struct decompose *d, struct object *o);

#endif
