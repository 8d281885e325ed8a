/* mime_encoding.c: what a Content-Transfer-Encoding value may mean (RFC 2045 section 6.1, and
 * readers that take the first word, the last word, or anything that resembles one). */
#include "decompose/mime_encoding.h"

#include <string.h>

#include "base/macros.h"
#include "decompose/mime_text.h"
#include "decompose/object.h"

#define VALUE_MAX 4096

static const struct {
	const char *token;
	enum mime_decoder decoder;
} tokens[] = {
	{ "7bit", DECODER_NONE },
	{ "8bit", DECODER_NONE },
	{ "binary", DECODER_NONE },
	{ "base64", DECODER_BASE64 },
	{ "quoted-printable", DECODER_QP },
	{ "x-uuencode", DECODER_UU },
	{ "x-uue", DECODER_UU },
	{ "x-uu", DECODER_UU },
	{ "uu", DECODER_UU },
	{ "uuencode", DECODER_UU },
	{ "uue", DECODER_UU },
	{ "x-yencode", DECODER_YENC },
	{ "yenc", DECODER_YENC },
	{ "x-yenc", DECODER_YENC },
	{ "mac-binhex40", DECODER_BINHEX },
	{ "binhex", DECODER_BINHEX },
	{ "x-binhex40", DECODER_BINHEX },
	{ "x-gzip64", DECODER_BASE64 },
};

const char *
mime_decoder_get_name(enum mime_decoder d)
{
	static const char *const names[DECODER_COUNT] = { NULL, "base64", "quoted-printable",
		"uuencode", "yenc", "binhex" };

	return names[d];
}

void
mime_encodings_add(
    struct mime_encodings *e, enum mime_decoder d, uint64_t views, uint64_t classes)
{
	for (size_t i = 0; i < e->count; i++) {
		if (e->order[i] == d)
			return;
	}
	e->order[e->count++] = d;
	e->views[d] = views;
	e->classes[d] = classes;
}

static bool
token_find(struct slice v, enum mime_decoder *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		if (slice_eq_str_nocase(v, tokens[i].token)) {
			*ret = tokens[i].decoder;
			return true;
		}
	}
	return false;
}

/* All letters of word occur in v in their order. */
static bool
has_in_order(struct slice v, const char *word)
{
	for (size_t i = 0; i < v.len && *word != '\0'; i++) {
		if (ascii_lower(v.ptr[i]) == (uint8_t)*word)
			word++;
	}
	return *word == '\0';
}

static bool
has_word(struct slice v, const char *word)
{
	return slice_find_nocase(v, slice_of_str(word), 0) != SIZE_MAX;
}

static bool
is_separator(uint8_t c)
{
	return c <= ' ' || c == ';' || c == ',' || c == '"' || c == '\'' || c == '=' ||
	       c == ':';
}

/* First and last word between separators. */
static void
add_words(struct mime_encodings *e, struct slice v, uint64_t views, uint64_t classes)
{
	struct slice first = SLICE_NONE, last = SLICE_NONE;
	enum mime_decoder d;

	for (size_t i = 0; i < v.len;) {
		size_t start;

		while (i < v.len && is_separator(v.ptr[i]))
			i++;
		start = i;
		while (i < v.len && !is_separator(v.ptr[i]))
			i++;
		if (i == start)
			continue;
		last = slice_sub(v, start, i - start);
		if (first.len == 0)
			first = last;
	}
	views |= VIEW_BIT(VIEW_CTE_TOKEN);
	classes |= AMBIGUITY_BIT(34);
	if (token_find(first, &d))
		mime_encodings_add(e, d, views, classes);
	if (token_find(last, &d))
		mime_encodings_add(e, d, views, classes);
}

static void
add_similar(struct mime_encodings *e, struct slice v)
{
	uint64_t views = VIEW_BIT(VIEW_CTE_FUZZY), classes = AMBIGUITY_BIT(34);

	if (has_in_order(v, "bas64") || has_in_order(v, "b64"))
		mime_encodings_add(e, DECODER_BASE64, views, classes);
	if (has_in_order(v, "quotprint") || has_word(v, "printab") || has_word(v, "quoted"))
		mime_encodings_add(e, DECODER_QP, views, classes);
	if (has_word(v, "uue") || has_word(v, "uuencod"))
		mime_encodings_add(e, DECODER_UU, views, classes);
	if (has_word(v, "yenc"))
		mime_encodings_add(e, DECODER_YENC, views, classes);
	if (has_word(v, "binhex"))
		mime_encodings_add(e, DECODER_BINHEX, views, classes);
}

/* One cleaning of the value: exact, then by words. */
static void
add_cleaned(struct mime_encodings *e, struct slice v, uint64_t views, uint64_t classes)
{
	enum mime_decoder d;

	v = slice_trim(v);
	if (token_find(v, &d))
		mime_encodings_add(e, d, views, classes);
	else
		add_words(e, v, views, classes);
}

void
mime_encodings_read(struct arena *a, struct slice value, uint64_t views, uint64_t classes,
    struct mime_encodings *e)
{
	struct slice proper = mime_text_unfold(a, slice_sub(value, 0, VALUE_MAX), true),
		     v = proper;
	unsigned traits;
	enum mime_decoder d;

	if (token_find(proper, &d)) {
		mime_encodings_add(e, d, views, classes);
		return;
	}
	e->notes |= AMBIGUITY_BIT(34);
	traits = mime_text_get_traits(value);
	if ((traits & TEXT_FOLD) != 0)
		add_cleaned(e, mime_text_unfold(a, slice_sub(value, 0, VALUE_MAX), false),
		    views | VIEW_BIT(VIEW_VAL_UNFOLD), classes | AMBIGUITY_BIT(6));
	if ((traits & TEXT_NUL) != 0)
		add_cleaned(e, mime_text_cut_at_nul(v), views | VIEW_BIT(VIEW_VAL_NULCUT),
		    classes | AMBIGUITY_BIT(9));
	if ((traits & (TEXT_CONTROL | TEXT_EIGHT_BIT)) != 0) {
		views |= VIEW_BIT(VIEW_VAL_CTLSTRIP);
		classes |= AMBIGUITY_BIT(9);
		v = mime_text_drop_controls(a, v, true);
		add_cleaned(e, v, views, classes);
	}
	if ((traits & TEXT_COMMENT) != 0) {
		views |= VIEW_BIT(VIEW_VAL_COMMENTS);
		classes |= AMBIGUITY_BIT(5);
		v = mime_text_drop_comments(a, v);
		add_cleaned(e, v, views, classes);
	}
	if ((traits & TEXT_WORD) != 0) {
		views |= VIEW_BIT(VIEW_VAL_EW);
		classes |= AMBIGUITY_BIT(10);
		v = mime_text_decode_words(a, v);
		add_cleaned(e, v, views, classes);
	}
	if ((traits & TEXT_BACKSLASH) != 0)
		v = mime_text_unescape(a, v);
	add_cleaned(e, v, views, classes);
	add_similar(e, v);
	/* Readers that know none of that leave the bytes alone. */
	mime_encodings_add(e, DECODER_NONE, views, classes | AMBIGUITY_BIT(34));
}
