/* zip_member.c: from packed bytes to an object; see zip_member.h. */
#include "decompose/zip_member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"
#include "decompose/deflate_whole.h"
#include "decompose/stream_decode.h"
#include "decompose/zip_crypt.h"
#include "decompose/zip_header.h"
#include "decompose/zip_inflate64.h"
#include "decompose/zip_password.h"

#define DECRYPT_MAX_BYTES (UINT64_C(64) << 20)

struct slice
zip_method_get_name(struct arena *a, uint16_t method)
{
	static const char *const names[] = { [ZIP_STORE] = "store",
		[1] = "shrink",
		[2] = "reduce",
		[3] = "reduce",
		[4] = "reduce",
		[5] = "reduce",
		[ZIP_IMPLODE] = "implode",
		[ZIP_DEFLATE] = "deflate",
		[ZIP_DEFLATE64] = "deflate64",
		[ZIP_BZIP2] = "bzip2",
		[ZIP_LZMA] = "lzma",
		[ZIP_ZSTD_OLD] = "zstd",
		[ZIP_ZSTD] = "zstd",
		[94] = "mp3",
		[ZIP_XZ] = "xz",
		[96] = "jpeg",
		[97] = "wavpack",
		[ZIP_PPMD] = "ppmd",
		[ZIP_AES] = "aes" };
	char *text;
	int n;

	if (method < ARRAY_LEN(names) && names[method] != NULL)
		return slice_of_str(names[method]);
	text = arena_alloc(a, 24);
	n = text == NULL ? 0 : snprintf(text, 24, "method %u", method);
	return slice_of(text, (size_t)n);
}

static struct child
child_of_reading(struct decompose *d, const struct zip_reading *r)
{
	uint16_t method = r->method == ZIP_AES ? r->aes_method : r->method;

	return (struct child){ .step = r->name_count > 0 ? r->names[0] : SLICE_LIT("(no name)"),
		.names = r->names,
		.name_count = r->name_count,
		.packing = {
		    .packed_bytes = r->packed_bytes == UINT64_MAX ? 0 : r->packed_bytes,
		    .plain_bytes = r->plain_bytes == UINT64_MAX ? 0 : r->plain_bytes,
		    .method = zip_method_get_name(decompose_get_arena(d), method) } };
}

bool
zip_method_ends_itself(uint16_t method)
{
	return method == ZIP_DEFLATE || method == ZIP_DEFLATE64 || method == ZIP_BZIP2 ||
	    method == ZIP_ZSTD || method == ZIP_ZSTD_OLD || method == ZIP_XZ;
}

/* BZIP2, XZ and ZSTD members may be several streams; in ends where the member does. */
static enum stream_status
decode_streams(enum stream_status (*decode)(struct slice, struct stream_sink *, size_t *),
    struct slice in, uint64_t packed_bytes, struct stream_sink *out, size_t *ret_used)
{
	enum stream_status status = decode(in, out, ret_used);

	while (status == STREAM_END && packed_bytes != UINT64_MAX && *ret_used < packed_bytes &&
	    *ret_used < in.len) {
		struct slice rest = slice_sub(in, *ret_used, (size_t)(packed_bytes - *ret_used));
		size_t used;

		status = decode(rest, out, &used);
		if (status == STREAM_CORRUPT)
			return STREAM_END; /* not another stream: padding */
		*ret_used += used;
	}
	return status;
}

/* Members of an honest size in one go; all others, and what goes wrong there, step by step. */
static enum stream_status
inflate_member(const struct zip_reading *r, struct slice in, struct stream_sink *out,
    size_t *ret_used)
{
	uint8_t *to;
	size_t room;

	if (r->plain_bytes == 0 || r->plain_bytes > DEFLATE_WHOLE_MAX_BYTES ||
	    r->plain_bytes / DEFLATE_RATIO_MAX > in.len)
		return stream_inflate(in, -15, out, ret_used);
	to = stream_sink_reserve(out, (size_t)r->plain_bytes, &room);
	if (to != NULL && room == r->plain_bytes && deflate_whole(in, to, room, ret_used))
		return stream_sink_commit(out, room) ? STREAM_END : STREAM_LIMIT;
	return stream_inflate(in, -15, out, ret_used);
}

static enum stream_status
decode(const struct zip_reading *r, struct slice in, struct stream_sink *out,
    size_t *ret_used)
{
	struct slice packed = slice_sub(in, 0, (size_t)MIN_OF(r->packed_bytes,
	    (uint64_t)in.len));

	*ret_used = packed.len;
	switch (r->method) {
	case ZIP_STORE:
		if (!stream_sink_write(out, packed))
			return STREAM_LIMIT;
		return r->packed_bytes > in.len ? STREAM_TRUNCATED : STREAM_END;
	case ZIP_DEFLATE:
		return inflate_member(r, in, out, ret_used);
	case ZIP_DEFLATE64:
		return zip_inflate64(in, out, ret_used);
	case ZIP_BZIP2:
		return decode_streams(stream_bunzip2, in, r->packed_bytes, out, ret_used);
	case ZIP_XZ:
		return decode_streams(stream_unxz, in, r->packed_bytes, out, ret_used);
	case ZIP_ZSTD:
	case ZIP_ZSTD_OLD:
		return decode_streams(stream_unzstd, in, r->packed_bytes, out, ret_used);
	case ZIP_LZMA:
		return stream_unlzma_zip(packed, (r->flags & 2) != 0 ? UINT64_MAX : r->plain_bytes,
		    out, ret_used);
	case ZIP_IMPLODE:
		return zip_explode(packed, (r->flags & 2) != 0, (r->flags & 4) != 0, r->plain_bytes,
		    out, ret_used);
	default:
		return STREAM_UNSUPPORTED;
	}
}

/* Members that cannot be read here are listed with their packed bytes. */
static struct zip_result
emit_packed(struct decompose *d, struct object *o, const struct zip_reading *r, uint64_t fact)
{
	struct slice packed = slice_sub(o->bytes, r->data_at,
	    (size_t)MIN_OF(r->packed_bytes, (uint64_t)(o->bytes.len - r->data_at)));
	struct child c = child_of_reading(d, r);
	struct zip_result result = { .facts = fact, .end = r->data_at + packed.len };

	c.facts = fact;
	c.unopened = true;
	result.child =
	    packed.len > 0 ? decompose_emit(d, o, &c, packed) : decompose_emit_empty(d, o, &c);
	result.stop = result.child == NULL;
	return result;
}

/* PPMd is libarchive's: it gets the member alone, from the local header to its end. */
static struct zip_result
extract_ppmd(struct decompose *d, struct object *o, const struct zip_reading *r)
{
	size_t data_len = (size_t)MIN_OF(r->packed_bytes, (uint64_t)(o->bytes.len - r->data_at));
	struct archive_job job = { .format = ARCHIVE_READ_ZIP,
		.packing = child_of_reading(d, r).packing,
		.caller_lists = true,
		.bytes =
		    slice_sub(o->bytes, r->header_at, r->data_at - r->header_at + data_len) };
	struct archive_report report = archive_read_members(d, o, &job);

	/* What follows the member is missing by design, and libarchive says so. */
	if (report.members == 1 && report.bytes == r->plain_bytes)
		report.facts = 0;
	if (report.members == 0 && (report.facts & FACTS_LIMITS) == 0)
		return emit_packed(d, o, r, report.facts | FACT_BIT(FACT_UNSUPPORTED));
	return (struct zip_result){ .facts = report.facts, .end = r->data_at + data_len };
}

static uint64_t
facts_of(const struct zip_reading *r, enum stream_status status, struct slice plain,
    size_t used)
{
	switch (status) {
	case STREAM_TRUNCATED:
		return FACT_BIT(FACT_TRUNCATED);
	case STREAM_CORRUPT:
		return FACT_BIT(FACT_CORRUPT);
	case STREAM_UNSUPPORTED:
		return FACT_BIT(FACT_UNSUPPORTED);
	case STREAM_LIMIT:
		return 0; /* told by the output */
	case STREAM_END:
		break;
	}
	if (r->has_crc && deflate_crc32(plain) != r->crc)
		return FACT_BIT(FACT_CORRUPT);
	if ((r->plain_bytes != UINT64_MAX && r->plain_bytes != plain.len) ||
	    (r->packed_bytes != UINT64_MAX && r->packed_bytes != used))
		return FACT_BIT(FACT_DISAGREEMENT);
	return 0;
}

/* "a.exe (password)": the trail says how it was opened. */
static struct slice
opened_step(struct arena *a, struct slice name)
{
	static const char note[] = " (password)";
	uint8_t *out = arena_alloc(a, name.len + sizeof(note));

	if (out == NULL)
		return name;
	if (name.len > 0)
		memcpy(out, name.ptr, name.len);
	memcpy(out + name.len, note, sizeof(note) - 1);
	return slice_of(out, name.len + sizeof(note) - 1);
}

static void
put_le(uint8_t *to, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

/* A member that AES held and the right password opened, and PPMd packs: libarchive gets it behind
 * a local header of our making. */
static bool
opened_ppmd(struct decompose *d, struct object *o, const struct zip_reading *r,
    struct slice plain, struct zip_result *ret)
{
	struct slice name = r->name_count > 0 ? r->names[0] : SLICE_NONE;
	struct slice step = slice_sub(opened_step(decompose_get_arena(d), name), 0, UINT16_MAX);
	uint8_t header[30] = "PK\003\004?";
	struct archive_job job = { .format = ARCHIVE_READ_ZIP,
		.parts = { slice_of(header, sizeof(header)), step, plain },
		.child_facts = FACT_BIT(FACT_PASSWORD_FOUND) };
	uint32_t before = decompose_get_object_count(d);
	struct archive_report report;

	put_le(header + 8, ZIP_PPMD, 2);
	put_le(header + 14, r->crc, 4);
	put_le(header + 18, plain.len, 4);
	put_le(header + 22, r->plain_bytes, 4);
	put_le(header + 26, step.len, 2);
	report = archive_read_members(d, o, &job);
	if (report.members == 0)
		return false;
	if (report.bytes == r->plain_bytes)
		report.facts = 0; /* as in extract_ppmd(); AE-2 has no CRC, but a code of its own */
	if (decompose_get_object_count(d) > before) {
		ret->child = decompose_get_object(d, before + 1);
		for (size_t i = 0; i < r->name_count; i++)
			(void)object_add_name(ret->child, arena_copy(decompose_get_arena(d), r->names[i]));
	}
	ret->facts = report.facts | FACT_BIT(FACT_PASSWORD_FOUND);
	return true;
}

/* Tries one password; true: the member was emitted. plain has room for packed. */
static bool
try_password(struct decompose *d, struct object *o, const struct zip_reading *r,
    struct slice packed, struct slice password, uint8_t *plain, struct zip_result *ret)
{
	struct zip_reading opened = *r;
	struct stream_sink out = { .d = d };
	struct slice step = r->name_count > 0 ? r->names[0] : SLICE_NONE;
	struct child c = child_of_reading(d, r);
	uint8_t check = (r->flags & ZIP_FLAG_DESCRIPTOR) != 0 ? (uint8_t)(r->mod_time >> 8)
	                                                      : (uint8_t)(r->crc >> 24);
	bool aes = r->method == ZIP_AES;
	size_t len = packed.len, used;
	enum stream_status status;

	c.facts = FACT_BIT(FACT_PASSWORD_FOUND);
	if (aes) {
		if (!zip_crypt_aes(packed, password, r->aes_strength, plain, &len))
			return false;
		opened.method = r->aes_method;
		opened.has_crc = r->crc != 0;
	} else {
		if (!zip_crypt_old(packed, password, check, plain))
			return false;
		len -= 12;
	}
	opened.packed_bytes = len;
	if (opened.method == ZIP_PPMD)
		return aes && opened_ppmd(d, o, r, slice_of(plain, len), ret);
	decompose_output_begin(d, o, packed.len);
	status = decode(&opened, slice_of(plain, len), &out, &used);
	ret->facts = facts_of(&opened, status, decompose_output_get(d), used);
	if ((status != STREAM_LIMIT && !aes &&
	    (ret->facts & ~FACT_BIT(FACT_DISAGREEMENT)) != 0) || status == STREAM_UNSUPPORTED) {
		decompose_output_drop(d); /* the check byte fitted by chance, or a method we lack */
		return false;
	}
	c.step = opened_step(decompose_get_arena(d), step);
	ret->facts |= FACT_BIT(FACT_PASSWORD_FOUND);
	ret->child = decompose_output_finish(d, &c);
	ret->stop = ret->child == NULL;
	return true;
}

/* Tries what opened another member first, then the whole list. */
static bool
try_passwords(struct decompose *d, struct object *o, const struct zip_reading *r,
    struct zip_result *ret)
{
	struct zip_passwords *p = r->passwords;
	struct slice packed = slice_sub(o->bytes, r->data_at, (size_t)MIN_OF(r->packed_bytes,
	    (uint64_t)(o->bytes.len - r->data_at)));
	CLEANUP(mem_free) uint8_t *plain = NULL;

	if (p == NULL || (r->flags & ZIP_FLAG_STRONG) != 0 || packed.len > DECRYPT_MAX_BYTES ||
	    packed.len == 0 || (p->found == SIZE_MAX && p->left_runs == 0))
		return false;
	zip_passwords_collect(p, d);
	plain = malloc(packed.len);
	if (plain == NULL)
		return false;
	ret->end = r->data_at + packed.len;
	if (p->found != SIZE_MAX && try_password(d, o, r, packed, p->words[p->found], plain, ret))
		return true;
	for (size_t i = 0; p->left_runs > 0 && i < p->count; i++) {
		if (!budget_has_time(decompose_get_budget(d)))
			return false;
		if (try_password(d, o, r, packed, p->words[i], plain, ret)) {
			p->found = i;
			return true;
		}
	}
	p->left_runs -= p->left_runs > 0 ? 1 : 0;
	return false;
}

struct zip_result
zip_member_extract(struct decompose *d, struct object *o, const struct zip_reading *r)
{
	struct slice in = slice_from(o->bytes, r->data_at), plain;
	struct stream_sink out = { .d = d };
	struct child c = child_of_reading(d, r);
	struct zip_result result = { .end = r->data_at };
	enum stream_status status;
	size_t used;

	if ((r->flags & (ZIP_FLAG_ENCRYPTED | ZIP_FLAG_STRONG)) != 0 || r->method == ZIP_AES) {
		if (try_passwords(d, o, r, &result))
			return result;
		return emit_packed(d, o, r, FACT_BIT(FACT_ENCRYPTED));
	}
	if (r->method == ZIP_PPMD)
		return extract_ppmd(d, o, r);
	decompose_output_begin(d, o, MIN_OF(r->packed_bytes, (uint64_t)in.len));
	status = decode(r, in, &out, &used);
	plain = decompose_output_get(d);
	result.facts = facts_of(r, status, plain, used);
	if (status == STREAM_END || status == STREAM_LIMIT)
		result.end =
		    r->data_at + (status == STREAM_END
					 ? used
					 : (size_t)MIN_OF(r->packed_bytes, (uint64_t)in.len));
	if (c.packing.packed_bytes == 0 && status == STREAM_END)
		c.packing.packed_bytes = used;
	if (plain.len == 0 && status == STREAM_UNSUPPORTED) {
		decompose_output_drop(d);
		return emit_packed(d, o, r, result.facts);
	}
	if (!r->quiet)
		c.facts |= result.facts & ~FACT_BIT(FACT_DISAGREEMENT);
	if (plain.len == 0 && r->quiet) {
		decompose_output_drop(d);
		return result;
	}
	if (plain.len == 0) {
		result.stop = decompose_output_give_up(d, &c) == NULL;
		return result;
	}
	result.child = decompose_output_finish(d, &c);
	result.stop = result.child == NULL;
	return result;
}
