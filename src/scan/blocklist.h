/* blocklist.h: SHA-256 of files that are known to be bad: one per line, 64 hexadecimal digits,
 * optionally blanks and a name; `#` comments. */
#ifndef CORDON_SCAN_BLOCKLIST_H
#define CORDON_SCAN_BLOCKLIST_H

#include <stddef.h>

#include "base/err.h"
#include "base/sha256.h"

struct blocklist_entry {
	struct sha256 hash;
	char *name; /* owned; never NULL */
};

struct blocklist {
	struct blocklist_entry *items;
	size_t count, cap;
};

void blocklist_init(struct blocklist *b);
void blocklist_done(struct blocklist *b);
/* -EINVAL with *e "name:line: what, what was expected" at the first bad line. */
int blocklist_parse(struct blocklist *b, const char *name, struct slice text, struct err *e);
/* A file or folder; see signature_set_load(). */
int blocklist_load(struct blocklist *b, const char *path, struct err *e);
/* Call once after the last load and before the first find. */
void blocklist_sort(struct blocklist *b);
/* The name that stands with the hash ("SHA-256-blocklist" when none does), or NULL. */
const char *blocklist_find(const struct blocklist *b, const struct sha256 *hash);

#endif
