/* config_table.c: options.def as arrays, look-up, and the nearest name for a misspelt one. */
#include "config/config_table.h"

#include <string.h>

#include "base/arena.h"
#include "config/config_value.h"
#include "config/limits.h"

const struct config_row config_rows[CONFIG_ROW_COUNT] = {
#define TOP_OPTION(option, kind, ...)                                                          \
	{ .section = CONFIG_SECTION_top,                                                       \
		.name = #option,                                                               \
		.type = CONFIG_##kind,                                                         \
		.offset = offsetof(struct config, option),                                     \
		__VA_ARGS__ },
#define SECTION_BEGIN(title, kind, ...)
#define OPTION(title, option, kind, ...)                                                       \
	{ .section = CONFIG_SECTION_##title,                                                   \
		.name = #option,                                                               \
		.type = CONFIG_##kind,                                                         \
		.offset = offsetof(struct config_##title, option),                             \
		__VA_ARGS__ },
#define SECTION_END(title)
#include "config/options.def"
};

#define PLACE_ONE(title) .offset = offsetof(struct config, title)
#define PLACE_MANY(title)                                                                      \
	.many = true, .offset = offsetof(struct config, title##s),                             \
	.count_offset = offsetof(struct config, title##_count)

const struct config_section config_sections[CONFIG_SECTION_COUNT] = {
	{ .name = "root", .doc = "Options outside of every section." },
#define TOP_OPTION(option, kind, ...)
#define SECTION_BEGIN(title, kind, ...)                                                        \
	{ .name = #title,                                                                      \
		PLACE_##kind(title),                                                           \
		.size = sizeof(struct config_##title),                                         \
		__VA_ARGS__ },
#define OPTION(title, option, kind, ...)
#define SECTION_END(title)
#include "config/options.def"
};

const struct config_row *
config_row_find(enum config_section_id section, const char *name)
{
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
		if (config_rows[i].section == section && strcmp(config_rows[i].name, name) == 0)
			return &config_rows[i];
	return NULL;
}

enum config_section_id
config_section_find(const char *name)
{
	unsigned i = 0;

	while (i < CONFIG_SECTION_COUNT && strcmp(config_sections[i].name, name) != 0)
		i++;
	return (enum config_section_id)i;
}

/* Edit distance (insert, delete, replace: 1 each) of two names; too long ones are far apart. */
static unsigned
name_distance(struct slice a, struct slice b)
{
	unsigned row[CONFIG_NAME_MAX_BYTES + 1];

	if (a.len > CONFIG_NAME_MAX_BYTES || b.len > CONFIG_NAME_MAX_BYTES)
		return 2 * CONFIG_NAME_MAX_BYTES;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = ascii_lower(a.ptr[i - 1]) == ascii_lower(b.ptr[j - 1]);
			unsigned replaced = diagonal + (same ? 0 : 1);

			diagonal = row[j];
			row[j] = MIN_OF(replaced, MIN_OF(row[j], row[j - 1]) + 1);
		}
	}
	return row[b.len];
}

/* Keeps in *best the candidate that is nearest; more than a third wrong is not near. */
static void
nearest_try(
    struct slice name, struct slice candidate, unsigned *best_distance, struct slice *best)
{
	unsigned d = name_distance(name, candidate);

	if (d < *best_distance && d * 3 <= MAX_OF(name.len, (size_t)3)) {
		*best_distance = d;
		*best = candidate;
	}
}

const char *
config_name_nearest(enum config_section_id section, const char *name)
{
	struct slice want = slice_of_str(name), best = SLICE_NONE;
	unsigned distance = 2 * CONFIG_NAME_MAX_BYTES;

	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
		if (config_rows[i].section == section)
			nearest_try(want, slice_of_str(config_rows[i].name), &distance, &best);
	for (size_t i = 1; section == CONFIG_SECTION_top && i < CONFIG_SECTION_COUNT; i++)
		nearest_try(want, slice_of_str(config_sections[i].name), &distance, &best);
	return (const char *)best.ptr;
}

struct slice
config_word_nearest(const char *words, const char *name)
{
	struct slice left = slice_of_str(words), best = SLICE_NONE;
	unsigned distance = 2 * CONFIG_NAME_MAX_BYTES;

	while (left.len > 0) {
		size_t end = MIN_OF(slice_find_byte(left, ' ', 0), left.len);

		nearest_try(slice_of_str(name), slice_sub(left, 0, end), &distance, &best);
		left = slice_from(left, end + 1);
	}
	return best;
}

size_t
config_section_get_count(const struct config *c, enum config_section_id section)
{
	const struct config_section *s = &config_sections[section];
	size_t count;

	if (!s->many)
		return 1;
	memcpy(&count, (const char *)c + s->count_offset, sizeof(count));
	return count;
}

void *
config_section_get(const struct config *c, enum config_section_id section, size_t index)
{
	const struct config_section *s = &config_sections[section];
	const char *place = (const char *)c + s->offset;
	char *array;

	if (!s->many)
		return (void *)(uintptr_t)place; /* for the top: c itself */
	memcpy(&array, place, sizeof(array));
	return array == NULL ? NULL : array + index * s->size;
}

/* The array is moved to one of twice the size whenever the count reaches a power of two. */
void *
config_section_add(struct config *c, enum config_section_id section, const char *name)
{
	const struct config_section *s = &config_sections[section];
	size_t count = config_section_get_count(c, section);
	char *array = config_section_get(c, section, 0), *added;
	struct slice copy = arena_copy(c->arena, slice_of_str(name));

	ASSERT(s->many);
	if (copy.ptr == NULL || count >= CONFIG_SECTIONS_MAX)
		return NULL;
	if ((count & (count - 1)) == 0) {
		char *grown = arena_alloc(c->arena, MAX_OF(2 * count, (size_t)1) * s->size);

		if (grown == NULL)
			return NULL;
		if (count > 0)
			memcpy(grown, array, count * s->size);
		array = grown;
	}
	added = array + count * s->size;
	memset(added, 0, s->size);
	if (config_section_set_defaults(c, section, added) < 0)
		return NULL;
	/* Both kinds of struct begin with CONFIG_HEAD_MANY. */
	memcpy(added, &copy.ptr, sizeof(copy.ptr));
	count++;
	memcpy((char *)c + s->offset, &array, sizeof(array));
	memcpy((char *)c + s->count_offset, &count, sizeof(count));
	return added;
}
