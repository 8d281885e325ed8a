/* signature_set.h: literal signatures as the administrator writes them: `NAME = text`, one per
 * line, `#` comments, text behind `hex:` in hexadecimal. Parsing only; matching is
 * signature_match.c. */
#ifndef CORDON_SCAN_SIGNATURE_SET_H
#define CORDON_SCAN_SIGNATURE_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

#define SIGNATURE_NAME_MAX_BYTES 128u
#define SIGNATURE_TEXT_MIN_BYTES 4u   /* shorter ones match by chance */
#define SIGNATURE_TEXT_MAX_BYTES 1024u

struct signature {
	struct slice name; /* NUL-terminated behind */
	struct slice text;
};

struct signature_set {
	struct signature *items; /* owned, with their bytes */
	size_t count, cap;
};

void signature_set_init(struct signature_set *s);
void signature_set_done(struct signature_set *s);
/* Copies both. 0 or -ENOMEM. */
int signature_set_add(struct signature_set *s, struct slice name, struct slice text);
/* The EICAR test file's 68 bytes, made when called; never stored plain. */
int signature_set_add_eicar(struct signature_set *s);
/* Parses text of the file called name. -EINVAL with *e "name:line: what, what was expected" at
 * the first bad line; what stood before it was added. */
int signature_set_parse(struct signature_set *s, const char *name, struct slice text,
    struct err *e);
/* Reads a file, or each file of a folder (not deeper, names with a leading dot or ending in ~
 * passed over, in order of their names). */
int signature_set_load(struct signature_set *s, const char *path, struct err *e);

/* For other lists that are files or folders of lines: calls fn for each file's text. */
int list_files_load(const char *path, int (*fn)(void *ctx, const char *name, struct slice text,
    struct err *e), void *ctx, struct err *e);

#endif
