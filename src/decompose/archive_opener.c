/* archive_opener.c: which object is read as which archive. Reading is archive_read.c's. */
#include "decompose/archive_opener.h"

#include <string.h>

#include "base/macros.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"
#include "decompose/helper_opener.h"
#include "decompose/magic.h"

#define CHAIN_MAX 32
#define TAR_BLOCK_BYTES 512

static const struct {
	const char *format; /* magic_type's */
	enum archive_format read_as;
} formats[] = {
	{ "tar",     ARCHIVE_READ_TAR     },
	{ "cpio",    ARCHIVE_READ_CPIO    },
	{ "ar",      ARCHIVE_READ_AR      },
	{ "7z",      ARCHIVE_READ_7ZIP    },
	{ "cab",     ARCHIVE_READ_CAB     },
	{ "lha",     ARCHIVE_READ_LHA     },
	{ "iso9660", ARCHIVE_READ_ISO9660 },
	{ "xar",     ARCHIVE_READ_XAR     },
	{ "warc",    ARCHIVE_READ_WARC    },
	{ "rpm",     ARCHIVE_READ_RPM     },
};

static bool
has_mark(struct slice b, size_t offset, const char *mark)
{
	return slice_eq_str(slice_sub(b, offset, strlen(mark)), mark);
}

/* Set of 1 << enum archive_format. */
static unsigned
formats_of(const struct object *o)
{
	unsigned set = 0;

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (magic_is(o->detected, formats[i].format))
			set |= 1u << formats[i].read_as;
	}
	if (has_mark(o->bytes, 257, "ustar"))
		set |= 1u << ARCHIVE_READ_TAR;
	if (has_mark(o->bytes, 32769, "CD001"))
		set |= 1u << ARCHIVE_READ_ISO9660;
	return set;
}

bool
archive_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 &&
	    (formats_of(o) != 0 || archive_udf_claims(o) || archive_arj_claims(o));
}

static struct archive_report
read_as(struct decompose *d, struct object *o, enum archive_format format,
    const char *options)
{
	struct archive_job job = { .format = format, .bytes = o->bytes, .options = options };

	return archive_read_members(d, o, &job);
}

/* Zeros behind the end that fill no whole block are no archive that was cut off. */
static struct slice
tar_without_odd_zeros(struct slice b)
{
	size_t whole = b.len - b.len % TAR_BLOCK_BYTES;

	for (size_t i = whole; i < b.len; i++) {
		if (b.ptr[i] != 0)
			return b;
	}
	return slice_sub(b, 0, whole);
}

static struct archive_report
read_tar(struct decompose *d, struct object *o)
{
	struct archive_job job = { .format = ARCHIVE_READ_TAR,
		.bytes = tar_without_odd_zeros(o->bytes),
		.options = "tar:read_concatenated_archives" };

	return archive_read_members(d, o, &job);
}

/* Names in LHA archives are in the code page of the one who made them, mostly Japanese; without
 * a guess libarchive leaves the archive at the first name that is not ASCII. In code page 437
 * every byte is a letter: names come out wrong, and members right. */
static struct archive_report
read_lha(struct decompose *d, struct object *o)
{
	static const char *const guesses[] = { "lha:hdrcharset=CP932", "lha:hdrcharset=CP437" };
	struct archive_report r = read_as(d, o, ARCHIVE_READ_LHA, NULL);

	for (size_t i = 0; i < ARRAY_LEN(guesses); i++) {
		if ((r.facts & FACT_BIT(FACT_CORRUPT)) != 0)
			r = read_as(d, o, ARCHIVE_READ_LHA, guesses[i]);
	}
	return r;
}

static uint64_t
get_le32(struct slice b, size_t at)
{
	return (uint64_t)b.ptr[at] | (uint64_t)b.ptr[at + 1] << 8 | (uint64_t)b.ptr[at + 2] << 16 |
	    (uint64_t)b.ptr[at + 3] << 24;
}

/* Rock Ridge continues in other places ("CE": block, offset, length), and libarchive 3.6 follows
 * a ring of such places until memory ends. True when any chain is longer than real ones are. */
static bool
iso_has_long_chain(struct slice b)
{
	struct slice mark = SLICE_LIT("CE\x1c\x01");
	size_t first = 0, at;

	while ((first = slice_find(b, mark, first)) != SIZE_MAX) {
		unsigned steps = 0;

		for (at = first; at != SIZE_MAX && b.len - at >= 28; steps++) {
			uint64_t to = get_le32(b, at + 4) * 2048 + get_le32(b, at + 12);
			uint64_t len = MIN_OF(get_le32(b, at + 20), UINT64_C(4096));

			if (steps == CHAIN_MAX)
				return true;
			if (to >= b.len)
				break;
			at = slice_find(slice_sub(b, 0, (size_t)(to + len)), mark, (size_t)to);
		}
		first += mark.len;
	}
	return false;
}

/* Another tree of the same image: what has no bytes was listed already. */
static struct archive_report
read_tree(struct decompose *d, struct object *o, const char *options)
{
	struct archive_job job = { .format = ARCHIVE_READ_ISO9660,
		.bytes = o->bytes,
		.options = options,
		.caller_lists = true };

	return archive_read_members(d, o, &job);
}

/* A disk image may hold three trees (Rock Ridge, Joliet, plain), and each system shows another.
 * All are read where the budget allows; equal files are one object. */
static uint64_t
read_iso(struct decompose *d, struct object *o)
{
	static const char *const trees[] = { NULL, "iso9660:!rockridge",
		"iso9660:!rockridge,iso9660:!joliet" };
	size_t first = iso_has_long_chain(o->bytes) ? 1 : 0;
	struct archive_report r = read_as(d, o, ARCHIVE_READ_ISO9660, trees[first]), other;
	uint64_t facts = r.facts | (first == 1 ? FACT_BIT(FACT_CORRUPT) : 0);

	for (size_t i = first + 1; i < ARRAY_LEN(trees); i++) {
		if (r.bytes > decompose_get_budget(d)->left_bytes / 2)
			break;
		other = read_tree(d, o, trees[i]);
		if (r.facts == 0 && other.facts == 0 &&
		    (other.members != r.members || other.bytes != r.bytes))
			facts |= FACT_BIT(FACT_DISAGREEMENT);
		if (r.members == 0)
			facts |= other.facts;
	}
	return facts;
}

/* Members of o that were listed here and could not be opened: 7zz has given them now. Ids up to
 * last were there before. */
static void
supersede_unopened(struct decompose *d, const struct object *o, uint32_t first, uint32_t last)
{
	for (uint32_t id = first; id <= last; id++) {
		struct object *member = decompose_get_object(d, id);

		if (member->parent == o->id && member->unopened)
			member->facts = FACT_BIT(FACT_SUPERSEDED);
	}
}

/* What was not read here is given to 7zz; what that reads whole is not missing any more. */
static uint64_t
ask_helper(struct decompose *d, struct object *o, uint64_t facts)
{
	static const struct {
		const char *format; /* magic_type's */
		enum helper_type type;
		uint64_t worth; /* facts with which it is asked */
	} rows[] = {
		{ "7z",  HELPER_TYPE_7Z,  FACT_BIT(FACT_UNSUPPORTED) | FACT_BIT(FACT_ENCRYPTED) |
			FACT_BIT(FACT_CORRUPT) },
		{ "cab", HELPER_TYPE_CAB, FACT_BIT(FACT_UNSUPPORTED) },
		{ "lha", HELPER_TYPE_LZH, FACT_BIT(FACT_UNSUPPORTED) },
		{ "arj", HELPER_TYPE_ARJ, FACT_BIT(FACT_UNSUPPORTED) },
		{ "udf", HELPER_TYPE_UDF, FACT_BIT(FACT_UNSUPPORTED) },
		{ "iso9660", HELPER_TYPE_UDF, FACT_BIT(FACT_UNSUPPORTED) }, /* the UDF tree beside it */
		{ "xar", HELPER_TYPE_XAR, FACT_BIT(FACT_UNSUPPORTED) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t last = decompose_get_object_count(d);
		uint64_t told;

		if (!magic_is(o->detected, rows[i].format) || (facts & rows[i].worth) == 0 ||
		    !helper_opener_reads(rows[i].type))
			continue;
		told = helper_unpack(d, o, rows[i].type, rows[i].format);
		if ((told & ~FACT_BIT(FACT_PASSWORD_FOUND)) == 0) {
			supersede_unopened(d, o, o->id + 1, last);
			return (facts & ~rows[i].worth) | told;
		}
		/* The more telling of two reasons. */
		if ((told & FACT_BIT(FACT_UNSUPPORTED)) == 0)
			facts &= ~FACT_BIT(FACT_UNSUPPORTED);
		return facts | told;
	}
	return facts;
}

void
archive_opener_open(struct decompose *d, struct object *o)
{
	unsigned set = formats_of(o);
	uint64_t before = o->facts, facts;

	o->facts = 0;
	for (unsigned f = 0; f <= ARCHIVE_READ_RPM; f++) {
		if ((set & 1u << f) == 0)
			continue;
		if (f == ARCHIVE_READ_ISO9660)
			object_add_facts(o, read_iso(d, o));
		else if (f == ARCHIVE_READ_TAR)
			object_add_facts(o, read_tar(d, o).facts);
		else if (f == ARCHIVE_READ_LHA)
			object_add_facts(o, read_lha(d, o).facts);
		else
			object_add_facts(o, read_as(d, o, f, NULL).facts);
	}
	if (archive_udf_claims(o))
		archive_udf_open(d, o);
	if (archive_arj_claims(o))
		archive_arj_open(d, o);
	facts = o->facts; /* of this opener's; ask_helper() may add to the object's own */
	o->facts = before;
	object_add_facts(o, ask_helper(d, o, facts));
}
