/* config_template.c: see config_template.h. Doubling of % for Sendmail is left to act/. */
#include "config/config_template.h"

#include <string.h>

#include "base/macros.h"
#include "config/limits.h"

#define TEMPLATE_VALUE_MAX_BYTES 200

static bool
template_is_printable(uint8_t c)
{
	return c >= 0x20 && c < 0x7f;
}

/* The name at the front of rest, which begins behind an opening brace: letters and _ up to the
 * closing brace. Empty when it is no name. */
static struct slice
template_get_name(struct slice rest)
{
	size_t n = 0;

	while (
	    n < rest.len && ((rest.ptr[n] >= 'a' && rest.ptr[n] <= 'z') || rest.ptr[n] == '_'))
		n++;
	return n < rest.len && rest.ptr[n] == '}' ? slice_sub(rest, 0, n) : SLICE_NONE;
}

static int
template_append_value(struct slice value, struct buf *out)
{
	bool cut = value.len > TEMPLATE_VALUE_MAX_BYTES;
	int r = 0;

	value = slice_sub(value, 0, TEMPLATE_VALUE_MAX_BYTES);
	for (size_t i = 0; i < value.len && r == 0; i++)
		r = buf_append_byte(
		    out, template_is_printable(value.ptr[i]) ? value.ptr[i] : '?');
	return r == 0 && cut ? buf_append_str(out, "...") : r;
}

static const struct config_template_value *
template_find(struct slice name, const struct config_template_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq_str(name, values[i].name))
			return &values[i];
	return NULL;
}

int
config_template_format(
    const char *text, const struct config_template_value *values, size_t count, struct buf *out)
{
	struct slice rest = slice_of_str(text);
	CLEANUP(buf_done) struct buf line = { .max = 16 * CONFIG_TEMPLATE_OUTPUT_MAX_BYTES };

	while (rest.len > 0 && line.len < CONFIG_TEMPLATE_OUTPUT_MAX_BYTES) {
		struct slice name =
		    rest.ptr[0] == '{' ? template_get_name(slice_from(rest, 1)) : SLICE_NONE;
		const struct config_template_value *v = template_find(name, values, count);
		int r = v != NULL ? template_append_value(v->value, &line)
				  : buf_append_byte(&line,
					template_is_printable(rest.ptr[0]) ? rest.ptr[0] : '?');

		if (r < 0)
			return r;
		rest = slice_from(rest, v != NULL ? name.len + 2 : 1);
	}
	return buf_append_slice(
	    out, slice_sub(buf_get(&line), 0, CONFIG_TEMPLATE_OUTPUT_MAX_BYTES));
}

static bool
template_has_word(const char *words, struct slice word)
{
	struct slice left = slice_of_str(words);

	while (left.len > 0) {
		size_t end = MIN_OF(slice_find_byte(left, ' ', 0), left.len);

		if (slice_eq(slice_sub(left, 0, end), word))
			return true;
		left = slice_from(left, end + 1);
	}
	return false;
}

bool
config_template_check(const char *text, const char *names, struct slice *ret_bad)
{
	struct slice s = slice_of_str(text);

	for (size_t i = 0; i < s.len; i++) {
		struct slice rest = slice_from(s, i);
		struct slice name = template_get_name(slice_from(rest, 1));

		if (template_is_printable(s.ptr[i]) && s.ptr[i] != '{' && s.ptr[i] != '}')
			continue;
		if (s.ptr[i] == '{' && name.len > 0 && template_has_word(names, name)) {
			i += name.len + 1;
			continue;
		}
		*ret_bad =
		    slice_sub(rest, 0, name.len > 0 && s.ptr[i] == '{' ? name.len + 2 : 1);
		return false;
	}
	return true;
}

/* Class 2, 4 or 5; subject and detail of one to three digits each. */
size_t
config_template_get_code_len(const char *text)
{
	size_t at = 1;

	if (text[0] != '2' && text[0] != '4' && text[0] != '5')
		return 0;
	for (unsigned part = 0; part < 2; part++) {
		size_t digits;

		if (text[at] != '.')
			return 0;
		digits = strspn(text + at + 1, "0123456789");
		if (digits == 0 || digits > 3)
			return 0;
		at += 1 + digits;
	}
	return text[at] == ' ' ? at + 1 : 0;
}
