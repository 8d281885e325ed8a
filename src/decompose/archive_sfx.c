/* archive_sfx.c: archives behind the code of a program. Only finds where they begin: from there
 * on they are objects like any other. */
#include <string.h>

#include "base/macros.h"
#include "decompose/archive_opener.h"
#include "decompose/decompose.h"
#include "decompose/helper_opener.h"
#include "decompose/magic.h"

#define FOUND_MAX 16 /* in one program; a mark inside an archive is found again and again */

static uint32_t
get_le(struct slice b, size_t at, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes && at + i < b.len; i++)
		v |= (uint32_t)b.ptr[at + i] << (8 * i);
	return v;
}

static bool
is_cab(struct slice b)
{
	/* size of the cabinet and offset of its first file fit; version 1.3 */
	return b.len >= 36 && get_le(b, 8, 4) >= 36 && get_le(b, 8, 4) <= b.len &&
	       get_le(b, 16, 4) < get_le(b, 8, 4) && get_le(b, 24, 2) == 0x0103;
}

static bool
is_zip(struct slice b)
{
	uint32_t name_len = get_le(b, 26, 2);

	return b.len >= 30 + name_len && name_len > 0 && name_len < 1024 &&
	       get_le(b, 4, 2) <= 63 && get_le(b, 8, 2) < 100;
}

static bool
is_7z(struct slice b)
{
	return b.len >= 32 && b.ptr[6] == 0 && b.ptr[7] < 16 && get_le(b, 16, 4) <= b.len;
}

static bool
is_any(struct slice b)
{
	return b.len > 16;
}

static const struct {
	const char *mark;
	size_t len;
	bool (*fits)(struct slice);
	const char *step;
} marks[] = {
	{ "7z\xbc\xaf\x27\x1c", 6, is_7z, "(7z)" },
	{ "Rar!\x1a\x07", 6, is_any, "(rar)" },
	{ "PK\003\004", 4, is_zip, "(zip)" },
	{ "MSCF\0\0\0\0", 8, is_cab, "(cab)" },
};

bool
sfx_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 &&
	       (magic_is(o->detected, "pe") || magic_is(o->detected, "mz") ||
		   magic_is(o->detected, "elf") || magic_is(o->detected, "macho"));
}

/* NSIS installers: a header at a multiple of 512 bytes, its mark 4 bytes in. */
static bool
is_nsis(const struct object *o)
{
	static const char mark[] = "\xef\xbe\xad\xdeNullsoftInst";
	size_t at = 0;

	while ((at = slice_find(o->bytes, slice_of(mark, sizeof(mark) - 1), at)) != SIZE_MAX) {
		if (at % 512 == 4)
			return true;
		at++;
	}
	return false;
}

void
sfx_opener_open(struct decompose *d, struct object *o)
{
	if (magic_is(o->detected, "pe") && is_nsis(o))
		object_add_facts(o, FACT_BIT(FACT_SELF_EXTRACTING) |
					helper_unpack(d, o, HELPER_TYPE_NSIS, "nsis"));
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		struct slice mark = slice_of(marks[i].mark, marks[i].len);
		size_t at = 0, found = 0;

		while ((at = slice_find(o->bytes, mark, at + 1)) != SIZE_MAX) {
			struct child c = { .step = slice_of_str(marks[i].step) };

			if (!budget_has_time(decompose_get_budget(d)))
				return;
			if (!marks[i].fits(slice_from(o->bytes, at)))
				continue;
			object_add_facts(o, FACT_BIT(FACT_SELF_EXTRACTING));
			if (decompose_emit(d, o, &c, slice_from(o->bytes, at)) == NULL)
				return;
			/* The ZIP walker finds the others by itself; so does RAR's. */
			if (++found == FOUND_MAX || i == 1 || i == 2)
				break;
		}
	}
}
