/* helper_opener.c: which object goes to a program, and as what. Doing it is helper_unpack.c's.
 */
#include "decompose/helper_opener.h"

#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"
#include "decompose/magic.h"

#define ARC_MARK        0x1a
#define ARC_HEAD_BYTES  29
#define TRAIL_MIN_BYTES 16 /* shorter rests are padding */

static const struct {
	const char *format; /* magic_type's */
	enum helper_type type;
} formats[] = {
	{ "wim", HELPER_TYPE_WIM },
	{ "chm", HELPER_TYPE_CHM },
	{ "squashfs", HELPER_TYPE_SQUASHFS },
	{ "cramfs", HELPER_TYPE_CRAMFS },
	{ "arc", HELPER_TYPE_ARC },
	{ "lzop", HELPER_TYPE_LZOP },
	/* In layers: container, partitions, file system. Sparse ones are far larger than the
	 * file that holds them, so the layers are not written out one by one. */
	{ "dmg", HELPER_TYPE_ANY },
	{ "vhd", HELPER_TYPE_ANY },
	{ "vhdx", HELPER_TYPE_ANY },
	{ "vmdk", HELPER_TYPE_ANY },
	{ "vdi", HELPER_TYPE_ANY },
	{ "qcow", HELPER_TYPE_ANY },
	{ "gpt", HELPER_TYPE_ANY },
	{ "mbr", HELPER_TYPE_ANY },
	{ "fat", HELPER_TYPE_ANY },
	{ "ntfs", HELPER_TYPE_ANY },
	{ "ext", HELPER_TYPE_ANY },
	{ "hfs", HELPER_TYPE_ANY },
	{ "apfs", HELPER_TYPE_ANY },
};

static size_t
row_of(const struct object *o)
{
	size_t i = 0;

	while (i < ARRAY_LEN(formats) && !magic_is(o->detected, formats[i].format))
		i++;
	return i;
}

bool
helper_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && row_of(o) < ARRAY_LEN(formats);
}

/* Behind the end mark of an ARC, where nomarch does not look: the method, 0 there, then 13
 * bytes of name, the packed size (4), date, time and CRC (6), and the size (4), which method 1
 * has not. */
static void
emit_behind_arc(struct decompose *d, struct object *o)
{
	struct child c = { .step = SLICE_LIT("(behind the end)") };
	struct slice rest = o->bytes;

	while (rest.len >= ARC_HEAD_BYTES && rest.ptr[0] == ARC_MARK && rest.ptr[1] != 0)
		rest = slice_from(rest,
		    ARC_HEAD_BYTES - (rest.ptr[1] == 1 ? 4 : 0) + (size_t)le32_read(rest, 15));
	if (rest.len < 2 || rest.ptr[0] != ARC_MARK || rest.ptr[1] != 0)
		return;
	rest = slice_from(rest, 2);
	while (rest.len > 0 && (rest.ptr[0] == 0 || rest.ptr[0] == ARC_MARK)) /* padding */
		rest = slice_from(rest, 1);
	if (rest.len >= TRAIL_MIN_BYTES)
		(void)decompose_emit(d, o, &c, rest);
}

void
helper_opener_open(struct decompose *d, struct object *o)
{
	size_t i = row_of(o);

	if (i < ARRAY_LEN(formats))
		object_add_facts(o, helper_unpack(d, o, formats[i].type, formats[i].format));
	if (magic_is(o->detected, "arc"))
		emit_behind_arc(d, o);
}
