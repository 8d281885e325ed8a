/* mime_param.c: the parameters of a Content-* value. What the values mean is up to others. */
#include "decompose/mime_param.h"

#include <string.h>

#include "decompose/mime_text.h"

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_wanted(struct slice name, const char *const *wanted)
{
	for (; *wanted != NULL; wanted++) {
		if (slice_starts_with_nocase(name, slice_of_str(*wanted)))
			return true;
	}
	return false;
}

/* The value proper of raw: a quoted string at its front, or all of it. */
static void
param_read_value(struct arena *a, struct mime_param *p)
{
	struct slice behind;
	size_t end = 1;

	p->value = p->raw;
	if (p->raw.len == 0 || p->raw.ptr[0] != '"') {
		p->odd = p->raw.len > 0 && memchr(p->raw.ptr, '"', p->raw.len) != NULL;
		p->value = mime_text_unescape(a, p->raw);
		return;
	}
	p->quoted = true;
	while (end < p->raw.len && p->raw.ptr[end] != '"')
		end += p->raw.ptr[end] == '\\' ? 2 : 1;
	behind = slice_trim(slice_from(p->raw, end + 1));
	/* A comment may follow (RFC 2045 section 5.1); anything else may not. */
	p->odd = end >= p->raw.len || (behind.len > 0 && behind.ptr[0] != '(');
	if (end > p->raw.len)
		end = p->raw.len;
	p->value = mime_text_unescape(a, slice_sub(p->raw, 1, end - 1));
}

size_t
mime_params_parse(struct arena *a, struct slice v, const char *const *wanted,
    struct mime_param params[MIME_PARAMS_MAX], struct slice *ret_head)
{
	size_t at = mime_text_find_unquoted(v, ';', 0);
	size_t count = 0;
	struct mime_param *last = NULL;

	*ret_head = slice_trim(slice_sub(v, 0, at == SIZE_MAX ? v.len : at));
	while (at != SIZE_MAX) {
		size_t start = at + 1;
		struct slice segment;
		size_t equals;

		at = mime_text_find_unquoted(v, ';', start);
		segment =
		    slice_trim(slice_sub(v, start, (at == SIZE_MAX ? v.len : at) - start));
		equals = slice_find_byte(segment, '=', 0);
		if (equals == SIZE_MAX) {
			if (last != NULL && segment.len > 0)
				last->cut = true;
			last = NULL;
			continue;
		}
		last = NULL;
		if (!is_wanted(slice_sub(segment, 0, equals), wanted))
			continue;
		last = &params[count == MIME_PARAMS_MAX ? count - 1 : count++];
		*last = (struct mime_param){
			.name = slice_trim(slice_sub(segment, 0, equals)),
			.raw = slice_trim(slice_from(segment, equals + 1)),
		};
		last->tail =
		    slice_trim(slice_from(v, (size_t)(segment.ptr - v.ptr) + equals + 1));
		param_read_value(a, last);
	}
	return count;
}

size_t
mime_params_grep(struct slice v, const char *word, struct slice *ret_values, size_t max)
{
	struct slice needle = slice_of_str(word);
	size_t count = 0, at = 0;

	while (count < max && (at = slice_find_nocase(v, needle, at)) != SIZE_MAX) {
		size_t i = at + needle.len;

		at = i;
		while (i < v.len && is_blank(v.ptr[i]))
			i++;
		if (i < v.len && v.ptr[i] == '=')
			ret_values[count++] = slice_trim(slice_from(v, i + 1));
	}
	return count;
}
