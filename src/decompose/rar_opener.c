/* rar_opener.c: walks RAR headers and gets the data. libarchive alone would not do: version 3.6
 * takes encrypted members for plain ones and ends at a missing volume without a word. */
#include "decompose/rar_opener.h"

#include <string.h>

#include "base/macros.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "decompose/deflate_whole.h"
#include "decompose/rar_header.h"
#include "decompose/rar_unpack20.h"

#define TRAILER_MIN_BYTES 16
#define VERSION_OLDEST 29 /* what libarchive unpacks: RAR 3 and later */
#define VERSION_20        20 /* RAR 2: rar_unpack20.c; */
#define VERSION_26        26 /* the same, for files of more than 2 GB */

struct rar_walk {
	struct decompose *d;
	struct object *o;
	struct rar_reader reader;
	struct slice start;      /* signature and main header: what each member is read behind */
	size_t main_end;
	bool volume, solid;
	uint32_t wanted, whole;  /* members of a solid run: told by the headers, got */
	bool solid_old;
};

bool
rar_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 &&
	    (magic_is(o->detected, "rar4") || magic_is(o->detected, "rar5"));
}

static struct packing
packing_of(const struct rar_walk *w, const struct rar_block *b)
{
	static const char *const levels[2][8] = { { "store", "rar4 -m1", "rar4 -m2", "rar4 -m3",
						      "rar4 -m4", "rar4 -m5", "rar4", "rar4" },
		{ "store", "rar5 -m1", "rar5 -m2", "rar5 -m3", "rar5 -m4", "rar5 -m5", "rar5",
		    "rar5" } };

	return (struct packing){ .packed_bytes = b->packed_bytes,
		.plain_bytes = b->size_unknown ? 0 : b->plain_bytes,
		.method = slice_of_str(levels[w->reader.rar5][b->level & 7]) };
}

/* Stored members, and the packed bytes of those that facts tell why they are not unpacked. */
static bool
emit_slice(struct rar_walk *w, const struct rar_block *b, uint64_t facts)
{
	struct child c = { .step = b->name,
		.names = &b->name,
		.name_count = 1,
		.facts = facts,
		.unopened = facts != 0,
		.packing = packing_of(w, b) };

	if (b->data.len == 0)
		return decompose_emit_empty(w->d, w->o, &c) != NULL;
	return decompose_emit(w->d, w->o, &c, b->data) != NULL;
}

/* A member that gave nothing. */
static bool
emit_listed(struct rar_walk *w, const struct rar_block *b, uint64_t facts)
{
	struct child c = { .step = b->name,
		.names = &b->name,
		.name_count = 1,
		.facts = facts,
		.unopened = true,
		.packing = packing_of(w, b) };

	return decompose_emit_empty(w->d, w->o, &c) != NULL;
}

struct tally {
	uint32_t whole, members;
	uint64_t got;
};

static void
tally_member(void *ctx, struct slice name, uint64_t declared, uint64_t got)
{
	struct tally *t = ctx;

	(void)name;
	t->members++;
	t->got += got;
	if (got > 0 && got == declared)
		t->whole++;
}

/* Why a member did not come out whole, when libarchive does not say. */
static uint64_t
judge_missing(const struct rar_block *b, uint64_t told)
{
	if (b->split_before || b->split_after)
		return FACT_BIT(FACT_MULTI_VOLUME);
	if (b->cut)
		return FACT_BIT(FACT_TRUNCATED);
	if ((b->version < VERSION_OLDEST && b->version != VERSION_20 &&
		b->version != VERSION_26) ||
	    b->version > 50)
		return FACT_BIT(FACT_UNSUPPORTED);
	return told != 0 ? told : FACT_BIT(FACT_CORRUPT);
}

static enum archive_format
format_of(const struct rar_walk *w)
{
	return w->reader.rar5 ? ARCHIVE_READ_RAR5 : ARCHIVE_READ_RAR4;
}

/* A member of RAR 2, which has an unpacker of its own here. False: the objects are used up. */
static bool
member_unpack20(struct rar_walk *w, const struct rar_block *b)
{
	struct child c = {
		.step = b->name, .names = &b->name, .name_count = 1, .packing = packing_of(w, b)
	};
	struct stream_sink out = { .d = w->d };
	enum stream_status status;
	struct slice plain;

	decompose_output_begin(w->d, w->o, b->data.len);
	status = rar_unpack20(b->data, b->plain_bytes, &out);
	plain = decompose_output_get(w->d);
	if (status == STREAM_UNSUPPORTED) {
		decompose_output_drop(w->d);
		object_add_facts(w->o, FACT_BIT(FACT_UNSUPPORTED));
		return emit_slice(w, b, FACT_BIT(FACT_UNSUPPORTED));
	}
	if (status == STREAM_END && deflate_crc32(plain) != b->crc)
		status = STREAM_CORRUPT;
	if (status == STREAM_CORRUPT || status == STREAM_TRUNCATED)
		c.facts = judge_missing(b, FACT_BIT(FACT_CORRUPT));
	object_add_facts(w->o, c.facts);
	if (plain.len == 0)
		return decompose_output_give_up(w->d, &c) != NULL;
	return decompose_output_finish(w->d, &c) != NULL;
}

/* One member alone: signature, main header, its block. False: the objects are used up. */
static bool
member_unpack(struct rar_walk *w, const struct rar_block *b)
{
	static const char end4[] = "\xc4\x3d\x7b\x00\x40\x07\x00";
	static const char end5[] = "\x1d\x77\x56\x51\x03\x05\x04\x00";
	struct slice end = w->reader.rar5 ? slice_of(end5, 8) : slice_of(end4, 7);
	struct tally tally = { 0 };
	struct archive_job job = { .format = format_of(w),
		.member = tally_member,
		.ctx = &tally,
		.parts = { w->start, b->header, b->data, end },
		.packing = packing_of(w, b),
		.caller_lists = true,
		.child_facts = b->split_before || b->split_after ? FACT_BIT(FACT_MULTI_VOLUME)
			       : b->cut                          ? FACT_BIT(FACT_TRUNCATED)
								 : 0 };
	struct archive_report report;
	uint64_t facts = 0;

	if (b->version == VERSION_20 || b->version == VERSION_26)
		return member_unpack20(w, b);
	if (b->version < VERSION_OLDEST) {
		object_add_facts(w->o, FACT_BIT(FACT_UNSUPPORTED));
		return emit_slice(w, b, FACT_BIT(FACT_UNSUPPORTED));
	}
	report = archive_read_members(w->d, w->o, &job);
	if ((report.facts & FACTS_LIMITS) != 0)
		facts = report.facts & FACTS_LIMITS;
	else if (tally.got != b->plain_bytes && !b->size_unknown)
		facts = judge_missing(b, report.facts);
	else if (report.facts & FACT_BIT(FACT_CORRUPT) && tally.whole == 0)
		facts = report.facts;
	object_add_facts(w->o, facts);
	if (tally.got == 0 && facts != 0 && !emit_listed(w, b, facts))
		return false;
	return (report.facts & FACT_BIT(FACT_LIMIT_OBJECTS)) == 0 &&
	    decompose_get_budget(w->d)->left_objects > 0;
}

static bool
block_file(struct rar_walk *w, const struct rar_block *b)
{
	if (b->folder)
		return true;
	if (b->plain_bytes == 0 && b->data.len == 0 && !b->size_unknown)
		return emit_slice(w, b, 0);
	if (b->split_before || b->split_after)
		object_add_facts(w->o, FACT_BIT(FACT_MULTI_VOLUME));
	if (b->encrypted) {
		object_add_facts(w->o, FACT_BIT(FACT_ENCRYPTED));
		return emit_slice(w, b, FACT_BIT(FACT_ENCRYPTED));
	}
	if (b->cut)
		object_add_facts(w->o, FACT_BIT(FACT_TRUNCATED));
	if (b->link && b->data.len == 0)
		return true;
	if (b->stored) {
		if (b->data.len == 0 && !b->split_before && !b->split_after)
			object_add_facts(w->o, FACT_BIT(FACT_CORRUPT)); /* told, and nothing there */
		if (b->data.len > 0 && b->data.len != b->plain_bytes && !b->cut && !b->split_before && !b->split_after)
			object_add_facts(w->o, FACT_BIT(FACT_DISAGREEMENT));
		return b->data.len > 0 ? emit_slice(w, b, 0)
				       : emit_listed(w, b, judge_missing(b, 0));
	}
	w->wanted++;
	if (w->solid || b->file_solid) {
		w->solid = true;
		w->solid_old = w->solid_old || b->version < VERSION_OLDEST;
		return true;
	}
	return member_unpack(w, b);
}

/* Members of a solid run behind the one where reading ended: count were met. */
static void
solid_list(struct rar_walk *w, uint32_t count, uint64_t facts)
{
	struct rar_reader reader;
	struct rar_block b;

	if (!rar_reader_init(&reader, w->o->bytes, decompose_get_arena(w->d)))
		return;
	while (
	    budget_has_time(decompose_get_budget(w->d)) && rar_reader_next(&reader, &b) == 1) {
		if (b.kind == RAR_BLOCK_END)
			return;
		if (b.kind != RAR_BLOCK_FILE || b.folder || b.plain_bytes == 0)
			continue;
		if (count > 0)
			count--; /* and libarchive's reading has listed it */
		else if (!b.encrypted && !b.stored && !emit_listed(w, &b, facts))
			return;
	}
}

/* A solid archive can only be read as one. */
static void
solid_unpack(struct rar_walk *w)
{
	struct tally tally = { 0 };
	struct archive_job job = { .format = format_of(w), .bytes = w->o->bytes,
		.member = tally_member, .ctx = &tally };
	struct archive_report report = archive_read_members(w->d, w->o, &job);

	uint64_t facts = report.facts;

	if (tally.whole < w->wanted && report.facts == 0)
		facts = FACT_BIT(w->solid_old ? FACT_UNSUPPORTED : FACT_CORRUPT);
	object_add_facts(w->o, facts);
	if (facts != 0)
		solid_list(w, tally.members, facts);
}

static void
emit_trailer(struct rar_walk *w)
{
	struct slice rest = slice_from(w->o->bytes, w->reader.at);
	struct child c = { .step = SLICE_LIT("(behind the end)") };

	if (rest.len >= TRAILER_MIN_BYTES)
		(void)decompose_emit(w->d, w->o, &c, rest);
}

/* False: nothing behind this block is of use. */
static bool
block_take(struct rar_walk *w, const struct rar_block *b)
{
	switch (b->kind) {
	case RAR_BLOCK_MAIN:
		if (b->headers_encrypted) {
			object_add_facts(w->o, FACT_BIT(FACT_ENCRYPTED));
			return false;
		}
		w->solid = b->solid;
		w->volume = b->volume;
		w->start = slice_sub(w->o->bytes, 0, w->reader.at);
		return true;
	case RAR_BLOCK_CRYPT:
		object_add_facts(w->o, FACT_BIT(FACT_ENCRYPTED));
		return false;
	case RAR_BLOCK_FILE:
		return block_file(w, b);
	case RAR_BLOCK_END:
		if (b->more_volumes)
			object_add_facts(w->o, FACT_BIT(FACT_MULTI_VOLUME));
		emit_trailer(w);
		return false;
	case RAR_BLOCK_OTHER:
		break;
	}
	return true;
}

void
rar_opener_open(struct decompose *d, struct object *o)
{
	struct rar_walk w = { .d = d, .o = o };
	struct rar_block b;
	int got = 0;

	if (!rar_reader_init(&w.reader, o->bytes, decompose_get_arena(d)))
		return;
	w.start = slice_sub(o->bytes, 0, w.reader.at);
	while (budget_has_time(decompose_get_budget(d)) &&
	    (got = rar_reader_next(&w.reader, &b)) == 1) {
		if (!block_take(&w, &b))
			break;
	}
	if (got == -1)
		object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
	else if (got == -2)
		object_add_facts(o, FACT_BIT(FACT_CORRUPT));
	if (w.solid && w.wanted > 0)
		solid_unpack(&w);
}
