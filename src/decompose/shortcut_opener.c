/* shortcut_opener.c: see shortcut_opener.h. */
#include "decompose/shortcut_opener.h"

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"
#include "decompose/macro_text.h"
#include "decompose/magic.h"

#define HEADER_BYTES      76
#define TEXT_BYTES_MAX    ((size_t)1 << 20)
#define TRAILER_MIN_BYTES 16
#define BLOCKS_MAX        64
#define BLOCK_ENVIRONMENT 0xa0000001
#define SEARCH_BYTES      ((size_t)64 << 10)

enum {
	HAS_ID_LIST = 0x01,
	HAS_LINK_INFO = 0x02,
	IS_UNICODE = 0x80,
};

static const struct {
	uint32_t flag;
	const char *label;
} strings[] = { { 0x04, "Name" }, { 0x08, "Relative path" }, { 0x10, "Working folder" },
	{ 0x20, "Arguments" }, { 0x40, "Icon" } };

static bool
is_called(const struct object *o, const char *ending)
{
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_ends_with_nocase(o->names[i], slice_of_str(ending)))
			return true;
	}
	return false;
}

static bool
is_library(const struct object *o)
{
	return is_called(o, ".library-ms") || is_called(o, ".searchConnector-ms");
}

bool
shortcut_opener_claims(const struct object *o)
{
	if ((o->roles & ROLE_LEAF) == 0)
		return false;
	return magic_is(o->detected, "lnk") || magic_is(o->detected, "url") || is_library(o) ||
	    (is_called(o, ".url") && (o->detected->kind & KIND_TEXT) != 0);
}

/* "label: value", value up to its first NUL. */
static void
line_add(struct buf *out, const char *label, struct slice value, bool wide)
{
	CLEANUP(buf_done) struct buf text;
	size_t len = 0;

	buf_init(&text, TEXT_BYTES_MAX);
	if (wide) {
		while (len + 2 <= value.len && (value.ptr[len] != 0 || value.ptr[len + 1] != 0))
			len += 2;
	} else {
		len = MIN_OF(slice_find_byte(value, 0, 0), value.len);
	}
	if (len == 0 || charset_to_utf8(wide ? SLICE_LIT("UTF-16LE") : SLICE_LIT("CP1252"),
	    slice_sub(value, 0, len), &text) < 0)
		return;
	(void)buf_append_str(out, label);
	(void)buf_append_str(out, ": ");
	(void)buf_append_slice(out, buf_get(&text));
	(void)buf_append_byte(out, '\n');
}

/* Local path, and the share where the target lies. */
static void
link_info_take(struct slice info, struct buf *out)
{
	uint32_t local = le32_read(info, 16), share = le32_read(info, 20);
	struct slice network = slice_from(info, share);

	if (local != 0)
		line_add(out, "Target", slice_from(info, local), false);
	if (share != 0 && network.len >= 20)
		line_add(out, "Share", slice_from(network, le32_read(network, 8)), false);
}

static size_t
strings_take(struct slice in, size_t at, uint32_t flags, struct buf *out)
{
	bool wide = (flags & IS_UNICODE) != 0;

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		size_t len;

		if ((flags & strings[i].flag) == 0)
			continue;
		len = (size_t)le16_read(in, at) * (wide ? 2 : 1);
		line_add(out, strings[i].label, slice_sub(in, at + 2, len), wide);
		at += 2 + len;
	}
	return at;
}

static size_t
blocks_take(struct slice in, size_t at, struct buf *out)
{
	for (unsigned n = 0; n < BLOCKS_MAX; n++) {
		uint32_t size = le32_read(in, at);
		struct slice block = slice_sub(in, at, size);

		if (size < 4 || block.len < size)
			return at + 4;
		if (size >= 788 && le32_read(block, 4) == BLOCK_ENVIRONMENT) {
			line_add(out, "Target", slice_sub(block, 8, 260), false);
			line_add(out, "Target", slice_sub(block, 268, 520), true);
		}
		at += size;
	}
	return at;
}

static void
link_open(struct decompose *d, struct object *o)
{
	CLEANUP(buf_done) struct buf out;
	struct child text = { .step = SLICE_LIT("shortcut"), .declared = SLICE_LIT("text/plain") };
	struct child rest = { .step = SLICE_LIT("(behind the end)") };
	struct slice in = o->bytes, behind;
	uint32_t flags = le32_read(in, 0x14);
	size_t at = HEADER_BYTES;

	buf_init(&out, TEXT_BYTES_MAX);
	object_add_facts(o, FACT_BIT(FACT_EXECUTABLE));
	if ((flags & HAS_ID_LIST) != 0)
		at += 2 + (size_t)le16_read(in, at);
	if ((flags & HAS_LINK_INFO) != 0) {
		size_t size = le32_read(in, at);

		link_info_take(slice_sub(in, at, size), &out);
		at += size;
	}
	at = strings_take(in, at, flags, &out);
	at = blocks_take(in, at, &out);
	if (macro_text_is_command(buf_get(&out)))
		object_add_facts(o, FACT_BIT(FACT_SUSPICIOUS_CALL));
	if (slice_find(buf_get(&out), SLICE_LIT(": \\\\"), 0) != SIZE_MAX)
		object_add_facts(o, FACT_BIT(FACT_EXTERNAL_LINK));
	if (out.len > 0) {
		decompose_output_begin(d, o, in.len);
		(void)decompose_output_write(d, buf_get(&out));
		(void)decompose_output_finish(d, &text);
	}
	behind = slice_from(in, at);
	if (behind.len >= TRAILER_MIN_BYTES)
		(void)decompose_emit(d, o, &rest, behind);
}

/* A place on another machine that the file manager would open. */
static bool
is_remote_file(struct slice target)
{
	target = slice_trim(target);
	if (slice_starts_with_nocase(target, SLICE_LIT("file:///")) && target.len > 9)
		return target.ptr[8] == '/' || target.ptr[8] == '\\';
	return slice_starts_with(target, SLICE_LIT("\\\\")) ||
	    slice_starts_with_nocase(target, SLICE_LIT("file:")) ||
	    slice_starts_with_nocase(target, SLICE_LIT("smb:"));
}

static void
url_open(struct object *o)
{
	struct slice line;
	size_t pos = 0;

	while (text_next_line(slice_sub(o->bytes, 0, SEARCH_BYTES), &pos, &line)) {
		line = slice_trim(line);
		if (slice_starts_with_nocase(line, SLICE_LIT("URL=")) &&
		    is_remote_file(slice_from(line, 4)))
			object_add_facts(o, FACT_BIT(FACT_EXTERNAL_LINK));
		else if (slice_starts_with_nocase(line, SLICE_LIT("IconFile=\\\\")) ||
		    slice_starts_with_nocase(line, SLICE_LIT("WorkingDirectory=\\\\")))
			object_add_facts(o, FACT_BIT(FACT_EXTERNAL_LINK));
	}
}

static void
library_open(struct object *o)
{
	struct slice in = slice_sub(o->bytes, 0, SEARCH_BYTES);
	size_t at = 0;

	while ((at = slice_find_nocase(in, SLICE_LIT("<url>"), at)) != SIZE_MAX) {
		struct slice target = slice_trim(slice_from(in, at += 5));

		if (is_remote_file(target) || slice_starts_with_nocase(target, SLICE_LIT("http")))
			object_add_facts(o, FACT_BIT(FACT_EXTERNAL_LINK));
	}
}

void
shortcut_opener_open(struct decompose *d, struct object *o)
{
	if (magic_is(o->detected, "lnk"))
		link_open(d, o);
	else if (is_library(o))
		library_open(o);
	else
		url_open(o);
}
