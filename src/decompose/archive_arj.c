/* archive_arj.c: ARJ archives. Headers are walked here; methods 1 to 3 are LHA's -lh7- with a
 * smaller window, so libarchive decodes them behind a header made for the purpose. */
#include <string.h>
#include <zlib.h>

#include "base/macros.h"
#include "decompose/archive_opener.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"

#define ARJ_BASIC_MIN 30
#define ARJ_BASIC_MAX 2600
#define NAME_MAX_BYTES 200

#define FLAG_GARBLED 0x01
#define FLAG_VOLUME  0x04
#define FLAG_EXTFILE 0x08

struct arj_member {
	struct slice name, data;
	uint64_t plain_bytes;
	uint32_t crc;
	uint8_t flags, method, type;
	bool cut;
};

static uint32_t
get_le(struct slice b, size_t at, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n && at + i < b.len; i++)
		v |= (uint32_t)b.ptr[at + i] << (8 * i);
	return v;
}

/* Reads the header at *at and steps over it and its data; the main header has none.
 * 1: *m; 0: the end mark; -1: the file ends; -2: no header there. */
static int
arj_next(struct slice file, size_t *at, bool is_main, struct arj_member *m)
{
	struct slice b = slice_from(file, *at), basic;
	size_t len, end, extended;

	memset(m, 0, sizeof(*m));
	if (b.len < 4)
		return -1;
	if (b.ptr[0] != 0x60 || b.ptr[1] != 0xea)
		return -2;
	len = get_le(b, 2, 2);
	if (len == 0)
		return 0;
	if (len < ARJ_BASIC_MIN || len > ARJ_BASIC_MAX)
		return -2;
	if (b.len < 4 + len + 6)
		return -1;
	basic = slice_sub(b, 4, len);
	m->flags = basic.ptr[4];
	m->method = basic.ptr[5];
	m->type = basic.ptr[6];
	m->plain_bytes = get_le(basic, 16, 4);
	m->crc = get_le(basic, 20, 4);
	m->name = slice_from(basic, MIN_OF((size_t)basic.ptr[0], len));
	end = slice_find_byte(m->name, 0, 0);
	m->name = slice_sub(m->name, 0, MIN_OF(end, (size_t)NAME_MAX_BYTES));
	end = 4 + len + 4; /* a CRC, then extended headers */
	while ((extended = get_le(b, end, 2)) != 0 && end + 2 < b.len)
		end += 2 + extended + 4;
	end += 2;
	if (!is_main) {
		uint64_t packed = get_le(basic, 12, 4);

		m->data = slice_sub(b, end, packed);
		m->cut = m->data.len < packed;
		end += m->data.len;
	}
	*at += MIN_OF(end, b.len);
	return 1;
}

struct tally {
	uint64_t got;
};

static void
tally_member(void *ctx, struct slice name, uint64_t declared, uint64_t got)
{
	struct tally *t = ctx;

	(void)name;
	(void)declared;
	t->got += got;
}

/* A level 0 header of LHA for the member's data. Returns its length. */
static size_t
lha_header(const struct arj_member *m, uint8_t *out)
{
	uint8_t sum = 0;

	memset(out, 0, 24 + m->name.len);
	out[0] = (uint8_t)(22 + m->name.len);
	memcpy(out + 2, "-lh7-", 5);
	for (unsigned i = 0; i < 4; i++) {
		out[7 + i] = (uint8_t)(m->data.len >> (8 * i));
		out[11 + i] = (uint8_t)(m->plain_bytes >> (8 * i));
	}
	out[19] = 0x20;
	out[21] = (uint8_t)m->name.len;
	if (m->name.len > 0)
		memcpy(out + 22, m->name.ptr, m->name.len);
	for (size_t i = 2; i < 24 + m->name.len; i++)
		sum = (uint8_t)(sum + out[i]);
	out[1] = sum;
	return 24 + m->name.len;
}

/* False: the objects are used up. */
static bool
member_open(struct decompose *d, struct object *o, const struct arj_member *m)
{
	static const char *const methods[] = { "store", "arj -m1", "arj -m2", "arj -m3",
		"arj -m4" };
	struct child c = { .step = m->name,
		.names = &m->name,
		.name_count = 1,
		.packing = { .packed_bytes = m->data.len,
		    .plain_bytes = m->plain_bytes,
		    .method = slice_of_str(
			m->method < ARRAY_LEN(methods) ? methods[m->method] : "") } };
	uint8_t header[24 + NAME_MAX_BYTES];
	struct tally tally = { 0 };
	struct archive_job job = { .format = ARCHIVE_READ_LHA,
		.member = tally_member,
		.ctx = &tally,
		.packing = c.packing,
		.caller_lists = true };
	struct archive_report report;

	if (m->cut)
		object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
	if ((m->flags & (FLAG_VOLUME | FLAG_EXTFILE)) != 0)
		object_add_facts(o, FACT_BIT(FACT_MULTI_VOLUME));
	if (m->data.len == 0) {
		c.unopened = m->plain_bytes > 0;
		if (c.unopened)
			c.facts = FACT_BIT(m->cut ? FACT_TRUNCATED : FACT_MULTI_VOLUME);
		return decompose_emit_empty(d, o, &c) != NULL;
	}
	if ((m->flags & FLAG_GARBLED) != 0)
		c.facts = FACT_BIT(FACT_ENCRYPTED);
	else if (m->method > 3)
		c.facts = FACT_BIT(FACT_UNSUPPORTED);
	if (c.facts != 0 || m->method == 0) {
		if (c.facts == 0 && !m->cut && crc32_z(0, m->data.ptr, m->data.len) != m->crc)
			object_add_facts(o, FACT_BIT(FACT_CORRUPT));
		object_add_facts(o, c.facts);
		c.unopened = c.facts != 0;
		return decompose_emit(d, o, &c, m->data) != NULL;
	}
	job.parts[0] = slice_of(header, lha_header(m, header));
	job.parts[1] = m->data;
	job.parts[2] = SLICE_LIT("\0");
	report = archive_read_members(d, o, &job);
	/* libarchive's own check is of a CRC-16 that ARJ does not have: only lengths count. */
	if (tally.got != m->plain_bytes) {
		c.facts = report.facts != 0 ? report.facts : FACT_BIT(FACT_CORRUPT);
		object_add_facts(o, c.facts);
	}
	if (tally.got == 0) {
		c.unopened = true;
		return decompose_emit_empty(d, o, &c) != NULL;
	}
	return decompose_get_budget(d)->left_objects > 0;
}

bool
archive_arj_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && magic_is(o->detected, "arj");
}

void
archive_arj_open(struct decompose *d, struct object *o)
{
	struct arj_member m;
	size_t at = 0;
	int got = arj_next(o->bytes, &at, true, &m);

	while (got == 1) {
		if (!budget_has_time(decompose_get_budget(d))) {
			object_add_facts(o, budget_get_time_facts(decompose_get_budget(d)));
			return;
		}
		got = arj_next(o->bytes, &at, false, &m);
		if (got == 1 && m.type < 2 && !member_open(d, o, &m))
			return;
	}
	if (got < 0)
		object_add_facts(o, FACT_BIT(got == -1 ? FACT_TRUNCATED : FACT_CORRUPT));
}
