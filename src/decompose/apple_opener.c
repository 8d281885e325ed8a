/* apple_opener.c: see apple_opener.h. Entries are emitted as they lie in the object; what their
 * places say is trusted only within its bytes. */
#include "decompose/apple_opener.h"

#include "base/macros.h"
#include "decompose/decompose.h"

#define ENTRIES_MAX      64
#define HEADER_BYTES     26
#define ENTRY_BYTES      12
#define MACBINARY_HEADER 128

enum { ENTRY_DATA = 1, ENTRY_RESOURCE = 2, ENTRY_NAME = 3, ENTRY_COMMENT = 4 };

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

/* CRC-16/XMODEM, as MacBinary II has it over its first 124 bytes. */
static uint16_t
crc16(const uint8_t *p, size_t len)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint32_t)p[i] << 8;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
	}
	return (uint16_t)crc;
}

static bool
is_apple(struct slice b)
{
	return b.len >= HEADER_BYTES && be16(b.ptr) == 5 &&
	       (be16(b.ptr + 2) == 0x1600 || be16(b.ptr + 2) == 0x1607);
}

static bool
is_macbinary(const struct object *o)
{
	struct slice b = o->bytes;

	if (b.len <= MACBINARY_HEADER || b.ptr[0] != 0 || b.ptr[1] == 0 || b.ptr[1] > 63 ||
	    b.ptr[74] != 0)
		return false;
	return slice_find(o->declared, SLICE_LIT("macbinary"), 0) != SIZE_MAX ||
	       (b.ptr[122] >= 0x81 && b.ptr[122] <= 0x82 &&
		   crc16(b.ptr, 124) == be16(b.ptr + 124));
}

bool
apple_claims(const struct object *o)
{
	return is_apple(o->bytes) || is_macbinary(o);
}

static void
fork_emit(struct decompose *d, struct object *o, struct slice bytes, struct slice name,
    const char *step)
{
	struct slice names[OBJECT_NAMES_MAX];
	struct child c = {
		.step = slice_of_str(step),
		.names = names,
		.views = VIEW_BIT(VIEW_APPLE),
		.notes = AMBIGUITY_BIT(38),
	};

	if (bytes.len == 0)
		return;
	if (name.len > 0) {
		c.step = name;
		names[c.name_count++] = name;
	}
	for (uint32_t i = 0; i < o->name_count && c.name_count < OBJECT_NAMES_MAX; i++)
		names[c.name_count++] = o->names[i];
	decompose_emit(d, o, &c, bytes);
}

static void
macbinary_open(struct decompose *d, struct object *o)
{
	const uint8_t *p = o->bytes.ptr;
	struct slice name = slice_of(p + 2, p[1]);
	size_t data = be32(p + 83), start = MACBINARY_HEADER + ((be16(p + 120) + 127) & ~127u);

	fork_emit(d, o, slice_sub(o->bytes, start, data), name, "macbinary");
	start += (data + 127) & ~(size_t)127;
	fork_emit(d, o, slice_sub(o->bytes, start, be32(p + 87)), name, "macbinary");
}

void
apple_open(struct decompose *d, struct object *o)
{
	struct slice b = o->bytes, name = SLICE_NONE;
	size_t count;

	if (!is_apple(b)) {
		macbinary_open(d, o);
		return;
	}
	count = MIN_OF((size_t)be16(b.ptr + 24), (b.len - HEADER_BYTES) / ENTRY_BYTES);
	if (count > ENTRIES_MAX) {
		object_add_facts(o, FACT_BIT(FACT_LIMIT_OBJECTS));
		count = ENTRIES_MAX;
	}
	for (size_t i = 0; i < count; i++) {
		const uint8_t *e = b.ptr + HEADER_BYTES + i * ENTRY_BYTES;

		if (be32(e) == ENTRY_NAME)
			name = slice_sub(slice_sub(b, be32(e + 4), be32(e + 8)), 0, 1024);
	}
	for (size_t i = 0; i < count; i++) {
		const uint8_t *e = b.ptr + HEADER_BYTES + i * ENTRY_BYTES;
		struct slice bytes = slice_sub(b, be32(e + 4), be32(e + 8));
		uint32_t id = be32(e);

		if (id == ENTRY_NAME || id == ENTRY_COMMENT)
			continue;
		if (bytes.len < be32(e + 8))
			object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
		/* the other kinds (dates, Finder information, icons) are small */
		if (id == ENTRY_DATA || id == ENTRY_RESOURCE || bytes.len > 64)
			fork_emit(d, o, bytes, name,
			    id == ENTRY_DATA       ? "data fork"
			    : id == ENTRY_RESOURCE ? "resource fork"
						   : "apple entry");
	}
}
