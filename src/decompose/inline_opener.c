/* inline_opener.c: see inline_opener.h. Asks inline_scan.c what may be there and calls those
 * who know; decodes blocks of plain base64 itself. */
#include "decompose/inline_opener.h"

#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/inline_scan.h"

#define TEXT_MIN_BYTES   12
#define FILE_START_BYTES 1024
#define BLOCKS_MAX       1000
#define ARMOUR_REACH     1024 /* bytes of head lines before the data of a message */

/* Files of these names are unpacked by the usual archivers. */
static bool
is_encoded_file(const struct object *o)
{
	static const char *const endings[] = {
		".uu",
		".uue",
		".hqx",
		".b64",
		".ync",
		".yenc",
		".ntx",
		".xxe",
		".mim",
	};

	for (uint32_t n = 0; n < o->name_count; n++) {
		for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
			if (slice_ends_with_nocase(o->names[n], slice_of_str(endings[i])))
				return true;
		}
	}
	return false;
}

/* Text of a mail is searched from end to end; other files only near their start, unless their
 * name says what they are. */
bool
inline_claims(const struct object *o)
{
	const unsigned marked = INLINE_UU | INLINE_YENC | INLINE_BINHEX;

	if (o->bytes.len < TEXT_MIN_BYTES)
		return false;
	if ((o->roles & ROLE_TEXT) != 0 || is_encoded_file(o))
		return (inline_scan(o->bytes, marked | INLINE_BASE64) &
			   (marked | INLINE_BASE64)) != 0;
	return (inline_scan(slice_sub(o->bytes, 0, FILE_START_BYTES), marked) & marked) != 0;
}

/* Whether a block is the inside of an armoured OpenPGP message: its opener needs to be told. */
static bool
is_pgp_block(const struct object *o, struct slice block)
{
	size_t at = (size_t)(block.ptr - o->bytes.ptr);
	size_t from = at > ARMOUR_REACH ? at - ARMOUR_REACH : 0;
	struct slice before = slice_sub(o->bytes, from, at - from);

	return slice_find(before, SLICE_LIT("BEGIN PGP MESSAGE"), 0) != SIZE_MAX;
}

static void
base64_emit(struct decompose *d, struct object *o, bool pgp)
{
	struct slice block;
	size_t pos = 0;
	unsigned blocks = 0;

	while (inline_base64_next(o->bytes, &pos, &block)) {
		struct child c = {
			.step = SLICE_LIT("base64 block"),
			.views = VIEW_BIT(VIEW_TEXT_BASE64),
			.notes = AMBIGUITY_BIT(46),
		};
		struct base64_facts facts;
		struct sink sink;

		if (!budget_has_time(decompose_get_budget(d)))
			return;
		if (++blocks > BLOCKS_MAX) {
			object_add_facts(o, FACT_BIT(FACT_LIMIT_OBJECTS));
			return;
		}
		if (pgp && is_pgp_block(o, block))
			c.declared = SLICE_LIT("application/pgp-encrypted");
		sink_begin(&sink, d, o, block.len);
		sink_write_base64(&sink, block, BASE64_QUANTA, false, &facts);
		sink_emit(&sink, &c);
	}
}

void
inline_open(struct decompose *d, struct object *o)
{
	unsigned found = inline_scan(o->bytes, 0);

	if ((found & INLINE_UU) != 0)
		uu_emit(d, o, NULL, o->bytes, true);
	if ((found & INLINE_YENC) != 0)
		yenc_emit(d, o, NULL, o->bytes);
	if ((found & INLINE_BINHEX) != 0)
		binhex_emit(d, o, NULL, o->bytes);
	if ((found & INLINE_BASE64) != 0)
		base64_emit(d, o, (found & INLINE_PGP) != 0);
}
