/* pdf_walk.h: what the files of the PDF opener share: one pass over the tokens (pdf_walk.c)
 * notes streams and what refers to them, then the streams are opened (pdf_opener.c). A file
 * that is encrypted is unlocked between the two (pdf_unlock.c), and its strings are read once
 * more. */
#ifndef CORDON_DECOMPOSE_PDF_WALK_H
#define CORDON_DECOMPOSE_PDF_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/pdf_crypt.h"
#include "decompose/pdf_filter.h"
#include "decompose/pdf_lex.h"

struct decompose;
struct object;

#define PDF_STREAMS_MAX 65536
#define PDF_WANTED_MAX  4096
#define PDF_SCRIPTS_MAX 65536
#define PDF_LOCKS_MAX   8
#define PDF_IDS_MAX     4

enum pdf_kind {
	PDF_KIND_OTHER = 0,
	PDF_KIND_FILE, /* an embedded file */
	PDF_KIND_SCRIPT,
	PDF_KIND_FORM,    /* XFA */
	PDF_KIND_OBJECTS, /* an object stream */
	PDF_KIND_CLOSED,  /* images, fonts, cross-reference streams */
};

struct pdf_stream {
	uint32_t number, generation; /* of its object */
	enum pdf_kind kind;
	enum pdf_filter filters[PDF_FILTERS_MAX];
	unsigned filter_count;
	enum pdf_method crypt; /* what a filter Crypt names, once there is a key */
	bool late_change;
	bool cut; /* "endstream" does not come */
	struct slice data;
	unsigned tail; /* line end behind data, which may belong to it */
};

/* A reference that tells what a stream is. */
struct pdf_wanted {
	uint32_t number;
	enum pdf_kind kind;
	struct slice name; /* in the arena, or empty */
};

/* What may be an encryption dictionary. */
struct pdf_lock {
	bool direct;     /* stands in a trailer itself */
	uint32_t number; /* else: of its object */
	struct slice in; /* from its start to the end of the file */
};

struct pdf_walk {
	struct decompose *d;
	struct object *o;
	struct pdf_stream *streams; /* owned */
	size_t stream_count, stream_cap;
	struct pdf_wanted *wanted; /* in the arena */
	size_t wanted_count;
	struct pdf_token *scripts; /* owned; strings of the file, which may be encrypted */
	size_t script_count, script_cap;
	/* Encryption, as far as the file tells. */
	bool encrypted;
	bool unclear; /* more than one way to read it, or more than is looked at */
	struct pdf_lock locks[PDF_LOCKS_MAX];
	size_t lock_count;
	uint32_t lock_numbers[PDF_LOCKS_MAX]; /* objects that trailers call the encryption's */
	size_t lock_number_count;
	struct slice ids[PDF_IDS_MAX]; /* first strings of ID */
	size_t id_count;
	const struct pdf_crypt *crypt; /* opened; NULL: it is not, or not yet */
	bool password;                 /* by a password that is not the empty one */
};

/* Reads all tokens of in: the file, or (inner) an object stream that was undone, which holds no
 * streams. Strings with scripts are emitted when their bytes are known: within an object
 * stream, and when w->crypt is there; else they are noted. */
void pdf_walk_read(struct pdf_walk *w, struct slice in, bool inner);
/* Emits the scripts that were noted, which are not encrypted. sure: else only those that look
 * so. */
void pdf_walk_emit_scripts(struct pdf_walk *w, bool sure);
/* True for a head of an archive, a program, a document. */
bool pdf_walk_is_file(struct slice head);
/* True for bytes that do not look encrypted: mostly text, such a file, the header of zlib. */
bool pdf_walk_is_plain(struct slice bytes);
/* step, or "step (password)" in the arena when a password opened the file. */
struct slice pdf_walk_get_step(struct pdf_walk *w, struct slice step);

#endif
