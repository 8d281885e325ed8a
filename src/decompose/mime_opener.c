/* mime_opener.c: the walk through one entity object: a stack of entities, iteratively. Readings
 * of an entity are taken here (which header end, which type, which boundaries, leaf or tree)
 * and united on the spot; what a body holds is up to mime_split.c, mime_guess.c and
 * mime_leaf.c. */
#include "decompose/mime_opener.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/mime_walk.h"

#define SCRATCH_MAX_BYTES (64u << 20)
#define SPLITS_MAX        16 /* boundaries of one entity that are followed */
#define FREE_LEAF_BYTES   (UINT64_C(64) << 20)
#define LEAF_BYTES_FACTOR 8 /* of the object's size, for all readings together */

/* One reading of the entity at hand: which header, which end of it. */
struct reading {
	const struct mime_item *item;
	const struct mime_header *header;
	size_t at, body; /* fields before at; offset of the body in the object */
	uint64_t views, classes;
	bool main; /* the proper one */
};

bool
mime_claims(const struct object *o)
{
	return (o->roles & ROLE_ENTITY) != 0 && o->bytes.len > 0;
}

static struct mime_leaf
reading_leaf(const struct mime_walk *w, const struct reading *r)
{
	const struct mime_content *c = &w->content;

	return (struct mime_leaf){
		.body = slice_sub(w->all, r->body, r->item->end - r->body),
		.content = c,
		.declared = c->types[0].name,
		.node = r->item->node,
		.views = r->item->views | r->views,
		.classes = r->item->classes,
		.notes = c->notes,
	};
}

/* Splits at every boundary that some reader takes and that occurs. */
static size_t
read_boundaries(struct mime_walk *w, const struct reading *r)
{
	struct mime_content *c = &w->content;
	struct mime_split s = {
		.start = r->body,
		.end = r->item->end,
		.node = r->item->node,
		.depth = r->item->depth,
		.declared = true,
		.digest = slice_find(c->types[0].name, SLICE_LIT("digest"), 0) != SIZE_MAX,
	};
	size_t parts = 0, splits = 0;

	for (size_t i = 0; i < c->boundary_count; i++) {
		size_t count;

		if (splits == SPLITS_MAX) {
			mime_walk_limit(w, FACT_LIMIT_VIEWS);
			break;
		}
		s.boundary = c->boundaries[i].value;
		s.views = r->item->views | r->views | c->boundaries[i].views;
		s.classes = r->item->classes | c->boundaries[i].classes;
		count = mime_split(w, &s);
		if (count == 0)
			continue;
		splits++;
		parts += count;
		mime_walk_flag(w, c->boundaries[i].classes);
	}
	return parts;
}

static bool
type_is(struct slice name, const char *word)
{
	return slice_find(name, slice_of_str(word), 0) != SIZE_MAX;
}

/* message/partial: whole in one piece, or a fragment (RFC 2046 section 5.2.2). */
static void
read_partial(struct mime_walk *w, const struct reading *r, struct mime_leaf *l)
{
	(void)r;
	if (w->content.total == 1) {
		l->roles |= ROLE_ENTITY;
		l->views |= VIEW_BIT(VIEW_PARTIAL_JOIN);
		return;
	}
	l->facts |= FACT_BIT(FACT_PARTIAL);
	l->classes |= AMBIGUITY_BIT(25);
	mime_walk_flag(w, AMBIGUITY_BIT(25));
	object_add_facts(w->o, FACT_BIT(FACT_PARTIAL));
	if (mime_header_is_field(l->body))
		l->roles |= ROLE_ENTITY;
}

/* message/external-body: the phantom body is an entity, and may carry data. */
static void
read_external(struct mime_walk *w, const struct reading *r, struct mime_leaf *l)
{
	struct mime_item inner = *r->item;

	l->facts |= FACT_BIT(FACT_EXTERNAL_BODY);
	l->classes |= AMBIGUITY_BIT(26);
	mime_walk_flag(w, AMBIGUITY_BIT(26));
	object_add_facts(w->o, FACT_BIT(FACT_EXTERNAL_BODY));
	inner.start = r->body;
	inner.node = mime_walk_add_node(w, r->item->node, 1);
	inner.depth++;
	inner.digest = false;
	if (inner.start > r->item->start)
		(void)mime_walk_push(w, &inner);
}

/* Types whose body is a mail; reports inside of message/ are text. */
static bool
type_is_mail(struct slice name)
{
	static const char *const reports[] = { "delivery-status", "disposition-notification",
		"feedback-report", "tracking-status", "partial", "external-body", "headers",
		"cpim", "sip", "imdn" };

	for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
		if (type_is(name, reports[i]))
			return false;
	}
	return slice_starts_with(name, SLICE_LIT("message/")) || type_is(name, "rfc822");
}

/* The leaf readings: one for each type that is no multipart, or one for want of anything. */
static enum mime_outcome
read_leaves(struct mime_walk *w, const struct reading *r, bool have_tree)
{
	struct mime_content *c = &w->content;
	enum mime_outcome outcome = OUTCOME_RAW;
	struct mime_leaf l = reading_leaf(w, r);
	bool done = false;

	for (size_t i = 0; i < c->type_count; i++) {
		struct mime_leaf one = l;

		if (!c->types[i].leaf && (have_tree || c->any_leaf))
			continue;
		one.declared = c->types[i].name;
		one.views |= c->types[i].views;
		if (have_tree || !r->main)
			one.classes |= c->types[i].classes;
		if (type_is(one.declared, "partial") && type_is(one.declared, "message"))
			read_partial(w, r, &one);
		else if (type_is(one.declared, "external-body"))
			read_external(w, r, &one);
		else if (type_is_mail(one.declared))
			one.roles |= ROLE_ENTITY;
		/* The same bytes under another name of the type: only when it matters. */
		if (done && one.roles == l.roles && one.facts == l.facts)
			continue;
		outcome = MAX_OF(outcome, mime_leaf_emit(w, &one));
		done = true;
	}
	return outcome;
}

/* Some reader sees a tree, some other one a file. */
static void
flag_types(struct mime_walk *w, const struct reading *r)
{
	struct mime_content *c = &w->content;
	uint64_t classes = 0;

	for (size_t i = 0; i < c->type_count; i++)
		classes |= c->types[i].classes;
	if (classes == 0)
		classes = AMBIGUITY_BIT(13);
	mime_walk_flag(w, classes);
	(void)r;
}

/* Everything that one reading of the header makes of the body. */
static enum mime_outcome
read_body(struct mime_walk *w, const struct reading *r)
{
	struct mime_content *c = &w->content;
	enum mime_outcome outcome = OUTCOME_RAW;
	struct mime_leaf l;
	size_t parts = 0;
	bool composite = false;

	mime_content_read(w, r->header, r->at, r->item->digest, c);
	if (c->cut)
		mime_walk_limit(w, FACT_LIMIT_VIEWS);
	mime_walk_note(w, c->notes);
	mime_walk_flag(w, c->classes);
	l = reading_leaf(w, r);
	if (c->any_multipart || c->boundary_count > 0)
		parts = read_boundaries(w, r);
	if (c->any_multipart &&
	    (c->encodings.count > 1 || c->encodings.order[0] != DECODER_NONE)) {
		composite = mime_leaf_emit_composite(w, &l, c->types[0].value);
		if (composite && parts == 0)
			mime_walk_flag(w, AMBIGUITY_BIT(22));
		else
			mime_walk_note(w, AMBIGUITY_BIT(22));
	}
	if (c->any_multipart && parts == 0 && !composite) {
		struct mime_split s = {
			.start = r->body,
			.end = r->item->end,
			.node = r->item->node,
			.depth = r->item->depth,
			.views = r->item->views | r->views,
			.classes = r->item->classes,
		};

		mime_walk_note(w, AMBIGUITY_BIT(14));
		if (mime_guess(w, &s) > 0) {
			mime_walk_flag(w, AMBIGUITY_BIT(14));
			outcome = OUTCOME_SPLIT;
		}
	}
	if (parts > 0)
		outcome = OUTCOME_SPLIT;
	if (parts == 0 || c->any_leaf) {
		if (parts > 0 && c->any_leaf)
			flag_types(w, r);
		outcome = MAX_OF(outcome, read_leaves(w, r, parts > 0));
	} else if (!c->has_version && r->item->depth == 0 && r->main) {
		/* A03: for strict readers this is plain text. */
		l.raw_only = true;
		l.roles = ROLE_TEXT;
		l.declared = SLICE_LIT("text/plain");
		mime_walk_note(w, AMBIGUITY_BIT(3));
		(void)mime_leaf_emit(w, &l);
	}
	return outcome;
}

/* All ends of one header. The first reading of all is the proper one; another one diverges
 * when one of the two is more than bytes as they stand. */
static void
read_ends(struct mime_walk *w, const struct mime_item *item, const struct mime_header *h,
    uint64_t views, uint64_t classes, enum mime_outcome *main_outcome, bool *have_main)
{
	if (h->cut)
		mime_walk_limit(w, FACT_LIMIT_HEADER);
	mime_walk_note(w, h->notes);
	for (size_t i = 0; i < h->end_count && !w->stop; i++) {
		const struct mime_end *e = &h->ends[i];
		struct reading r = {
			.item = item,
			.header = h,
			.at = e->at,
			.body = item->start + e->body,
			.views = views | e->views,
			.classes = classes | e->classes,
			.main = !*have_main,
		};
		struct mime_item marked = *item;
		enum mime_outcome outcome;

		if (*have_main) {
			if (!budget_take_entity_reading(w->budget)) {
				mime_walk_limit(w, FACT_LIMIT_VIEWS);
				return;
			}
			marked.classes |= r.classes;
			r.item = &marked;
		}
		outcome = read_body(w, &r);
		if (!*have_main)
			*main_outcome = outcome;
		else if (outcome != OUTCOME_RAW || *main_outcome != OUTCOME_RAW)
			mime_walk_flag(w, r.classes);
		*have_main = true;
		arena_clear(w->scratch);
	}
}

static void
read_entity(struct mime_walk *w, const struct mime_item *item)
{
	struct slice entity = slice_sub(w->all, item->start, item->end - item->start);
	enum mime_outcome outcome = OUTCOME_RAW;
	bool have_main = false;

	if (item->start > item->end ||
	    !mime_walk_is_new(w, MEMO_ENTITY, item->start, item->end, item->digest))
		return;
	if (item->depth > w->budget->limits.mime_depth) {
		mime_walk_limit(w, FACT_LIMIT_DEPTH);
		return;
	}
	if (!budget_take_entity_reading(w->budget)) {
		mime_walk_limit(w, FACT_LIMIT_VIEWS);
		return;
	}
	mime_header_parse(&w->header, entity, false, w->budget);
	read_ends(w, item, &w->header, 0, 0, &outcome, &have_main);
	if (!w->header.has_bare_cr)
		return;
	mime_header_parse(&w->cr_header, entity, true, w->budget);
	read_ends(w, item, &w->cr_header, VIEW_BIT(VIEW_HDR_CR),
	    AMBIGUITY_BIT(8) | (item->depth == 0 ? AMBIGUITY_BIT(47) : 0), &outcome,
	    &have_main);
}

/* mbox line, byte order mark, blank lines before the header (A47). */
static void
push_framings(struct mime_walk *w)
{
	struct mime_item item = { .end = w->all.len };
	struct slice bytes = w->all;
	size_t at = 0;

	if (slice_starts_with(bytes, SLICE_LIT("\xef\xbb\xbf")))
		at = 3;
	while (slice_starts_with(slice_from(bytes, at), SLICE_LIT("From ")) ||
	       slice_starts_with(slice_from(bytes, at), SLICE_LIT(">From "))) {
		size_t lf = slice_find_byte(bytes, '\n', at);

		if (lf == SIZE_MAX)
			break;
		at = lf + 1;
		item.views |= VIEW_BIT(VIEW_FRAME_MBOX);
	}
	if (at > 0)
		mime_walk_note(w, AMBIGUITY_BIT(47));
	item.start = at;
	(void)mime_walk_push(w, &item);
	while (at < bytes.len && (bytes.ptr[at] == '\r' || bytes.ptr[at] == '\n' ||
				     bytes.ptr[at] == ' ' || bytes.ptr[at] == '\t'))
		at++;
	if (at > item.start &&
	    (bytes.ptr[item.start] == '\r' || bytes.ptr[item.start] == '\n') &&
	    mime_header_is_field(slice_from(bytes, at))) {
		item.start = at;
		item.views |= VIEW_BIT(VIEW_SEP_LATE);
		mime_walk_note(w, AMBIGUITY_BIT(47));
		(void)mime_walk_push(w, &item);
	}
}

void
mime_open(struct decompose *d, struct object *o)
{
	struct mime_walk w = {
		.d = d,
		.o = o,
		.budget = decompose_get_budget(d),
		.arena = decompose_get_arena(d),
		.all = o->bytes,
		.left_guess_lines = 65536,
	};

	w.left_leaf_bytes = LEAF_BYTES_FACTOR * (uint64_t)o->bytes.len + FREE_LEAF_BYTES;
	w.scratch = arena_new(SCRATCH_MAX_BYTES);
	(void)mime_walk_add_node(&w, 0, 0);
	push_framings(&w);
	do {
		while (w.item_count > 0 && !w.stop) {
			struct mime_item item = w.items[--w.item_count];

			if (!budget_has_time(w.budget)) {
				object_add_facts(o, budget_get_time_facts(w.budget));
				w.stop = true;
				break;
			}
			read_entity(&w, &item);
		}
	} while (!w.stop && mime_guess_rest(&w));
	mime_walk_done(&w);
}
