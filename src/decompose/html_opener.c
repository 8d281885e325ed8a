/* html_opener.c: see html_opener.h. Pages in wide charsets and UTF-7 are emitted as UTF-8 and
 * come here again. */
#include "decompose/html_opener.h"

#include <errno.h>

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/html_scan.h"
#include "decompose/html_text.h"
#include "decompose/html_walk.h"
#include "decompose/magic.h"

#define ENOUGH             (HTML_DATA | HTML_SCRIPT | HTML_LONG | HTML_ENTITY | HTML_UTF7)
#define SCRIPT_LETTERS_MIN 40
#define LONG_LETTERS_MIN   200
#define SMUGGLED_BYTES_MIN 64
#define LARGE_STRING_BYTES 1000
#define UTF7_REACH         1024
#define REFERENCE_LEVELS   3
#define PAGE_BYTES_MAX     ((size_t)128 << 20)

static bool
is_page(const struct object *o)
{
	static const char *const formats[] = { "html", "svg", "xml", "utf16" };
	static const char *const types[] = { "html", "svg", "script", "xml" };
	static const char *const endings[] = {
		".html",
		".htm",
		".xhtml",
		".shtml",
		".mht",
		".hta",
		".svg",
		".js",
		".jse",
		".vbs",
		".vbe",
		".wsf",
		".xml",
		".xht",
		".jsp",
		".php",
		".url",
		".css",
		".mjs",
	};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (magic_is(o->detected, formats[i]))
			return true;
	}
	for (size_t i = 0; o->declared.len > 0 && i < ARRAY_LEN(types); i++) {
		if (slice_find(o->declared, slice_of_str(types[i]), 0) != SIZE_MAX &&
		    (o->detected == NULL ||
			(o->detected->kind & (KIND_TEXT | KIND_OTHER)) != 0))
			return true;
	}
	for (uint32_t n = 0; n < o->name_count; n++) {
		for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
			if (slice_ends_with_nocase(o->names[n], slice_of_str(endings[i])))
				return true;
		}
	}
	return false;
}

/* The charset whose characters are two or four bytes wide, or NULL. Without a mark the zero
 * bytes of the first characters decide. */
static const char *
wide_charset(struct slice b)
{
	unsigned even = 0, odd = 0, third = 0;
	size_t n = MIN_OF(b.len, (size_t)64) & ~(size_t)3;

	if (b.len >= 4 &&
	    ((b.ptr[0] == 0xff && b.ptr[1] == 0xfe) || (b.ptr[0] == 0xfe && b.ptr[1] == 0xff)))
		return b.ptr[0] == 0xff && b.ptr[2] == 0 && b.ptr[3] == 0 ? "UTF-32" : "UTF-16";
	if (b.len >= 4 && b.ptr[0] == 0 && b.ptr[1] == 0 && b.ptr[2] == 0xfe &&
	    b.ptr[3] == 0xff)
		return "UTF-32";
	if (n < 8)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (b.ptr[i] == 0) {
			even += (i & 1) == 0;
			odd += (i & 1) == 1;
			third += (i & 3) == 1 || (i & 3) == 2;
		}
	}
	if (even + odd >= n * 5 / 8 && third >= n * 3 / 8)
		return b.ptr[0] == 0 ? "UTF-32BE" : "UTF-32LE";
	if (odd >= n / 4 && even <= n / 16)
		return "UTF-16LE";
	if (even >= n / 4 && odd <= n / 16)
		return "UTF-16BE";
	return NULL;
}

/* UTF-7 says so near its start; "+ADw-" (a tag) is found by the scan. */
static bool
is_utf7(struct slice b)
{
	return slice_starts_with(b, SLICE_LIT("+/v")) ||
	       slice_find_nocase(slice_sub(b, 0, UTF7_REACH), SLICE_LIT("utf-7"), 0) !=
		   SIZE_MAX;
}

bool
html_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && o->bytes.len >= 16 && is_page(o) &&
	       (wide_charset(o->bytes) != NULL || is_utf7(o->bytes) ||
		   (html_scan(o->bytes, ENOUGH) & ENOUGH) != 0);
}

/* Emits the page as UTF-8. */
static void
page_transcode(struct decompose *d, struct object *o, const char *charset)
{
	struct child c = {
		.step = slice_of_str(charset),
		.declared = o->declared.len > 0 ? o->declared : SLICE_LIT("text/html"),
		.names = o->names,
		.name_count = o->name_count,
		.roles = ROLE_LEAF | (o->roles & ROLE_TEXT),
		.views = VIEW_BIT(VIEW_HTML_UTF16),
		.notes = AMBIGUITY_BIT(46),
	};
	CLEANUP(buf_done) struct buf out = { 0 };
	struct sink sink;
	int r;

	buf_init(&out, MIN_OF(o->bytes.len, PAGE_BYTES_MAX) * 2 + 64);
	r = charset_to_utf8(slice_of_str(charset), o->bytes, &out);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		object_add_facts(o, FACT_BIT(FACT_LIMIT_BYTES));
		return;
	}
	if (slice_eq(buf_get(&out), o->bytes))
		return;
	sink_begin(&sink, d, o, o->bytes.len);
	sink_write(&sink, buf_get(&out));
	sink_emit(&sink, &c);
}

/* A string of a script that is longer than people write, on one line. */
static bool
has_large_string(struct slice page)
{
	size_t at = 0, start = 0;
	uint8_t quote = 0;

	for (; at < page.len; at++) {
		uint8_t c = page.ptr[at];

		if (c == '\n' && quote != '`') {
			quote = 0;
		} else if (c == '"' || c == '\'' || c == '`') {
			if (c == quote && at - start > LARGE_STRING_BYTES)
				return true;
			if (quote == 0 || c == quote) {
				quote = c;
				start = at;
			}
		}
	}
	return false;
}

/* Says whether the page builds a file and offers it to its reader. */
static void
smuggling_judge(struct html_walk *w)
{
	bool blob = (w->found & HTML_BLOB) != 0;

	if (w->files == 0 && w->built_bytes < SMUGGLED_BYTES_MIN &&
	    !(blob && has_large_string(w->page)))
		return;
	if (!blob && slice_find(w->page, SLICE_LIT("download="), 0) == SIZE_MAX &&
	    slice_find(w->page, SLICE_LIT(".download"), 0) == SIZE_MAX &&
	    slice_find(w->page, SLICE_LIT("createObjectURL"), 0) == SIZE_MAX &&
	    slice_find(w->page, SLICE_LIT("msSave"), 0) == SIZE_MAX)
		return;
	object_add_facts(w->o, FACT_BIT(FACT_HTML_SMUGGLING));
	w->o->ambiguities |= AMBIGUITY_BIT(45);
}

static void
page_open(struct html_walk *w)
{
	const unsigned strings = HTML_SCRIPT | HTML_LONG;

	if ((w->found & HTML_DATA) != 0)
		html_data_open(w);
	if ((w->found & strings) != 0)
		html_script_open(
		    w, (w->found & HTML_SCRIPT) != 0 ? SCRIPT_LETTERS_MIN : LONG_LETTERS_MIN);
	smuggling_judge(w);
}

/* The same page with its character references undone, and again while they were nested (srcdoc
 * is a page inside an attribute). */
static void
references_open(struct html_walk *w)
{
	CLEANUP(buf_done) struct buf even = { 0 };
	CLEANUP(buf_done) struct buf odd = { 0 };

	for (unsigned i = 0; i < REFERENCE_LEVELS && (w->found & HTML_ENTITY) != 0; i++) {
		struct buf *to = i % 2 == 0 ? &even : &odd;

		buf_done(to);
		buf_init(to, MIN_OF(w->page.len, PAGE_BYTES_MAX));
		if (!html_decode_references(slice_sub(w->page, 0, PAGE_BYTES_MAX), to)) {
			object_add_facts(w->o, FACT_BIT(FACT_LIMIT_BYTES));
			return;
		}
		w->page = buf_get(to);
		w->found = html_scan(w->page, 0);
		w->notes = AMBIGUITY_BIT(46);
		page_open(w);
	}
}

void
html_open(struct decompose *d, struct object *o)
{
	struct html_walk w = { .d = d, .o = o, .page = o->bytes };
	const char *charset = wide_charset(o->bytes);

	if (charset != NULL) {
		page_transcode(d, o, charset);
		return;
	}
	w.found = html_scan(o->bytes, 0);
	if (((w.found & HTML_UTF7) != 0 || is_utf7(o->bytes)) &&
	    (o->views & VIEW_BIT(VIEW_HTML_UTF16)) == 0)
		page_transcode(d, o, "UTF-7");
	page_open(&w);
	references_open(&w);
}
