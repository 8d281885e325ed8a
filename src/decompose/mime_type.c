/* mime_type.c: what a Content-Type value may mean. An ordinary value is read once; only what is
 * in it (comments, folds, escapes, "=?", "*", quotes in the middle) brings further readings.
 * Which of the boundaries occur in the body is not known here. */
#include "decompose/mime_type.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/mime_param.h"
#include "decompose/mime_text.h"
#include "decompose/object.h"
#include "decompose/rfc2231.h"

#define GREP_MAX      16
#define BOUNDARY_LONG 256
#define TYPE_NAME_MAX 128

static const char *const wanted[] = { "boundary", "number", "total", NULL };

struct reader {
	struct arena *a;
	struct mime_type *t;
	uint64_t views, classes; /* of the cleaning under which the value is read now */
	bool main;               /* no cleaning: the proper reading */
};

static void
boundary_add(struct reader *r, struct slice value, uint64_t views, uint64_t classes)
{
	struct mime_type *t = r->t;

	if (value.ptr == NULL)
		return;
	for (size_t i = 0; i < t->boundary_count; i++) {
		if (slice_eq(t->boundaries[i].value, value))
			return;
	}
	if (t->boundary_count == MIME_BOUNDARIES_MAX) {
		t->cut = true;
		return;
	}
	t->boundaries[t->boundary_count++] =
	    (struct mime_boundary){ value, views | r->views, classes | r->classes };
}

/* Up to the first blank, or to one of the characters in stop. */
static struct slice
cut_at_any(struct slice v, const char *stop)
{
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] <= ' ' || strchr(stop, v.ptr[i]) != NULL)
			return slice_sub(v, 0, i);
	}
	return v;
}

static void
boundary_add_if_cut(
    struct reader *r, struct slice v, const char *stop, uint64_t views, uint64_t classes)
{
	struct slice cut = cut_at_any(v, stop);

	if (cut.len == 0 || cut.len == v.len)
		return;
	if (v.ptr[cut.len] < ' ' && v.ptr[cut.len] != '\t') {
		views = VIEW_BIT(VIEW_VAL_NULCUT);
		classes = AMBIGUITY_BIT(9);
	}
	boundary_add(r, cut, views, classes);
}

/* Readers that know quotes badly: what stands before, between and behind them. */
static void
boundary_add_quote_pieces(struct reader *r, struct slice raw)
{
	uint64_t views = VIEW_BIT(VIEW_PRM_NAIVE), classes = AMBIGUITY_BIT(12);
	struct slice rest = raw;

	for (unsigned i = 0; i < 4 && rest.len > 0; i++) {
		size_t mark = slice_find_byte(rest, '"', 0);
		size_t len = mark == SIZE_MAX ? rest.len : mark;
		struct slice piece = slice_trim(slice_sub(rest, 0, len));

		if (piece.len > 0 && piece.ptr[piece.len - 1] == '\\')
			piece.len--;
		if (piece.len > 0)
			boundary_add(r, piece, views, classes);
		rest = slice_from(rest, len + 1);
	}
	boundary_add(r, raw, views, classes);
}

/* Every value that the one parameter may have. */
static void
boundary_add_param(
    struct reader *r, const struct mime_param *p, uint64_t views, uint64_t classes)
{
	struct slice trimmed = slice_trim(p->value);
	uint64_t naive = VIEW_BIT(VIEW_PRM_NAIVE) | views;
	uint64_t syntax = AMBIGUITY_BIT(12) | classes;

	boundary_add(r, p->value, views, classes);
	if (trimmed.len < p->value.len)
		boundary_add(
		    r, trimmed, views | VIEW_BIT(VIEW_BND_TRIM), classes | AMBIGUITY_BIT(16));
	boundary_add_if_cut(
	    r, trimmed, "", views | VIEW_BIT(VIEW_BND_TRIM), classes | AMBIGUITY_BIT(16));
	if (p->odd)
		boundary_add_quote_pieces(r, p->raw);
	if (!p->quoted && trimmed.len > 1 && trimmed.ptr[0] == '\'' &&
	    trimmed.ptr[trimmed.len - 1] == '\'')
		boundary_add(r, slice_sub(trimmed, 1, trimmed.len - 2), naive, syntax);
	if (p->raw.len > 0 && memchr(p->raw.ptr, '\\', p->raw.len) != NULL) {
		struct slice inner = p->quoted && p->raw.len >= 2
					 ? slice_sub(p->raw, 1, p->raw.len - 2)
					 : p->raw;

		boundary_add(r, inner, naive, syntax);
		boundary_add_if_cut(r, inner, "\\", naive, syntax);
	}
	if (p->cut) {
		struct slice whole = cut_at_any(p->tail, "");

		boundary_add(r, mime_text_unescape(r->a, whole), naive, syntax);
	}
	if (!p->quoted)
		boundary_add_if_cut(r, trimmed, ",(\"\\<>", naive, syntax);
}

static void
boundary_add_sections(struct reader *r, const struct mime_param *params, size_t count)
{
	struct rfc2231_result joined;
	struct reader inner = *r;

	rfc2231_join(r->a, params, count, "boundary", &joined);
	if (joined.count == 0)
		return;
	r->t->notes |= AMBIGUITY_BIT(11);
	for (size_t i = 0; i < joined.count; i++)
		boundary_add(
		    &inner, joined.values[i].value, VIEW_BIT(VIEW_PRM_2231), AMBIGUITY_BIT(11));
}

static void
read_params(struct reader *r, struct slice v, struct slice *ret_head)
{
	struct mime_param params[MIME_PARAMS_MAX];
	size_t count = mime_params_parse(r->a, v, wanted, params, ret_head), plain = 0;
	struct slice first = SLICE_NONE;
	uint64_t value;

	for (size_t i = 0; i < count; i++) {
		struct mime_param *p = &params[i];
		bool doubled;

		if (slice_eq_str_nocase(p->name, "number") &&
		    slice_parse_uint(slice_trim(p->value), 1000000, &value))
			r->t->number = value;
		if (slice_eq_str_nocase(p->name, "total") &&
		    slice_parse_uint(slice_trim(p->value), 1000000, &value))
			r->t->total = MAX_OF(r->t->total, value);
		if (!slice_eq_str_nocase(p->name, "boundary"))
			continue;
		doubled = plain++ > 0 && !slice_eq(first, p->value);
		if (doubled && r->main)
			r->t->classes |= AMBIGUITY_BIT(15);
		if (plain == 1)
			first = p->value;
		boundary_add_param(r, p, doubled ? VIEW_BIT(VIEW_PRM_LAST) : 0,
		    doubled ? AMBIGUITY_BIT(15) : 0);
	}
	boundary_add_sections(r, params, count);
}

/* The word "boundary" anywhere. */
static void
read_grep(struct reader *r, struct slice v)
{
	struct slice found[GREP_MAX];
	size_t count = mime_params_grep(v, "boundary", found, GREP_MAX);

	for (size_t i = 0; i < count; i++) {
		size_t semicolon = mime_text_find_unquoted(found[i], ';', 0);
		size_t naive = slice_find_byte(found[i], ';', 0);
		uint64_t views = VIEW_BIT(VIEW_PRM_NAIVE), classes = AMBIGUITY_BIT(12);
		struct slice value = slice_trim(slice_sub(found[i], 0, semicolon));
		size_t quote;

		if (value.len > 0 && value.ptr[0] == '"') {
			quote = slice_find_byte(value, '"', 1);
			boundary_add(r,
			    slice_sub(value, 1, (quote == SIZE_MAX ? value.len : quote) - 1),
			    views, classes);
		} else {
			boundary_add(r, cut_at_any(value, ",;\"\\()"), views, classes);
		}
		value = slice_trim(slice_sub(found[i], 0, naive));
		if (value.len > 0 && value.ptr[0] == '"')
			value = slice_from(value, 1);
		boundary_add(r, cut_at_any(value, "\""), views, classes);
	}
}

/* The name of the type, cleaned; true when it says multipart. */
static bool
read_name(struct reader *r, struct slice head)
{
	struct slice plain = mime_text_drop_comments(r->a, head);
	uint8_t *to = arena_alloc(r->a, TYPE_NAME_MAX);
	size_t n = 0, comma;

	if (to == NULL)
		return false;
	comma = slice_find_byte(plain, ',', 0);
	if (comma != SIZE_MAX)
		plain.len = comma;
	for (size_t i = 0; i < plain.len && n < TYPE_NAME_MAX; i++) {
		uint8_t c = ascii_lower(plain.ptr[i]);

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (c > ' ' && strchr("/+-._!#$&^", c) != NULL))
			to[n++] = c;
		else if (n > 0 && c <= ' ' && i + 1 < plain.len && plain.ptr[i + 1] != '/' &&
			 to[n - 1] != '/')
			break;
	}
	if (r->main || (r->t->name.len == 0 && n > 0)) {
		r->t->name = slice_of(to, n);
		r->t->name_views = r->views;
		r->t->name_classes = r->classes;
	}
	return slice_find(slice_of(to, n), SLICE_LIT("multipart"), 0) != SIZE_MAX;
}

static void
read_once(struct reader *r, struct slice v, bool with_grep)
{
	struct slice head;
	bool says_multipart;

	if (v.ptr == NULL)
		return;
	read_params(r, v, &head);
	says_multipart = read_name(r, head) || slice_find_nocase(slice_sub(v, 0, 64),
						   SLICE_LIT("multipart"), 0) != SIZE_MAX;
	if (says_multipart && !r->t->multipart && !r->main) {
		r->t->name_views |= r->views;
		r->t->name_classes |= r->classes;
	}
	r->t->multipart |= says_multipart;
	if (r->main)
		r->t->proper = slice_starts_with(r->t->name, SLICE_LIT("multipart/"));
	if (with_grep)
		read_grep(r, v);
	r->main = false;
}

static void
read_cleaned(struct reader *r, struct slice v, uint64_t views, unsigned number)
{
	r->views = views;
	r->classes = AMBIGUITY_BIT(number);
	read_once(r, v, true);
}

static void
read_all_cleanings(struct reader *r, struct slice v, unsigned traits)
{
	struct slice kept = mime_text_unfold(r->a, v, true);
	struct slice all = kept;

	if ((traits & TEXT_FOLD) != 0)
		read_cleaned(r, mime_text_unfold(r->a, v, false), VIEW_BIT(VIEW_VAL_UNFOLD), 6);
	if ((traits & TEXT_NUL) != 0)
		read_cleaned(r, mime_text_cut_at_nul(kept), VIEW_BIT(VIEW_VAL_NULCUT), 9);
	if ((traits & (TEXT_CONTROL | TEXT_EIGHT_BIT)) != 0) {
		all = mime_text_drop_controls(r->a, all, false);
		read_cleaned(r, all, VIEW_BIT(VIEW_VAL_CTLSTRIP), 9);
		read_cleaned(r, mime_text_drop_controls(r->a, all, true),
		    VIEW_BIT(VIEW_VAL_CTLSTRIP), 9);
	}
	if ((traits & TEXT_COMMENT) != 0) {
		all = mime_text_drop_comments(r->a, all);
		read_cleaned(r, all, VIEW_BIT(VIEW_VAL_COMMENTS), 5);
	}
	if ((traits & TEXT_WORD) != 0) {
		all = mime_text_decode_words(r->a, all);
		read_cleaned(r, all, VIEW_BIT(VIEW_VAL_EW), 10);
		/* Boundaries that are words in quotes: decode them one by one. */
		for (size_t i = 0, n = r->t->boundary_count; i < n; i++) {
			struct slice value = r->t->boundaries[i].value;
			struct slice decoded = mime_text_decode_words(r->a, value);

			r->views = VIEW_BIT(VIEW_VAL_EW);
			r->classes = AMBIGUITY_BIT(10);
			if (!slice_eq(value, decoded))
				boundary_add(r, decoded, 0, 0);
		}
	}
	r->views = r->classes = 0;
	read_grep(r, kept);
}

void
mime_type_read(struct arena *a, struct slice value, struct mime_type *ret)
{
	struct reader r = { .a = a, .t = ret, .main = true };
	unsigned traits;
	struct slice proper;

	memset(ret, 0, sizeof(*ret));
	if (value.len > MIME_VALUE_BYTES_MAX) {
		ret->cut = true;
		value.len = MIME_VALUE_BYTES_MAX;
	}
	traits = mime_text_get_traits(value);
	proper = mime_text_unfold(a, value, true);
	read_once(&r, proper, false);
	if ((traits & TEXT_WORD) != 0)
		ret->notes |= AMBIGUITY_BIT(10);
	if ((traits & ~(unsigned)TEXT_FOLD) != 0 || ret->boundary_count != 1 || ret->cut)
		read_all_cleanings(&r, value, traits & ~(unsigned)TEXT_STAR);
	for (size_t i = 0; i < ret->boundary_count; i++) {
		size_t len = ret->boundaries[i].value.len;

		if (len > BOUNDARY_LONG)
			ret->classes |= AMBIGUITY_BIT(19);
		else if (len > 70)
			ret->notes |= AMBIGUITY_BIT(19);
	}
}
