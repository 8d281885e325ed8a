/* name_set.c: collects the names of an attachment out of its header fields. What a single name
 * hides is judged by name_form.c. */
#include "decompose/name_set.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/mime_param.h"
#include "decompose/mime_text.h"
#include "decompose/name_form.h"
#include "decompose/rfc2047.h"
#include "decompose/rfc2231.h"

#define VALUE_BYTES_MAX (64u * 1024)
#define GREP_MAX        8

static const char *const wanted[] = { "name", "filename", NULL };

void
name_set_add(struct name_set *s, struct slice name, bool proper)
{
	size_t i;

	name = slice_sub(name, 0, NAME_BYTES_MAX);
	if (name.len == 0 || name.ptr == NULL)
		return;
	for (i = 0; i < s->count && !slice_eq(s->names[i], name);)
		i++;
	if (i == OBJECT_NAMES_MAX) {
		s->cut = true;
		return;
	}
	if (i == s->count)
		s->names[s->count++] = name;
	if (proper && s->proper_count < ARRAY_LEN(s->proper))
		s->proper[s->proper_count++] = i;
}

/* UTF-8 of a raw value: as it is when valid, else read as Latin-1. */
static struct slice
name_to_utf8(struct arena *a, struct slice name)
{
	CLEANUP(buf_done) struct buf out = { .len = 0 };

	if (utf8_is_valid(name))
		return name;
	buf_init(&out, NAME_BYTES_MAX * 3);
	(void)charset_to_utf8(
	    SLICE_LIT("windows-1252"), slice_sub(name, 0, NAME_BYTES_MAX), &out);
	return arena_copy(a, buf_get(&out));
}

/* A name as written: encoded-words decoded, which most clients show, then raw. */
static void
add_written(struct arena *a, struct name_set *s, struct slice name, bool proper)
{
	CLEANUP(buf_done) struct buf out = { .len = 0 };
	struct rfc2047_facts facts = { 0 };

	name = slice_sub(name, 0, NAME_BYTES_MAX);
	if (!rfc2047_is_likely(name)) {
		name_set_add(s, name_to_utf8(a, name), proper);
		return;
	}
	buf_init(&out, NAME_BYTES_MAX * 4);
	if (rfc2047_decode(name, &out, &facts) == 0 && facts.words > 0) {
		name_set_add(s, arena_copy(a, buf_get(&out)), proper);
		proper = false;
	}
	if (facts.bad_charset) {
		s->facts |= FACT_BIT(FACT_NAME_CHARSET);
		s->notes |= AMBIGUITY_BIT(44);
	}
	name_set_add(s, name_to_utf8(a, name), proper);
}

static void
add_param(struct arena *a, struct name_set *s, const struct mime_param *p)
{
	struct slice inner;

	add_written(a, s, slice_trim(p->value), true);
	if (p->quoted && slice_trim(p->value).len != p->value.len)
		add_written(a, s, p->value, true);
	if (p->odd) {
		s->ambiguities |= AMBIGUITY_BIT(12);
		add_written(a, s, p->raw, false);
		inner = slice_trim(p->raw);
		while (inner.len > 0 && inner.ptr[0] == '"')
			inner = slice_from(inner, 1);
		while (inner.len > 0 && inner.ptr[inner.len - 1] == '"')
			inner.len--;
		add_written(a, s, inner, false);
	}
	if (memchr(p->raw.ptr, '\\', p->raw.len) != NULL) {
		inner = p->raw;
		if (p->quoted)
			inner = slice_sub(inner, 1, inner.len >= 2 ? inner.len - 2 : 0);
		add_written(a, s, inner, false);
	}
	if (p->cut) {
		size_t end = slice_find_byte(p->tail, ';', p->raw.len + 1);

		s->ambiguities |= AMBIGUITY_BIT(12);
		add_written(a, s, slice_sub(p->tail, 0, end), false);
	}
	if (!p->quoted) {
		for (size_t i = 0; i < p->raw.len; i++) {
			if (p->raw.ptr[i] == ' ' || p->raw.ptr[i] == '\t') {
				s->notes |= AMBIGUITY_BIT(12);
				add_written(a, s, slice_sub(p->raw, 0, i), false);
				break;
			}
		}
	}
}

static void
add_sections(struct arena *a, struct name_set *s, const struct mime_param *params, size_t count,
    const char *param)
{
	struct rfc2231_result r;

	rfc2231_join(a, params, count, param, &r);
	for (size_t i = 0; i < r.count; i++) {
		if (r.values[i].bad_charset) {
			s->facts |= FACT_BIT(FACT_NAME_CHARSET);
			s->notes |= AMBIGUITY_BIT(44);
		}
		add_written(a, s, r.values[i].value, i == 0);
	}
	if (r.incomplete)
		s->ambiguities |= AMBIGUITY_BIT(40);
}

static void
read_params(struct arena *a, struct slice v, const char *param, struct name_set *s)
{
	struct mime_param params[MIME_PARAMS_MAX];
	struct slice head;
	size_t count;

	if (v.ptr == NULL)
		return;
	count = mime_params_parse(a, v, wanted, params, &head);
	for (size_t i = 0; i < count; i++) {
		/* Either name in either field: clients look for both. */
		if (slice_eq_str_nocase(params[i].name, "name") ||
		    slice_eq_str_nocase(params[i].name, "filename"))
			add_param(a, s, &params[i]);
	}
	add_sections(a, s, params, count, param);
	add_sections(a, s, params, count, strcmp(param, "name") == 0 ? "filename" : "name");
}

/* "name=" anywhere: behind a comma, without a semicolon, inside other things. */
static void
read_grep(struct arena *a, struct slice v, struct name_set *s)
{
	struct slice found[GREP_MAX];
	size_t count = mime_params_grep(v, "name", found, GREP_MAX), before = s->count;

	for (size_t i = 0; i < count; i++) {
		struct slice value = found[i];
		size_t end;

		if (value.len > 0 && value.ptr[0] == '"') {
			value = slice_from(value, 1);
			end = slice_find_byte(value, '"', 0);
			value = mime_text_unescape(a, slice_sub(value, 0, end));
		} else {
			value = slice_trim(slice_sub(value, 0, slice_find_byte(value, ';', 0)));
		}
		add_written(a, s, value, false);
	}
	if (s->count > before)
		s->notes |= AMBIGUITY_BIT(12);
}

/* A name that was folded inside: some drop the blank, some end there. */
static void
read_folded(struct arena *a, struct slice value, const char *param, struct name_set *s)
{
	size_t before = s->count;

	read_params(a, mime_text_unfold(a, value, false), param, s);
	for (size_t at = 0; (at = slice_find_byte(value, '\n', at)) != SIZE_MAX; at++) {
		struct slice line = slice_trim(slice_sub(value, 0, at));

		/* Only a fold within quotes cuts a name. */
		if (mime_text_find_unquoted(line, 0, 0) == SIZE_MAX && line.len > 0) {
			unsigned quotes = 0;

			for (size_t i = 0; i < line.len; i++)
				quotes +=
				    line.ptr[i] == '"' && (i == 0 || line.ptr[i - 1] != '\\');
			if (quotes % 2 == 1) {
				uint64_t classes = s->ambiguities;

				read_params(a, mime_text_unfold(a, line, true), param, s);
				s->ambiguities = classes;
				break;
			}
		}
	}
	if (s->count > before)
		s->notes |= AMBIGUITY_BIT(6);
}

void
name_set_read(struct arena *a, struct slice value, const char *param, struct name_set *s)
{
	unsigned traits;
	struct slice v;
	size_t proper;

	value = slice_sub(value, 0, VALUE_BYTES_MAX);
	if (slice_find_nocase(value, SLICE_LIT("name"), 0) == SIZE_MAX &&
	    slice_find_byte(value, '(', 0) == SIZE_MAX)
		return;
	traits = mime_text_get_traits(value);
	v = mime_text_unfold(a, value, true);
	read_params(a, v, param, s);
	proper = s->proper_count; /* what follows are careless readings */
	if ((traits & TEXT_FOLD) != 0)
		read_folded(a, value, param, s);
	if ((traits & TEXT_COMMENT) != 0)
		read_params(a, mime_text_drop_comments(a, v), param, s);
	if ((traits & TEXT_WORD) != 0)
		read_params(a, mime_text_decode_words(a, v), param, s);
	if ((traits & (TEXT_NUL | TEXT_CONTROL)) != 0) {
		s->ambiguities |= AMBIGUITY_BIT(9);
		read_params(a, mime_text_drop_controls(a, v, false), param, s);
		read_params(a, mime_text_cut_at_nul(v), param, s);
	}
	read_grep(a, v, s);
	s->proper_count = proper;
}

static void
find_conflicts(struct name_set *s)
{
	struct slice first = SLICE_NONE;

	for (size_t i = 0; i < s->proper_count; i++) {
		struct slice extension = name_form_get_extension(s->names[s->proper[i]]);

		if (extension.len == 0)
			continue;
		if (first.len == 0)
			first = extension;
		else if (!slice_eq_nocase(first, extension))
			s->ambiguities |= AMBIGUITY_BIT(40);
	}
}

void
name_set_finish(struct arena *a, struct name_set *s)
{
	size_t count = s->count;

	find_conflicts(s);
	for (size_t i = 0; i < count; i++) {
		struct name_forms forms;

		name_forms_make(a, s->names[i], &forms);
		s->facts |= forms.facts;
		s->ambiguities |= forms.classes;
		for (size_t k = 0; k < forms.count; k++)
			name_set_add(s, forms.forms[k], false);
	}
}
