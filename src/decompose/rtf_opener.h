/* rtf_opener.h: RTF: objects embedded as hexadecimal text. */
#ifndef CORDON_DECOMPOSE_RTF_OPENER_H
#define CORDON_DECOMPOSE_RTF_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool rtf_opener_claims(const struct object *o);
/* Emits the object of every \\objdata: the file of a package with its names, an OLE2 file, else
 * the data as they are. Facts: EMBEDDED_FILE, ACTIVE_CONTENT (an object that is updated when
 * the document is opened), EXTERNAL_LINK (linked objects, a template on the network). */
void rtf_opener_open(struct decompose *d, struct object *o);

#endif
