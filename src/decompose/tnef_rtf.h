/* tnef_rtf.h: compressed RTF (MS-OXRTFCP), as in PR_RTF_COMPRESSED. */
#ifndef CORDON_DECOMPOSE_TNEF_RTF_H
#define CORDON_DECOMPOSE_TNEF_RTF_H

#include <stdbool.h>

#include "base/slice.h"

struct sink;

/* Unfolds in (header and data) into the sink. The checksum is not looked at. False: no header;
 * nothing was written then. Data that ends early gives what there is. */
bool tnef_rtf_write(struct sink *sink, struct slice in);

#endif
