/* archive_read.c: the one place that talks to libarchive about archives. Never filter_all and
 * format_all: among those are filters that run programs. */
#include "decompose/archive_read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decompose.h"

#define DRAIN_MAX_BYTES (UINT64_C(256) << 20) /* read over behind a limit, per archive */
#define RETRY_MAX 8
#define NAME_MAX_BYTES 4096

static locale_t utf8_locale;

void
archive_preload(void)
{
	static const char *const charsets[] = { "UTF-16LE", "UTF-16BE", "CP437", "CP932",
		"EUC-JP", "UTF-8", "CP866", "KOI8-R" };

	if (utf8_locale == (locale_t)0)
		utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		iconv_t to = iconv_open("UTF-8", charsets[i]);

		if (to != (iconv_t)-1)
			(void)iconv_close(to);
	}
}

static void
archive_done(struct archive **a)
{
	if (*a != NULL)
		(void)archive_read_free(*a);
}

static int
support_rpm(struct archive *a)
{
	(void)archive_read_support_filter_rpm(a);
	(void)archive_read_support_filter_gzip(a);
	(void)archive_read_support_filter_bzip2(a);
	(void)archive_read_support_filter_xz(a);
	(void)archive_read_support_filter_lzma(a);
	(void)archive_read_support_filter_zstd(a);
	return archive_read_support_format_cpio(a);
}

/* In the order of enum archive_format. */
static int (*const supports[])(struct archive *) = {
	[ARCHIVE_READ_TAR] = archive_read_support_format_tar,
	[ARCHIVE_READ_CPIO] = archive_read_support_format_cpio,
	[ARCHIVE_READ_AR] = archive_read_support_format_ar,
	[ARCHIVE_READ_7ZIP] = archive_read_support_format_7zip,
	[ARCHIVE_READ_CAB] = archive_read_support_format_cab,
	[ARCHIVE_READ_LHA] = archive_read_support_format_lha,
	[ARCHIVE_READ_ISO9660] = archive_read_support_format_iso9660,
	[ARCHIVE_READ_XAR] = archive_read_support_format_xar,
	[ARCHIVE_READ_WARC] = archive_read_support_format_warc,
	[ARCHIVE_READ_RPM] = support_rpm,
	[ARCHIVE_READ_RAR4] = archive_read_support_format_rar,
	[ARCHIVE_READ_RAR5] = archive_read_support_format_rar5,
	[ARCHIVE_READ_ZIP] = archive_read_support_format_zip,
};

/* One extraction in progress. */
struct reading {
	struct decompose *d;
	struct object *o;
	const struct archive_job *job;
	struct archive *a;
	struct archive_report report;
	uint64_t drained;
	struct slice run; /* of the member at hand, inside o->bytes */
	bool may_borrow;
	size_t part; /* of job->parts, the next to be read */
};

static bool
text_has(const char *text, const char *word)
{
	return text != NULL && strcasestr(text, word) != NULL;
}

/* libarchive tells causes in words only. */
static uint64_t
fact_of_error(struct archive *a)
{
	const char *text = archive_error_string(a);

	if (archive_errno(a) == ENOMEM || text_has(text, "allocate memory") ||
	    text_has(text, "out of memory") || text_has(text, "no memory"))
		return FACT_BIT(FACT_LIMIT_BYTES);
	if (text_has(text, "encrypt") || text_has(text, "passphrase") ||
	    text_has(text, "password") || text_has(text, "decrypt"))
		return FACT_BIT(FACT_ENCRYPTED);
	if (text_has(text, "truncated") || text_has(text, "premature") ||
	    text_has(text, "unexpected end") || text_has(text, "end of file") ||
	    text_has(text, "too small"))
		return FACT_BIT(FACT_TRUNCATED);
	if (text_has(text, "unsupported") || text_has(text, "not supported") ||
	    text_has(text, "codec id") || text_has(text, "unknown codec") ||
	    text_has(text, "don't support") || text_has(text, "not yet"))
		return FACT_BIT(FACT_UNSUPPORTED);
	return FACT_BIT(FACT_CORRUPT);
}

/* The member's path: bytes as they stand in the archive, or UTF-8 made from UTF-16. */
static struct slice
member_name(struct reading *r, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	const wchar_t *wide;
	uint8_t *out;
	size_t n = 0, len;

	if (name != NULL && name[0] != '\0')
		return slice_sub(slice_of_str(name), 0, NAME_MAX_BYTES);
	wide = archive_entry_pathname_w(e);
	if (wide == NULL)
		return SLICE_NONE;
	len = MIN_OF(wcslen(wide), (size_t)NAME_MAX_BYTES);
	out = arena_alloc(decompose_get_arena(r->d), len * 4 + 1);
	if (out == NULL)
		return SLICE_NONE;
	for (size_t i = 0; i < len; i++) {
		uint32_t c = (uint32_t)wide[i];

		if (c < 0x80) {
			out[n++] = (uint8_t)c;
		} else if (c < 0x800) {
			out[n++] = (uint8_t)(0xc0 | c >> 6);
			out[n++] = (uint8_t)(0x80 | (c & 0x3f));
		} else if (c < 0x10000) {
			out[n++] = (uint8_t)(0xe0 | c >> 12);
			out[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
			out[n++] = (uint8_t)(0x80 | (c & 0x3f));
		} else {
			out[n++] = (uint8_t)(0xf0 | (c >> 18 & 0x07));
			out[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
			out[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
			out[n++] = (uint8_t)(0x80 | (c & 0x3f));
		}
	}
	return slice_of(out, n);
}

/* A hole of a sparse file reads as zeros. */
static bool
write_zeros(struct reading *r, uint64_t n)
{
	while (n > 0) {
		size_t room;
		uint8_t *to = decompose_output_reserve(r->d, (size_t)MIN_OF(n, UINT64_C(1) << 20),
		    &room);

		if (to == NULL)
			return false;
		memset(to, 0, room);
		if (!decompose_output_commit(r->d, room))
			return false;
		n -= room;
	}
	return true;
}

/* Reads over the rest of a member that met a limit: libarchive's own skipping would decode it
 * in one call without an end. False: enough, the archive is left. */
static bool
member_drain(struct reading *r)
{
	const void *block;
	size_t len;
	la_int64_t offset;

	while (budget_has_time(decompose_get_budget(r->d)) && r->drained < DRAIN_MAX_BYTES) {
		int result = archive_read_data_block(r->a, &block, &len, &offset);

		if (result == ARCHIVE_EOF)
			return true;
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
			return result == ARCHIVE_FAILED;
		r->drained += len;
	}
	return false;
}

/* One member behind the other, each byte in one member at most: nothing can be had twice. */
static bool
format_is_sequence(enum archive_format f)
{
	return f == ARCHIVE_READ_TAR || f == ARCHIVE_READ_CPIO || f == ARCHIVE_READ_AR ||
	       f == ARCHIVE_READ_WARC;
}

/* Data that libarchive hands out as it stands in the archive, which is in memory. It is not
 * copied as long as the blocks follow one another. */
static bool
run_add(struct reading *r, struct slice block)
{
	struct slice all = r->o->bytes;

	if (!r->may_borrow || block.len == 0 || block.ptr < all.ptr ||
	    block.ptr >= all.ptr + all.len ||
	    (r->run.len > 0 && block.ptr != r->run.ptr + r->run.len))
		return false;
	if (r->run.len == 0)
		r->run.ptr = block.ptr;
	r->run.len += block.len;
	return true;
}

/* A block of the member, behind a hole of that many bytes. Into the run, or the open output. */
static bool
block_take(struct reading *r, struct slice block, uint64_t hole)
{
	struct slice run = r->run;

	if (hole == 0 && run_add(r, block))
		return true;
	r->may_borrow = false; /* it is not one piece after all */
	r->run = SLICE_NONE;
	return decompose_output_write(r->d, run) && write_zeros(r, hole) &&
	       decompose_output_write(r->d, block);
}

enum member_end { MEMBER_WHOLE, MEMBER_BROKEN, MEMBER_FATAL, MEMBER_LIMIT };

/* The data of the current member into the run or the open output. */
static enum member_end
member_copy(struct reading *r)
{
	uint64_t at = 0, hole;

	for (;;) {
		const void *block;
		size_t len;
		la_int64_t offset;
		int result;

		if (!budget_has_time(decompose_get_budget(r->d))) {
			r->report.facts |= budget_get_time_facts(decompose_get_budget(r->d));
			return MEMBER_LIMIT;
		}
		result = archive_read_data_block(r->a, &block, &len, &offset);
		if (r->job->format != ARCHIVE_READ_TAR)
			offset = 0; /* only tar has holes; the xar reader counts on from file to file */
		hole = offset > 0 && (uint64_t)offset > at ? (uint64_t)offset - at : 0;
		if (result == ARCHIVE_EOF)
			return hole > 0 && !block_take(r, SLICE_NONE, hole) ? MEMBER_LIMIT
									    : MEMBER_WHOLE;
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
			r->report.facts |= fact_of_error(r->a);
			return result == ARCHIVE_FATAL ? MEMBER_FATAL : MEMBER_BROKEN;
		}
		if (result == ARCHIVE_WARN)
			r->report.facts |= fact_of_error(r->a);
		if (!block_take(r, slice_of(block, len), hole))
			return MEMBER_LIMIT;
		at = (offset > 0 ? (uint64_t)offset : at) + len;
	}
}

/* Formats that pack nothing: what a member takes is what it has. */
static bool
format_only_stores(enum archive_format f)
{
	return format_is_sequence(f) || f == ARCHIVE_READ_ISO9660;
}

/* libarchive tells methods in the name of the format, "CAB (MSZIP)" or "lha -lh5-", and sizes
 * of packed members not at all. */
static struct packing
member_packing(struct reading *r, struct archive_entry *e)
{
	struct packing p = r->job->packing;
	const char *format = archive_format_name(r->a), *word;

	if (p.method.len > 0 || p.packed_bytes > 0)
		return p;
	if (archive_entry_size_is_set(e) && archive_entry_size(e) > 0)
		p.plain_bytes = (uint64_t)archive_entry_size(e);
	if (format_only_stores(r->job->format)) {
		p.packed_bytes = p.plain_bytes;
		p.method = SLICE_LIT("store");
	} else if (r->job->format == ARCHIVE_READ_RPM) {
		p.method = slice_of_str(archive_filter_name(r->a, 0));
	} else if (format != NULL && (word = strchr(format, '(')) != NULL) {
		p.method = slice_sub(slice_of_str(word), 1, strcspn(word + 1, ")"));
	} else if (format != NULL && (word = strrchr(format, ' ')) != NULL) {
		p.method = slice_of_str(word + 1);
	}
	return p;
}

static struct child
member_child(struct reading *r, struct archive_entry *e, const struct slice *name)
{
	return (struct child){ .step = name->len > 0 ? *name : SLICE_LIT("(no name)"),
		.names = name,
		.name_count = name->len > 0 ? 1 : 0,
		.facts = r->job->child_facts,
		.packing = member_packing(r, e) };
}

/* What the data of a member that ended so is, beyond what libarchive said. */
static uint64_t
judge_end(struct archive_entry *e, enum member_end end, uint64_t declared, uint64_t got)
{
	if (archive_entry_filetype(e) != AE_IFREG || end != MEMBER_WHOLE ||
	    declared == UINT64_MAX ||
	    got >= declared) /* folders on disk images have sizes too */
		return 0;
	return got == 0 ? FACT_BIT(FACT_UNSUPPORTED) : FACT_BIT(FACT_TRUNCATED);
}

/* False: the objects are used up. */
static bool
member_finish(struct reading *r, const struct child *c)
{
	if (r->run.len == 0)
		return decompose_output_finish(r->d, c) != NULL;
	decompose_output_drop(r->d);
	return decompose_emit(r->d, r->o, c, r->run) != NULL;
}

/* Reads and emits the member. False: the archive is left. */
static bool
member_emit(struct reading *r, struct archive_entry *e, struct slice name)
{
	struct child c = member_child(r, e, &name);
	uint64_t declared =
	    archive_entry_size_is_set(e) ? (uint64_t)archive_entry_size(e) : UINT64_MAX;
	uint64_t facts_before = r->report.facts, got;
	enum member_end end;
	bool on = true;

	r->report.facts = 0; /* of this member, for now */
	r->run = SLICE_NONE;
	r->may_borrow = format_is_sequence(r->job->format) && r->job->bytes.len > 0;
	decompose_output_begin(r->d, r->o, r->o->bytes.len);
	end = member_copy(r);
	got = decompose_output_get(r->d).len + r->run.len;
	r->report.bytes += got;
	r->report.facts |= judge_end(e, end, declared, got) | decompose_output_get_facts(r->d);
	if (!r->job->caller_lists)
		c.facts |= r->report.facts; /* else the caller may know better */
	if (got > 0) {
		r->report.members++;
		on = member_finish(r, &c);
	} else if (r->job->caller_lists || archive_entry_filetype(e) != AE_IFREG) {
		decompose_output_drop(r->d);
	} else {
		on = decompose_output_give_up(r->d, &c) != NULL;
	}
	r->report.facts |= facts_before;
	if (archive_entry_filetype(e) != AE_IFREG)
		declared = UINT64_MAX;
	if (r->job->member != NULL)
		r->job->member(r->job->ctx, name, declared, got);
	if (end == MEMBER_LIMIT)
		return on && member_drain(r);
	return on && end != MEMBER_FATAL;
}

/* The member has a name and no password for us. */
static void
member_list_encrypted(struct reading *r, struct archive_entry *e)
{
	struct slice name = member_name(r, e);
	struct child c = member_child(r, e, &name);

	c.facts |= FACT_BIT(FACT_ENCRYPTED);
	c.unopened = true;
	if (!r->job->caller_lists)
		(void)decompose_emit_empty(r->d, r->o, &c);
	if (r->job->member != NULL)
		r->job->member(r->job->ctx, name, UINT64_MAX, 0);
}

/* Empty files are members; folders and links are not. False: the objects are used up. */
static bool
member_list_empty(struct reading *r, struct archive_entry *e)
{
	struct slice name;
	struct child c;

	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) != NULL ||
	    r->job->caller_lists)
		return true;
	name = member_name(r, e);
	c = member_child(r, e, &name);
	return decompose_emit_empty(r->d, r->o, &c) != NULL;
}

static la_ssize_t
part_read(struct archive *a, void *ctx, const void **ret_block)
{
	struct reading *r = ctx;

	(void)a;
	while (r->part < ARRAY_LEN(r->job->parts)) {
		struct slice part = r->job->parts[r->part++];

		if (part.len > 0) {
			*ret_block = part.ptr;
			return (la_ssize_t)part.len;
		}
	}
	return 0;
}

static int
reading_open(struct reading *r)
{
	if (r->job->bytes.len > 0)
		return archive_read_open_memory(r->a, r->job->bytes.ptr, r->job->bytes.len);
	return archive_read_open(r->a, r, NULL, part_read, NULL);
}

static bool
member_next(struct reading *r)
{
	struct archive_entry *e;
	int result = ARCHIVE_RETRY;

	if (r->report.entries++ > decompose_get_budget(r->d)->limits.objects) {
		r->report.facts |= FACT_BIT(FACT_LIMIT_OBJECTS);
		return false;
	}
	for (int i = 0; i < RETRY_MAX && result == ARCHIVE_RETRY; i++)
		result = archive_read_next_header(r->a, &e);
	if (result == ARCHIVE_EOF)
		return false;
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
		r->report.facts |= fact_of_error(r->a);
		return false;
	}
	if (archive_entry_is_encrypted(e)) {
		r->report.facts |= FACT_BIT(FACT_ENCRYPTED);
		if (r->job->passphrase == NULL) {
			member_list_encrypted(r, e);
			return true;
		}
	}
	if (archive_entry_size_is_set(e) && archive_entry_size(e) == 0)
		return member_list_empty(r, e);
	if (archive_entry_filetype(e) != AE_IFREG && !archive_entry_size_is_set(e))
		return true;
	return member_emit(r, e, member_name(r, e));
}

static void
reading_run(struct reading *r)
{
	struct archive *a = r->a;

	if (supports[r->job->format](a) != ARCHIVE_OK) {
		r->report.facts |= FACT_BIT(FACT_UNSUPPORTED);
		return;
	}
	if (r->job->options != NULL)
		(void)archive_read_set_options(a, r->job->options);
	if (r->job->passphrase != NULL)
		(void)archive_read_add_passphrase(a, r->job->passphrase);
	if (reading_open(r) != ARCHIVE_OK) {
		r->report.facts |= fact_of_error(a);
		return;
	}
	while (budget_has_time(decompose_get_budget(r->d))) {
		if (!member_next(r))
			return;
	}
	r->report.facts |= budget_get_time_facts(decompose_get_budget(r->d));
}

struct archive_report
archive_read_members(struct decompose *d, struct object *o, const struct archive_job *job)
{
	CLEANUP(archive_done) struct archive *a = archive_read_new();
	struct reading r = { .d = d, .o = o, .job = job, .a = a };
	locale_t before = (locale_t)0;

	if (a == NULL) {
		r.report.facts = FACT_BIT(FACT_LIMIT_BYTES);
		return r.report;
	}
	if (utf8_locale != (locale_t)0)
		before = uselocale(utf8_locale);
	reading_run(&r);
	if (before != (locale_t)0)
		(void)uselocale(before);
	return r.report;
}
