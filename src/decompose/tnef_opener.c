/* tnef_opener.c: see tnef_opener.h. Attributes come one after another; those of an attachment
 * are gathered until the next one begins, because data may stand before names. */
#include "decompose/tnef_opener.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/tnef_mapi.h"
#include "decompose/tnef_rtf.h"

#define SIGNATURE_REACH  512
#define ATTRIBUTE_HEADER 9
#define NAMES_MAX        16
#define RUNS_MAX         16
#define NAME_BYTES_MAX   2048
#define BODY_BYTES_MAX   ((size_t)64 << 20)

enum { /* attributes, without their type */
	ATTR_BODY = 0x800c,
	ATTR_ATTACH_DATA = 0x800f,
	ATTR_ATTACH_TITLE = 0x8010,
	ATTR_ATTACH_META = 0x8011,
	ATTR_ATTACH_TRANSPORT_NAME = 0x9001,
	ATTR_ATTACH_REND = 0x9002,
	ATTR_MAPI = 0x9003,
	ATTR_ATTACH_MAPI = 0x9005,
	ATTR_CODEPAGE = 0x9007,
};

enum { /* MAPI properties */
	PROP_BODY = 0x1000,
	PROP_RTF = 0x1009,
	PROP_HTML = 0x1013,
	PROP_DISPLAY_NAME = 0x3001,
	PROP_ATTACH_DATA = 0x3701,
	PROP_ATTACH_NAME = 0x3704,
	PROP_ATTACH_LONG_NAME = 0x3707,
	PROP_ATTACH_PATH = 0x3708,
	PROP_ATTACH_LONG_PATH = 0x370d,
	PROP_ATTACH_TAG = 0x370e,
	PROP_ATTACH_TRANSPORT_NAME = 0x370c,
};

struct attachment {
	bool open;
	struct slice names[NAMES_MAX];
	size_t name_count;
	struct slice runs[RUNS_MAX]; /* of data; more than one is odd, each is a child then */
	size_t run_count;
	struct slice declared;
};

struct tnef {
	struct decompose *d;
	struct object *o;
	char codepage[16]; /* of 8-bit strings */
	struct attachment at;
};

static uint32_t
le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t
signature_find(const struct object *o)
{
	static const uint8_t signature[] = { 0x78, 0x9f, 0x3e, 0x22 };
	struct slice mark = slice_of(signature, sizeof(signature));

	if (slice_starts_with(o->bytes, mark))
		return 0;
	if (slice_find(o->declared, SLICE_LIT("ms-tnef"), 0) == SIZE_MAX)
		return SIZE_MAX;
	return slice_find(slice_sub(o->bytes, 0, SIGNATURE_REACH), mark, 0);
}

bool
tnef_claims(const struct object *o)
{
	return o->bytes.len > 6 && signature_find(o) != SIZE_MAX;
}

/* Up to the first NUL; in UTF-8, in the arena. */
static struct slice
string_decode(struct tnef *t, struct slice s, bool wide)
{
	CLEANUP(buf_done) struct buf out = { 0 };
	struct slice charset = wide ? SLICE_LIT("UTF-16LE") : slice_of_str(t->codepage);
	size_t len = 0;

	s = slice_sub(s, 0, NAME_BYTES_MAX);
	if (wide) {
		while (len + 2 <= s.len && (s.ptr[len] != 0 || s.ptr[len + 1] != 0))
			len += 2;
	} else {
		len = MIN_OF(slice_find_byte(s, 0, 0), s.len);
	}
	s.len = len;
	buf_init(&out, NAME_BYTES_MAX * 3);
	if (charset_to_utf8(charset, s, &out) < 0)
		return s;
	return arena_copy(decompose_get_arena(t->d), buf_get(&out));
}

static void
name_add(struct tnef *t, struct slice s, bool wide)
{
	struct attachment *a = &t->at;
	struct slice name = string_decode(t, s, wide);

	if (name.len > 0 && a->name_count < NAMES_MAX)
		a->names[a->name_count++] = name;
}

static void
run_add(struct tnef *t, struct slice bytes)
{
	if (t->at.run_count < RUNS_MAX)
		t->at.runs[t->at.run_count++] = bytes;
	else
		object_add_facts(t->o, FACT_BIT(FACT_LIMIT_OBJECTS));
}

static void
child_emit(struct tnef *t, const struct child *from, struct slice bytes)
{
	struct child c = *from;

	c.views |= VIEW_BIT(VIEW_TNEF);
	c.notes |= AMBIGUITY_BIT(39);
	decompose_emit(t->d, t->o, &c, bytes);
}

static void
attachment_end(struct tnef *t)
{
	struct attachment *a = &t->at;
	struct child c = {
		.step = a->name_count > 0 ? a->names[0] : SLICE_LIT("attachment"),
		.names = a->names,
		.name_count = a->name_count,
		.declared = a->declared,
	};

	for (size_t i = 0; i < a->run_count; i++)
		child_emit(t, &c, a->runs[i]);
	memset(a, 0, sizeof(*a));
}

static void
rtf_emit(struct tnef *t, struct slice packed)
{
	struct child c = {
		.step = SLICE_LIT("body.rtf"),
		.declared = SLICE_LIT("application/rtf"),
		.views = VIEW_BIT(VIEW_TNEF),
	};
	struct sink sink;

	sink_begin(&sink, t->d, t->o, packed.len);
	if (tnef_rtf_write(&sink, packed)) {
		sink_emit(&sink, &c);
		return;
	}
	sink_drop(&sink);
	decompose_emit(t->d, t->o, &c, packed);
}

static void
body_emit(struct tnef *t, struct slice bytes, bool wide, bool html)
{
	struct child c = {
		.step = html ? SLICE_LIT("body.html") : SLICE_LIT("body.txt"),
		.declared = html ? SLICE_LIT("text/html") : SLICE_LIT("text/plain"),
		.roles = ROLE_LEAF | ROLE_TEXT,
		.views = VIEW_BIT(VIEW_TNEF),
	};
	CLEANUP(buf_done) struct buf out = { 0 };
	struct sink sink;

	if (!wide) {
		decompose_emit(t->d, t->o, &c, bytes);
		return;
	}
	buf_init(&out, MIN_OF(bytes.len * 2, BODY_BYTES_MAX) + 16);
	if (charset_to_utf8(SLICE_LIT("UTF-16LE"), bytes, &out) < 0) {
		decompose_emit(t->d, t->o, &c, bytes);
		return;
	}
	sink_begin(&sink, t->d, t->o, bytes.len);
	sink_write(&sink, buf_get(&out));
	sink_emit(&sink, &c);
}

/* An object begins with the id of its interface: a nested message, an OLE storage. */
static struct slice
interface_skip(const struct mapi_value *v)
{
	static const uint8_t tail[] = { 0xc0, 0, 0, 0, 0, 0, 0, 0x46 };

	if (v->bytes.len >= 16 && slice_eq(slice_sub(v->bytes, 8, 8), slice_of(tail, 8)))
		return slice_from(v->bytes, 16);
	return v->bytes;
}

static void
property_take(struct tnef *t, const struct mapi_value *v, bool of_attachment)
{
	bool wide = v->type == MAPI_UNICODE;

	switch (v->id) {
	case PROP_RTF:
		rtf_emit(t, v->bytes);
		break;
	case PROP_BODY:
	case PROP_HTML:
		if (v->bytes.len > 0)
			body_emit(t, v->bytes, wide, v->id == PROP_HTML);
		break;
	case PROP_ATTACH_DATA:
		run_add(t, interface_skip(v));
		break;
	case PROP_ATTACH_TAG:
		t->at.declared = string_decode(t, v->bytes, wide);
		break;
	case PROP_ATTACH_NAME:
	case PROP_ATTACH_LONG_NAME:
	case PROP_ATTACH_PATH:
	case PROP_ATTACH_LONG_PATH:
	case PROP_ATTACH_TRANSPORT_NAME:
		name_add(t, v->bytes, wide);
		break;
	case PROP_DISPLAY_NAME:
		if (of_attachment)
			name_add(t, v->bytes, wide);
		break;
	default:
		break;
	}
}

static void
properties_take(struct tnef *t, struct slice list, bool of_attachment)
{
	struct mapi_walk w;
	struct mapi_value v;

	mapi_walk_init(&w, list);
	while (mapi_walk_next(&w, &v)) {
		if (!budget_has_time(decompose_get_budget(t->d)))
			return;
		property_take(t, &v, of_attachment);
	}
}

static void
attribute_take(struct tnef *t, uint32_t id, struct slice bytes)
{
	switch (id) {
	case ATTR_ATTACH_REND:
		attachment_end(t);
		break;
	case ATTR_ATTACH_DATA:
	case ATTR_ATTACH_META:
		run_add(t, bytes);
		break;
	case ATTR_ATTACH_TITLE:
	case ATTR_ATTACH_TRANSPORT_NAME:
		name_add(t, bytes, false);
		break;
	case ATTR_ATTACH_MAPI:
	case ATTR_MAPI:
		properties_take(t, bytes, id == ATTR_ATTACH_MAPI);
		break;
	case ATTR_BODY:
		if (bytes.len > 1)
			body_emit(t, bytes, false, false);
		break;
	case ATTR_CODEPAGE:
		if (bytes.len >= 4 && le32(bytes.ptr) < 100000)
			snprintf(t->codepage, sizeof(t->codepage), "CP%u",
			    (unsigned)le32(bytes.ptr));
		break;
	default:
		break;
	}
}

void
tnef_open(struct decompose *d, struct object *o)
{
	struct tnef t = { .d = d, .o = o, .codepage = "CP1252" };
	struct slice in = slice_from(o->bytes, signature_find(o) + 6);

	while (in.len >= ATTRIBUTE_HEADER && budget_has_time(decompose_get_budget(d))) {
		uint32_t id = le32(in.ptr + 1) & 0xffff, len = le32(in.ptr + 5);
		uint8_t level = in.ptr[0];

		if (level != 1 && level != 2)
			break;
		in = slice_from(in, ATTRIBUTE_HEADER);
		if (len > in.len)
			object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
		attribute_take(&t, id, slice_sub(in, 0, len));
		in = slice_from(in, (size_t)len + 2); /* the checksum may be anything */
	}
	attachment_end(&t);
}
