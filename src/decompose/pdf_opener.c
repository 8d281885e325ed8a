/* pdf_opener.c: see pdf_opener.h. Object streams first, because they tell what other streams
 * are; then the streams. Those of pages are looked at by their first bytes only.
 * In an encrypted file each stream is read as the file says, and as it stands when that makes
 * sense: an encryption that readers pass over (of a trailer that no longer counts, say) must
 * not hide what is not encrypted at all. That covers Metadata that is left plain, too. */
#include "decompose/pdf_opener.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/cipher.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "decompose/pdf_unlock.h"
#include "decompose/pdf_walk.h"

#define UNDONE_BYTES_MAX ((size_t)64 << 20)
#define LOOK_BYTES       2048
#define LOOK_OF_SIGNS    64
#define PLAIN_SIGNS      16
#define METHODS_MAX      4
#define CLOSED_BYTES     32 /* less is no encrypted stream, but a broken one */

/* Room that is used again for each stream, and how the one in hand is read. */
struct work {
	struct buf plain;      /* decrypted */
	struct buf buffers[2]; /* filters undone */
	bool opened;           /* by the file's key */
	bool sound;            /* decrypting told of no error */
};

bool
pdf_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && magic_is(o->detected, "pdf");
}

/* All filters of s, at most max bytes of output each. The result lies in one of both buffers or
 * in the file; *ret_whole is false when a filter broke off. False: a filter that stays closed.
 */
static bool
stream_undo(struct pdf_walk *w, const struct pdf_stream *s, size_t max, struct work *k,
    struct slice *ret_bytes, bool *ret_whole)
{
	struct slice bytes = s->data;

	*ret_whole = true;
	for (unsigned i = 0; i < s->filter_count; i++) {
		struct buf *to = &k->buffers[i % 2];

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
	uint32_t x = ((const struct pdf_wanted *)a)->number,
		 y = ((const struct pdf_wanted *)b)->number;

	return x < y ? -1 : x > y;
}

/* What streams without a name of a type are worth a closer look. */
static bool
is_suspect(struct pdf_walk *w, const struct pdf_stream *s, struct work *k)
{
	struct slice head;
	unsigned packers = 0;
	bool whole;

	for (unsigned i = 0; i < s->filter_count; i++)
		packers += s->filters[i] == PDF_FILTER_FLATE || s->filters[i] == PDF_FILTER_LZW;
	if (packers > 1) /* nobody packs twice who has nothing to hide: bombs do */
		return true;
	if (!stream_undo(w, s, LOOK_BYTES, k, &head, &whole))
		return false;
	head = slice_sub(head, 0, LOOK_BYTES);
	return head.len >= LOOK_OF_SIGNS && pdf_walk_is_file(head);
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

/* What the stream in hand says of itself, and how it was come by. */
static void
stream_emit(struct pdf_walk *w, const struct pdf_stream *s, const struct pdf_wanted *wanted,
    const struct work *k, struct slice bytes)
{
	char step[64];
	struct child c = child_for(s, wanted, step, sizeof(step));

	if (k->opened) {
		c.step = pdf_walk_get_step(w, c.step);
		c.facts |= w->password ? FACT_BIT(FACT_PASSWORD_FOUND) : 0;
	}
	bytes_emit(w, &c, bytes);
}

/* The first one that does something to the data. */
static enum pdf_filter
first_filter(const struct pdf_stream *s)
{
	for (unsigned i = 0; i < s->filter_count; i++) {
		if (s->filters[i] != PDF_FILTER_CRYPT)
			return s->filters[i];
	}
	return PDF_FILTER_NONE;
}

/* Whether what was decrypted is what was encrypted, as far as it shows. */
static bool
makes_sense(const struct pdf_stream *s, const struct work *k, bool whole)
{
	if (!k->opened || s->data.len == 0)
		return true;
	if (first_filter(s) == PDF_FILTER_FLATE)
		return whole || (k->sound && pdf_walk_is_plain(s->data));
	return k->sound;
}

static const struct pdf_wanted *
wanted_find(const struct pdf_walk *w, const struct pdf_stream *s)
{
	struct pdf_wanted key = { .number = s->number };

	return bsearch(&key, w->wanted, w->wanted_count, sizeof(*w->wanted), wanted_compare);
}

/* False: nothing sensible came out. */
static bool
stream_open(struct pdf_walk *w, const struct pdf_stream *s, struct work *k)
{
	struct slice bytes;
	bool whole;

	if (s->kind == PDF_KIND_OTHER && !is_suspect(w, s, k))
		return true;
	if (!stream_undo(w, s, UNDONE_BYTES_MAX, k, &bytes, &whole))
		return true;
	if (s->kind == PDF_KIND_OBJECTS) {
		pdf_walk_read(w, bytes, true);
		stream_emit(w, s, NULL, k, bytes);
		return makes_sense(s, k, whole);
	}
	if (s->kind == PDF_KIND_FILE) {
		object_add_facts(w->o, FACT_BIT(FACT_EMBEDDED_FILE));
		if (!whole && bytes.len >= UNDONE_BYTES_MAX - 1)
			object_add_facts(w->o, FACT_BIT(FACT_LIMIT_BYTES));
		else if (s->cut)
			object_add_facts(w->o, FACT_BIT(FACT_TRUNCATED));
	}
	stream_emit(w, s, wanted_find(w, s), k, bytes);
	return makes_sense(s, k, whole);
}

/* A stream that shows that it is not encrypted after all. */
static bool
looks_plain(struct pdf_walk *w, const struct pdf_stream *s, struct work *k)
{
	struct slice head;
	bool whole;

	return pdf_walk_is_plain(s->data) ||
	       (first_filter(s) != PDF_FILTER_NONE &&
		   stream_undo(w, s, LOOK_BYTES, k, &head, &whole) && head.len >= PLAIN_SIGNS &&
		   pdf_walk_is_plain(head));
}

/* Files and their kin that do not look so may be plain all the same: zlib's header is there or
 * it is not, other data may be anything. */
static bool
may_be_plain(const struct pdf_walk *w, const struct pdf_stream *s)
{
	return w->crypt != NULL && s->kind != PDF_KIND_OTHER &&
	       first_filter(s) != PDF_FILTER_FLATE;
}

static unsigned
method_add(enum pdf_method methods[METHODS_MAX], unsigned n, enum pdf_method m)
{
	for (unsigned i = 0; i < n; i++) {
		if (methods[i] == m)
			return n;
	}
	methods[n] = m;
	return n + 1;
}

/* The ways to decrypt s: what it should be first, then what a reader may do. */
static unsigned
methods_get(
    const struct pdf_walk *w, const struct pdf_stream *s, enum pdf_method methods[METHODS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; w->crypt != NULL && i < s->filter_count && n == 0; i++) {
		if (s->filters[i] == PDF_FILTER_CRYPT)
			n = method_add(methods, n, s->crypt);
	}
	if (w->crypt != NULL) {
		if (s->kind == PDF_KIND_FILE)
			n = method_add(methods, n, w->crypt->files);
		n = method_add(methods, n, w->crypt->streams);
	}
	return method_add(methods, n, PDF_METHOD_IDENTITY);
}

/* With the line end behind it where blocks ask for that: it is data that looks like one. */
static struct slice
data_with_tail(const struct pdf_stream *s, enum pdf_method method)
{
	size_t missing = -s->data.len % CIPHER_BLOCK_BYTES;

	if (method == PDF_METHOD_RC4 || missing > s->tail)
		return s->data;
	return slice_of(s->data.ptr, s->data.len + missing);
}

/* s by one method, into k->plain. */
static struct slice
data_get(struct pdf_walk *w, const struct pdf_stream *s, enum pdf_method method, struct work *k)
{
	struct slice data = data_with_tail(s, method);

	k->opened = method != PDF_METHOD_IDENTITY;
	k->sound = true;
	if (!k->opened)
		return s->data;
	buf_clear(&k->plain);
	k->plain.max = data.len;
	budget_add_work(decompose_get_budget(w->d), data.len);
	k->sound = pdf_crypt_undo(w->crypt, method, s->number, s->generation, data, &k->plain);
	return buf_get(&k->plain);
}

static void
stream_read(struct pdf_walk *w, struct pdf_stream *s, struct work *k)
{
	enum pdf_method methods[METHODS_MAX];
	unsigned count;
	bool understood = false, closed = false;

	if (s->kind == PDF_KIND_CLOSED)
		return;
	count = methods_get(w, s, methods);
	for (unsigned i = 0; i < count; i++) {
		struct pdf_stream reading = *s;
		bool sure = i == 0 && (!w->encrypted || w->crypt != NULL);

		reading.data = data_get(w, s, methods[i], k);
		if (!k->sound && reading.data.len == 0) {
			closed |= s->data.len >= CLOSED_BYTES;
			continue;
		}
		sure = sure || looks_plain(w, &reading, k);
		if (sure || may_be_plain(w, &reading))
			understood |= stream_open(w, &reading, k) && sure;
	}
	if (!understood && w->crypt != NULL && (closed || s->kind != PDF_KIND_OTHER))
		object_add_facts(w->o, FACT_BIT(FACT_ENCRYPTED));
}

static void
streams_open(struct pdf_walk *w)
{
	struct work k = { 0 };

	for (size_t i = 0; i < w->stream_count; i++) {
		if (w->streams[i].kind == PDF_KIND_OBJECTS)
			stream_read(w, &w->streams[i], &k);
	}
	qsort(w->wanted, w->wanted_count, sizeof(*w->wanted), wanted_compare);
	for (size_t i = 0; i < w->stream_count; i++) {
		struct pdf_stream *s = &w->streams[i];
		const struct pdf_wanted *wanted = wanted_find(w, s);

		if (!budget_has_time(decompose_get_budget(w->d))) {
			object_add_facts(
			    w->o, budget_get_time_facts(decompose_get_budget(w->d)));
			break;
		}
		if (s->kind == PDF_KIND_OBJECTS)
			continue;
		if (wanted != NULL && s->kind == PDF_KIND_OTHER)
			s->kind = wanted->kind;
		stream_read(w, s, &k);
	}
	buf_done(&k.plain);
	buf_done(&k.buffers[0]);
	buf_done(&k.buffers[1]);
}

/* Once more with the key: names and scripts are strings. */
static void
unlock(struct pdf_walk *w)
{
	struct pdf_crypt *crypt = pdf_unlock(w);

	if (crypt == NULL || w->unclear)
		object_add_facts(w->o, FACT_BIT(FACT_ENCRYPTED));
	if (crypt == NULL)
		return;
	object_add_facts(
	    w->o, w->password ? FACT_BIT(FACT_PASSWORD_FOUND) : FACT_BIT(FACT_ENCRYPTED_OPEN));
	w->crypt = crypt;
	w->stream_count = w->wanted_count = w->script_count = 0;
	pdf_walk_read(w, w->o->bytes, false);
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
		unlock(&w);
	pdf_walk_emit_scripts(&w, !w.encrypted);
	streams_open(&w);
	free(w.streams);
	free(w.scripts);
}
