/* known.h: objects found infected before, shared with the inspectors: the second copy of an
 * outbreak's attachment is recognised by its hash, before anything in it is opened. One writer
 * (the gate), any readers (inspectors, read-only). */
#ifndef CORDON_SCAN_KNOWN_H
#define CORDON_SCAN_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

#define KNOWN_ENTRIES 8192
#define KNOWN_SCANNER_SIZE 24
#define KNOWN_NAME_SIZE 64

struct known_entry {
	uint32_t sequence; /* odd while the writer is at it */
	uint32_t epoch;    /* 0: empty */
	struct sha256 hash;
	char scanner[KNOWN_SCANNER_SIZE];
	char name[KNOWN_NAME_SIZE];
};

struct known_table {
	struct known_entry entries[KNOWN_ENTRIES];
};

/* epoch: counts up whenever what is known may have changed (a new database, a purge). */
void known_put(struct known_table *t, uint32_t epoch, const struct sha256 *hash,
    const char *scanner, const char *name);
/* True and a copy when the hash was found infected in this epoch. */
bool known_find(const struct known_table *t, uint32_t epoch, const struct sha256 *hash,
    struct known_entry *ret_entry);

#endif
