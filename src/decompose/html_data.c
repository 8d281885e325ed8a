/* html_data.c: data: links in a page or a script, RFC 2397. See html_walk.h. */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/html_scan.h"
#include "decompose/html_text.h"
#include "decompose/html_walk.h"

#define HEADER_MAX 512
#define STEP_MAX   80

struct link {
	struct slice type; /* what stands between "data:" and the comma */
	bool base64;
	uint8_t quote;     /* before "data:", 0: none */
	size_t start, end; /* of the data, in the page */
	bool spelled;      /* it has references, escapes or per cent signs, or several pieces */
};

static bool
is_white(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static bool
is_quote(uint8_t c)
{
	return c == '"' || c == '\'' || c == '`';
}

static bool
is_base64_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '/' && c <= '9') ||
	       c == '+' || c == '=' || c == '-' || c == '_';
}

/* Behind a closing quote: '+' and a further string? Returns where that one's text begins. */
static size_t
join_find(struct slice page, size_t at)
{
	size_t i = at + 1;

	while (i < page.len && is_white(page.ptr[i]))
		i++;
	if (i >= page.len || page.ptr[i] != '+')
		return SIZE_MAX;
	for (i++; i < page.len && is_white(page.ptr[i]); i++)
		;
	return i < page.len && is_quote(page.ptr[i]) ? i + 1 : SIZE_MAX;
}

/* How many bytes at at belong to base64 text: 0 is its end. */
static size_t
base64_step(struct slice page, size_t at, struct link *l)
{
	uint8_t c = page.ptr[at];
	uint32_t code;
	size_t n;

	if (is_base64_letter(c) || is_white(c))
		return 1;
	if (c == '&') {
		n = html_reference_read(slice_from(page, at), &code);
		if (n == 0 || code > 0x7f ||
		    !(is_base64_letter((uint8_t)code) || is_white((uint8_t)code)))
			return 0;
		l->spelled = true;
		return n;
	}
	if (c == '\\' || c == '%') {
		l->spelled = true;
		return 1;
	}
	if (is_quote(c) && (n = join_find(page, at)) != SIZE_MAX) {
		l->spelled = true;
		return n - at;
	}
	return 0;
}

static void
base64_end_find(struct slice page, struct link *l)
{
	size_t n;

	for (l->end = l->start; l->end < page.len; l->end += n) {
		while (l->end < page.len && is_base64_letter(page.ptr[l->end]))
			l->end++;
		n = l->end < page.len ? base64_step(page, l->end, l) : 0;
		if (n == 0)
			break;
	}
}

/* Other data reaches to the quote it began behind; without one, or when it is never closed, to
 * white space or a bracket. */
static void
plain_end_find(struct slice page, struct link *l, bool absent[256])
{
	if (is_quote(l->quote) && !absent[l->quote]) {
		l->end = slice_find_byte(page, l->quote, l->start);
		if (l->end != SIZE_MAX)
			return;
		absent[l->quote] = true;
	}
	for (l->end = l->start; l->end < page.len; l->end++) {
		uint8_t c = page.ptr[l->end];

		if (is_white(c) || is_quote(c) || c == '<' || c == '>' || c == ')')
			return;
	}
}

/* Nothing, or a name, a slash, a name: "data:" is also the name of a field in scripts. */
static bool
is_type(struct slice type)
{
	for (size_t i = 0; i < type.len; i++) {
		if (type.ptr[i] <= ' ' || type.ptr[i] == '(' || type.ptr[i] == ':')
			return false;
	}
	return type.len == 0 || slice_find_byte(type, '/', 0) != SIZE_MAX;
}

/* Reads what stands between the colon and the comma. False: no link. */
static bool
header_read(struct html_walk *w, size_t colon, struct link *l)
{
	struct slice head = slice_sub(w->page, colon + 1, HEADER_MAX);
	size_t comma = slice_find_byte(head, ',', 0), mark;

	if (comma == SIZE_MAX)
		return false;
	l->start = colon + 1 + comma;
	l->start++;
	head.len = comma;
	for (size_t i = 0; i < head.len; i++) {
		if (is_quote(head.ptr[i]) || head.ptr[i] == '<' || head.ptr[i] == '>' ||
		    head.ptr[i] == '{')
			return false;
	}
	head = slice_trim(head);
	mark = slice_find_nocase(head, SLICE_LIT("base64"), 0);
	l->base64 = mark != SIZE_MAX;
	l->type = slice_trim(slice_sub(head, 0, slice_find_byte(head, ';', 0)));
	return l->base64 || is_type(l->type);
}

/* Shown by the page itself: not a file it hands over. SVG may hold scripts. */
static bool
is_media(struct slice type)
{
	return !slice_starts_with_nocase(type, SLICE_LIT("image/svg")) &&
	       (slice_starts_with_nocase(type, SLICE_LIT("image/")) ||
		   slice_starts_with_nocase(type, SLICE_LIT("font/")) ||
		   slice_starts_with_nocase(type, SLICE_LIT("audio/")) ||
		   slice_starts_with_nocase(type, SLICE_LIT("video/")) ||
		   slice_starts_with_nocase(type, SLICE_LIT("application/font")) ||
		   slice_starts_with_nocase(type, SLICE_LIT("application/x-font")));
}

static struct child
link_child(struct html_walk *w, const struct link *l)
{
	struct child c = {
		.declared = slice_find_byte(l->type, '/', 0) == SIZE_MAX
				? SLICE_LIT("text/plain")
				: slice_sub(l->type, 0, STEP_MAX),
		.views = VIEW_BIT(VIEW_HTML_DATA),
		.notes = w->notes,
	};
	uint8_t *step = arena_alloc(decompose_get_arena(w->d), 5 + STEP_MAX);
	struct slice type = slice_sub(l->type, 0, STEP_MAX);

	if (!is_media(l->type) && (l->base64 || l->type.len > 0)) {
		c.notes |= AMBIGUITY_BIT(45);
		w->files++;
	}
	c.step = SLICE_LIT("data:");
	if (step != NULL) {
		memcpy(step, "data:", 5);
		if (type.len > 0)
			memcpy(step + 5, type.ptr, type.len);
		c.step = slice_of(step, 5 + type.len);
	}
	return c;
}

/* The pieces of base64 data without the joints between them. */
static bool
pieces_join(struct slice page, struct link *l, struct buf *out)
{
	size_t at = l->start, n;

	for (; at < l->end; at += n) {
		size_t from = at;

		while (at < l->end && is_base64_letter(page.ptr[at]))
			at++;
		if (buf_append(out, page.ptr + from, at - from) < 0)
			return false;
		n = at < l->end ? base64_step(page, at, l) : 0;
		if (n > 0 && !is_quote(page.ptr[at]) && buf_append(out, page.ptr + at, n) < 0)
			return false;
	}
	return true;
}

/* Undoes, in this order, references, escapes and per cent signs, into a new buffer. */
static bool
spelling_undo(struct slice in, bool script, struct buf *ret_out)
{
	CLEANUP(buf_done) struct buf a = { 0 }, b = { 0 };

	buf_init(&a, in.len);
	buf_init(&b, in.len);
	return html_decode_references(in, &a) &&
	       (script ? html_decode_escapes(buf_get(&a), &b)
		       : buf_append_slice(&b, buf_get(&a)) == 0) &&
	       html_decode_percent(buf_get(&b), ret_out);
}

/* The data of a link that is spelled in some way, as it is meant. */
static bool
link_read(struct html_walk *w, struct link *l, struct buf *ret_data)
{
	struct slice data = slice_sub(w->page, l->start, l->end - l->start);
	CLEANUP(buf_done) struct buf joined = { 0 };

	buf_init(&joined, data.len);
	buf_init(ret_data, data.len);
	if (!l->base64)
		return spelling_undo(data, false, ret_data);
	return pieces_join(w->page, l, &joined) &&
	       spelling_undo(buf_get(&joined), true, ret_data);
}

static void
link_emit(struct html_walk *w, struct link *l)
{
	struct slice data = slice_sub(w->page, l->start, l->end - l->start);
	CLEANUP(buf_done) struct buf read = { 0 };
	struct child c = link_child(w, l);
	struct base64_facts facts;
	struct sink sink;

	if (l->spelled || !l->base64) {
		if (!link_read(w, l, &read)) {
			object_add_facts(w->o, FACT_BIT(FACT_LIMIT_BYTES));
			return;
		}
		data = buf_get(&read);
	}
	sink_begin(&sink, w->d, w->o, w->page.len);
	if (l->base64)
		sink_write_base64(&sink, data, BASE64_QUANTA, true, &facts);
	else
		sink_write(&sink, data);
	if (sink.total == 0)
		sink_drop(&sink);
	else
		sink_emit(&sink, &c);
}

void
html_data_open(struct html_walk *w)
{
	bool absent[256] = { false };
	size_t at = 0, plain_until = 0, colon, start;

	while ((colon = html_data_find(w->page, at, &start)) != SIZE_MAX) {
		struct link l = { 0 };
		size_t before = start;

		at = colon + 1;
		if (!budget_has_time(decompose_get_budget(w->d)))
			return;
		if (!header_read(w, colon, &l))
			continue;
		while (before > 0 && start - before < 16 && is_white(w->page.ptr[before - 1]))
			before--;
		l.quote = before > 0 ? w->page.ptr[before - 1] : 0;
		if (l.base64) {
			base64_end_find(w->page, &l);
			link_emit(w, &l);
			at = l.end;
			continue;
		}
		/* Inside the data of another link only quoted ones count, so that no byte is
		 * read more than twice. */
		if (start < plain_until && !is_quote(l.quote))
			continue;
		plain_end_find(w->page, &l, absent);
		plain_until = MAX_OF(plain_until, l.end);
		link_emit(w, &l);
		at = l.start;
	}
}
