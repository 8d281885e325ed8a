/* cms_opener.c: see cms_opener.h. Signatures and certificates are nobody's business here: what
 * a client would show is the content, whoever signed it. */
#include "decompose/cms_opener.h"

#include <zlib.h>

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decode_ber.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"

#define NESTING_MAX  16
#define OID_REACH    24 /* bytes from the start in which the first OID of a CMS object ends */
#define ARMOUR_REACH 2048

enum content_kind {
	CONTENT_DATA,
	CONTENT_SIGNED,
	CONTENT_ENVELOPED,
	CONTENT_DIGESTED,
	CONTENT_ENCRYPTED,
	CONTENT_COMPRESSED,
	CONTENT_AUTHENTICATED,
	CONTENT_AUTH_ENVELOPED,
	CONTENT_OTHER,
};

static enum content_kind
kind_of(struct slice oid)
{
	static const uint8_t pkcs7[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07 };
	static const uint8_t smime[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10,
		1 };

	if (oid.len == 9 && slice_starts_with(oid, slice_of(pkcs7, sizeof(pkcs7)))) {
		switch (oid.ptr[8]) {
		case 1:
			return CONTENT_DATA;
		case 2:
			return CONTENT_SIGNED;
		case 3: /* enveloped */
		case 4:
			return CONTENT_ENVELOPED; /* signed and enveloped, PKCS #7 1.5 */
		case 5:
			return CONTENT_DIGESTED;
		case 6:
			return CONTENT_ENCRYPTED;
		default:
			return CONTENT_OTHER;
		}
	}
	if (oid.len == 11 && slice_starts_with(oid, slice_of(smime, sizeof(smime)))) {
		switch (oid.ptr[10]) {
		case 2:
			return CONTENT_AUTHENTICATED;
		case 9:
			return CONTENT_COMPRESSED;
		case 23:
			return CONTENT_AUTH_ENVELOPED;
		default:
			return CONTENT_OTHER;
		}
	}
	return CONTENT_OTHER;
}

/* SEQUENCE, then the OID of one of the kinds we know. */
static bool
is_cms(struct slice b)
{
	struct slice at = slice_sub(b, 0, b.len);
	struct ber e;

	if (b.len < 16 || b.ptr[0] != BER_SEQUENCE || !ber_enter(&at, &e) ||
	    !ber_enter(&at, &e) || e.tag != BER_OID || e.inside.len > OID_REACH)
		return false;
	return kind_of(e.inside) != CONTENT_OTHER;
}

static bool
is_declared(const struct object *o)
{
	static const char *const types[] = {
		"pkcs7-mime",
		"pkcs7-signature",
		"application/cms",
		"application/pkcs7",
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (slice_find(o->declared, slice_of_str(types[i]), 0) != SIZE_MAX)
			return true;
	}
	for (uint32_t i = 0; i < o->name_count; i++) {
		struct slice n = o->names[i];

		if (slice_ends_with_nocase(n, SLICE_LIT(".p7m")) ||
		    slice_ends_with_nocase(n, SLICE_LIT(".p7s")) ||
		    slice_ends_with_nocase(n, SLICE_LIT(".p7z")) ||
		    slice_ends_with_nocase(n, SLICE_LIT(".p7c")))
			return true;
	}
	return false;
}

/* The text between the lines of PEM, whatever their label, or empty. */
static struct slice
pem_inside(struct slice b)
{
	static const char *const labels[] = {
		"-----BEGIN PKCS7-----",
		"-----BEGIN CMS-----",
		"-----BEGIN PKCS #7",
	};

	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		size_t at =
		    slice_find(slice_sub(b, 0, ARMOUR_REACH), slice_of_str(labels[i]), 0);
		size_t end;

		if (at == SIZE_MAX)
			continue;
		at = slice_find_byte(b, '\n', at);
		if (at == SIZE_MAX)
			return SLICE_NONE;
		end = slice_find(b, SLICE_LIT("-----END"), at);
		return slice_sub(b, at, MIN_OF(end, b.len) - at);
	}
	return SLICE_NONE;
}

/* Base64 of a SEQUENCE: 0x30 is "MI", "MD" or "MA" there. */
static bool
is_base64_cms(struct slice b)
{
	struct slice t = slice_trim(slice_sub(b, 0, 256));

	return t.len > 32 && t.ptr[0] == 'M' && t.ptr[1] >= 'A' && t.ptr[1] <= 'I';
}

bool
cms_claims(const struct object *o)
{
	if (o->bytes.len < 16)
		return false;
	if (o->bytes.ptr[0] == BER_SEQUENCE)
		return is_cms(o->bytes);
	if (is_declared(o))
		return is_base64_cms(o->bytes) || pem_inside(o->bytes).len > 0;
	return o->bytes.ptr[0] == '-' &&
	       pem_inside(slice_sub(o->bytes, 0, ARMOUR_REACH)).len > 0;
}

static void
text_open(struct decompose *d, struct object *o, struct slice text)
{
	struct child c = {
		.step = SLICE_LIT("cms base64"),
		.declared = SLICE_LIT("application/pkcs7-mime"),
		.names = o->names,
		.name_count = o->name_count,
		.views = VIEW_BIT(VIEW_CMS),
	};
	struct base64_facts facts;
	struct sink sink;

	sink_begin(&sink, d, o, text.len);
	sink_write_base64(&sink, text, BASE64_QUANTA, false, &facts);
	sink_emit(&sink, &c);
}

/* What S/MIME signs is an entity. Other kinds of content (time stamps, catalogues of programs)
 * are files, unless they begin like a header. */
static struct child
content_child(enum content_kind kind, struct slice content)
{
	struct child c = {
		.step = SLICE_LIT("cms"),
		.roles = ROLE_LEAF,
		.views = VIEW_BIT(VIEW_CMS),
		.notes = AMBIGUITY_BIT(48),
	};
	struct slice start = slice_sub(content, 0, 80);

	if (kind != CONTENT_OTHER ||
	    (start.len > 0 && start.ptr[0] >= ' ' && start.ptr[0] < 0x7f &&
		slice_find_byte(start, ':', 0) != SIZE_MAX)) {
		c.roles |= ROLE_ENTITY;
		c.declared = SLICE_LIT("message/rfc822");
	}
	return c;
}

static bool
content_emit(
    struct decompose *d, struct object *o, enum content_kind kind, struct slice content)
{
	struct child c = content_child(kind, content);

	return decompose_emit(d, o, &c, content) != NULL;
}

static bool
sink_content_emit(struct sink *sink, enum content_kind kind)
{
	struct child c = content_child(kind, sink_flush(sink));

	return sink_emit(sink, &c) != NULL;
}

/* Writes the pieces of a constructed octet string, however they are nested. */
static void
pieces_write(struct decompose *d, struct sink *sink, struct slice in)
{
	unsigned steps = 0;

	/* Definite or not, constructed pieces are simply entered: their headers end where their
	 * first piece begins, end marks are stepped over. */
	while (in.len > 0 && !sink->full) {
		struct slice at = in;
		struct ber e;

		if ((++steps & 15) == 0 && !budget_has_time(decompose_get_budget(d)))
			return;
		if (in.len >= 2 && in.ptr[0] == 0 && in.ptr[1] == 0) {
			in = slice_from(in, 2);
			continue;
		}
		if (!ber_enter(&at, &e))
			return;
		if (e.constructed) {
			in = slice_from(in, (size_t)(e.inside.ptr - in.ptr));
			continue;
		}
		if ((e.tag & 0xdf) == BER_OCTETS)
			sink_write(sink, e.inside);
		in = slice_from(in, (size_t)(e.inside.ptr - in.ptr) + e.inside.len);
	}
}

/* Inflates zlib data into the sink; false when it is damaged. */
static bool
inflate_write(struct decompose *d, struct sink *sink, struct slice in)
{
	z_stream z = { 0 };
	int r = inflateInit(&z);

	if (r != Z_OK)
		return false;
	z.next_in = (Bytef *)(uintptr_t)in.ptr;
	z.avail_in = (uInt)MIN_OF(in.len, (size_t)UINT32_MAX);
	while (r == Z_OK && !sink->full && budget_has_time(decompose_get_budget(d))) {
		z.next_out = sink_get(sink, SINK_STEP_MAX);
		z.avail_out = SINK_STEP_MAX;
		r = inflate(&z, Z_NO_FLUSH);
		sink_put(sink, SINK_STEP_MAX - z.avail_out);
	}
	inflateEnd(&z);
	return r == Z_STREAM_END;
}

static bool
compressed_emit(struct decompose *d, struct object *o, enum content_kind kind, struct slice in)
{
	struct sink sink;
	bool good;

	sink_begin(&sink, d, o, in.len);
	good = inflate_write(d, &sink, in);
	if (!good && !sink.full)
		object_add_facts(o, FACT_BIT(FACT_CORRUPT));
	if (sink.total == 0)
		sink_drop(&sink);
	else
		sink_content_emit(&sink, kind);
	return true;
}

/* The octet string (or, in PKCS #7 1.5, whatever element) e is the content. */
static bool
octets_emit(struct decompose *d, struct object *o, enum content_kind kind, const struct ber *e,
    bool compressed)
{
	struct sink sink;

	if (!e->constructed)
		return compressed ? compressed_emit(d, o, kind, e->inside)
				  : content_emit(d, o, kind, e->inside);
	if ((e->tag & 0xdf) != BER_OCTETS) /* not in octets at all */
		return content_emit(d, o, kind, e->inside);
	sink_begin(&sink, d, o, e->inside.len);
	pieces_write(d, &sink, e->inside);
	if (compressed) {
		/* rare: joined in a buffer of its own, then inflated */
		CLEANUP(buf_done) struct buf joined = { 0 };
		int r;

		buf_init(&joined, sink_flush(&sink).len);
		r = buf_append_slice(&joined, sink_flush(&sink));
		sink_drop(&sink);
		if (r < 0)
			object_add_facts(o, FACT_BIT(FACT_LIMIT_BYTES));
		return compressed_emit(d, o, kind, buf_get(&joined));
	}
	return sink_content_emit(&sink, kind);
}

/* ContentInfo or EncapsulatedContentInfo: OID, [0] EXPLICIT. Leaves *ret_inside at what [0]
 * holds (empty when it is not there: a detached signature). */
static bool
info_read(struct slice in, enum content_kind *ret_kind, struct slice *ret_inside)
{
	struct ber e;

	if (!ber_next(&in, &e, NULL) || e.tag != BER_OID)
		return false;
	*ret_kind = kind_of(e.inside);
	*ret_inside = SLICE_NONE;
	if (ber_enter(&in, &e) && (e.tag & 0xdf) == 0x80)
		*ret_inside = in;
	return true;
}

/* Steps over the fields before the (encapsulated or encrypted) content info: for each kind that
 * is the how manyeth SEQUENCE behind the version. */
static bool
info_find(struct slice in, unsigned sequences_before, struct budget *b, struct slice *ret_info)
{
	struct ber e;

	while (in.len > 0) {
		struct slice inside = in;

		if (!ber_enter(&inside, &e))
			return false;
		if (e.tag == BER_SEQUENCE && sequences_before-- == 0) {
			*ret_info = inside;
			return true;
		}
		if (!ber_next(&in, &e, b))
			return false;
	}
	return false;
}

/* Whether the EncryptedContentInfo has content: OID, algorithm, [0] IMPLICIT octets. */
static bool
is_encrypted(struct slice info, struct budget *b)
{
	struct ber e;

	for (unsigned i = 0; i < 3; i++) {
		if (i == 2 ? !ber_enter(&info, &e) : !ber_next(&info, &e, b))
			return false;
	}
	return (e.tag & 0xdf) == 0x80 && e.inside.len > 0;
}

/* One layer. *inside is at the content of kind; false: over, *ret_good tells whether well. */
static bool
layer_open(struct decompose *d, struct object *o, enum content_kind *kind, struct slice *inside,
    bool *ret_good)
{
	/* SEQUENCEs that stand before the info: algorithm identifiers */
	static const unsigned before[CONTENT_OTHER] = {
		[CONTENT_DIGESTED] = 1,
		[CONTENT_COMPRESSED] = 1,
		[CONTENT_AUTHENTICATED] = 1,
	};
	struct budget *b = decompose_get_budget(d);
	bool compressed = *kind == CONTENT_COMPRESSED;
	struct slice at = *inside, info;
	struct ber e;

	*ret_good = false;
	if (*kind == CONTENT_DATA || *kind == CONTENT_OTHER) {
		*ret_good = at.len == 0 ||
			    (ber_next(&at, &e, b) && octets_emit(d, o, *kind, &e, false));
		return false;
	}
	if (!ber_enter(&at, &e) || e.tag != BER_SEQUENCE ||
	    !info_find(at, before[*kind], b, &info))
		return false;
	if (*kind == CONTENT_ENVELOPED || *kind == CONTENT_ENCRYPTED ||
	    *kind == CONTENT_AUTH_ENVELOPED) {
		*ret_good = true;
		if (is_encrypted(info, b))
			object_add_facts(o, FACT_BIT(FACT_ENCRYPTED));
		return false;
	}
	if (!info_read(info, kind, inside))
		return false;
	*ret_good = true;
	if (inside->len == 0)
		return false;
	at = *inside;
	if (*kind == CONTENT_DATA || *kind == CONTENT_OTHER || compressed ||
	    (at.ptr[0] & 0xdf) == BER_OCTETS) {
		*ret_good = ber_next(&at, &e, b) && octets_emit(d, o, *kind, &e, compressed);
		return false;
	}
	return true;
}

void
cms_open(struct decompose *d, struct object *o)
{
	struct slice text, at = o->bytes;
	enum content_kind kind;
	bool good = false;
	struct ber e;

	if (o->bytes.ptr[0] != BER_SEQUENCE) {
		text = pem_inside(o->bytes);
		text_open(d, o, text.len > 0 ? text : o->bytes);
		return;
	}
	if (!ber_enter(&at, &e) || !info_read(at, &kind, &at)) {
		object_add_facts(o, FACT_BIT(FACT_CORRUPT));
		return;
	}
	for (unsigned i = 0; i < NESTING_MAX; i++) {
		if (!layer_open(d, o, &kind, &at, &good)) {
			if (!good && decompose_get_budget(d)->facts == 0)
				object_add_facts(o, FACT_BIT(FACT_CORRUPT));
			return;
		}
	}
	object_add_facts(o, FACT_BIT(FACT_LIMIT_DEPTH));
}
