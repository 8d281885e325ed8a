/* ole_message.c: see ole_message.h. A property is a stream "__substg1.0_IIIITTTT" with id and
 * type in hex; those of an attachment share a storage. Embedded messages are storages with the
 * same names inside, so nothing special happens to them. */
#include "decompose/ole_message.h"

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/ole_storage.h"
#include "decompose/tnef_rtf.h"

#define PREFIX          "__substg1.0_"
#define NAMES_MAX       6
#define SIBLINGS_MAX    512 /* an attachment has some twenty properties */
#define NAME_BYTES_MAX  1024
#define BODY_BYTES_MAX  ((size_t)64 << 20)

enum {
	TYPE_STRING = 0x001e,
	TYPE_WIDE = 0x001f,
	TYPE_BINARY = 0x0102,
	PROP_BODY = 0x1000,
	PROP_RTF = 0x1009,
	PROP_HTML = 0x1013,
	PROP_DISPLAY_NAME = 0x3001,
	PROP_ATTACH_DATA = 0x3701,
	PROP_ATTACH_EXTENSION = 0x3703,
	PROP_ATTACH_NAME = 0x3704,
	PROP_ATTACH_LONG_NAME = 0x3707,
	PROP_ATTACH_TAG = 0x370e,
};

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Id and type of a property, or 0 when the name is none. */
static uint32_t
tag_parse(struct slice name)
{
	uint32_t tag = 0;

	if (!slice_starts_with_nocase(name, SLICE_LIT(PREFIX)) ||
	    name.len < sizeof(PREFIX) - 1 + 8)
		return 0;
	for (size_t i = 0; i < 8; i++) {
		int v = hex_value(name.ptr[sizeof(PREFIX) - 1 + i]);

		if (v < 0)
			return 0;
		tag = tag << 4 | (uint32_t)v;
	}
	return tag;
}

static struct slice
text_decode(struct ole_storage *s, uint32_t tag, struct slice bytes)
{
	CLEANUP(buf_done) struct buf out;
	struct slice charset = (tag & 0xffff) == TYPE_WIDE ? SLICE_LIT("UTF-16LE")
	                                                   : SLICE_LIT("CP1252");

	buf_init(&out, NAME_BYTES_MAX * 3);
	if (charset_to_utf8(charset, slice_sub(bytes, 0, NAME_BYTES_MAX), &out) < 0)
		return SLICE_NONE;
	while (out.len > 0 && out.data[out.len - 1] == '\0')
		out.len--;
	return arena_copy(decompose_get_arena(s->d), buf_get(&out));
}

/* The names that stand beside the data. */
static void
names_gather(struct ole_storage *s, uint32_t index, struct child *c, struct slice *names,
    struct buf *scratch)
{
	uint32_t parent = s->entries[index].parent, tried = 0;
	uint32_t from = index > SIBLINGS_MAX ? index - SIBLINGS_MAX : 1;

	for (uint32_t i = from; i < s->count && tried < 2 * SIBLINGS_MAX; i++, tried++) {
		const struct ole_entry *e = &s->entries[i];
		uint32_t tag = tag_parse(e->name), id = tag >> 16;
		struct slice text;

		if (e->parent != parent || e->type != OLE_STREAM || (id != PROP_DISPLAY_NAME &&
		    id != PROP_ATTACH_NAME && id != PROP_ATTACH_LONG_NAME && id != PROP_ATTACH_TAG))
			continue;
		text = text_decode(s, tag, ole_storage_read(s, e, scratch));
		if (id == PROP_ATTACH_TAG)
			c->declared = text;
		else if (text.len > 0 && c->name_count < NAMES_MAX)
			names[c->name_count++] = text;
	}
}

static void
child_emit(struct ole_storage *s, struct object *o, const struct child *c, struct slice bytes)
{
	bool inside = bytes.ptr >= o->bytes.ptr && bytes.ptr < o->bytes.ptr + o->bytes.len;

	if (inside) {
		(void)decompose_emit(s->d, o, c, bytes);
		return;
	}
	decompose_output_begin(s->d, o, o->bytes.len);
	(void)decompose_output_write(s->d, bytes);
	(void)decompose_output_finish(s->d, c);
}

static void
rtf_emit(struct ole_storage *s, struct object *o, struct slice bytes)
{
	struct child c = { .step = SLICE_LIT("body.rtf"), .declared = SLICE_LIT("application/rtf") };
	struct sink sink;

	sink_begin(&sink, s->d, o, bytes.len);
	if (tnef_rtf_write(&sink, bytes))
		(void)sink_emit(&sink, &c);
	else
		sink_drop(&sink);
}

static void
body_emit(struct ole_storage *s, struct object *o, uint32_t tag, struct slice bytes)
{
	bool html = tag >> 16 == PROP_HTML;
	struct child c = { .step = html ? SLICE_LIT("body.html") : SLICE_LIT("body.txt"),
		.declared = html ? SLICE_LIT("text/html") : SLICE_LIT("text/plain"),
		.roles = ROLE_LEAF | ROLE_TEXT };
	CLEANUP(buf_done) struct buf out;

	buf_init(&out, MIN_OF(bytes.len * 2, BODY_BYTES_MAX) + 16);
	if ((tag & 0xffff) == TYPE_WIDE && bytes.len > 0 &&
	    charset_to_utf8(SLICE_LIT("UTF-16LE"), bytes, &out) >= 0)
		bytes = buf_get(&out);
	child_emit(s, o, &c, bytes);
}

bool
ole_message_take(struct ole_storage *s, struct object *o, uint32_t index, struct slice bytes,
    struct buf *scratch)
{
	uint32_t tag = tag_parse(s->entries[index].name);
	struct slice names[NAMES_MAX];
	struct child c = { .names = names };

	switch (tag >> 16) {
	case PROP_ATTACH_DATA:
		if ((tag & 0xffff) != TYPE_BINARY)
			return false;
		names_gather(s, index, &c, names, scratch);
		c.step = c.name_count > 0 ? names[0] : SLICE_LIT("attachment");
		child_emit(s, o, &c, bytes);
		object_add_facts(o, FACT_BIT(FACT_EMBEDDED_FILE));
		return true;
	case PROP_RTF:
		rtf_emit(s, o, bytes);
		return true;
	case PROP_BODY:
	case PROP_HTML:
		if (bytes.len > 0)
			body_emit(s, o, tag, bytes);
		return true;
	case PROP_DISPLAY_NAME:
	case PROP_ATTACH_EXTENSION:
	case PROP_ATTACH_NAME:
	case PROP_ATTACH_LONG_NAME:
	case PROP_ATTACH_TAG:
		return true;
	default:
		return false;
	}
}
