/* alz_opener.c: see alz_opener.h. There is no specification; what is known of the format:
 *   "ALZ\1", 4 bytes; then members, an end, and nothing
 *   member: "BLZ\1", length of the name (2), attributes (1), time (4), descriptor (1), 1 byte;
 *     when the upper half of the descriptor is n > 0: method (1), 1 byte, CRC-32 (4), packed
 * size (n), plain size (n); the name; with descriptor bit 0 a key of 12 bytes; data end:
 * "CLZ\1", 8 bytes, "CLZ\2" Numbers are little-endian. Readers go on behind an end when a
 * member is there; so does this. */
#include "decompose/alz_opener.h"

#include <zlib.h>

#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"
#include "decompose/magic.h"
#include "decompose/stream_decode.h"

#define HEAD_BYTES      8
#define MEMBER_BYTES    13 /* before the sizes */
#define PACKING_BYTES   6  /* method, unknown, CRC */
#define KEY_BYTES       12
#define END_BYTES       12 /* with the mark before it */
#define END_MARK_BYTES  4
#define TRAIL_MIN_BYTES 16 /* shorter rests are padding */

#define ATTRIBUTE_FOLDER  0x10
#define DESCRIPTOR_LOCKED 0x01
#define SIZE_BYTES_MAX    8
#define DEFLATE_RAW       (-15)

enum { METHOD_STORED, METHOD_BZIP2, METHOD_DEFLATE, METHOD_COUNT };

static const char *const method_names[METHOD_COUNT] = { "store", "bzip2", "deflate" };

struct alz_member {
	struct slice name, data;
	uint64_t packed_bytes, plain_bytes;
	uint32_t crc;
	uint8_t method;
	bool folder, locked, has_data;
};

bool
alz_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && magic_is(o->detected, "alz");
}

/* Reads the member at *at, behind its mark, and steps over it. 0, or the fact that says why
 * not. */
static uint64_t
member_read(struct slice file, size_t *at, struct alz_member *m)
{
	struct slice b = slice_from(file, *at);
	size_t n = MEMBER_BYTES, name_len = le16_read(b, 4);
	unsigned size_bytes;

	*m = (struct alz_member){ 0 };
	if (b.len < MEMBER_BYTES)
		return FACT_BIT(FACT_TRUNCATED);
	m->folder = (b.ptr[6] & ATTRIBUTE_FOLDER) != 0;
	m->locked = (b.ptr[11] & DESCRIPTOR_LOCKED) != 0;
	size_bytes = b.ptr[11] >> 4;
	if (size_bytes > SIZE_BYTES_MAX)
		return FACT_BIT(FACT_CORRUPT);
	m->has_data = size_bytes > 0;
	if (m->has_data) {
		if (b.len - n < PACKING_BYTES + 2 * (size_t)size_bytes)
			return FACT_BIT(FACT_TRUNCATED);
		m->method = b.ptr[n];
		m->crc = le32_read(b, n + 2);
		m->packed_bytes = le_read(b, n + PACKING_BYTES, size_bytes);
		m->plain_bytes = le_read(b, n + PACKING_BYTES + size_bytes, size_bytes);
		n += PACKING_BYTES + 2 * (size_t)size_bytes;
	}
	m->name = slice_sub(b, n, name_len);
	if (m->name.len < name_len)
		return FACT_BIT(FACT_TRUNCATED);
	n += name_len;
	if (m->locked)
		n += MIN_OF((size_t)KEY_BYTES, b.len - n);
	m->data = slice_sub(b, n, (size_t)MIN_OF(m->packed_bytes, (uint64_t)b.len));
	*at += n + m->data.len;
	return 0;
}

static uint64_t
facts_of_status(enum stream_status status)
{
	switch (status) {
	case STREAM_TRUNCATED:
		return FACT_BIT(FACT_TRUNCATED);
	case STREAM_UNSUPPORTED:
		return FACT_BIT(FACT_UNSUPPORTED);
	case STREAM_CORRUPT:
		return FACT_BIT(FACT_CORRUPT);
	default:
		return 0; /* limits: the output has told them to the object */
	}
}

/* Unpacks into the output that is open. Returns the facts that say what is wrong. */
static uint64_t
member_unpack(struct decompose *d, const struct alz_member *m)
{
	struct stream_sink out = { .d = d };
	enum stream_status status;
	struct slice got;
	size_t used;

	if (m->method == METHOD_DEFLATE)
		status = stream_inflate(m->data, DEFLATE_RAW, &out, &used);
	else
		status = stream_bunzip2(m->data, &out, &used);
	if (status == STREAM_LIMIT)
		return 0;
	got = decompose_output_get(d);
	if (status == STREAM_END && (got.len != m->plain_bytes || used != m->data.len ||
					crc32_z(0, got.ptr, got.len) != m->crc))
		return FACT_BIT(FACT_CORRUPT);
	return facts_of_status(status);
}

/* Why there is no use in unpacking; 0: there is. */
static uint64_t
member_get_hindrance(const struct alz_member *m)
{
	if (m->locked)
		return FACT_BIT(FACT_ENCRYPTED);
	if (m->method >= METHOD_COUNT)
		return FACT_BIT(FACT_UNSUPPORTED);
	/* ALZip's own variant of bzip2 has another mark. */
	if (m->method == METHOD_BZIP2 && m->data.len >= 3 &&
	    !slice_starts_with(m->data, SLICE_LIT("BZh")))
		return FACT_BIT(FACT_UNSUPPORTED);
	return 0;
}

/* False: the objects are used up. */
static bool
member_open(struct decompose *d, struct object *o, const struct alz_member *m)
{
	struct child c = { .step = m->name,
		.names = &m->name,
		.name_count = m->name.len > 0 ? 1 : 0,
		.packing = { .packed_bytes = m->packed_bytes,
		    .plain_bytes = m->plain_bytes,
		    .method = slice_of_str(
			m->method < METHOD_COUNT ? method_names[m->method] : "") } };
	bool cut = m->data.len < m->packed_bytes;
	uint64_t facts;

	if (cut)
		object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
	c.facts = member_get_hindrance(m);
	if (c.facts != 0 || m->data.len == 0) {
		if (c.facts == 0 && (m->plain_bytes > 0 || cut))
			c.facts = FACT_BIT(cut ? FACT_TRUNCATED : FACT_CORRUPT);
		c.unopened = c.facts != 0;
		object_add_facts(o, c.facts);
		return m->data.len == 0 ? decompose_emit_empty(d, o, &c) != NULL
					: decompose_emit(d, o, &c, m->data) != NULL;
	}
	if (m->method == METHOD_STORED) {
		if (!cut && (m->plain_bytes != m->data.len ||
				crc32_z(0, m->data.ptr, m->data.len) != m->crc))
			object_add_facts(o, FACT_BIT(FACT_CORRUPT));
		return decompose_emit(d, o, &c, m->data) != NULL;
	}
	decompose_output_begin(d, o, m->data.len);
	facts = member_unpack(d, m);
	object_add_facts(o, facts);
	if (decompose_output_get(d).len > 0)
		return decompose_output_finish(d, &c) != NULL;
	c.facts = facts;
	return decompose_output_give_up(d, &c) != NULL;
}

/* What stands behind the end and is no member. */
static void
emit_trail(struct decompose *d, struct object *o, struct slice rest)
{
	struct child c = { .step = SLICE_LIT("(behind the end)") };

	if (rest.len >= TRAIL_MIN_BYTES)
		(void)decompose_emit(d, o, &c, rest);
}

void
alz_opener_open(struct decompose *d, struct object *o)
{
	struct budget *b = decompose_get_budget(d);
	size_t at = HEAD_BYTES;
	bool ended = false;

	while (budget_has_time(b)) {
		struct slice rest = slice_from(o->bytes, at);
		struct alz_member m;
		uint64_t facts;

		if (slice_starts_with(rest, SLICE_LIT("BLZ\1"))) {
			facts = member_read(o->bytes, &at, &m);
			if (facts != 0) {
				object_add_facts(o, facts);
				return;
			}
			ended = false;
			if ((!m.folder || m.has_data) && !member_open(d, o, &m))
				return;
		} else if (slice_starts_with(rest, SLICE_LIT("CLZ\1"))) {
			at += MIN_OF((size_t)END_BYTES, rest.len);
			ended = slice_starts_with(slice_from(o->bytes, at), SLICE_LIT("CLZ\2"));
			at += ended ? END_MARK_BYTES : 0;
		} else {
			if (!ended)
				object_add_facts(
				    o, FACT_BIT(rest.len < 4 ? FACT_TRUNCATED : FACT_CORRUPT));
			emit_trail(d, o, rest);
			return;
		}
	}
	object_add_facts(o, budget_get_time_facts(b));
}
