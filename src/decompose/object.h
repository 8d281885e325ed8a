/* object.h: a run of decoded bytes found inside a message, and what is true of it. */
#ifndef CORDON_DECOMPOSE_OBJECT_H
#define CORDON_DECOMPOSE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/slice.h"

/* Rows of fact.def, as bit numbers; FACT_BIT(FACT_x) for sets. */
enum fact {
#define FACT(id, text, cause) FACT_##id,
#include "decompose/fact.def"
#undef FACT
	FACT_COUNT
};
#define FACT_BIT(f) (UINT64_C(1) << (f))
/* More than the budget allows, whichever limit it was. */
#define FACTS_LIMITS                                                                           \
	(FACT_BIT(FACT_LIMIT_DEPTH) | FACT_BIT(FACT_LIMIT_OBJECTS) |                           \
	    FACT_BIT(FACT_LIMIT_BYTES) | FACT_BIT(FACT_LIMIT_QUOTA) |                          \
	    FACT_BIT(FACT_LIMIT_HELD) | FACT_BIT(FACT_LIMIT_RATIO) |                           \
	    FACT_BIT(FACT_LIMIT_CPU) | FACT_BIT(FACT_LIMIT_WALL))

/* Rows of cause.def. CAUSE_NONE is 0: no cause is known, which is not the same as clean. */
enum cause {
#define CAUSE(id, text) CAUSE_##id,
#include "decompose/cause.def"
#undef CAUSE
	CAUSE_COUNT
};

/* Rows of view.def, as bit numbers. */
enum view {
#define VIEW(id, text) VIEW_##id,
#include "decompose/view.def"
#undef VIEW
	VIEW_COUNT
};
#define VIEW_BIT(v) (UINT64_C(1) << (v))

/* Ambiguity classes A01 to A48: bit n stands for class n. */
#define AMBIGUITY_MAX 48
#define AMBIGUITY_BIT(n) (UINT64_C(1) << (n))

/* How an opener meant a child. Roles are bits: the same bytes may be reached in several. */
#define ROLE_LEAF   1u /* a file: opened by what it is, or says it is */
#define ROLE_ENTITY 2u /* header and body, RFC 5322/2045: the MIME opener's */
#define ROLE_TEXT   4u /* text of a mail that clients search for inline files: bodies,
                        * preamble, epilogue (uuencode, yEnc, BinHex, base64 blocks) */

#define OBJECT_NAMES_MAX 64
#define OBJECT_DECLARED_OTHERS_MAX 7

struct magic_type; /* magic.h */

/* What a container tells of a member; zeros: it does not tell. */
struct packing {
	uint64_t packed_bytes; /* that the member takes in the container */
	uint64_t plain_bytes;  /* that it is said to have when unpacked */
	struct slice method;   /* "deflate", "base64" */
};

struct object {
	uint32_t id;     /* from 1; 1 is the raw message or the file given */
	uint32_t parent; /* id, 0 for the first */
	uint32_t depth;  /* containers around it that are not mails; 0 for the first */
	uint32_t mime_depth; /* mails around it */
	uint32_t roles;  /* ROLE_* */
	uint32_t opened; /* bit per row of the opener table that has had it */
	bool kept;       /* bytes are still there; false: only what is told here */
	bool borrowed;   /* bytes lie inside the bytes of another object */
	struct slice bytes;
	uint64_t size; /* bytes.len when it was emitted */
	bool unopened; /* only listed: its bytes are packed still, or there are none */
	bool lone;     /* it has no bytes, and is not one object with others that have none */
	struct packing packing;
	bool hashed; /* false: hash is all zero (see decompose_hook.hash_first) */
	struct sha256 hash;
	const struct magic_type *detected;
	struct slice declared; /* media type in lower case, or empty; of the first reading */
	struct slice declared_others[OBJECT_DECLARED_OTHERS_MAX]; /* of later readings */
	uint32_t declared_other_count;
	struct slice trail;    /* UTF-8, printable: "2.1 base64 > invoice.zip > a.exe" */
	struct slice names[OBJECT_NAMES_MAX]; /* candidates as found, UTF-8 where decodable */
	uint32_t name_count;
	uint64_t facts, views;
	uint64_t ambiguities; /* classes whose readings diverged, or whose mere presence is hostile */
	uint64_t notes;       /* classes seen, readings agree */
	void *user;           /* of the hook's owner; the decomposer leaves it alone */
};

const char *fact_get_text(enum fact f);
enum cause fact_get_cause(enum fact f);
const char *cause_get_text(enum cause c);
const char *view_get_text(enum view v);
/* The flag name of class n ("dup-cte"), or NULL; severity is 'H', 'M', 'L' or 0. */
const char *ambiguity_get_name(unsigned n);
char ambiguity_get_severity(unsigned n);

/* Adds a candidate name (borrowed: must live in the decomposer's arena). Doubles and empty
 * names are passed over; false when the list is full. */
bool object_add_name(struct object *o, struct slice name);

#endif
