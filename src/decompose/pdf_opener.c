/* pdf_opener.c: see pdf_opener.h. Object streams first, because they tell what other streams
 * are; then the streams. Those of pages are looked at by their first bytes only. */
#include "decompose/pdf_opener.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "decompose/pdf_walk.h"

#define UNDONE_BYTES_MAX ((size_t)64 << 20)
#define LOOK_BYTES       2048
#define LOOK_OF_SIGNS    64

bool
pdf_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && magic_is(o->detected, "pdf");
}

/* All filters of s, at most max bytes of output each. The result lies in one of both buffers or
 * in the file; *ret_whole is false when a filter broke off. False: a filter that stays closed. */
static bool
stream_undo(struct pdf_walk *w, const struct pdf_stream *s, size_t max, struct buf buffers[2],
    struct slice *ret_bytes, bool *ret_whole)
{
	struct slice bytes = s->data;

	*ret_whole = true;
	for (unsigned i = 0; i < s->filter_count; i++) {
		struct buf *to = &buffers[i % 2];

		if (s->filters[i] == PDF_FILTER_IMAGE || s->filters[i] == PDF_FILTER_OTHER)
			return false;
		buf_clear(to);
		to->max = max;
		if (!pdf_filter_undo(w->d, s->filters[i], s->late_change, bytes, to))
			*ret_whole = false;
		bytes = buf_get(to);
	}
	*ret_bytes = bytes;
	return true;
}

static void
bytes_emit(struct pdf_walk *w, const struct child *c, struct slice bytes)
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

static int
wanted_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct pdf_wanted *)a)->number, y = ((const struct pdf_wanted *)b)->number;

	return x < y ? -1 : x > y;
}

/* What streams without a name of a type are worth a closer look. */
static bool
is_suspect(struct pdf_walk *w, const struct pdf_stream *s, struct buf buffers[2])
{
	const unsigned kinds = KIND_ARCHIVE | KIND_STREAM | KIND_EXECUTABLE | KIND_DOCUMENT;
	struct slice head;
	unsigned packers = 0;
	bool whole;

	for (unsigned i = 0; i < s->filter_count; i++)
		packers += s->filters[i] == PDF_FILTER_FLATE || s->filters[i] == PDF_FILTER_LZW;
	if (packers > 1) /* nobody packs twice who has nothing to hide: bombs do */
		return true;
	if (!stream_undo(w, s, LOOK_BYTES, buffers, &head, &whole))
		return false;
	head = slice_sub(head, 0, LOOK_BYTES);
	if (head.len < LOOK_OF_SIGNS)
		return false;
	return (magic_detect(head)->kind & kinds) != 0 || magic_is(magic_detect(head), "html");
}

static const char *
step_of(enum pdf_kind kind)
{
	switch (kind) {
	case PDF_KIND_FILE:
		return "embedded file";
	case PDF_KIND_SCRIPT:
		return "JavaScript";
	case PDF_KIND_FORM:
		return "XFA";
	case PDF_KIND_OBJECTS:
		return "object stream";
	default:
		return "stream";
	}
}

static struct child
child_for(const struct pdf_stream *s, const struct pdf_wanted *wanted, char *step, size_t size)
{
	struct child c = { .names = wanted == NULL ? NULL : &wanted->name };

	(void)snprintf(step, size, "%s %u", step_of(s->kind), (unsigned)s->number);
	c.step = slice_of_str(step);
	if (s->kind == PDF_KIND_FILE && wanted != NULL && wanted->name.len > 0) {
		c.name_count = 1;
		c.step = wanted->name;
	} else if (s->kind == PDF_KIND_SCRIPT) {
		c.declared = SLICE_LIT("text/javascript");
		c.facts = FACT_BIT(FACT_SCRIPT);
	} else if (s->kind == PDF_KIND_FORM) {
		c.declared = SLICE_LIT("text/xml");
	}
	return c;
}

static void
stream_open(struct pdf_walk *w, struct pdf_stream *s, struct buf buffers[2])
{
	struct pdf_wanted key = { .number = s->number };
	const struct pdf_wanted *wanted = bsearch(&key, w->wanted, w->wanted_count,
	    sizeof(*w->wanted), wanted_compare);
	struct slice bytes;
	struct child c;
	char step[64];
	bool whole;

	if (wanted != NULL && s->kind == PDF_KIND_OTHER)
		s->kind = wanted->kind;
	if (s->kind == PDF_KIND_CLOSED ||
	    (s->kind == PDF_KIND_OTHER && !is_suspect(w, s, buffers)))
		return;
	if (!stream_undo(w, s, UNDONE_BYTES_MAX, buffers, &bytes, &whole))
		return;
	c = child_for(s, wanted, step, sizeof(step));
	if (s->kind == PDF_KIND_FILE) {
		object_add_facts(w->o, FACT_BIT(FACT_EMBEDDED_FILE));
		if (!whole && bytes.len >= UNDONE_BYTES_MAX - 1)
			object_add_facts(w->o, FACT_BIT(FACT_LIMIT_BYTES));
		else if (s->cut)
			object_add_facts(w->o, FACT_BIT(FACT_TRUNCATED));
	}
	bytes_emit(w, &c, bytes);
}

static void
objects_open(struct pdf_walk *w, struct pdf_stream *s, struct buf buffers[2])
{
	struct child c;
	struct slice bytes;
	char step[64];
	bool whole;

	if (!stream_undo(w, s, UNDONE_BYTES_MAX, buffers, &bytes, &whole))
		return;
	pdf_walk_read(w, bytes, true);
	c = child_for(s, NULL, step, sizeof(step));
	bytes_emit(w, &c, bytes);
}

static void
streams_open(struct pdf_walk *w)
{
	struct buf buffers[2] = { 0 };

	for (size_t i = 0; i < w->stream_count; i++) {
		if (w->streams[i].kind == PDF_KIND_OBJECTS)
			objects_open(w, &w->streams[i], buffers);
	}
	qsort(w->wanted, w->wanted_count, sizeof(*w->wanted), wanted_compare);
	for (size_t i = 0; i < w->stream_count; i++) {
		if (!budget_has_time(decompose_get_budget(w->d))) {
			object_add_facts(
			    w->o, budget_get_time_facts(decompose_get_budget(w->d)));
			break;
		}
		if (w->streams[i].kind != PDF_KIND_OBJECTS)
			stream_open(w, &w->streams[i], buffers);
	}
	buf_done(&buffers[0]);
	buf_done(&buffers[1]);
}

void
pdf_opener_open(struct decompose *d, struct object *o)
{
	struct pdf_walk w = { .d = d, .o = o };

	w.wanted = arena_alloc(decompose_get_arena(d), PDF_WANTED_MAX * sizeof(*w.wanted));
	if (w.wanted == NULL)
		return;
	pdf_walk_read(&w, o->bytes, false);
	if (w.encrypted)
		object_add_facts(o, FACT_BIT(FACT_ENCRYPTED));
	else
		streams_open(&w);
	free(w.streams);
}
