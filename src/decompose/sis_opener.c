/* sis_opener.c: see sis_opener.h. A header of 32-bit places, a list of records, each of which
 * tells where the names and the bytes of a file stand, once for each language; since release 6
 * the bytes are zlib streams. Source: the format as A. Thoukydides wrote it down (psifs, "SIS
 * files"). */
#include "decompose/sis_opener.h"

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"
#include "decompose/magic.h"
#include "decompose/stream_decode.h"

#define UID2_RELEASE_6   0x10003a12u
#define UID3_SIS         0x10000419u
#define HEADER_MIN       68u
#define OPTION_UNICODE   1u
#define OPTION_PLAIN     8u /* nothing is compressed */
#define LANGUAGES_MAX    100u
#define NAME_MAX_BYTES   1024u
#define RECORD_FILE      0u /* one for all languages */
#define RECORD_LANGUAGES 1u /* one for each */

struct sis {
	struct decompose *d;
	struct object *o;
	struct slice file;
	unsigned languages, files, options;
	bool release_6;
};

bool
sis_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && magic_is(o->detected, "sis");
}

/* The name that the file has on the telephone, or where it was packed: two bytes a letter, of
 * which names need the lower one. */
static struct slice
name_read(struct sis *s, size_t at)
{
	size_t len = MIN_OF(le32_read(s->file, at), NAME_MAX_BYTES), n = 0;
	struct slice raw = slice_sub(s->file, le32_read(s->file, at + 4), len);
	uint8_t *out;

	if ((s->options & OPTION_UNICODE) == 0)
		return raw;
	out = arena_alloc(decompose_get_arena(s->d), raw.len / 2 + 1);
	for (size_t i = 0; out != NULL && i + 1 < raw.len; i += 2)
		out[n++] = raw.ptr[i + 1] == 0 ? raw.ptr[i] : '?';
	return out == NULL ? SLICE_NONE : slice_of(out, n);
}

/* What ended badly, as a fact. */
static uint64_t
facts_of(enum stream_status status, size_t got, uint64_t told)
{
	if (status == STREAM_TRUNCATED)
		return FACT_BIT(FACT_TRUNCATED);
	if (status == STREAM_CORRUPT || (status == STREAM_END && told > 0 && got != told))
		return FACT_BIT(FACT_CORRUPT);
	return 0; /* limits are told by the output */
}

/* False: the objects are used up. */
static bool
file_emit(struct sis *s, struct child *c, size_t at, uint64_t len)
{
	struct slice packed =
	    slice_sub(s->file, at, (size_t)MIN_OF(len, (uint64_t)s->file.len));
	struct stream_sink out = { .d = s->d };
	enum stream_status status;
	struct slice plain;
	size_t used;

	if (packed.len < len)
		c->facts |= FACT_BIT(FACT_TRUNCATED);
	object_add_facts(s->o, c->facts);
	if (!s->release_6 || (s->options & OPTION_PLAIN) != 0)
		return packed.len == 0 || decompose_emit(s->d, s->o, c, packed) != NULL;
	c->packing.method = SLICE_LIT("deflate");
	decompose_output_begin(s->d, s->o, packed.len);
	status = stream_inflate(packed, 15, &out, &used);
	plain = decompose_output_get(s->d);
	c->facts |= facts_of(status, plain.len, c->packing.plain_bytes);
	object_add_facts(s->o, c->facts);
	if (plain.len == 0)
		return decompose_output_give_up(s->d, c) != NULL;
	return decompose_output_finish(s->d, c) != NULL;
}

/* The record of a file at *at, behind its kind. False: the walk ends. */
static bool
record_take(struct sis *s, size_t *at, unsigned copies)
{
	size_t lens = *at + 24, places = lens + 4 * (size_t)copies,
	       plain = places + 4 * (size_t)copies;
	struct slice names[2] = { name_read(s, *at + 16), name_read(s, *at + 8) };
	size_t end = s->release_6 ? plain + 4 * (size_t)copies + 8 : plain;

	if (end > s->file.len) {
		object_add_facts(s->o, FACT_BIT(FACT_TRUNCATED));
		return false;
	}
	for (unsigned i = 0; i < copies; i++) {
		uint64_t len = le32_read(s->file, lens + 4 * (size_t)i);
		struct child c = { .step = names[0].len > 0 ? names[0] : SLICE_LIT("(no name)"),
			.names = names,
			.name_count = 2,
			.packing = { .packed_bytes = len,
			    .plain_bytes = s->release_6
					       ? le32_read(s->file, plain + 4 * (size_t)i)
					       : len } };

		if (len > 0 &&
		    !file_emit(s, &c, le32_read(s->file, places + 4 * (size_t)i), len))
			return false;
	}
	*at = end;
	return true;
}

void
sis_opener_open(struct decompose *d, struct object *o)
{
	struct sis s = { .d = d,
		.o = o,
		.file = o->bytes,
		.languages = le16_read(o->bytes, 18),
		.files = le16_read(o->bytes, 20),
		.options = le16_read(o->bytes, 36),
		.release_6 = le32_read(o->bytes, 4) == UID2_RELEASE_6 };
	size_t at = le32_read(o->bytes, 52);

	if (o->bytes.len < HEADER_MIN || le32_read(o->bytes, 8) != UID3_SIS ||
	    s.languages > LANGUAGES_MAX) {
		object_add_facts(o, FACT_BIT(FACT_UNSUPPORTED));
		return;
	}
	for (unsigned i = 0; i < s.files; i++) {
		uint32_t kind = le32_read(s.file, at);

		if (!budget_has_time(decompose_get_budget(d))) {
			object_add_facts(o, budget_get_time_facts(decompose_get_budget(d)));
			return;
		}
		if (at >= s.file.len || s.file.len - at < 4) {
			object_add_facts(o, FACT_BIT(FACT_TRUNCATED));
			return;
		}
		if (kind != RECORD_FILE && kind != RECORD_LANGUAGES) {
			object_add_facts(o, FACT_BIT(FACT_UNSUPPORTED));
			return;
		}
		at += 4;
		if (!record_take(&s, &at, kind == RECORD_FILE ? 1 : s.languages))
			return;
	}
}
