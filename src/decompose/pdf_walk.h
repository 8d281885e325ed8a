/* pdf_walk.h: what the files of the PDF opener share: one pass over the tokens (pdf_walk.c)
 * notes streams and what refers to them, then the streams are opened (pdf_opener.c). */
#ifndef CORDON_DECOMPOSE_PDF_WALK_H
#define CORDON_DECOMPOSE_PDF_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/pdf_filter.h"

struct decompose;
struct object;

#define PDF_STREAMS_MAX 65536
#define PDF_WANTED_MAX  4096

enum pdf_kind {
	PDF_KIND_OTHER = 0,
	PDF_KIND_FILE,    /* an embedded file */
	PDF_KIND_SCRIPT,
	PDF_KIND_FORM,    /* XFA */
	PDF_KIND_OBJECTS, /* an object stream */
	PDF_KIND_CLOSED,  /* images, fonts, cross-reference streams */
};

struct pdf_stream {
	uint32_t number; /* of its object */
	enum pdf_kind kind;
	enum pdf_filter filters[PDF_FILTERS_MAX];
	unsigned filter_count;
	bool late_change;
	bool cut; /* "endstream" does not come */
	struct slice data;
};

/* A reference that tells what a stream is. */
struct pdf_wanted {
	uint32_t number;
	enum pdf_kind kind;
	struct slice name; /* in the arena, or empty */
};

struct pdf_walk {
	struct decompose *d;
	struct object *o;
	struct pdf_stream *streams; /* owned */
	size_t stream_count, stream_cap;
	struct pdf_wanted *wanted; /* in the arena */
	size_t wanted_count;
	bool encrypted;
};

/* Reads all tokens of in: the file, or (inner) an object stream that was undone, which holds no
 * streams. */
void pdf_walk_read(struct pdf_walk *w, struct slice in, bool inner);

#endif
