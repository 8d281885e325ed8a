/* slice.h: borrowed bytes, pointer and length. Never owned, never NUL-terminated. */
#ifndef CORDON_BASE_SLICE_H
#define CORDON_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const uint8_t *ptr; /* may be NULL when len is 0 */
	size_t len;         /* bytes */
};

#define SLICE_LIT(s) ((struct slice){ (const uint8_t *)("" s), sizeof(s) - 1 })
#define SLICE_NONE ((struct slice){ NULL, 0 })
/* For printf("%.*s", SLICE_FMT(s)); cut at 2^30. */
#define SLICE_FMT(s) (int)((s).len > (1u << 30) ? (1u << 30) : (s).len), (const char *)(s).ptr

struct slice slice_of(const void *data, size_t len);
struct slice slice_of_str(const char *s); /* NULL gives an empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *s);
/* ASCII letters only; independent of the locale. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_eq_str_nocase(struct slice a, const char *s);
bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_starts_with_nocase(struct slice s, struct slice prefix);
bool slice_ends_with_nocase(struct slice s, struct slice suffix);
/* From offset to the end, or empty; at most len bytes from offset. */
struct slice slice_from(struct slice s, size_t offset);
struct slice slice_sub(struct slice s, size_t offset, size_t len);
/* Offset of the first match at or after from, or SIZE_MAX. */
size_t slice_find_byte(struct slice s, uint8_t byte, size_t from);
size_t slice_find(struct slice s, struct slice needle, size_t from);
size_t slice_find_nocase(struct slice s, struct slice needle, size_t from);
/* Without blanks, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);
/* All bytes decimal digits and the value at most max: true and *ret_value. */
bool slice_parse_uint(struct slice s, uint64_t max, uint64_t *ret_value);

/* What stands behind the last '/'. */
struct slice path_get_base(struct slice path);

uint8_t ascii_lower(uint8_t c);

#endif
