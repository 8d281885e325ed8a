/* sis_opener.h: installation files of Symbian OS before version 9 (SIS, not SISX): each file in
 * them. */
#ifndef CORDON_DECOMPOSE_SIS_OPENER_H
#define CORDON_DECOMPOSE_SIS_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

/* Claims leaves with the mark of such a file. */
bool sis_opener_claims(const struct object *o);
/* facts    TRUNCATED, CORRUPT; UNSUPPORTED for files that hold conditions or options, from there
 *          on, and for SISX */
void sis_opener_open(struct decompose *d, struct object *o);

#endif
