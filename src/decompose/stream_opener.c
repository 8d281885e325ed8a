/* stream_opener.c: files that are one compressed file. Names, concatenation, what stands behind
 * the end; the codecs are stream_decode.c's. */
#include "decompose/stream_opener.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "decompose/stream_decode.h"

#define NAMES_MAX 16
#define TRAILER_MIN_BYTES 16 /* shorter rests are padding or a signature of some tool */

struct stream_codec {
	const char *format; /* magic_type's */
	enum stream_status (*decode)(struct slice, struct stream_sink *, size_t *);
};

static const struct stream_codec codecs[] = {
	{ "gzip",     stream_gunzip       },
	{ "bzip2",    stream_bunzip2      },
	{ "xz",       stream_unxz         },
	{ "lzma",     stream_unlzma       },
	{ "lzip",     stream_unlzip       },
	{ "zstd",     stream_unzstd       },
	{ "lz4",      stream_unlz4        },
	{ "compress", stream_uncompress   },
	{ "szdd",     stream_expand_szdd  },
};

/* What a name loses, and what it gets instead. */
static const struct {
	const char *suffix, *instead;
} suffixes[] = {
	{ ".gz", "" }, { ".gzip", "" }, { ".z", "" }, { ".tgz", ".tar" }, { ".taz", ".tar" },
	{ ".svgz", ".svg" }, { ".emz", ".emf" }, { ".wmz", ".wmf" }, { ".bz2", "" },
	{ ".bz", "" }, { ".tbz", ".tar" }, { ".tbz2", ".tar" }, { ".tb2", ".tar" },
	{ ".xz", "" }, { ".txz", ".tar" }, { ".lzma", "" }, { ".tlz", ".tar" }, { ".lz", "" },
	{ ".zst", "" }, { ".tzst", ".tar" }, { ".lz4", "" },
};

static const struct stream_codec *
codec_find(const struct magic_type *t)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		if (magic_is(t, codecs[i].format))
			return &codecs[i];
	}
	return NULL;
}

static bool
is_called_lzma(const struct object *o)
{
	if (slice_eq_str(o->declared, "application/x-lzma"))
		return true;
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_ends_with_nocase(o->names[i], SLICE_LIT(".lzma")) ||
		    slice_ends_with_nocase(o->names[i], SLICE_LIT(".tlz")))
			return true;
	}
	return false;
}

bool
stream_opener_claims(const struct object *o)
{
	if ((o->roles & ROLE_LEAF) == 0 || o->detected == NULL)
		return false;
	if (codec_find(o->detected) != NULL)
		return true;
	return magic_is(o->detected, "data") && is_called_lzma(o);
}

/* Skippable frames, which zstd and lz4 share: 184D2A5x, length, bytes. */
static size_t
skip_frames(struct slice in, size_t at)
{
	while (in.len - at >= 8 && (in.ptr[at] & 0xf0) == 0x50 &&
	    memcmp(in.ptr + at + 1, "\x2a\x4d\x18", 3) == 0) {
		size_t len = (size_t)in.ptr[at + 4] | (size_t)in.ptr[at + 5] << 8 |
		    (size_t)in.ptr[at + 6] << 16 | (size_t)in.ptr[at + 7] << 24;

		if (len > in.len - at - 8)
			return in.len;
		at += 8 + len;
	}
	return at;
}

static uint64_t
facts_of_status(enum stream_status status)
{
	switch (status) {
	case STREAM_TRUNCATED:
		return FACT_BIT(FACT_TRUNCATED);
	case STREAM_CORRUPT:
		return FACT_BIT(FACT_CORRUPT);
	case STREAM_UNSUPPORTED:
		return FACT_BIT(FACT_UNSUPPORTED);
	default:
		return 0; /* limits: the output has told them to the object */
	}
}

/* Decodes stream after stream. Returns where the last one ends, o->bytes.len after trouble. */
static size_t
decode_all(struct decompose *d, struct object *o, struct stream_sink *out)
{
	const struct stream_codec *codec = codec_find(o->detected), *next;
	struct slice in = o->bytes;
	size_t at = 0, used, after;

	if (codec == NULL)
		codec = codec_find(magic_detect(SLICE_LIT("\x5d\0\0\x80\0\xff\xff\xff\xff\xff"
		    "\xff\xff\xff\0")));
	while (budget_has_time(decompose_get_budget(d))) {
		enum stream_status status;

		after = skip_frames(in, at);
		if (after != at && after < in.len &&
		    (next = codec_find(magic_detect(slice_from(in, after)))) != NULL)
			codec = next;
		at = after;
		if (at == in.len)
			return at;
		status = codec->decode(slice_from(in, at), out, &used);
		at += used;
		object_add_facts(o, facts_of_status(status));
		if (status != STREAM_END)
			return in.len;
		after = at;
		while (after < in.len && in.ptr[after] == 0) /* padding of tapes and of xz */
			after++;
		if (after == in.len || codec_find(magic_detect(slice_from(in, after))) != codec) {
			after = skip_frames(in, at);
			if (after == at || after == in.len)
				return after == in.len ? after : at;
		}
		at = after;
	}
	object_add_facts(o, budget_get_time_facts(decompose_get_budget(d)));
	return in.len;
}

/* Adds name without its suffix, if it has one that tells of compression. */
static size_t
add_stripped(struct arena *a, struct slice name, struct slice *names, size_t count)
{
	for (size_t i = 0; i < ARRAY_LEN(suffixes) && count < NAMES_MAX; i++) {
		struct slice suffix = slice_of_str(suffixes[i].suffix), copy;
		size_t instead = strlen(suffixes[i].instead);
		uint8_t *joined;

		if (!slice_ends_with_nocase(name, suffix) || name.len == suffix.len)
			continue;
		copy = slice_sub(name, 0, name.len - suffix.len);
		joined = arena_alloc(a, copy.len + instead + 1);
		if (joined == NULL)
			return count;
		memcpy(joined, copy.ptr, copy.len);
		memcpy(joined + copy.len, suffixes[i].instead, instead);
		names[count++] = slice_of(joined, copy.len + instead);
		return count;
	}
	return count;
}

static void
emit_trailer(struct decompose *d, struct object *o, size_t at)
{
	struct slice rest = slice_from(o->bytes, at);
	struct child c = { .step = SLICE_LIT("(behind the end)") };
	size_t first = 0;

	while (first < rest.len && rest.ptr[first] == 0)
		first++;
	if (rest.len - first < TRAILER_MIN_BYTES)
		return;
	/* What counts is that it is looked at; padding with something else is common. */
	(void)decompose_emit(d, o, &c, rest);
}

void
stream_opener_open(struct decompose *d, struct object *o)
{
	struct stream_sink out = { .d = d };
	struct slice names[NAMES_MAX], stored = SLICE_NONE;
	struct arena *a = decompose_get_arena(d);
	const struct stream_codec *codec = codec_find(o->detected);
	struct child c = { .step = SLICE_LIT("content"),
		.names = names,
		.packing = { .packed_bytes = o->bytes.len,
		    .method = slice_of_str(codec == NULL ? "lzma" : codec->format) } };
	size_t end;

	if (magic_is(o->detected, "gzip"))
		stored = stream_get_gzip_name(o->bytes);
	if (stored.len > 0)
		names[c.name_count++] = stored;
	for (uint32_t i = 0; i < o->name_count && c.name_count < NAMES_MAX; i++)
		c.name_count = add_stripped(a, o->names[i], names, c.name_count);
	if (c.name_count > 0)
		c.step = names[0];
	decompose_output_begin(d, o, o->bytes.len);
	end = decode_all(d, o, &out);
	if (decompose_output_get(d).len == 0)
		(void)decompose_output_give_up(d, &c);
	else
		(void)decompose_output_finish(d, &c);
	emit_trailer(d, o, end);
}

/* Marks of two bytes and no other sign: noise has them too. */
static bool
is_weakly_marked(const struct magic_type *t)
{
	return magic_is(t, "freeze") || magic_is(t, "pack") || magic_is(t, "scolzh");
}

static bool
is_named_packed(const struct object *o)
{
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_ends_with_nocase(o->names[i], SLICE_LIT(".f")) ||
		    slice_ends_with_nocase(o->names[i], SLICE_LIT(".z")))
			return true;
	}
	return false;
}

bool
unsupported_opener_claims(const struct object *o)
{
	static const char *const formats[] = { "rar1", "freearc", "ace", "zoo", "egg",
		"zpaq", "stuffit", "lrzip", "rzip", "grzip", "bzip3", "freeze", "pack", "scolzh",
		"kwaj", "pst", "crx" };

	if ((o->roles & ROLE_LEAF) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (magic_is(o->detected, formats[i]))
			return !is_weakly_marked(o->detected) || is_named_packed(o);
	}
	return false;
}

void
unsupported_opener_open(struct decompose *d, struct object *o)
{
	(void)d;
	object_add_facts(o, FACT_BIT(FACT_UNSUPPORTED));
}
