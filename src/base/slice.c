/* slice.c: comparing, cutting and searching borrowed bytes. */
#include "base/slice.h"

#include <string.h>

uint8_t
ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

struct slice
slice_of(const void *data, size_t len)
{
	return (struct slice){ data, len };
}

struct slice
slice_of_str(const char *s)
{
	return s == NULL ? SLICE_NONE : slice_of(s, strlen(s));
}

bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_of_str(s));
}

bool
slice_eq_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && slice_starts_with_nocase(a, b);
}

bool
slice_eq_str_nocase(struct slice a, const char *s)
{
	return slice_eq_nocase(a, slice_of_str(s));
}

bool
slice_starts_with(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_eq(slice_sub(s, 0, prefix.len), prefix);
}

bool
slice_starts_with_nocase(struct slice s, struct slice prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++) {
		if (ascii_lower(s.ptr[i]) != ascii_lower(prefix.ptr[i]))
			return false;
	}
	return true;
}

bool
slice_ends_with_nocase(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	    slice_starts_with_nocase(slice_from(s, s.len - suffix.len), suffix);
}

struct slice
slice_from(struct slice s, size_t offset)
{
	if (offset >= s.len)
		return slice_of(s.ptr == NULL ? NULL : s.ptr + s.len, 0);
	return slice_of(s.ptr + offset, s.len - offset);
}

struct slice
slice_sub(struct slice s, size_t offset, size_t len)
{
	struct slice rest = slice_from(s, offset);

	if (rest.len > len)
		rest.len = len;
	return rest;
}

size_t
slice_find_byte(struct slice s, uint8_t byte, size_t from)
{
	const uint8_t *hit;

	if (from >= s.len)
		return SIZE_MAX;
	hit = memchr(s.ptr + from, byte, s.len - from);
	return hit == NULL ? SIZE_MAX : (size_t)(hit - s.ptr);
}

size_t
slice_find(struct slice s, struct slice needle, size_t from)
{
	const uint8_t *hit;

	if (from > s.len || needle.len > s.len - from)
		return SIZE_MAX;
	if (needle.len == 0)
		return from;
	hit = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
	return hit == NULL ? SIZE_MAX : (size_t)(hit - s.ptr);
}

/* The next place of byte at or after from; cached: *next is only looked for again when it was
 * passed, so that both searches together read the bytes at most twice. */
static size_t
find_cached(struct slice s, uint8_t byte, size_t from, size_t *next)
{
	if (*next != SIZE_MAX && *next < from)
		*next = slice_find_byte(s, byte, from);
	return *next;
}

size_t
slice_find_nocase(struct slice s, struct slice needle, size_t from)
{
	uint8_t lower, upper;
	size_t next_lower, next_upper;

	if (from > s.len || needle.len > s.len - from)
		return SIZE_MAX;
	if (needle.len == 0)
		return from;
	lower = ascii_lower(needle.ptr[0]);
	upper = lower >= 'a' && lower <= 'z' ? (uint8_t)(lower - 32) : lower;
	next_lower = slice_find_byte(s, lower, from);
	next_upper = upper == lower ? SIZE_MAX : slice_find_byte(s, upper, from);
	while (from <= s.len - needle.len) {
		size_t at = find_cached(s, lower, from, &next_lower);
		size_t other = find_cached(s, upper, from, &next_upper);

		at = at < other ? at : other;
		if (at == SIZE_MAX)
			return SIZE_MAX;
		if (slice_starts_with_nocase(slice_from(s, at), needle))
			return at;
		from = at + 1;
	}
	return SIZE_MAX;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool
slice_parse_uint(struct slice s, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit;

		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		digit = (uint64_t)(s.ptr[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*ret_value = value;
	return true;
}

struct slice
path_get_base(struct slice path)
{
	size_t at = path.len;

	while (at > 0 && path.ptr[at - 1] != '/')
		at--;
	return slice_from(path, at);
}
