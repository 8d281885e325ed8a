/* office_opener.c: see office_opener.h. Searches for words in XML instead of parsing it: what is
 * wanted are a few attributes, and readers are lenient about the rest. */
#include "decompose/office_opener.h"

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/macro_text.h"
#include "decompose/magic.h"
#include "decompose/stream_decode.h"

#define ACTIVE_MIME_DATA  0x32
#define ACTIVE_MIME_REACH 64
#define BINARIES_MAX      2000
#define LOOK_BYTES        ((size_t)4 << 10)
#define NAME_REACH        256

typedef void part_open(struct decompose *, struct object *);

static bool
has(struct slice in, const char *text)
{
	return slice_find(in, slice_of_str(text), 0) != SIZE_MAX;
}

/* Relationships whose target the program fetches when the document is opened. A hyperlink waits
 * for its reader, and a template on the author's disk is not there. */
static bool
is_fetched(struct slice tag)
{
	size_t at = slice_find_nocase(tag, SLICE_LIT("Target="), 0);
	struct slice target;

	if (slice_find_nocase(tag, SLICE_LIT("\"External\""), 0) == SIZE_MAX &&
	    slice_find_nocase(tag, SLICE_LIT("'External'"), 0) == SIZE_MAX)
		return false;
	if (has(tag, "/hyperlink\"") || has(tag, "/hyperlink'") || at == SIZE_MAX)
		return false;
	target = slice_from(tag, at + 8);
	if (slice_starts_with_nocase(target, SLICE_LIT("file:///")))
		return target.len > 8 && (target.ptr[8] == '\\' || target.ptr[8] == '/');
	return slice_starts_with(target, SLICE_LIT("\\\\")) ||
	    slice_find(slice_sub(target, 0, 16), SLICE_LIT(":"), 0) != SIZE_MAX;
}

static void
relations_open(struct decompose *d, struct object *o)
{
	size_t at = 0;

	while ((at = slice_find_nocase(o->bytes, SLICE_LIT("<Relationship "), at)) != SIZE_MAX) {
		size_t end = slice_find_byte(o->bytes, '>', at);

		if (end == SIZE_MAX || !budget_has_time(decompose_get_budget(d)))
			return;
		if (is_fetched(slice_sub(o->bytes, at, end - at)))
			object_add_facts(o, FACT_BIT(FACT_EXTERNAL_LINK));
		at = end;
	}
}

static void
macro_sheet_open(struct decompose *d, struct object *o)
{
	(void)d;
	object_add_facts(o, FACT_BIT(FACT_MACRO));
}

static void
workbook_open(struct decompose *d, struct object *o)
{
	(void)d;
	if (slice_find_nocase(o->bytes, SLICE_LIT("Auto_Open"), 0) != SIZE_MAX ||
	    slice_find_nocase(o->bytes, SLICE_LIT("a\0u\0t\0o\0_\0o\0p\0e\0n\0"), 0) != SIZE_MAX ||
	    slice_find_nocase(o->bytes, SLICE_LIT("Auto_Close"), 0) != SIZE_MAX ||
	    slice_find_nocase(o->bytes, SLICE_LIT("Auto_Activate"), 0) != SIZE_MAX)
		object_add_facts(o, FACT_BIT(FACT_AUTO_MACRO));
}

static void
external_open(struct decompose *d, struct object *o)
{
	(void)d;
	if (has(o->bytes, "<ddeLink"))
		object_add_facts(o, FACT_BIT(FACT_ACTIVE_CONTENT));
}

/* Fields that start a program: DDE, DDEAUTO; the name stands right behind the tag or quote. */
static void
text_open(struct decompose *d, struct object *o)
{
	static const char *const marks[] = { ">DDEAUTO ", "> DDEAUTO ", ">DDE ", "> DDE ",
		"\"DDEAUTO ", "\" DDEAUTO ", "\"DDE ", "\" DDE " };

	(void)d;
	if (!has(o->bytes, "DDE"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (has(o->bytes, marks[i]))
			object_add_facts(o, FACT_BIT(FACT_ACTIVE_CONTENT));
	}
}

static void
odf_manifest_open(struct decompose *d, struct object *o)
{
	(void)d;
	if (has(o->bytes, "encryption-data"))
		object_add_facts(o, FACT_BIT(FACT_ENCRYPTED));
}

static void
basic_open(struct decompose *d, struct object *o)
{
	size_t at = slice_find(o->bytes, SLICE_LIT("<script:module"), 0);

	(void)d;
	if (at == SIZE_MAX)
		return;
	at = slice_find_byte(o->bytes, '>', at);
	if (at != SIZE_MAX)
		object_add_facts(o, macro_text_judge(slice_from(o->bytes, at + 1)) &
		    (FACT_BIT(FACT_MACRO) | FACT_BIT(FACT_AUTO_MACRO) |
		    FACT_BIT(FACT_SUSPICIOUS_CALL)));
}

/* Macros bound to the opening of the document. */
static void
odf_events_open(struct decompose *d, struct object *o)
{
	(void)d;
	if (has(o->bytes, "<script:event-listener") && (has(o->bytes, "\"dom:load\"") ||
	    has(o->bytes, "\"office:open\"") || has(o->bytes, "\"on-load\"")))
		object_add_facts(o, FACT_BIT(FACT_AUTO_MACRO));
}

/* One part name, by how it begins (at a folder) and ends. NULL fits all. */
static const struct {
	const char *within, *ending;
	part_open *open;
} parts[] = {
	{ "_rels/",             ".rels",        relations_open    },
	{ "macrosheets/sheet",  NULL,           macro_sheet_open  },
	{ "xl/workbook.",       NULL,           workbook_open     },
	{ "externalLinks/",     ".xml",         external_open     },
	{ "word/",              ".xml",         text_open         },
	{ "META-INF/",          "manifest.xml", odf_manifest_open },
	{ "Basic/",             ".xml",         basic_open        },
	{ NULL,                 "content.xml",  odf_events_open   },
};

static part_open *
part_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if ((parts[i].within == NULL ||
		    slice_find_nocase(name, slice_of_str(parts[i].within), 0) != SIZE_MAX) &&
		    (parts[i].ending == NULL ||
		    slice_ends_with_nocase(name, slice_of_str(parts[i].ending))))
			return parts[i].open;
	}
	return NULL;
}

static bool
is_active_mime(const struct object *o)
{
	return slice_starts_with(o->bytes, SLICE_LIT("ActiveMime"));
}

/* A document in one XML file, with its binary parts in base64. */
static bool
is_flat_xml(const struct object *o)
{
	struct slice head = slice_sub(o->bytes, 0, LOOK_BYTES);

	return (magic_is(o->detected, "xml") || magic_is(o->detected, "html")) &&
	    (has(head, "schemas.microsoft.com/office/") ||
	    has(head, "urn:oasis:names:tc:opendocument"));
}

bool
office_opener_claims(const struct object *o)
{
	if ((o->roles & ROLE_LEAF) == 0)
		return false;
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (part_find(o->names[i]) != NULL)
			return true;
	}
	return is_active_mime(o) || is_flat_xml(o);
}

/* ActiveMime (editdata.mso): a header, then zlib. The place of the data varies a little. */
static void
active_mime_open(struct decompose *d, struct object *o)
{
	struct stream_sink sink = { .d = d };
	struct child c = { .step = SLICE_LIT("ActiveMime") };
	size_t at = ACTIVE_MIME_DATA, used;

	for (size_t i = 0; i < ACTIVE_MIME_REACH && at + i + 1 < o->bytes.len; i++) {
		if (o->bytes.ptr[at + i] == 0x78 && (o->bytes.ptr[at + i] * 256 +
		    o->bytes.ptr[at + i + 1]) % 31 == 0) {
			at += i;
			break;
		}
	}
	if (o->bytes.len <= at)
		return;
	decompose_output_begin(d, o, o->bytes.len);
	(void)stream_inflate(slice_from(o->bytes, at), 15, &sink, &used);
	if (sink.total == 0)
		decompose_output_drop(d);
	else
		(void)decompose_output_finish(d, &c);
}

/* The value of the last name="..." before the data. */
static struct slice
binary_name(struct slice before)
{
	static const char *const marks[] = { "w:name=\"", "pkg:name=\"", "xlink:href=\"" };
	struct slice name = SLICE_NONE;

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		size_t at = 0, end;

		while ((at = slice_find(before, slice_of_str(marks[i]), at)) != SIZE_MAX) {
			at += slice_of_str(marks[i]).len;
			end = slice_find_byte(before, '"', at);
			if (end == SIZE_MAX)
				break;
			name = slice_sub(before, at, end - at);
		}
	}
	return name;
}

static void
binary_emit(struct decompose *d, struct object *o, size_t tag, struct slice text)
{
	size_t reach = MIN_OF(tag, (size_t)NAME_REACH);
	struct slice name = binary_name(slice_sub(o->bytes, tag - reach, reach + NAME_REACH));
	struct child c = { .step = name, .names = &name, .name_count = name.len > 0 ? 1 : 0 };
	struct base64_facts facts;
	struct sink sink;

	if (c.name_count == 0)
		c.step = SLICE_LIT("binary data");
	sink_begin(&sink, d, o, text.len);
	sink_write_base64(&sink, text, BASE64_STOP, false, &facts);
	if (sink.total == 0)
		sink_drop(&sink);
	else
		(void)sink_emit(&sink, &c);
}

static void
flat_xml_open(struct decompose *d, struct object *o)
{
	static const char *const tags[] = { "<w:binData", "<pkg:binaryData", "<office:binary-data" };
	struct slice in = o->bytes;

	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		size_t at = 0;

		for (unsigned n = 0; n < BINARIES_MAX; n++) {
			size_t start, end;

			at = slice_find(in, slice_of_str(tags[i]), at);
			start = at == SIZE_MAX ? SIZE_MAX : slice_find_byte(in, '>', at);
			if (start == SIZE_MAX || !budget_has_time(decompose_get_budget(d)))
				break;
			end = MIN_OF(slice_find_byte(in, '<', start), in.len);
			binary_emit(d, o, at, slice_sub(in, start + 1, end - start - 1));
			at = end;
		}
	}
	text_open(d, o);
}

void
office_opener_open(struct decompose *d, struct object *o)
{
	for (uint32_t i = 0; i < o->name_count; i++) {
		part_open *open = part_find(o->names[i]);

		if (open != NULL) {
			open(d, o);
			break;
		}
	}
	if (is_active_mime(o))
		active_mime_open(d, o);
	if (is_flat_xml(o))
		flat_xml_open(d, o);
	if (!budget_has_time(decompose_get_budget(d)))
		object_add_facts(o, budget_get_time_facts(decompose_get_budget(d)));
}
