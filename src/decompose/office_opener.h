/* office_opener.h: parts of OOXML and ODF packages, which the ZIP walker emits. */
#ifndef CORDON_DECOMPOSE_OFFICE_OPENER_H
#define CORDON_DECOMPOSE_OFFICE_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool office_opener_claims(const struct object *o);
/* Claims members by name and opens what is packed inside XML. Facts: EXTERNAL_LINK
 * (relationships to the outside that are no hyperlinks), MACRO, AUTO_MACRO, SUSPICIOUS_CALL
 * (Excel 4 macro sheets, StarBasic), ACTIVE_CONTENT (DDE), ENCRYPTED (ODF). Emits binary data
 * of flat XML documents and what an ActiveMime container holds. */
void office_opener_open(struct decompose *d, struct object *o);

#endif
