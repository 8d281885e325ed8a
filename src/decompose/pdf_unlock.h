/* pdf_unlock.h: from what the walk noted of a PDF's encryption to one that is opened. */
#ifndef CORDON_DECOMPOSE_PDF_UNLOCK_H
#define CORDON_DECOMPOSE_PDF_UNLOCK_H

struct pdf_crypt;
struct pdf_walk;

/* Tries the empty password, then words of the mail and configured ones, in a bounded number.
 * returns  the encryption with its key, in the arena, w->password set; NULL: none fits, or it
 * is of a kind that is not known w->unclear is set when the file tells of its encryption in
 * more than one way, so that a reader may take another than this. */
struct pdf_crypt *pdf_unlock(struct pdf_walk *w);

#endif
