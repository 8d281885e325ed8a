/* mime_header.h: the header of an entity: where it may end, and the fields that decide how its
 * body is read. */
#ifndef CORDON_DECOMPOSE_MIME_HEADER_H
#define CORDON_DECOMPOSE_MIME_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct budget;

#define MIME_FIELDS_MAX       32
#define MIME_ENDS_MAX         8
#define MIME_HEADER_BYTES_MAX (8u << 20)

enum mime_field_kind {
	FIELD_TYPE,
	FIELD_ENCODING,
	FIELD_DISPOSITION,
	FIELD_DESCRIPTION,
	FIELD_NAME,
	FIELD_VERSION,
	FIELD_KINDS
};

struct mime_field {
	enum mime_field_kind kind;
	struct slice value; /* behind the colon, with its folds */
	size_t at;          /* offset of its line */
	uint64_t views;     /* 0: every reader sees the field */
	uint64_t classes;   /* why some do not */
};

/* One place where some reader ends the header. It knows the fields with at < this at. */
struct mime_end {
	size_t at, body;
	uint64_t views, classes; /* 0: the proper end */
};

struct mime_header {
	struct mime_field fields[MIME_FIELDS_MAX];
	size_t count;
	struct mime_end ends[MIME_ENDS_MAX]; /* the first is the main one: an empty line */
	size_t end_count;
	unsigned known;   /* fields seen that mails have: From, To, Date, Subject ... */
	bool has_bare_cr; /* a CR inside it that ends a line for some */
	bool cut;         /* more fields, ends or bytes than are kept */
	uint64_t notes;   /* classes seen without consequence */
};

/* Reads the header at the front of entity. Lines end at LF; cr_lines: at a bare CR too. Never
 * fails. Offsets are into entity. Fields: Content-* and MIME-Version, tolerant of blanks before
 * the colon, control characters and comments in the name; junk lines are skipped (each is a
 * place where the header may end); a line of blanks continues a field and may be an end.
 * source  RFC 5322 sections 2.2 and 4.5, RFC 7103 section 7 */
void mime_header_parse(
    struct mime_header *h, struct slice entity, bool cr_lines, struct budget *b);

/* At least three fields that mails have stand in the first lines: this is a mail. */
bool mime_header_is_mail(struct slice bytes);
/* The line at the front of bytes is a Content-* field or another known one. */
bool mime_header_is_field(struct slice bytes);

#endif
