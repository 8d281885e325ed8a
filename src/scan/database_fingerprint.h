/* database_fingerprint.h: which database a folder holds. */
#ifndef CORDON_SCAN_DATABASE_FINGERPRINT_H
#define CORDON_SCAN_DATABASE_FINGERPRINT_H

#include <stdint.h>

#include "base/err.h"

#define FINGERPRINT_SIZE 64

/* A text that differs whenever a file of the folder was added, removed or changed, and the
 * newest modification time. Returns the number of database files; a negative errno with *e
 * when the folder cannot be read. */
int database_fingerprint(const char *folder, char ret_text[FINGERPRINT_SIZE],
    uint64_t *ret_newest, struct err *e);

#endif
