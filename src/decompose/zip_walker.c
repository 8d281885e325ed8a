/* zip_walker.c: one pass over the file from record to record, with the directory at its end in
 * hand. Readers of ZIP differ: some trust the last directory, some the first, some only local
 * headers; attackers live in that gap. So everything that any of them would extract is.
 *
 *   1. the directory that the last end record tells of is read
 *   2. from the first byte on, local headers and further directories are taken as they come; the
 *      data of a member is stepped over once it is known where it ends, so that what stands
 *      inside stored members is not taken for this archive's
 *   3. members that a directory names and step 2 did not meet are extracted */
#include "decompose/zip_walker.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "decompose/zip_directory.h"
#include "decompose/zip_header.h"
#include "decompose/zip_member.h"
#include "decompose/zip_password.h"

#define DONE_SLOTS 32768u
#define READINGS_MAX 8 /* differing ones of one local header; more are not taken serious */
#define METHOD_LAST 99

/* Data that was extracted, by its place: bombs point at the same data a thousand times. */
struct done {
	size_t data_at;
	uint64_t packed_bytes; /* 0 for methods that end by themselves */
	uint16_t method;
	bool used;
	struct object *child;
	size_t end;
};

struct walk {
	struct decompose *d;
	struct object *o;
	struct slice file;
	struct zip_directory directory;
	struct done *done; /* owned, open addressing */
	size_t done_count;
	struct zip_passwords passwords;
	bool stop, in_document;
	uint32_t members, orphans;
	uint64_t expanded_bytes; /* what a reader would write who decodes every entry */
};

bool
zip_walker_claims(const struct object *o)
{
	static const char *const types[] = { "application/zip", "application/x-zip-compressed",
		"application/x-zip", "application/java-archive" };
	struct zip_end end;

	if ((o->roles & ROLE_LEAF) == 0 || o->bytes.len < 22)
		return false;
	if (magic_is(o->detected, "zip") || zip_end_find_last(o->bytes, &end))
		return true;
	if (o->detected != NULL && (o->detected->kind & (KIND_TEXT | KIND_DOCUMENT)) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (slice_eq_str(o->declared, types[i]))
			return true;
	}
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_ends_with_nocase(o->names[i], SLICE_LIT(".zip")))
			return true;
	}
	return false;
}

static struct done *
done_find(struct walk *w, const struct zip_reading *r)
{
	uint64_t packed = zip_method_ends_itself(r->method) ? 0 : r->packed_bytes;
	size_t i = r->data_at * UINT64_C(0x9e3779b97f4a7c15) >> 40;

	for (;; i++) {
		struct done *x = &w->done[i % DONE_SLOTS];

		if (!x->used || (x->data_at == r->data_at && x->method == r->method &&
		    x->packed_bytes == packed))
			return x;
	}
}

static void
name_add(struct zip_reading *r, struct slice name)
{
	size_t nul;

	if (name.len == 0 || r->name_count == OBJECT_NAMES_MAX)
		return;
	for (size_t i = 0; i < r->name_count; i++) {
		if (slice_eq(r->names[i], name))
			return;
	}
	r->names[r->name_count++] = name;
	nul = slice_find_byte(name, 0, 0); /* where readers in C end it */
	if (nul != SIZE_MAX)
		name_add(r, slice_sub(name, 0, nul));
}

static void
header_add_names(struct zip_reading *r, const struct zip_header *h)
{
	name_add(r, h->name);
	name_add(r, h->unicode_name);
}

static bool
is_folder(const struct zip_reading *r)
{
	return r->name_count > 0 && (r->packed_bytes == 0 || r->plain_bytes == 0) &&
	    (r->names[0].ptr[r->names[0].len - 1] == '/' ||
	    r->names[0].ptr[r->names[0].len - 1] == '\\');
}

/* Extracts one reading, or adds its names to what the same data gave before. Returns the end of
 * the data, data_at when that is not known. */
static size_t
reading_extract(struct walk *w, const struct zip_reading *r)
{
	struct done *x = done_find(w, r);
	struct zip_result result;

	if (x->used) {
		if (x->child != NULL)
			w->expanded_bytes += x->child->size;
		for (size_t i = 0; i < r->name_count && x->child != NULL; i++)
			(void)object_add_name(x->child,
			    arena_copy(decompose_get_arena(w->d), r->names[i]));
		return x->end;
	}
	if (is_folder(r))
		return r->data_at;
	if (w->done_count == DONE_SLOTS / 2) {
		object_add_facts(w->o, FACT_BIT(FACT_LIMIT_OBJECTS));
		w->stop = true;
		return r->data_at;
	}
	result = zip_member_extract(w->d, w->o, r);
	object_add_facts(w->o, result.facts);
	w->stop = w->stop || result.stop;
	if (result.child != NULL)
		w->expanded_bytes += result.child->size;
	w->members += r->packed_bytes > 0 || r->method != ZIP_STORE;
	w->done_count++;
	*x = (struct done){ .data_at = r->data_at, .method = r->method, .used = true,
		.packed_bytes = zip_method_ends_itself(r->method) ? 0 : r->packed_bytes,
		.child = result.child, .end = result.end };
	return result.end;
}

/* Stored data of unknown length ends at a descriptor that tells just that length, or where the
 * next record begins. */
static uint64_t
stored_find_end(struct walk *w, size_t data_at)
{
	size_t at = data_at, budget_at = data_at;

	while ((at = slice_find(w->file, SLICE_LIT("PK"), at)) != SIZE_MAX &&
	    w->file.len - at >= 16) {
		const uint8_t *p = w->file.ptr + at;
		uint64_t told = (uint64_t)p[8] | (uint64_t)p[9] << 8 | (uint64_t)p[10] << 16 |
		    (uint64_t)p[11] << 24;

		if (memcmp(p, "PK\007\010", 4) == 0 && told == at - data_at)
			return at - data_at;
		if (memcmp(p, "PK\003\004", 4) == 0 || memcmp(p, "PK\001\002", 4) == 0)
			return at - data_at;
		at += 2;
		if (at - budget_at > 1024 && !budget_has_time(decompose_get_budget(w->d)))
			break;
	}
	return w->file.len - data_at;
}

static struct zip_reading
reading_of_local(struct walk *w, const struct zip_header *local)
{
	struct zip_reading r = { .header_at = local->at,
		.data_at = local->end,
		.packed_bytes = local->packed_bytes,
		.plain_bytes = local->plain_bytes,
		.crc = local->crc,
		.method = local->method,
		.flags = local->flags,
		.mod_time = local->mod_time,
		.aes_method = local->aes_method,
		.aes_strength = local->aes_strength,
		.quiet = w->in_document,
		.passwords = &w->passwords };

	r.has_crc = (local->flags & ZIP_FLAG_DESCRIPTOR) == 0;
	if (r.packed_bytes == UINT64_MAX && !zip_method_ends_itself(r.method)) {
		r.packed_bytes = stored_find_end(w, r.data_at);
		if (r.method == ZIP_STORE)
			r.plain_bytes = r.packed_bytes;
	}
	header_add_names(&r, local);
	return r;
}

/* Whether two headers of one member would be read as different members. */
static bool
headers_differ(const struct zip_header *local, const struct zip_header *central)
{
	if (local->method != central->method || !slice_eq(local->name, central->name) ||
	    ((local->flags ^ central->flags) & (ZIP_FLAG_ENCRYPTED | ZIP_FLAG_STRONG)) != 0)
		return true;
	if (local->packed_bytes == UINT64_MAX || (local->flags & ZIP_FLAG_MASKED) != 0 ||
	    (local->flags & ZIP_FLAG_DESCRIPTOR) != 0)
		return false;
	return local->packed_bytes != central->packed_bytes ||
	    local->plain_bytes != central->plain_bytes || local->crc != central->crc;
}

static struct zip_reading
reading_of_central(struct walk *w, const struct zip_header *local,
    const struct zip_header *central)
{
	struct zip_reading r = { .header_at = local->at,
		.data_at = local->end,
		.packed_bytes = central->packed_bytes,
		.plain_bytes = central->plain_bytes,
		.crc = central->crc,
		.has_crc = true,
		.method = central->method,
		.flags = central->flags,
		.mod_time = local->mod_time,
		.aes_method = central->aes_method,
		.aes_strength = central->aes_strength,
		.quiet = w->in_document,
		.passwords = &w->passwords };

	header_add_names(&r, central);
	header_add_names(&r, local);
	return r;
}

/* All readings of the member at a local header: those of the directories and its own. Returns
 * where to look on: the nearest end of data, or behind the header. */
static size_t
member_walk(struct walk *w, const struct zip_header *local)
{
	struct zip_directory *t = &w->directory;
	size_t row = zip_directory_find(t, local->at), end = SIZE_MAX, one;
	unsigned readings = 0;
	bool covered = false;
	struct zip_reading r;

	for (; row < t->count && t->rows[row].local_at == local->at && !w->stop; row++) {
		const struct zip_header *central = &t->rows[row].header;
		bool differ = headers_differ(local, central);

		t->rows[row].done = true;
		if (differ)
			object_add_facts(w->o, FACT_BIT(FACT_DISAGREEMENT));
		covered = covered || local->method == central->method;
		if (differ && ++readings > READINGS_MAX && local->method != central->method)
			continue;
		r = reading_of_central(w, local, central);
		one = reading_extract(w, &r);
		if (one > local->end)
			end = MIN_OF(end, one);
		if (!zip_method_ends_itself(local->method) && local->packed_bytes != UINT64_MAX &&
		    local->packed_bytes != central->packed_bytes)
			covered = false;
	}
	if (!covered && !w->stop) {
		r = reading_of_local(w, local);
		one = reading_extract(w, &r);
		if (one > local->end)
			end = MIN_OF(end, one);
	}
	return end == SIZE_MAX ? local->end : end;
}

/* A mark by chance, or a header? Directories vouch for theirs. */
static bool
is_likely_local(const struct walk *w, const struct zip_header *h)
{
	if (zip_directory_find(&w->directory, h->at) < w->directory.count)
		return true;
	return (h->version & 0xff) <= 100 && h->method <= METHOD_LAST && h->name.len > 0 &&
	    h->name.len < 4096;
}

/* Step 2. */
static void
records_walk(struct walk *w)
{
	struct zip_header h;
	struct zip_end end;
	size_t at = 0;

	while (!w->stop && (at = slice_find(w->file, SLICE_LIT("PK"), at)) != SIZE_MAX) {
		if (!budget_has_time(decompose_get_budget(w->d))) {
			object_add_facts(
			    w->o, budget_get_time_facts(decompose_get_budget(w->d)));
			return;
		}
		if (zip_header_parse_local(w->file, at, &h) && is_likely_local(w, &h)) {
			if (zip_directory_find(&w->directory, at) == w->directory.count)
				w->orphans++;
			at = MAX_OF(member_walk(w, &h), at + 4);
		} else if (zip_header_parse_central(w->file, at, &h)) {
			size_t behind = zip_directory_read(&w->directory, w->file, at);

			zip_directory_sort(&w->directory);
			at = MAX_OF(behind, h.end);
		} else if (zip_end_parse(w->file, at, &end)) {
			at = at + 22; /* its comment may hold another archive */
		} else {
			at += 2;
		}
	}
}

/* A member that the directory has and the file has not. */
static void
member_list(struct walk *w, const struct zip_header *h, uint64_t fact)
{
	struct child c = { .step = h->name.len > 0 ? h->name : SLICE_LIT("(no name)"),
		.names = &h->name,
		.name_count = 1,
		.facts = fact,
		.unopened = true,
		.packing = {
		    .packed_bytes = h->packed_bytes == UINT64_MAX ? 0 : h->packed_bytes,
		    .plain_bytes = h->plain_bytes == UINT64_MAX ? 0 : h->plain_bytes,
		    .method = zip_method_get_name(decompose_get_arena(w->d), h->method) } };

	if (w->in_document)
		return;
	w->stop = decompose_emit_empty(w->d, w->o, &c) == NULL;
}

/* Step 3. */
static void
directory_walk(struct walk *w)
{
	struct zip_directory *t = &w->directory;
	struct zip_header local;

	for (size_t i = 0; i < t->count && !w->stop; i++) {
		struct zip_central *row = &t->rows[i];

		if (row->done)
			continue;
		if (!budget_has_time(decompose_get_budget(w->d))) {
			object_add_facts(
			    w->o, budget_get_time_facts(decompose_get_budget(w->d)));
			return;
		}
		if (row->local_at != SIZE_MAX && zip_header_parse_local(w->file, row->local_at, &local)) {
			(void)member_walk(w, &local);
			object_add_facts(w->o, FACT_BIT(FACT_DISAGREEMENT));
		} else if (row->header.packed_bytes > 0) {
			uint64_t fact =
			    FACT_BIT(t->multi_volume ? FACT_MULTI_VOLUME : FACT_CORRUPT);

			object_add_facts(w->o, fact);
			member_list(w, &row->header, fact);
		}
	}
}

/* What is true of the archive as a whole. */
static void
walk_judge(struct walk *w, bool has_end)
{
	const struct limits *limits = &decompose_get_budget(w->d)->limits;
	struct zip_directory *t = &w->directory;
	uint64_t facts = 0;
	bool begins_split = slice_starts_with(w->file, SLICE_LIT("PK\007\010"));

	if (t->multi_volume || (begins_split && !has_end))
		facts |= FACT_BIT(FACT_MULTI_VOLUME);
	else if (t->count == 0 && (w->members > 0 || magic_is(w->o->detected, "zip")) && !has_end)
		facts |= FACT_BIT(FACT_TRUNCATED);
	else if (t->count > 0 && w->orphans > 0)
		facts |= FACT_BIT(FACT_DISAGREEMENT);
	if (t->read_count > 1 || t->miscounted)
		facts |= FACT_BIT(FACT_DISAGREEMENT);
	if (w->expanded_bytes > limits->output_bytes &&
	    w->expanded_bytes / MAX_OF(w->file.len, (size_t)1) >= limits->ratio)
		facts |= FACT_BIT(FACT_LIMIT_RATIO); /* a bomb for the next in line, if not for us */
	if (t->too_many)
		facts |= FACT_BIT(FACT_LIMIT_OBJECTS);
	if (w->members > 0 && (magic_is(w->o->detected, "pe") ||
	    magic_is(w->o->detected, "elf") || magic_is(w->o->detected, "mz")))
		facts |= FACT_BIT(FACT_SELF_EXTRACTING);
	object_add_facts(w->o, facts);
}

static bool
is_in_document(const struct object *o)
{
	return !magic_is(o->detected, "zip") && o->detected != NULL &&
	       (o->detected->kind & KIND_DOCUMENT) != 0;
}

/* Documents carry archives as parts (PowerPoint 97 keeps each layout's XML in a ZIP of its
 * own), cut into the document's sectors. What does not fit together there is no fault: the
 * opener of the document joins the sectors and emits the parts whole. What was found has been
 * emitted. */
static void
document_forgive(const struct decompose *d, struct object *o, uint64_t facts_before)
{
	uint64_t faults = FACT_BIT(FACT_CORRUPT) | FACT_BIT(FACT_TRUNCATED) |
	    FACT_BIT(FACT_DISAGREEMENT) | FACT_BIT(FACT_MULTI_VOLUME);

	if (!is_in_document(o))
		return;
	if ((decompose_get_facts(d) & FACT_BIT(FACT_LIMIT_OBJECTS)) == 0)
		faults |= FACT_BIT(FACT_LIMIT_OBJECTS); /* of directories, not of members */
	o->facts &= ~faults | facts_before;
}

void
zip_walker_open(struct decompose *d, struct object *o)
{
	CLEANUP(mem_free) struct done *done = calloc(DONE_SLOTS, sizeof(*done));
	struct walk w = {
		.d = d, .o = o, .file = o->bytes, .done = done, .in_document = is_in_document(o)
	};
	uint64_t facts_before = o->facts;
	struct zip_end end;
	bool has_end;

	if (done == NULL) {
		object_add_facts(o, FACT_BIT(FACT_LIMIT_BYTES));
		return;
	}
	zip_passwords_init(&w.passwords);
	has_end = zip_end_find_last(w.file, &end);
	if (has_end) {
		zip_directory_read_end(&w.directory, w.file, &end);
		zip_directory_sort(&w.directory);
		if (end.disk != 0 && end.disk != UINT16_MAX)
			w.directory.multi_volume = true;
	}
	records_walk(&w);
	if (!w.stop)
		directory_walk(&w);
	walk_judge(&w, has_end);
	if (w.done_count < DONE_SLOTS / 2)
		document_forgive(d, o, facts_before);
	zip_directory_done(&w.directory);
}
