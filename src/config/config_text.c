/* config_text.c: see config_text.h. The grammar proper is left to libconfuse. */
#include "config/config_text.h"

#include <stdio.h>
#include <string.h>

struct text_cursor {
	uint8_t *data;
	size_t len, at;
	unsigned line;
	unsigned depth, depth_line; /* open braces, and the line of the outermost one */
	config_report_fn report;
	void *context;
};

static bool
text_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
text_is_mark(uint8_t c)
{
	return c == '{' || c == '}' || c == '=' || c == ',';
}

static uint8_t
text_peek(const struct text_cursor *t, size_t ahead)
{
	return t->at + ahead < t->len ? t->data[t->at + ahead] : 0;
}

/* Moves over n bytes; with blank, they become blanks. Lines are counted and kept. */
static void
text_advance(struct text_cursor *t, size_t n, bool blank)
{
	for (; n > 0 && t->at < t->len; n--, t->at++) {
		if (t->data[t->at] == '\n')
			t->line++;
		else if (blank)
			t->data[t->at] = ' ';
	}
}

static void
text_skip_line_comment(struct text_cursor *t)
{
	while (t->at < t->len && t->data[t->at] != '\n')
		text_advance(t, 1, true);
}

static bool
text_skip_c_comment(struct text_cursor *t)
{
	unsigned line = t->line;

	text_advance(t, 2, true);
	while (t->at < t->len && !(text_peek(t, 0) == '*' && text_peek(t, 1) == '/'))
		text_advance(t, 1, true);
	if (t->at >= t->len) {
		t->report(t->context, line, false, "comment is never closed, expected */");
		return false;
	}
	text_advance(t, 2, true);
	return true;
}

/* Only these escapes are let through: whatever else libconfuse knows puts bytes into values
 * that no option can use, NUL among them. */
static void
text_check_escape(struct text_cursor *t, uint8_t quote)
{
	uint8_t next = text_peek(t, 1);
	char text[120];

	if (next == '\\' || next == quote || next == '\n' || t->at + 1 >= t->len)
		return;
	snprintf(text, sizeof(text), "unknown escape in a text, expected \\\\ or \\%c", quote);
	t->report(t->context, t->line, false, text);
	t->data[t->at] = '?';
}

static bool
text_skip_quoted(struct text_cursor *t)
{
	uint8_t quote = t->data[t->at];
	unsigned line = t->line;

	text_advance(t, 1, false);
	while (t->at < t->len && t->data[t->at] != quote) {
		if (t->data[t->at] == '\\') {
			text_check_escape(t, quote);
			if (t->data[t->at] == '\\')
				text_advance(t, 1, false);
		} else if (t->data[t->at] == '$' && text_peek(t, 1) == '{') {
			t->report(t->context, t->line, false,
			    "${ in a text, expected none: environment variables are not put "
			    "in");
			t->data[t->at] = '?';
		} else if (t->data[t->at] == '\0') {
			t->report(
			    t->context, t->line, false, "byte 0x00 in a text, expected none");
			t->data[t->at] = '?';
		}
		text_advance(t, 1, false);
	}
	if (t->at >= t->len) {
		t->report(t->context, line, false, "text is never closed, expected a quote");
		return false;
	}
	text_advance(t, 1, false);
	return true;
}

/* A word without quotes: up to a blank, a mark, a quote or a comment sign. */
static void
text_skip_word(struct text_cursor *t)
{
	while (t->at < t->len) {
		uint8_t c = t->data[t->at];
		char text[120];

		if (text_is_blank(c) || text_is_mark(c) || c == '#' || c == '"' || c == '\'' ||
		    (c == '+' && text_peek(t, 1) == '='))
			break;
		if (c < 0x20 || c == 0x7f || strchr("()+*$|", c) != NULL) {
			if (c < 0x20 || c == 0x7f)
				snprintf(text, sizeof(text), "byte 0x%02x, expected text", c);
			else
				snprintf(text, sizeof(text),
				    "'%c' outside of quotes, expected \"...\" around a value",
				    c);
			t->report(t->context, t->line, false, text);
			t->data[t->at] = c < 0x20 || c == 0x7f ? ' ' : '?';
		}
		text_advance(t, 1, false);
	}
}

/* libconfuse takes the end of the text for the end of a section. */
static void
text_count_brace(struct text_cursor *t, uint8_t c)
{
	if (c == '{' && t->depth++ == 0)
		t->depth_line = t->line;
	if (c == '}' && t->depth > 0)
		t->depth--;
}

bool
config_text_clean(struct buf *text, config_report_fn report, void *context)
{
	struct text_cursor t = { .data = text->data,
		.len = text->len,
		.line = 1,
		.report = report,
		.context = context };

	while (t.at < t.len) {
		uint8_t c = t.data[t.at], next = text_peek(&t, 1);

		if (text_is_blank(c) || text_is_mark(c)) {
			text_count_brace(&t, c);
			text_advance(&t, 1, c == '\r');
		} else if (c == '+' && next == '=') {
			text_advance(&t, 2, false);
		} else if (c == '#' || (c == '/' && next == '/')) {
			text_skip_line_comment(&t);
		} else if (c == '/' && next == '*') {
			if (!text_skip_c_comment(&t))
				return false;
		} else if (c == '"' || c == '\'') {
			if (!text_skip_quoted(&t))
				return false;
		} else {
			text_skip_word(&t);
		}
	}
	if (t.depth > 0)
		report(context, t.depth_line, false, "brace is never closed, expected }");
	return true;
}

/* Steps over one word, text or mark; the text is clean, so nothing is reported. */
static void
token_skip(struct text_cursor *t, bool blank)
{
	size_t begin = t->at;
	uint8_t c = t->data[t->at];

	if (text_is_mark(c)) {
		text_advance(t, 1, blank);
		return;
	}
	if (c == '+' && text_peek(t, 1) == '=') {
		text_advance(t, 2, blank);
		return;
	}
	if (c != '"' && c != '\'') {
		while (t->at < t->len && !text_is_blank(t->data[t->at]) &&
		       !text_is_mark(t->data[t->at]) &&
		       (t->at == begin || strchr("+\"'", t->data[t->at]) == NULL))
			text_advance(t, 1, blank);
		return;
	}
	text_advance(t, 1, blank);
	while (t->at < t->len && t->data[t->at] != c) {
		if (t->data[t->at] == '\\')
			text_advance(t, 1, blank);
		text_advance(t, 1, blank);
	}
	text_advance(t, 1, blank);
}

static void
blanks_skip(struct text_cursor *t)
{
	while (t->at < t->len && text_is_blank(t->data[t->at]))
		text_advance(t, 1, false);
}

static void
braces_blank(struct text_cursor *t)
{
	unsigned depth = 0;

	do {
		uint8_t c;

		blanks_skip(t);
		if (t->at >= t->len)
			return;
		c = t->data[t->at];
		depth += c == '{';
		depth -= c == '}';
		token_skip(t, true);
	} while (depth > 0);
}

static bool
text_has_word(const struct text_cursor *t, const char *name)
{
	size_t len = strlen(name);
	uint8_t behind = text_peek(t, len);

	return len > 0 && t->len - t->at >= len && memcmp(t->data + t->at, name, len) == 0 &&
	       (behind == 0 || text_is_blank(behind) || text_is_mark(behind) || behind == '+' ||
		   behind == '"' || behind == '\'');
}

bool
config_text_blank_statement(struct buf *text, unsigned line, const char *name)
{
	struct text_cursor t = { .data = text->data, .len = text->len, .line = 1 };
	uint8_t c;

	for (;; token_skip(&t, false)) {
		blanks_skip(&t);
		if (t.at >= t.len || t.line > line)
			return false;
		if (t.line == line && text_has_word(&t, name))
			break;
	}
	token_skip(&t, true);
	blanks_skip(&t);
	c = text_peek(&t, 0);
	if (c == '=' || c == '+') {
		token_skip(&t, true);
		blanks_skip(&t);
		if (text_peek(&t, 0) != '{' && text_peek(&t, 0) != '}' && t.at < t.len)
			token_skip(&t, true);
		else if (text_peek(&t, 0) == '{')
			braces_blank(&t);
	} else if (c != '{' && c != '}' && c != 0) {
		token_skip(&t, true); /* a title */
		blanks_skip(&t);
	}
	if (c != '=' && c != '+' && text_peek(&t, 0) == '{')
		braces_blank(&t);
	return true;
}
