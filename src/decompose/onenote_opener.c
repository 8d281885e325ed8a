/* onenote_opener.c: see onenote_opener.h. Found by their marks, not through the tables: those
 * have their own ideas of what was deleted. */
#include "decompose/onenote_opener.h"

#include <string.h>

#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"
#include "decompose/magic.h"

#define FILE_HEADER_BYTES 36 /* id, length, unused, reserved */
#define BLOB_MARK         0x12 /* 32-bit header of an object data BLOB: the low byte */
#define BLOB_LENGTH_LONG  0x7fff
#define BLOB_MIN_BYTES    32
#define TICK_BYTES        4096

static const uint8_t file_id[] = { 0xe7, 0x16, 0xe3, 0xbd, 0x65, 0x26, 0x11, 0x45, 0xa4, 0xc4,
	0x8d, 0x4d, 0x0b, 0x7a, 0x9e, 0xac };

bool
onenote_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && magic_is(o->detected, "onenote");
}

static bool
data_emit(struct decompose *d, struct object *o, struct slice data)
{
	struct child c = { .step = SLICE_LIT("embedded file") };

	if (data.len == 0)
		return true;
	if ((magic_detect(data)->kind & KIND_IMAGE) == 0)
		object_add_facts(o, FACT_BIT(FACT_EMBEDDED_FILE));
	return decompose_emit(d, o, &c, data) != NULL;
}

static void
files_open(struct decompose *d, struct object *o)
{
	struct slice mark = slice_of(file_id, sizeof(file_id));
	size_t at = 0;

	while ((at = slice_find(o->bytes, mark, at)) != SIZE_MAX) {
		uint64_t len = le_read(o->bytes, at + 16, 8);
		struct slice rest = slice_from(o->bytes, at + FILE_HEADER_BYTES);

		at += sizeof(file_id);
		if (len > rest.len) {
			object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
			len = rest.len;
		}
		if (!data_emit(d, o, slice_sub(rest, 0, (size_t)len)))
			return;
	}
}

/* MS-FSSHTTPB 2.2.1.1: the number of zero bits at the end tells the length. */
static bool
compact_take(struct slice *in, uint64_t *ret_value)
{
	unsigned zeros = 0, bytes;

	if (in->len == 0)
		return false;
	while (zeros < 8 && (in->ptr[0] >> zeros & 1) == 0)
		zeros++;
	if (zeros == 8) { /* a zero byte is the number 0 */
		*ret_value = 0;
		*in = slice_from(*in, 1);
		return true;
	}
	bytes = zeros == 7 ? 9 : zeros + 1;
	if (in->len < bytes)
		return false;
	*ret_value = zeros == 7 ? le_read(*in, 1, 8) : le_read(*in, 0, bytes) >> (zeros + 1);
	*in = slice_from(*in, bytes);
	return true;
}

/* At the header of a BLOB: its data. Both lengths must agree, noise has no such pair. */
static bool
blob_take(struct slice in, struct slice *ret_data)
{
	uint32_t header = le32_read(in, 0);
	uint64_t all = header >> 17, len;
	struct slice rest = slice_from(in, 4), data;

	if ((header & 0x1ffff) != BLOB_MARK)
		return false;
	if (all == BLOB_LENGTH_LONG && !compact_take(&rest, &all))
		return false;
	data = rest;
	if (!compact_take(&data, &len) || len < BLOB_MIN_BYTES || len > data.len ||
	    all != len + (rest.len - data.len))
		return false;
	*ret_data = slice_sub(data, 0, (size_t)len);
	return true;
}

static void
blobs_open(struct decompose *d, struct object *o)
{
	struct slice in = o->bytes, data;
	size_t at = 0, ticked = 0;

	while ((at = slice_find_byte(in, BLOB_MARK, at)) != SIZE_MAX) {
		if (at - ticked >= TICK_BYTES) {
			ticked = at;
			if (!budget_has_time(decompose_get_budget(d)))
				return;
		}
		if (blob_take(slice_from(in, at), &data)) {
			if (!data_emit(d, o, data))
				return;
			at = (size_t)(data.ptr - in.ptr) + data.len;
		} else {
			at++;
		}
	}
}

void
onenote_opener_open(struct decompose *d, struct object *o)
{
	files_open(d, o);
	blobs_open(d, o);
	if (!budget_has_time(decompose_get_budget(d)))
		object_add_facts(o, budget_get_time_facts(decompose_get_budget(d)));
}
