/* decompose.h: takes a message apart. A worklist, not a recursion: openers in a table claim
 * objects by magic, declared type, name or role, and emit children, which are hashed, told to
 * the hook at once (while their bytes are hot in the cache) and queued when somebody claims
 * them. All inside one cage, under one budget. Equal bytes are one object. */
#ifndef CORDON_DECOMPOSE_H
#define CORDON_DECOMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/budget.h"
#include "decompose/object.h"
#include "decompose/object_double.h"

struct arena;
struct decompose;

/* What the hook wants done with an object it was just told of. */
enum object_wish {
	WISH_OPEN = 1u, /* let openers have it */
	WISH_KEEP = 2u, /* keep its bytes until the end: somebody outside will read them */
};

struct decompose_hook {
	/* Called once for each new object (never for a double), bytes present. Returns WISH_*. */
	unsigned (*seen)(void *ctx, struct object *o);
	void *ctx;
	bool hash_first; /* hash the first object too: a whole mail costs as much as its parts */
};

/* hold: memory for decoded bytes, hold_size of them, borrowed until decompose_free(). Kept
 * objects stand in it at (bytes.ptr - hold). */
struct decompose *decompose_new(uint8_t *hold, size_t hold_size);
void decompose_free(struct decompose **d);

/* Takes apart bytes (borrowed until the next call). Everything found is there afterwards
 * under decompose_get_object(); what the call before found is gone.
 * role     ROLE_ENTITY for a mail, ROLE_LEAF for any other file (may be or'ed) */
void decompose_run(struct decompose *d, struct slice bytes, uint32_t role, struct slice name,
    const struct limits *l, const struct decompose_hook *hook);
uint32_t decompose_get_object_count(const struct decompose *d);
/* id from 1 to the count. */
struct object *decompose_get_object(struct decompose *d, uint32_t id);
/* Places outside of mails where bytes were met that are an object already. */
uint32_t decompose_get_double_count(const struct decompose *d);
const struct object_double *decompose_get_double(const struct decompose *d, uint32_t i);
/* Facts of the message as a whole: limits that were met anywhere. */
uint64_t decompose_get_facts(const struct decompose *d);

/* ---- for openers ---- */

struct opener {
	const char *name;
	bool (*claims)(const struct object *o);
	/* Emits children of o and adds facts to it; pays the budget. Never fails: what it could
	 * not do is a fact. o->bytes stay valid for the whole call; *o itself does not move. */
	void (*open)(struct decompose *d, struct object *o);
};
/* opener_table.c: the order is the order in which they are asked; at most 32 rows. */
extern const struct opener openers[];
extern const size_t opener_count;

/* What an opener knows about a child. Slices are borrowed for the call: they are copied. */
struct child {
	struct slice step;     /* trail step: "2.1 base64", "a.exe"; any bytes, made printable */
	struct slice declared; /* media type, any case, or empty */
	const struct slice *names;
	size_t name_count;
	uint32_t roles; /* 0 means ROLE_LEAF */
	bool unopened;  /* it could not be unpacked: facts say why */
	struct packing packing;
	uint64_t facts, views, ambiguities, notes;
};

struct arena *decompose_get_arena(struct decompose *d);  /* lives as long as the results */
struct budget *decompose_get_budget(struct decompose *d);
void object_add_facts(struct object *o, uint64_t facts); /* FACT_BIT()s */

/* Emits bytes that lie inside parent->bytes, without copying.
 * Returns the object (an older one when the same bytes were met before: names, views and roles
 * are added to it), or NULL when the budget is used up (the parent then carries the fact). */
struct object *decompose_emit(struct decompose *d, struct object *parent,
    const struct child *c, struct slice bytes);

/* Emits a member without bytes, because it is empty or could not be unpacked. It is an object
 * of its own: not one with others that have none. NULL as above. */
struct object *decompose_emit_empty(
    struct decompose *d, struct object *parent, const struct child *c);

/* Emits bytes made on the way. One output at a time:
 *   begin, any number of reserve+commit or write, then finish (emits) or drop.
 * reserve  room for at least 1 and at most want bytes; *ret_room tells how many (it may be less
 *          than want near a limit); NULL when a limit is met (the parent carries the fact);
 *          want is at most 256 MB
 * commit   n of the reserved bytes were filled; they are paid for here
 * write    reserve + copy + commit; false when a limit is met (what fits was written)
 * finish   like decompose_emit(). An empty output is emitted too: drop it when it means nothing.
 *          A limit that cut the output is a fact of the child as well as of the parent
 * give_up  nothing came out: drops the output and emits the child without bytes, as unopened
 *          when it has a fact or a limit was met
 * get      what was written so far, contiguous; valid until finish or drop
 * get_facts  the limits that cut the output that is open */
void decompose_output_begin(struct decompose *d, struct object *parent, uint64_t input_bytes);
uint8_t *decompose_output_reserve(struct decompose *d, size_t want, size_t *ret_room);
bool decompose_output_commit(struct decompose *d, size_t n);
bool decompose_output_write(struct decompose *d, struct slice s);
struct slice decompose_output_get(const struct decompose *d);
uint64_t decompose_output_get_facts(const struct decompose *d);
struct object *decompose_output_finish(struct decompose *d, const struct child *c);
struct object *decompose_output_give_up(struct decompose *d, const struct child *c);
void decompose_output_drop(struct decompose *d);

#endif
