/* ole_opener.h: OLE2 compound files: Word, Excel, PowerPoint before 2007, .msg, .msi, what is
 * embedded in newer documents, and the VBA projects in all of them. */
#ifndef CORDON_DECOMPOSE_OLE_OPENER_H
#define CORDON_DECOMPOSE_OLE_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool ole_opener_claims(const struct object *o);
/* Emits every stream (step: its path), packed objects unfolded, attachments with their names,
 * the source of each VBA module as text. Facts: MACRO, AUTO_MACRO, SUSPICIOUS_CALL,
 * EMBEDDED_FILE, EXECUTABLE (installers), ENCRYPTED (what Office itself would ask a password
 * for), CORRUPT (no directory), TRUNCATED (sectors past the end), limits. */
void ole_opener_open(struct decompose *d, struct object *o);

#endif
