/* rfc2231.c: parameter values in sections, with charset, percent-encoded (RFC 2231 sections 3
 * and 4). Programs that write these break every rule, programs that read them forgive each in
 * another way: all joins that somebody makes are returned. */
#include "decompose/rfc2231.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"

#define SECTION_MAX     4096
#define VALUE_BYTES_MAX (64u * 1024)

struct section {
	uint64_t number;
	struct slice value;
	bool extended; /* "*" at the end of the name */
	size_t place;
};

struct sections {
	struct section all[MIME_PARAMS_MAX];
	size_t count;
};

/* "*", "*3", "*3*" behind the name. */
static bool
section_parse(struct slice rest, struct section *s)
{
	if (rest.len == 0 || rest.ptr[0] != '*')
		return false;
	rest = slice_trim(slice_from(rest, 1));
	s->number = 0;
	s->extended = rest.len == 0;
	if (s->extended)
		return true;
	if (rest.ptr[rest.len - 1] == '*') {
		s->extended = true;
		rest = slice_trim(slice_sub(rest, 0, rest.len - 1));
		if (rest.len == 0)
			return true;
	}
	return slice_parse_uint(rest, SECTION_MAX, &s->number);
}

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
append_percent(struct buf *b, struct slice v)
{
	for (size_t i = 0; i < v.len; i++) {
		int high = i + 2 < v.len && v.ptr[i] == '%' ? hex_value(v.ptr[i + 1]) : -1;
		int low = high >= 0 ? hex_value(v.ptr[i + 2]) : -1;

		if (low < 0) {
			(void)buf_append_byte(b, v.ptr[i]);
			continue;
		}
		(void)buf_append_byte(b, (uint8_t)(high << 4 | low));
		i += 2;
	}
}

/* Takes "charset'language'" off the front of v. */
static bool
take_charset(struct slice *v, struct slice *ret_charset)
{
	size_t first = slice_find_byte(slice_sub(*v, 0, 64), '\'', 0);
	size_t second;

	if (first == SIZE_MAX)
		return false;
	second = slice_find_byte(slice_sub(*v, 0, first + 64), '\'', first + 1);
	if (second == SIZE_MAX)
		return false;
	*ret_charset = slice_sub(*v, 0, first);
	*v = slice_from(*v, second + 1);
	return true;
}

static void
result_add(struct arena *a, struct rfc2231_result *r, struct buf *bytes, struct slice charset)
{
	CLEANUP(buf_done) struct buf text = { .len = 0 };
	struct rfc2231_value v = { .value = buf_get(bytes) };

	buf_init(&text, VALUE_BYTES_MAX * 4);
	if (charset.len > 0) {
		int state = charset_to_utf8(charset, v.value, &text);

		v.bad_charset = state != 0;
		v.converted = state >= 0;
		if (state >= 0)
			v.value = buf_get(&text);
	}
	if (v.value.len == 0)
		return;
	for (size_t i = 0; i < r->count; i++) {
		if (slice_eq(r->values[i].value, v.value))
			return;
	}
	if (r->count == RFC2231_VALUES_MAX)
		return;
	v.value = arena_copy(a, v.value);
	if (v.value.ptr != NULL)
		r->values[r->count++] = v;
}

/* One join. everywhere: percent sequences of sections that do not announce them count too. */
static void
sections_join(struct arena *a, const struct sections *s, bool by_number, bool first_double,
    bool everywhere, struct rfc2231_result *r)
{
	CLEANUP(buf_done) struct buf bytes = { .len = 0 };
	struct slice charset = SLICE_NONE;
	bool have_charset = false;

	buf_init(&bytes, VALUE_BYTES_MAX);
	for (size_t i = 0; i < s->count; i++) {
		const struct section *at = &s->all[i];
		const struct section *other = first_double ? at - 1 : at + 1;
		bool edge = first_double ? i == 0 : i + 1 == s->count;
		struct slice v = at->value;

		if (by_number && !edge && other->number == at->number)
			continue;
		if (!have_charset && (at->extended || everywhere))
			have_charset = take_charset(&v, &charset);
		if (at->extended || everywhere)
			append_percent(&bytes, v);
		else
			(void)buf_append_slice(&bytes, v);
	}
	result_add(a, r, &bytes, charset);
}

static void
sections_sort(struct sections *s)
{
	for (size_t i = 1; i < s->count; i++) {
		struct section moved = s->all[i];
		size_t k = i;

		for (; k > 0 && s->all[k - 1].number > moved.number; k--)
			s->all[k] = s->all[k - 1];
		s->all[k] = moved;
	}
}

static bool
sections_are_complete(const struct sections *sorted)
{
	for (size_t i = 0; i < sorted->count; i++) {
		if (sorted->all[i].number != i)
			return false;
	}
	return true;
}

void
rfc2231_join(struct arena *a, const struct mime_param *params, size_t count, const char *name,
    struct rfc2231_result *ret)
{
	struct slice want = slice_of_str(name);
	struct sections placed = { .count = 0 }, sorted;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < count; i++) {
		struct section *s = &placed.all[placed.count];

		if (slice_eq_nocase(params[i].name, want))
			ret->plain = true;
		if (!slice_starts_with_nocase(params[i].name, want) ||
		    !section_parse(slice_from(params[i].name, want.len), s))
			continue;
		s->value = params[i].value;
		s->place = placed.count++;
	}
	if (placed.count == 0)
		return;
	sorted = placed;
	sections_sort(&sorted);
	ret->incomplete = !sections_are_complete(&sorted);
	sections_join(a, &sorted, true, true, false, ret);
	sections_join(a, &sorted, true, false, false, ret);
	sections_join(a, &sorted, true, true, true, ret);
	sections_join(a, &sorted, true, false, true, ret);
	if (ret->incomplete || memcmp(&sorted, &placed, sizeof(sorted)) != 0) {
		sections_join(a, &placed, false, true, false, ret);
		sections_join(a, &placed, false, true, true, ret);
	}
	if (placed.count > 1 && ret->incomplete) {
		for (size_t i = 0; i < placed.count && i < 4; i++) {
			struct sections one = { .count = 1, .all = { placed.all[i] } };

			sections_join(a, &one, false, true, true, ret);
		}
	}
}
