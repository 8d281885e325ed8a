/* html_script.c: what scripts carry in their literals. See html_walk.h. Scripts are not run:
 * what stands in them as base64, hex, numbers or escapes is taken out, joined where they join
 * it. */
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/html_scan.h"
#include "decompose/html_text.h"
#include "decompose/html_walk.h"

#define NUMBERS_MIN      16
#define PART_LETTERS_MIN 24 /* of a string that may be part of a file kept in several */
#define PARTS_MAX        4096
#define ESCAPES_MIN      8

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
is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '/' && c <= '9') ||
	       c == '+' || c == '=' || c == '-' || c == '_';
}

static size_t
white_skip(struct slice s, size_t at)
{
	while (at < s.len && is_white(s.ptr[at]))
		at++;
	return at;
}

/* A run of string literals of base64 letters with '+' or ',' between them. */
struct literal {
	size_t pos; /* at the quote of the next piece, or where the run ended */
	bool over;
	bool closed; /* ... behind a closing quote */
	bool listed; /* a comma was among the joints */
	uint64_t letters, not_hex;
};

/* The next piece; false at the end of the run. The position moves on in any case. */
static bool
literal_next(struct slice page, struct literal *l, struct slice *ret_piece)
{
	uint8_t quote;
	size_t i;

	if (l->over)
		return false;
	quote = page.ptr[l->pos];
	for (i = l->pos + 1; i < page.len; i++) {
		uint8_t c = page.ptr[i], low = c | 0x20;

		if (is_letter(c)) {
			l->letters++;
			l->not_hex += !((c >= '0' && c <= '9') || (low >= 'a' && low <= 'f'));
		} else if (c != '\\' && c != '\r' && c != '\n') {
			break;
		}
	}
	l->over = true;
	l->closed = false;
	if (i == page.len || page.ptr[i] != quote) {
		l->pos = i; /* no string of base64: where it ended may be where one begins */
		return false;
	}
	*ret_piece = slice_sub(page, l->pos + 1, i - l->pos - 1);
	l->pos = i + 1;
	l->closed = true;
	i = white_skip(page, i + 1);
	if (i < page.len && (page.ptr[i] == '+' || page.ptr[i] == ',')) {
		size_t next = white_skip(page, i + 1);

		if (next < page.len && is_quote(page.ptr[next])) {
			l->listed = l->listed || page.ptr[i] == ',';
			l->over = false;
			l->pos = next;
		}
	}
	return true;
}

static void
bytes_emit(struct html_walk *w, struct sink *sink, const char *step)
{
	struct child c = {
		.step = slice_of_str(step),
		.views = VIEW_BIT(VIEW_HTML_DATA),
		.notes = w->notes | AMBIGUITY_BIT(45),
	};

	if (sink->total == 0) {
		sink_drop(sink);
		return;
	}
	sink_emit(sink, &c);
}

static void
base64_emit(struct html_walk *w, struct slice letters)
{
	struct base64_facts facts;
	struct sink sink;

	sink_begin(&sink, w->d, w->o, w->page.len);
	sink_write_base64(&sink, letters, BASE64_QUANTA, true, &facts);
	bytes_emit(w, &sink, "script base64");
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
hex_emit(struct html_walk *w, struct slice digits)
{
	struct sink sink;

	sink_begin(&sink, w->d, w->o, w->page.len);
	for (size_t i = 0; i + 1 < digits.len && !sink.full; i += 2) {
		int hi = hex_value(digits.ptr[i]), lo = hex_value(digits.ptr[i + 1]);

		*sink_get(&sink, 1) = (uint8_t)(hi << 4 | (lo & 15));
		sink_put(&sink, 1);
	}
	bytes_emit(w, &sink, "script hex");
}

/* The letters of all pieces, escapes undone. False: no memory. */
static bool
pieces_join(
    struct slice page, size_t at, uint64_t letters_min, struct html_walk *w, struct buf *out)
{
	struct literal l = { .pos = at };
	struct slice piece;

	while (literal_next(page, &l, &piece)) {
		if (slice_find_byte(piece, '\\', 0) == SIZE_MAX) {
			if (buf_append_slice(out, piece) < 0)
				return false;
		} else if (!html_decode_escapes(piece, out)) {
			return false;
		}
		if (l.listed && piece.len >= letters_min) /* a list may also be several files */
			base64_emit(w, piece);
	}
	return true;
}

static void
reversed_emit(struct html_walk *w, struct buf *letters)
{
	for (size_t i = 0, k = letters->len; i + 1 < k; i++) {
		uint8_t c = letters->data[i];

		letters->data[i] = letters->data[--k];
		letters->data[k] = c;
	}
	base64_emit(w, buf_get(letters));
}

/* Strings kept in variables and put together later: all long ones of the page, one behind the
 * other. */
static void
parts_emit(struct html_walk *w)
{
	CLEANUP(buf_done) struct buf all = { 0 };
	struct slice piece;
	unsigned parts = 0;
	size_t at = 0;

	buf_init(&all, w->page.len);
	while (at < w->page.len && parts < PARTS_MAX) {
		struct literal l = { .pos = at };

		if (!is_quote(w->page.ptr[at])) {
			at++;
			continue;
		}
		if (!literal_next(w->page, &l, &piece)) {
			at = MAX_OF(l.pos, at + 1);
			continue;
		}
		at += piece.len + 1;
		if (piece.len < PART_LETTERS_MIN)
			continue;
		parts++;
		at++;
		if (buf_append_slice(&all, piece) < 0 ||
		    !budget_has_time(decompose_get_budget(w->d)))
			return;
	}
	if (parts > 1)
		base64_emit(w, buf_get(&all));
}

/* The run whose first quote is at at. Returns where to go on: at its last quote, which may as
 * well open a string (who knows what the quotes in the text before were). */
static size_t
literal_take(struct html_walk *w, size_t at, uint64_t letters_min, bool reversed)
{
	struct literal l = { .pos = at };
	CLEANUP(buf_done) struct buf joined = { 0 };
	struct slice piece;
	size_t end;

	while (literal_next(w->page, &l, &piece))
		;
	end = l.pos - l.closed;
	if (l.letters < letters_min)
		return end;
	buf_init(&joined, l.pos - at);
	if (!pieces_join(w->page, at, letters_min, w, &joined)) {
		object_add_facts(w->o, FACT_BIT(FACT_LIMIT_BYTES));
		return end;
	}
	w->built_bytes += joined.len;
	base64_emit(w, buf_get(&joined));
	if (l.not_hex == 0)
		hex_emit(w, buf_get(&joined));
	if (reversed)
		reversed_emit(w, &joined);
	return end;
}

/* A number at *at, decimal or 0x, below 65536; *at moves behind it. */
static bool
number_read(struct slice page, size_t *at, uint32_t *ret_value)
{
	size_t i = *at, digits = 0;
	uint32_t value = 0;
	bool hex = i + 2 < page.len && page.ptr[i] == '0' && (page.ptr[i + 1] | 0x20) == 'x';

	for (i += hex ? 2 : 0; i < page.len && digits < 6; i++, digits++) {
		int v = hex_value(page.ptr[i]);

		if (v < 0 || (!hex && v > 9))
			break;
		value = value * (hex ? 16 : 10) + (uint32_t)v;
	}
	*at = i;
	*ret_value = value;
	return digits > 0 && value < 65536;
}

/* Numbers with commas between them from at on; into the sink when there is one. Returns how
 * many; *ret_end is behind them. */
static size_t
numbers_read(struct slice page, size_t at, struct sink *sink, size_t *ret_end)
{
	size_t count = 0;
	uint32_t value;

	for (;;) {
		at = white_skip(page, at);
		*ret_end = at;
		if (!number_read(page, &at, &value))
			return count;
		count++;
		if (sink != NULL) {
			*sink_get(sink, 1) = (uint8_t)value;
			sink_put(sink, 1);
		}
		at = white_skip(page, at);
		*ret_end = at;
		if (at >= page.len || page.ptr[at] != ',')
			return count;
		at++;
	}
}

static size_t
numbers_take(struct html_walk *w, size_t at)
{
	struct sink sink;
	size_t end, count = numbers_read(w->page, at + 1, NULL, &end);

	if (count < NUMBERS_MIN)
		return MAX_OF(end, at + 1);
	sink_begin(&sink, w->d, w->o, w->page.len);
	(void)numbers_read(w->page, at + 1, &sink, &end);
	bytes_emit(w, &sink, "script bytes");
	w->built_bytes += count;
	return end;
}

/* Text written in escapes ("%3c%73", "\x3c\x73"), up to its quote or tag: what unescape() and
 * eval() get. Returns where it ends. */
static size_t
escapes_take(struct html_walk *w, size_t at)
{
	uint8_t mark = w->page.ptr[at];
	CLEANUP(buf_done) struct buf plain = { 0 };
	struct child c = {
		.step = SLICE_LIT("script escapes"),
		.declared = SLICE_LIT("text/html"),
		.views = VIEW_BIT(VIEW_HTML_DATA),
		.notes = w->notes | AMBIGUITY_BIT(45),
	};
	size_t end = at, count = 0;
	struct slice text;
	struct sink sink;

	for (; end < w->page.len; end++) {
		uint8_t ch = w->page.ptr[end];

		if (is_quote(ch) || ch == '<' || ch == '\n')
			break;
		count += ch == mark;
	}
	if (count < ESCAPES_MIN)
		return end;
	text = slice_sub(w->page, at, end - at);
	buf_init(&plain, text.len);
	if (!(mark == '%' ? html_decode_percent(text, &plain)
			  : html_decode_escapes(text, &plain))) {
		object_add_facts(w->o, FACT_BIT(FACT_LIMIT_BYTES));
		return end;
	}
	sink_begin(&sink, w->d, w->o, w->page.len);
	sink_write(&sink, buf_get(&plain));
	sink_emit(&sink, &c);
	return end;
}

void
html_script_open(struct html_walk *w, uint64_t letters_min)
{
	bool script = (w->found & HTML_SCRIPT) != 0;
	bool reversed = script && slice_find(w->page, SLICE_LIT("reverse"), 0) != SIZE_MAX;
	size_t at = 0, escapes_until = 0;

	if (script)
		parts_emit(w);
	while (at < w->page.len) {
		uint8_t c = w->page.ptr[at];

		if ((at & 1023) == 0 && !budget_has_time(decompose_get_budget(w->d)))
			return;
		if (is_quote(c)) {
			at = MAX_OF(literal_take(w, at, letters_min, reversed), at + 1);
		} else if (script && (c == '[' || c == '(')) {
			at = numbers_take(w, at);
		} else if (script && (c == '%' || c == '\\') && at >= escapes_until) {
			escapes_until = escapes_take(w, at);
			at++;
		} else {
			at++;
		}
	}
}
