/* pdf_key.h: from a password to the key of an encrypted PDF (ISO 32000-1, 7.6.3; ISO 32000-2,
 * 7.6.4). */
#ifndef CORDON_DECOMPOSE_PDF_KEY_H
#define CORDON_DECOMPOSE_PDF_KEY_H

#include <stdbool.h>

#include "base/slice.h"
#include "decompose/pdf_crypt.h"

/* Tries one password, in UTF-8, as the user's and as the owner's; the empty one as the user's
 * only, for an owner's is never empty. What is not ASCII is tried in Latin-1 too, where the
 * revision is an old one.
 * id       the first string of the file's ID; of no account to V 5
 * returns  true: it fits, c->key holds the key */
bool pdf_key_find(struct pdf_crypt *c, struct slice id, struct slice password);

#endif
