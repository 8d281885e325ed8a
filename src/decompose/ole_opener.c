/* ole_opener.c: see ole_opener.h. Two turns over the entries: the streams, then the modules of
 * VBA projects, whose places a "dir" stream tells. */
#include "decompose/ole_opener.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/decompose.h"
#include "decompose/macro_text.h"
#include "decompose/magic.h"
#include "decompose/ole_message.h"
#include "decompose/ole_office.h"
#include "decompose/ole_package.h"
#include "decompose/ole_storage.h"
#include "decompose/ole_vba.h"

#define MODULES_MAX      1024
#define PROJECTS_MAX     64
#define SOURCE_BYTES_MAX ((size_t)16 << 20)
#define NAME_BYTES_MAX   1024
/* A role that no opener asks for: scanned, but opened by nobody else. */
#define ROLE_KNOWN       8u

struct ole_walk {
	struct decompose *d;
	struct object *o;
	struct ole_storage storage;
	struct buf stream, other; /* for streams in pieces */
	struct ole_vba_module *modules; /* of the project in hand; in the arena */
};

bool
ole_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && magic_is(o->detected, "ole");
}

static void
stream_emit(struct ole_walk *w, const struct child *c, struct slice bytes)
{
	const struct slice all = w->o->bytes;

	if (bytes.len == 0)
		return;
	if (bytes.ptr >= all.ptr && bytes.ptr < all.ptr + all.len) {
		(void)decompose_emit(w->d, w->o, c, bytes);
		return;
	}
	decompose_output_begin(w->d, w->o, all.len);
	(void)decompose_output_write(w->d, bytes);
	(void)decompose_output_finish(w->d, c);
}

/* 8-bit names in the charset they are mostly in. */
static struct slice
name_decode(struct decompose *d, struct slice name)
{
	CLEANUP(buf_done) struct buf out;

	buf_init(&out, NAME_BYTES_MAX * 3);
	if (utf8_is_valid(name) ||
	    charset_to_utf8(SLICE_LIT("CP1252"), slice_sub(name, 0, NAME_BYTES_MAX), &out) < 0)
		return name;
	return arena_copy(decompose_get_arena(d), buf_get(&out));
}

/* "\1Ole10Native": length, then a package, or the data of some program from before OLE 2. */
static bool
native_take(struct ole_walk *w, struct slice bytes)
{
	struct ole_package p;
	struct child c = { .names = p.names };

	if (!ole_package_parse(slice_from(bytes, 4), &p))
		return false;
	for (size_t i = 0; i < p.name_count; i++)
		p.names[i] = name_decode(w->d, p.names[i]);
	c.name_count = p.name_count;
	c.step = p.name_count > 0 ? p.names[0] : SLICE_LIT("package");
	object_add_facts(w->o, FACT_BIT(FACT_EMBEDDED_FILE));
	stream_emit(w, &c, p.data);
	return true;
}

/* Streams whose structure is known and holds no files: to look for some would find the pieces
 * of XML that PowerPoint keeps in ZIPs, or take property sets for UTF-16. */
static bool
is_known(struct slice name)
{
	static const char *const names[] = { "WordDocument", "Workbook", "Book", "0Table", "1Table",
		"PowerPoint Document", "Current User", "\005SummaryInformation",
		"\005DocumentSummaryInformation", "\001CompObj", "\003ObjInfo", "dir",
		"_VBA_PROJECT", "PROJECTwm" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_eq_str_nocase(name, names[i]))
			return true;
	}
	return slice_starts_with_nocase(name, SLICE_LIT("__SRP_"));
}

static void
stream_take(struct ole_walk *w, uint32_t index)
{
	const struct ole_entry *e = &w->storage.entries[index];
	struct slice bytes = ole_storage_read(&w->storage, e, &w->stream);
	struct child c = { .step = ole_storage_get_path(&w->storage, index) };

	object_add_facts(w->o, ole_office_judge(w->d, e->name, bytes));
	if (bytes.len == 0)
		return;
	if (slice_eq_str_nocase(e->name, "\001Ole10Native") && native_take(w, bytes))
		return;
	if (ole_message_take(&w->storage, w->o, index, bytes, &w->other))
		return;
	if (w->storage.installer) {
		c.names = &c.step;
		c.name_count = 1;
	}
	if (is_known(e->name))
		c.roles = ROLE_KNOWN;
	if (slice_eq_str_nocase(e->name, "PowerPoint Document"))
		ole_office_open_slides(w->d, w->o, c.step, bytes);
	stream_emit(w, &c, bytes);
}

static void
source_emit(struct ole_walk *w, uint32_t index, struct slice source)
{
	struct slice path = ole_storage_get_path(&w->storage, index);
	uint64_t facts = macro_text_judge(source);
	char step[600];
	struct child c = { .facts = facts, .declared = SLICE_LIT("text/x-vba") };

	(void)snprintf(step, sizeof(step), "%.*s (macro)", SLICE_FMT(path));
	c.step = slice_of_str(step);
	object_add_facts(w->o, facts);
	decompose_output_begin(w->d, w->o, w->o->bytes.len);
	(void)decompose_output_write(w->d, source);
	(void)decompose_output_finish(w->d, &c);
}

/* True when the module's name is the entry's. */
static bool
is_module_of(const struct ole_vba_module *m, const struct ole_entry *e)
{
	CLEANUP(buf_done) struct buf name = { 0 };

	if (slice_eq_nocase(m->stream, e->name))
		return true;
	if (m->wide.len == 0 || m->wide.len > 128)
		return false;
	buf_init(&name, 512);
	return charset_to_utf8(SLICE_LIT("UTF-16LE"), m->wide, &name) == 0 &&
	    slice_eq_nocase(buf_get(&name), e->name);
}

static void
module_take(struct ole_walk *w, uint32_t index, const struct ole_vba_module *modules,
    size_t count)
{
	const struct ole_entry *e = &w->storage.entries[index];
	struct slice bytes = ole_storage_read(&w->storage, e, &w->stream);
	CLEANUP(buf_done) struct buf source;
	size_t guess;

	buf_init(&source, SOURCE_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (is_module_of(&modules[i], e) && ole_vba_decompress(w->d,
		    slice_from(bytes, modules[i].offset), &source)) {
			source_emit(w, index, buf_get(&source));
			break;
		}
	}
	guess = ole_vba_find_source(bytes);
	if (guess == SIZE_MAX)
		return;
	buf_clear(&source);
	if (ole_vba_decompress(w->d, slice_from(bytes, guess), &source))
		source_emit(w, index, buf_get(&source)); /* mostly the same: one object then */
}

/* The project whose dir stream is entry index: its modules are its neighbours. */
static void
project_take(struct ole_walk *w, uint32_t index)
{
	const struct ole_entry *dir = &w->storage.entries[index];
	CLEANUP(buf_done) struct buf text = { 0 };
	size_t count;

	buf_init(&text, SOURCE_BYTES_MAX);
	if (!ole_vba_decompress(w->d, ole_storage_read(&w->storage, dir, &w->stream), &text))
		return;
	count = ole_vba_parse_dir(buf_get(&text), w->modules, MODULES_MAX);
	for (uint32_t i = 1; i < w->storage.count; i++) {
		const struct ole_entry *e = &w->storage.entries[i];

		if (!budget_has_time(decompose_get_budget(w->d)))
			return;
		if (i != index && e->type == OLE_STREAM && e->parent == dir->parent)
			module_take(w, i, w->modules, count);
	}
}

static bool
is_project_part(const struct ole_storage *s, const struct ole_entry *e)
{
	return e->parent < s->count && slice_eq_str_nocase(s->entries[e->parent].name, "VBA");
}

static void
macros_take(struct ole_walk *w)
{
	const struct ole_storage *s = &w->storage;
	uint32_t projects = 0;

	w->modules = arena_alloc(decompose_get_arena(w->d), MODULES_MAX * sizeof(*w->modules));
	if (w->modules == NULL)
		return;
	for (uint32_t i = 1; i < s->count && projects < PROJECTS_MAX; i++) {
		if (s->entries[i].type == OLE_STREAM && slice_eq_str_nocase(s->entries[i].name, "dir")) {
			projects++;
			project_take(w, i);
		}
	}
	/* Without a list: by their looks. */
	for (uint32_t i = 1; i < s->count && projects == 0; i++) {
		if (s->entries[i].type == OLE_STREAM && is_project_part(s, &s->entries[i]))
			module_take(w, i, NULL, 0);
	}
}

void
ole_opener_open(struct decompose *d, struct object *o)
{
	struct ole_walk w = { .d = d, .o = o };

	buf_init(&w.stream, o->bytes.len);
	buf_init(&w.other, o->bytes.len);
	if (ole_storage_init(&w.storage, d, o->bytes)) {
		for (uint32_t i = 1; i < w.storage.count; i++) {
			if (!budget_has_time(decompose_get_budget(d)))
				break;
			if (w.storage.entries[i].type == OLE_STREAM)
				stream_take(&w, i);
		}
		macros_take(&w);
		if (w.storage.installer)
			object_add_facts(o, FACT_BIT(FACT_EXECUTABLE));
		if (w.storage.lost)
			object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
		if (w.storage.limited)
			object_add_facts(o, FACT_BIT(FACT_LIMIT_RATIO));
	} else {
		object_add_facts(o, FACT_BIT(w.storage.lost ? FACT_TRUNCATED : FACT_CORRUPT));
	}
	if (!budget_has_time(decompose_get_budget(d)))
		object_add_facts(o, budget_get_time_facts(decompose_get_budget(d)));
	ole_storage_done(&w.storage);
	buf_done(&w.stream);
	buf_done(&w.other);
}
