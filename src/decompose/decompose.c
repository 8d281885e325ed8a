/* decompose.c: the worklist. Knows no format: openers do (opener_table.c). Knows no scanner:
 * the hook does. Memory for decoded bytes is one hold, used as a stack: what nobody will read
 * again is given back as soon as everything found inside it is done. */
#include "decompose/decompose.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/magic.h"
#include "decompose/trail.h"

#define ARENA_MAX_BYTES (UINT64_C(256) << 20)
#define OUTPUT_WANT_MAX  (UINT64_C(256) << 20)
#define HOLD_ALIGN 64
#define TABLE_FIRST_SIZE 256

struct entry {
	struct object object;
	unsigned wish;
	bool opening;
};

/* A turn of the worklist: an object to open or, behind it, the hold to give back. */
struct work {
	struct entry *entry;
	bool give_back;
	size_t hold_mark;
};

struct decompose {
	struct arena *arena;
	struct budget budget;
	const struct decompose_hook *hook;
	uint8_t *hold;
	size_t hold_size, hold_used;
	size_t keep_floor; /* below it somebody outside will read: never given back */
	struct entry **entries;
	uint32_t entry_count, entry_cap;
	uint32_t *table; /* open addressing by SHA-256: id or 0 */
	uint32_t table_size;
	struct work *work;
	size_t work_count, work_cap;
	struct object_doubles doubles;
	struct { /* the output in progress */
		bool open;
		struct object *parent;
		uint64_t input_bytes;
		uint64_t facts; /* of limits that it met */
		size_t start, len, reserved;
	} output;
};

struct decompose *
decompose_new(uint8_t *hold, size_t hold_size)
{
	struct decompose *d = mem_new(sizeof(*d));

	d->arena = arena_new(ARENA_MAX_BYTES);
	d->hold = hold;
	d->hold_size = hold_size;
	d->table_size = TABLE_FIRST_SIZE;
	d->table = mem_new(d->table_size * sizeof(*d->table));
	return d;
}

void
decompose_free(struct decompose **address)
{
	struct decompose *d = *address;

	if (d == NULL)
		return;
	arena_free(&d->arena);
	free(d->entries);
	free(d->table);
	free(d->work);
	object_doubles_done(&d->doubles);
	free(d);
	*address = NULL;
}

static void
decompose_reset(struct decompose *d)
{
	arena_clear(d->arena);
	if (d->table_size > TABLE_FIRST_SIZE * 16) {
		free(d->table);
		d->table_size = TABLE_FIRST_SIZE;
		d->table = mem_new(d->table_size * sizeof(*d->table));
	} else {
		memset(d->table, 0, d->table_size * sizeof(*d->table));
	}
	d->entry_count = 0;
	d->work_count = 0;
	d->doubles.count = 0;
	d->hold_used = d->keep_floor = 0;
	memset(&d->output, 0, sizeof(d->output));
}

/* Where in the table the hash stands, or the empty place where it would. */
static uint32_t *
table_find(struct decompose *d, const struct sha256 *hash, uint64_t size)
{
	uint32_t i;

	memcpy(&i, hash->bytes, sizeof(i));
	for (;; i++) {
		uint32_t *place = &d->table[i & (d->table_size - 1)];
		const struct object *o;

		if (*place == 0)
			return place;
		o = &d->entries[*place - 1]->object;
		if (o->size == size && memcmp(&o->hash, hash, sizeof(*hash)) == 0)
			return place;
	}
}

static bool
table_grow(struct decompose *d)
{
	uint32_t *old = d->table;
	uint32_t *bigger = calloc((size_t)d->table_size * 2, sizeof(*bigger));

	if (bigger == NULL)
		return false;
	d->table = bigger;
	d->table_size *= 2;
	free(old);
	for (uint32_t id = 1; id <= d->entry_count; id++) {
		const struct object *o = &d->entries[id - 1]->object;

		if (!o->lone)
			*table_find(d, &o->hash, o->size) = id;
	}
	return true;
}

/* A new entry with the next id, or NULL (the world refused memory). */
static struct entry *
entry_new(struct decompose *d)
{
	struct entry *e;

	if (d->entry_count == d->entry_cap) {
		uint32_t cap = MAX_OF(d->entry_cap * 2, 64u);
		struct entry **bigger = realloc(d->entries, cap * sizeof(*bigger));

		if (bigger == NULL)
			return NULL;
		d->entries = bigger;
		d->entry_cap = cap;
	}
	e = arena_alloc(d->arena, sizeof(*e));
	if (e == NULL)
		return NULL;
	d->entries[d->entry_count++] = e;
	e->object.id = d->entry_count;
	return e;
}

static bool
work_push(struct decompose *d, struct work w)
{
	if (d->work_count == d->work_cap) {
		size_t cap = MAX_OF(d->work_cap * 2, (size_t)64);
		struct work *bigger = realloc(d->work, cap * sizeof(*bigger));

		if (bigger == NULL)
			return false;
		d->work = bigger;
		d->work_cap = cap;
	}
	d->work[d->work_count++] = w;
	return true;
}

/* By any type that some reading declared: the first must not hide the others. */
static bool
object_is_claimed(struct object *o, const struct opener *opener)
{
	struct slice first = o->declared;
	bool claimed = opener->claims(o);

	for (uint32_t i = 0; i < o->declared_other_count && !claimed; i++) {
		o->declared = o->declared_others[i];
		claimed = opener->claims(o);
	}
	o->declared = first;
	return claimed;
}

/* A media type in lower case, in the arena. */
static struct slice
declared_copy(struct decompose *d, struct slice declared)
{
	struct slice copy = arena_copy(d->arena, declared);

	for (size_t i = 0; i < copy.len; i++)
		((uint8_t *)(uintptr_t)copy.ptr)[i] = ascii_lower(copy.ptr[i]);
	return copy;
}

/* True when it was not there yet. */
static bool
object_add_declared(struct decompose *d, struct object *o, struct slice declared)
{
	if (declared.len == 0 || slice_eq_nocase(declared, o->declared))
		return false;
	for (uint32_t i = 0; i < o->declared_other_count; i++) {
		if (slice_eq_nocase(declared, o->declared_others[i]))
			return false;
	}
	if (o->declared_other_count == OBJECT_DECLARED_OTHERS_MAX) {
		object_add_facts(o, FACT_BIT(FACT_LIMIT_VIEWS));
		return false;
	}
	o->declared_others[o->declared_other_count++] = declared_copy(d, declared);
	return true;
}

/* Rows of the opener table that claim o and have not had it yet. */
static uint32_t
claims_of(struct object *o)
{
	uint32_t claims = 0;

	for (size_t i = 0; i < opener_count; i++) {
		if ((o->opened & (1u << i)) == 0 && object_is_claimed(o, &openers[i]))
			claims |= 1u << i;
	}
	return claims;
}

/* Facts about a limit or a broken container belong to what could not be read whole. */
void
object_add_facts(struct object *o, uint64_t facts)
{
	o->facts |= facts;
}

static void
limit_met(struct decompose *d, struct object *parent, enum fact f)
{
	d->budget.facts |= FACT_BIT(f);
	object_add_facts(parent, FACT_BIT(f));
}

static void
object_describe(struct decompose *d, struct object *o, struct object *parent,
    const struct child *c, struct slice bytes)
{
	o->parent = parent == NULL ? 0 : parent->id;
	if (parent != NULL) {
		bool in_mail = (parent->roles & ROLE_ENTITY) != 0;

		o->depth = parent->depth + (in_mail ? 0 : 1);
		o->mime_depth = parent->mime_depth + (in_mail ? 1 : 0);
	}
	o->bytes = bytes;
	o->size = bytes.len;
	o->declared = declared_copy(d, c->declared);
	o->trail = trail_join(d->arena, parent == NULL ? SLICE_NONE : parent->trail, c->step);
	o->detected = magic_detect(bytes);
	o->unopened = c->unopened;
	o->packing = c->packing;
	o->packing.method = arena_copy(d->arena, c->packing.method);
}

/* What every reading adds to an object, be it new or known. */
static void
object_add_reading(struct decompose *d, struct object *o, const struct child *c)
{
	for (size_t i = 0; i < c->name_count; i++) {
		if (!object_add_name(o, arena_copy(d->arena, c->names[i])))
			object_add_facts(o, FACT_BIT(FACT_LIMIT_VIEWS));
	}
	o->roles |= c->roles == 0 ? ROLE_LEAF : c->roles;
	o->facts |= c->facts;
	o->views |= c->views;
	o->ambiguities |= c->ambiguities;
	o->notes |= c->notes;
}

static bool
is_in_hold(const struct decompose *d, struct slice bytes)
{
	return bytes.len > 0 && bytes.ptr >= d->hold && bytes.ptr < d->hold + d->hold_size;
}

/* Queues o when it is to be opened and somebody would. True when its bytes stay needed. */
static bool
object_queue(struct decompose *d, struct entry *e)
{
	struct object *o = &e->object;
	bool needed = (e->wish & WISH_KEEP) != 0;

	if ((e->wish & WISH_OPEN) != 0 && o->kept && claims_of(o) != 0) {
		if (o->depth >= d->budget.limits.depth)
			limit_met(d, o, FACT_LIMIT_DEPTH);
		else if (o->mime_depth > d->budget.limits.mime_depth)
			limit_met(d, o, FACT_LIMIT_DEPTH);
		else if (work_push(d, (struct work){ .entry = e }))
			needed = true;
		else
			limit_met(d, o, FACT_LIMIT_BYTES);
	}
	if ((e->wish & WISH_KEEP) != 0 && is_in_hold(d, o->bytes))
		d->keep_floor = MAX_OF(d->keep_floor,
		    (size_t)(o->bytes.ptr - d->hold) + o->bytes.len);
	return needed;
}

/* Notes the place, but for readings of one mail and for one member met twice. */
static void
double_note(struct decompose *d, const struct object *o, const struct object *parent,
    const struct child *c)
{
	bool known = parent->id == o->parent && c->name_count > 0;

	for (size_t i = 0; i < c->name_count && known; i++) {
		known = false;
		for (uint32_t k = 0; k < o->name_count && !known; k++)
			known = slice_eq(o->names[k], c->names[i]);
	}
	if (known || (parent->roles & ROLE_ENTITY) != 0)
		return;
	object_doubles_add(&d->doubles,
	    &(struct object_double){ .object = o->id,
		.parent = parent->id,
		.trail = trail_join(d->arena, parent->trail, c->step) },
	    d->budget.limits.objects);
}

/* Known bytes in a new reading: maybe a role or a name that somebody claims who has not had
 * them. The bytes of the older reading may be gone by now, so the new ones are taken, unless
 * somebody outside reads the old ones or an opener has them in hand. */
static struct object *
object_meet_again(struct decompose *d, struct entry *e, const struct child *c,
    struct slice bytes, bool borrowed, bool *ret_needed)
{
	struct object *o = &e->object;
	uint32_t roles = o->roles, names = o->name_count;
	bool declared = object_add_declared(d, o, c->declared);

	*ret_needed = false;
	object_add_reading(d, o, c);
	if ((o->roles & ~roles) == 0 && o->name_count == names && !declared)
		return o;
	if ((e->wish & WISH_KEEP) == 0 && !e->opening) {
		o->bytes = bytes;
		o->borrowed = borrowed; /* else its place in the hold would be given back as its own */
		o->kept = true;
		*ret_needed = object_queue(d, e);
		o->kept = borrowed || *ret_needed;
	} else {
		(void)object_queue(d, e);
	}
	return o;
}

struct object *
decompose_emit_empty(struct decompose *d, struct object *parent, const struct child *c)
{
	struct entry *e;

	if (!budget_has_time(&d->budget)) {
		object_add_facts(parent, budget_get_time_facts(&d->budget));
		return NULL;
	}
	if (!budget_take_object(&d->budget) || (e = entry_new(d)) == NULL) {
		limit_met(d, parent, FACT_LIMIT_OBJECTS);
		return NULL;
	}
	e->object.lone = e->object.kept = true;
	object_describe(d, &e->object, parent, c, SLICE_NONE);
	object_add_reading(d, &e->object, c);
	(void)d->hook->seen(d->hook->ctx, &e->object);
	return &e->object;
}

static struct object *
emit_bytes(struct decompose *d, struct object *parent, const struct child *c,
    struct slice bytes, bool borrowed, bool *ret_needed)
{
	bool hashed = parent != NULL || d->hook->hash_first;
	struct sha256 hash = hashed ? sha256_of(bytes) : (struct sha256){ { 0 } };
	uint32_t *place = table_find(d, &hash, bytes.len);
	struct entry *e;

	budget_add_work(&d->budget, bytes.len);
	*ret_needed = false;
	if (*place != 0) {
		if (parent != NULL)
			double_note(d, &d->entries[*place - 1]->object, parent, c);
		return object_meet_again(
		    d, d->entries[*place - 1], c, bytes, borrowed, ret_needed);
	}
	if (!budget_take_object(&d->budget) || (e = entry_new(d)) == NULL) {
		if (parent != NULL)
			limit_met(d, parent, FACT_LIMIT_OBJECTS);
		return NULL;
	}
	*place = e->object.id;
	e->object.hash = hash;
	e->object.hashed = hashed;
	e->object.borrowed = borrowed;
	e->object.kept = true;
	object_describe(d, &e->object, parent, c, bytes);
	object_add_reading(d, &e->object, c);
	e->wish = d->hook->seen(d->hook->ctx, &e->object);
	*ret_needed = object_queue(d, e);
	if (!*ret_needed && !borrowed)
		e->object.kept = false;
	if (d->entry_count * 2 > d->table_size && !table_grow(d))
		d->budget.left_objects = 0;
	return &e->object;
}

struct object *
decompose_emit(struct decompose *d, struct object *parent, const struct child *c,
    struct slice bytes)
{
	bool needed;

	if (!budget_has_time(&d->budget)) {
		object_add_facts(parent, budget_get_time_facts(&d->budget));
		return NULL;
	}
	return emit_bytes(d, parent, c, bytes, true, &needed);
}

void
decompose_output_begin(struct decompose *d, struct object *parent, uint64_t input_bytes)
{
	ASSERT(!d->output.open);
	d->output.open = true;
	d->output.parent = parent;
	d->output.input_bytes = input_bytes;
	d->output.start = (d->hold_used + HOLD_ALIGN - 1) & ~(size_t)(HOLD_ALIGN - 1);
	d->output.len = d->output.reserved = 0;
	d->output.facts = 0;
}

static void
output_limit_met(struct decompose *d, enum fact f)
{
	d->output.facts |= FACT_BIT(f);
	limit_met(d, d->output.parent, f);
}

static void
output_limit_met_time(struct decompose *d)
{
	d->output.facts |= budget_get_time_facts(&d->budget);
	object_add_facts(d->output.parent, budget_get_time_facts(&d->budget));
}

uint8_t *
decompose_output_reserve(struct decompose *d, size_t want, size_t *ret_room)
{
	size_t end = d->output.start + d->output.len;
	size_t room = end < d->hold_size ? d->hold_size - end : 0;
	int fact;
	uint64_t left = budget_get_left_bytes(&d->budget, &fact);

	ASSERT(d->output.open && want > 0 && want <= OUTPUT_WANT_MAX);
	if (d->output.len >= d->budget.limits.held_bytes)
		room = 0;
	room = (size_t)MIN_OF((uint64_t)MIN_OF(room, want), d->budget.limits.held_bytes);
	if (room == 0 && left > 0)
		fact = FACT_LIMIT_HELD;
	room = (size_t)MIN_OF((uint64_t)room, left);
	d->output.reserved = room;
	*ret_room = room;
	if (room == 0) {
		output_limit_met(d, (enum fact)fact);
		return NULL;
	}
	if (!budget_has_time(&d->budget)) {
		output_limit_met_time(d);
		return NULL;
	}
	return d->hold + end;
}

bool
decompose_output_commit(struct decompose *d, size_t n)
{
	int fact;

	ASSERT(d->output.open && n <= d->output.reserved);
	if (!budget_take_bytes(&d->budget, n, d->output.len, d->output.input_bytes, &fact)) {
		output_limit_met(d, (enum fact)fact);
		return false;
	}
	d->output.len += n;
	d->output.reserved = 0;
	return true;
}

bool
decompose_output_write(struct decompose *d, struct slice s)
{
	while (s.len > 0) {
		size_t room;
		uint8_t *to = decompose_output_reserve(d, MIN_OF(s.len, OUTPUT_WANT_MAX), &room);

		if (to == NULL)
			return false;
		memcpy(to, s.ptr, room);
		if (!decompose_output_commit(d, room))
			return false;
		s = slice_from(s, room);
	}
	return true;
}

struct slice
decompose_output_get(const struct decompose *d)
{
	ASSERT(d->output.open);
	return slice_of(d->hold + d->output.start, d->output.len);
}

uint64_t
decompose_output_get_facts(const struct decompose *d)
{
	ASSERT(d->output.open);
	return d->output.facts;
}

struct object *
decompose_output_finish(struct decompose *d, const struct child *c)
{
	struct slice bytes = decompose_output_get(d);
	struct object *parent = d->output.parent, *o;
	struct child cut = *c;
	size_t before = d->hold_used;
	bool needed;

	cut.facts |= d->output.facts;
	d->output.open = false;
	d->hold_used = d->output.start + d->output.len;
	o = emit_bytes(d, parent, &cut, bytes, false, &needed);
	if (!needed)
		d->hold_used = before;
	return o;
}

struct object *
decompose_output_give_up(struct decompose *d, const struct child *c)
{
	struct child empty = *c;

	empty.facts |= d->output.facts;
	empty.unopened = empty.facts != 0;
	decompose_output_drop(d);
	return decompose_emit_empty(d, d->output.parent, &empty);
}

void
decompose_output_drop(struct decompose *d)
{
	ASSERT(d->output.open);
	d->output.open = false;
}

static void
object_open(struct decompose *d, struct object *o)
{
	for (size_t i = 0; i < opener_count; i++) {
		if ((o->opened & (1u << i)) != 0 || !object_is_claimed(o, &openers[i]))
			continue;
		if (!budget_has_time(&d->budget)) {
			object_add_facts(o, budget_get_time_facts(&d->budget));
			return;
		}
		o->opened |= 1u << i;
		openers[i].open(d, o);
		ASSERT(!d->output.open);
	}
}

static void
hold_give_back(struct decompose *d, const struct work *w)
{
	size_t mark = MAX_OF(w->hold_mark, d->keep_floor);

	d->hold_used = MIN_OF(d->hold_used, mark);
	if ((w->entry->wish & WISH_KEEP) == 0 && is_in_hold(d, w->entry->object.bytes))
		w->entry->object.kept = false;
}

static void
work_next(struct decompose *d)
{
	struct work w = d->work[--d->work_count];
	struct object *o = &w.entry->object;
	size_t mark = d->hold_used;

	if (w.give_back) {
		hold_give_back(d, &w);
		return;
	}
	if ((w.entry->wish & WISH_KEEP) == 0 && is_in_hold(d, o->bytes) && !o->borrowed)
		mark = (size_t)(o->bytes.ptr - d->hold);
	(void)work_push(d, (struct work){ .entry = w.entry, .give_back = true, .hold_mark = mark });
	w.entry->opening = true;
	object_open(d, o);
	w.entry->opening = false;
}

/* Containers that hold the same bytes again and again are small for us, who look once, and a
 * bomb for the next in line. */
static void
bombs_judge(struct decompose *d)
{
	const struct limits *l = &d->budget.limits;
	uint32_t count = d->entry_count;
	uint64_t *sizes, *expanded, *scratch;
	uint32_t *parents;

	if (d->doubles.count == 0)
		return;
	sizes = arena_alloc(d->arena, (count + 1) * sizeof(*sizes));
	expanded = arena_alloc(d->arena, (count + 1) * sizeof(*expanded));
	scratch = arena_alloc(d->arena, (count + 1) * sizeof(*scratch));
	parents = arena_alloc(d->arena, (count + 1) * sizeof(*parents));
	if (sizes == NULL || expanded == NULL || scratch == NULL || parents == NULL) {
		limit_met(d, &d->entries[0]->object, FACT_LIMIT_HELD);
		return;
	}
	for (uint32_t id = 1; id <= count; id++) {
		sizes[id] = d->entries[id - 1]->object.size;
		parents[id] = d->entries[id - 1]->object.parent;
	}
	object_doubles_expand(&d->doubles, count, sizes, parents, l->depth, scratch, expanded);
	for (uint32_t i = 0; i < d->doubles.count; i++) {
		struct object *o = &d->entries[d->doubles.items[i].parent - 1]->object;

		if (expanded[o->id] > l->output_bytes &&
		    expanded[o->id] / MAX_OF(o->size, UINT64_C(1)) >= l->ratio)
			limit_met(d, o, FACT_LIMIT_RATIO);
	}
}

void
decompose_run(struct decompose *d, struct slice bytes, uint32_t role, struct slice name,
    const struct limits *l, const struct decompose_hook *hook)
{
	struct child c = { .roles = role, .names = &name, .name_count = name.len > 0 ? 1 : 0 };
	bool needed;

	decompose_reset(d);
	budget_init(&d->budget, l, bytes.len);
	d->hook = hook;
	(void)emit_bytes(d, NULL, &c, bytes, true, &needed);
	while (d->work_count > 0)
		work_next(d);
	bombs_judge(d);
}

uint32_t
decompose_get_double_count(const struct decompose *d)
{
	return d->doubles.count;
}

const struct object_double *
decompose_get_double(const struct decompose *d, uint32_t i)
{
	ASSERT(i < d->doubles.count);
	return &d->doubles.items[i];
}

uint32_t
decompose_get_object_count(const struct decompose *d)
{
	return d->entry_count;
}

struct object *
decompose_get_object(struct decompose *d, uint32_t id)
{
	ASSERT(id >= 1 && id <= d->entry_count);
	return &d->entries[id - 1]->object;
}

uint64_t
decompose_get_facts(const struct decompose *d)
{
	return d->budget.facts;
}

struct arena *
decompose_get_arena(struct decompose *d)
{
	return d->arena;
}

struct budget *
decompose_get_budget(struct decompose *d)
{
	return &d->budget;
}
