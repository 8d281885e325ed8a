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
 * none), EMBEDDED_FILE, TRUNCATED (the data of an embedded file ends early), limits.
 * Encrypted files are decrypted with the empty password (ENCRYPTED_OPEN), else with words of the
 * mail and configured ones (PASSWORD_FOUND, also on what it opened, whose trail says so).
 * ENCRYPTED stands alone when none fits, and beside these when part of the file did not open or it
 * tells of its encryption in more than one way. What is not encrypted is opened in any case. */
void pdf_opener_open(struct decompose *d, struct object *o);

#endif
