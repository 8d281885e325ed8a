/* pdf_opener.h: PDF: embedded files, scripts, object streams, and what a page does by itself. */
#ifndef CORDON_DECOMPOSE_PDF_OPENER_H
#define CORDON_DECOMPOSE_PDF_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool pdf_opener_claims(const struct object *o);
/* Reads the file from its start to its end and trusts no cross-reference table. Emits embedded
 * files with their names, JavaScript (strings and streams), XFA forms, object streams, and
 * every other stream that begins like an archive, a program or a document. Facts:
 * ACTIVE_CONTENT (scripts, Launch, additional actions; an OpenAction that is a destination is
 * none), EMBEDDED_FILE, ENCRYPTED, TRUNCATED (the data of an embedded file ends early), limits. */
void pdf_opener_open(struct decompose *d, struct object *o);

#endif
