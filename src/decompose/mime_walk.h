/* mime_walk.h: what the files of the MIME opener share: one walk through one object. */
#ifndef CORDON_DECOMPOSE_MIME_WALK_H
#define CORDON_DECOMPOSE_MIME_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/budget.h"
#include "decompose/decompose.h"
#include "decompose/mime_encoding.h"
#include "decompose/mime_header.h"
#include "decompose/mime_line.h"
#include "decompose/mime_type.h"
#include "decompose/name_set.h"

struct arena;
struct qp_facts;

#define MIME_TYPES_MAX 8

/* A place in the tree of parts, for the trail. */
struct mime_node {
	uint32_t parent; /* index; 0 is the root */
	uint32_t number; /* from 1 */
};

/* An entity that waits: header and body in [start, end) of the object. */
struct mime_item {
	size_t start, end;
	uint32_t node, depth;
	bool digest;      /* without a type it is a message (RFC 2046 section 5.1.5) */
	uint64_t views;   /* readings that led here */
	uint64_t classes; /* and the ambiguities on the way */
};

/* A multipart body that was split at a boundary. */
struct mime_record {
	struct mime_item item;
	struct slice boundary; /* in the decomposer's arena */
	bool closed;
};

/* A byte range that was read, and how (0: an empty place). */
struct mime_memo {
	uint64_t start, end, what;
};

/* What the header of one reading says. */
struct mime_content {
	struct {
		struct slice name;  /* cleaned, lower case; empty when there is no field */
		struct slice value; /* as it stands */
		bool multipart;     /* some reader takes it for one */
		bool leaf;          /* some reader does not */
		uint64_t views, classes;
	} types[MIME_TYPES_MAX];
	size_t type_count; /* at least 1 */
	struct mime_boundary boundaries[MIME_BOUNDARIES_MAX];
	size_t boundary_count;
	struct mime_encodings encodings; /* count is at least 1 */
	struct name_set names;
	bool has_version, attachment;
	bool any_multipart, any_leaf;
	uint64_t number, total;
	uint64_t classes; /* hostile by being there */
	uint64_t notes;
	bool cut;
};

struct mime_walk {
	struct decompose *d;
	struct object *o;
	struct budget *budget;
	struct arena *arena;   /* of the results */
	struct arena *scratch; /* of one entity */
	struct slice all;
	struct mime_lines lines;
	struct mime_item *items; /* a stack */
	size_t item_count, item_cap;
	struct mime_node *nodes;
	size_t node_count, node_cap;
	struct mime_record *records;
	size_t record_count, record_cap;
	struct mime_memo *memo; /* open addressing: what was read already */
	size_t memo_count, memo_size;
	uint64_t left_leaf_bytes;  /* for all leaves together, over all readings */
	uint64_t left_guess_lines; /* for looking for undeclared boundaries */
	struct mime_header header, cr_header;
	struct mime_content content;
	unsigned rounds; /* of mime_guess_rest() */
	bool stop;       /* no memory or no time left */
};

void mime_walk_done(struct mime_walk *w);
/* A limit was met: a fact of the object and of the message. */
void mime_walk_limit(struct mime_walk *w, enum fact f);
/* Classes whose readings diverge, seen in this object. */
void mime_walk_flag(struct mime_walk *w, uint64_t classes);
void mime_walk_note(struct mime_walk *w, uint64_t classes);
/* True the first time that (kind, start, end, more) is met. */
bool mime_walk_is_new(
    struct mime_walk *w, uint32_t kind, size_t start, size_t end, uint32_t more);
#define MEMO_ENTITY   1u
#define MEMO_DECODE   2u
#define MEMO_UNCLOSED 3u
bool mime_walk_push(struct mime_walk *w, const struct mime_item *item);
/* The last count items come out in the order in which they were pushed. */
void mime_walk_turn(struct mime_walk *w, size_t count);
uint32_t mime_walk_add_node(struct mime_walk *w, uint32_t parent, uint32_t number);
/* "2.1.3" of a node, NUL-terminated, cut when too long. */
size_t mime_walk_format_node(const struct mime_walk *w, uint32_t node, char *ret, size_t size);
/* The index of lines, made when it is first needed. */
struct mime_lines *mime_walk_get_lines(struct mime_walk *w);

/* mime_split.c: parts of the multipart body [start, end) at one boundary, under one reading.
 * Returns how many parts were found (each is pushed). */
struct mime_split {
	size_t start, end;
	struct slice boundary;
	uint32_t node, depth;
	bool digest;
	bool declared; /* false: guessed, leaves no record */
	uint64_t views, classes;
};
size_t mime_split(struct mime_walk *w, const struct mime_split *s);

/* mime_guess.c: boundaries that nobody declared, in [s->start, s->end) (s->boundary is not
 * used). Returns how many parts were found. */
size_t mime_guess(struct mime_walk *w, const struct mime_split *s);
/* What is left when the stack is empty: strays, prefixes, inner parts that run on behind an
 * outer delimiter. Pushes them; false when there is nothing more. */
bool mime_guess_rest(struct mime_walk *w);

/* mime_content.c: what the fields at < at of h say. */
void mime_content_read(struct mime_walk *w, const struct mime_header *h, size_t at, bool digest,
    struct mime_content *c);

/* mime_leaf.c */
struct mime_leaf {
	struct slice body;
	const struct mime_content *content;
	struct slice declared;
	uint32_t node;
	uint32_t roles; /* beside ROLE_LEAF; text and mail are also recognised */
	uint64_t facts, views, classes, notes;
	bool raw_only; /* whatever the encoding says */
};
/* How the body was read: enough to tell whether another reading differs. */
enum mime_outcome { OUTCOME_RAW, OUTCOME_DECODED, OUTCOME_SPLIT };
enum mime_outcome mime_leaf_emit(struct mime_walk *w, const struct mime_leaf *l);
/* Adds the roles that the bytes suggest: text, or a mail. */
void mime_leaf_look_at(const struct mime_walk *w, struct slice bytes, struct child *c);
/* Plain text beside the parts: preamble, epilogue. */
void mime_leaf_emit_text(
    struct mime_walk *w, uint32_t node, struct slice text, uint64_t views, const char *step);
/* The body of a container that is labelled as encoded: decoded, behind a header made from the
 * type's value, as an entity of its own, if it then holds one of the boundaries. */
bool mime_leaf_emit_composite(
    struct mime_walk *w, const struct mime_leaf *l, struct slice type_value);

/* mime_base64.c: emits the readings of base64 data. *ret_plausible: it looks like base64. */
struct object *mime_base64_emit(
    struct mime_walk *w, struct slice in, const struct child *base, bool *ret_plausible);
/* The first lines are nothing but base64, and there is enough of it. */
bool mime_base64_is_likely(struct slice s);
/* The first lines hold nothing else. */
bool mime_base64_is_clean(struct slice s);
/* Quoted-printable by its looks: most of the first bytes are escapes. */
bool mime_qp_is_likely(struct slice s);
/* Decodes a body that is encoded twice and emits what comes out: base64 or, where a flag says
 * so, quoted-printable on the outside, on the inside. Nothing is emitted when nothing does. */
void mime_base64_emit_twice(struct mime_walk *w, struct slice in, const struct child *base,
    bool qp_outside, bool qp_inside);
/* Decodes into the output that is open; false when a limit was met. */
bool mime_base64_decode(struct mime_walk *w, struct slice in);
bool mime_qp_decode(
    struct mime_walk *w, struct slice in, bool keep_blanks, struct qp_facts *ret_facts);

#endif
