/* tnef_opener.h: TNEF ("winmail.dat", MS-OXTNEF): attachments with all their names, nested
 * messages, bodies as text, HTML and RTF. Claimed by its signature. */
#ifndef CORDON_DECOMPOSE_TNEF_OPENER_H
#define CORDON_DECOMPOSE_TNEF_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool tnef_claims(const struct object *o);
void tnef_open(struct decompose *d, struct object *o);

#endif
