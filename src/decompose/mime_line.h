/* mime_line.h: the lines of an entity that may be delimiters: those that begin with "--". Found
 * once for all its levels; each boundary is then looked up, not searched. */
#ifndef CORDON_DECOMPOSE_MIME_LINE_H
#define CORDON_DECOMPOSE_MIME_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct budget;

#define MIME_LINES_MAX (1u << 20)

#define LINE_CLOSE   1u  /* ends with "--": this entry is the line without that end */
#define LINE_CR      2u  /* begins behind a bare CR */
#define LINE_INDENT  4u  /* blanks or control characters before the "--" */
#define LINE_CONTROL 8u  /* control characters inside, or a bare CR ends it */
#define LINE_USED    16u /* was a delimiter in some reading */
#define LINE_ODD     (LINE_CR | LINE_INDENT | LINE_CONTROL)

struct mime_line {
	uint64_t at;   /* offset of the "--" */
	uint32_t hash; /* of the text behind it, see mime_line_hash() */
	uint32_t flags;
};

struct mime_lines {
	struct mime_line *all; /* by offset; a line that ends with "--" has two entries */
	size_t count, cap;
	uint32_t *order;   /* indices into all, by hash bucket, inside of it by offset */
	uint32_t *buckets; /* first place in order; bucket_mask + 2 of them */
	uint32_t bucket_mask;
	bool built;
	bool cut; /* more lines than MIME_LINES_MAX, or no memory, or no time */
};

/* Fills an empty index with the lines of all; cost is one pass. */
void mime_lines_build(struct mime_lines *l, struct slice all, struct budget *b);
void mime_lines_done(struct mime_lines *l);

/* Hash of a boundary or of the text of a line as delimiters are compared: without control
 * characters and without blanks at the end (RFC 2046 section 5.1.1: padding). */
uint32_t mime_line_hash(struct slice text);
/* Compares in the same way. */
bool mime_line_eq(struct slice text, struct slice boundary);
/* The text behind the "--" of a line up to its end; a close's without its "--". */
struct slice mime_line_get_text(struct slice all, const struct mime_line *line);
/* Offset of the first byte behind the line (its CR, LF or CRLF included). */
size_t mime_line_get_end(struct slice all, const struct mime_line *line);
/* Offset where the line begins, indentation included, and of the end of what stands before it
 * (the line break before a delimiter belongs to the delimiter). */
size_t mime_line_get_start(struct slice all, const struct mime_line *line, size_t floor);
size_t mime_line_get_end_before(struct slice all, size_t start, size_t floor);

/* Index in all of the first entry at or behind offset. */
size_t mime_lines_find(const struct mime_lines *l, size_t offset);
/* Entries whose text may be boundary (the hash is equal), with offsets in [from, to), by
 * offset. *cursor is 0 at first. False: no more. */
bool mime_lines_next(const struct mime_lines *l, uint32_t hash, size_t from, size_t to,
    size_t *cursor, uint32_t *ret_index);

#endif
