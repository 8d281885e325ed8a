/* pgp_opener.c: see pgp_opener.h. An armoured message is decoded to an object of its own, which
 * comes here again as a binary one: the fact "encrypted" stands on the binary. */
#include "decompose/pgp_opener.h"

#include <bzlib.h>
#include <zlib.h>

#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/inline_scan.h"

#define ARMOUR_LINE  SLICE_LIT("-----BEGIN PGP MESSAGE")
#define ARMOUR_REACH 4096
#define MESSAGES_MAX 100
#define PACKETS_MAX  1000

enum {
	TAG_SESSION_KEY = 1,
	TAG_SIGNATURE = 2,
	TAG_PASS_SESSION_KEY = 3,
	TAG_ONE_PASS = 4,
	TAG_COMPRESSED = 8,
	TAG_ENCRYPTED = 9,
	TAG_MARKER = 10,
	TAG_LITERAL = 11,
	TAG_ENCRYPTED_MAC = 18,
	TAG_ENCRYPTED_AEAD = 20,
};

struct packet {
	unsigned tag;
	bool partial, endless; /* the length is told in pieces; reaches to the end */
	struct slice body;     /* the first piece when partial */
};

static uint32_t
be_bytes(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* A length as new packets have it. Returns its own bytes, or 0. */
static size_t
length_read(struct slice in, size_t *ret_len, bool *ret_partial)
{
	*ret_partial = false;
	if (in.len < 1)
		return 0;
	if (in.ptr[0] < 192) {
		*ret_len = in.ptr[0];
		return 1;
	}
	if (in.ptr[0] < 224) {
		if (in.len < 2)
			return 0;
		*ret_len = ((size_t)(in.ptr[0] - 192) << 8) + in.ptr[1] + 192;
		return 2;
	}
	if (in.ptr[0] < 255) {
		*ret_partial = true;
		*ret_len = (size_t)1 << (in.ptr[0] & 31);
		return 1;
	}
	if (in.len < 5)
		return 0;
	*ret_len = be_bytes(in.ptr + 1, 4);
	return 5;
}

/* The packet at the front of *in; *in moves behind its body (its first piece when partial). */
static bool
packet_read(struct slice *in, struct packet *ret_p)
{
	struct slice s = *in;
	size_t len, n;

	if (s.len < 2 || (s.ptr[0] & 0x80) == 0)
		return false;
	*ret_p = (struct packet){ 0 };
	if ((s.ptr[0] & 0x40) != 0) {
		ret_p->tag = s.ptr[0] & 63;
		s = slice_from(s, 1);
		n = length_read(s, &len, &ret_p->partial);
		if (n == 0)
			return false;
	} else {
		ret_p->tag = s.ptr[0] >> 2 & 15;
		n = (size_t)1 << (s.ptr[0] & 3);
		s = slice_from(s, 1);
		ret_p->endless = n == 8;
		if (ret_p->endless)
			n = 0;
		if (n > s.len)
			return false;
		len = ret_p->endless ? s.len : be_bytes(s.ptr, n);
	}
	s = slice_from(s, n);
	ret_p->body = slice_sub(s, 0, len);
	*in = slice_from(s, len);
	return true;
}

/* A session key, and behind it what such a key can stand before. */
static bool
is_session_key(const struct packet *p, struct slice rest)
{
	struct packet next;
	uint8_t version = p->body.len > 3 ? p->body.ptr[0] : 0;

	if (p->tag == TAG_SESSION_KEY ? version != 3 && version != 6
				      : version < 4 || version > 6 || p->body.ptr[1] > 13)
		return false;
	return packet_read(&rest, &next) &&
	       (next.tag == TAG_SESSION_KEY || next.tag == TAG_PASS_SESSION_KEY ||
		   next.tag == TAG_ENCRYPTED || next.tag == TAG_ENCRYPTED_MAC ||
		   next.tag == TAG_ENCRYPTED_AEAD);
}

/* The first packets have to make sense: a first byte with the high bit does not do. Encryption
 * to keys is known without a name; the rest is not distinct enough. */
static bool
is_message(struct slice b, bool named)
{
	struct packet p;

	for (unsigned i = 0; i < 4; i++) {
		if (!packet_read(&b, &p))
			return false;
		switch (p.tag) {
		case TAG_SESSION_KEY:
		case TAG_PASS_SESSION_KEY:
			return is_session_key(&p, b);
		case TAG_ONE_PASS:
			return named && p.body.len >= 13 &&
			       (p.body.ptr[0] == 3 || p.body.ptr[0] == 6);
		case TAG_COMPRESSED:
			return named && p.body.len > 2 && p.body.ptr[0] <= 3;
		case TAG_LITERAL:
			return named && p.body.len > 6 &&
			       (p.body.ptr[0] == 'b' || p.body.ptr[0] == 't' ||
				   p.body.ptr[0] == 'u' || p.body.ptr[0] == 'm');
		case TAG_ENCRYPTED:
			return named && p.body.len > 20;
		case TAG_ENCRYPTED_MAC:
			return named && p.body.len > 20 &&
			       (p.body.ptr[0] == 1 || p.body.ptr[0] == 2);
		case TAG_MARKER:
		case TAG_SIGNATURE:
			break;
		default:
			return false;
		}
	}
	return false;
}

static bool
is_named(const struct object *o)
{
	if (slice_find(o->declared, SLICE_LIT("pgp"), 0) != SIZE_MAX)
		return true;
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_ends_with_nocase(o->names[i], SLICE_LIT(".pgp")) ||
		    slice_ends_with_nocase(o->names[i], SLICE_LIT(".gpg")))
			return true;
	}
	return false;
}

bool
pgp_claims(const struct object *o)
{
	struct slice b = o->bytes;

	if (b.len < 16)
		return false;
	if ((b.ptr[0] & 0x80) != 0)
		return is_message(b, is_named(o));
	if ((o->roles & ROLE_TEXT) != 0)
		return (inline_scan(b, INLINE_PGP) & INLINE_PGP) != 0;
	return slice_find(slice_sub(b, 0, ARMOUR_REACH), ARMOUR_LINE, 0) != SIZE_MAX;
}

/* Each armoured message: head lines to the blank line, base64, a checksum line, "-----END". */
static void
armour_open(struct decompose *d, struct object *o)
{
	struct slice text = o->bytes;
	size_t at = 0;

	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		struct child c = {
			.step = SLICE_LIT("pgp armour"),
			.declared = SLICE_LIT("application/pgp-encrypted"),
			.names = o->names,
			.name_count = o->name_count,
		};
		struct base64_facts facts;
		struct slice line, body;
		struct sink sink;
		size_t start, checksum;

		at = slice_find(text, ARMOUR_LINE, at);
		if (at == SIZE_MAX || !budget_has_time(decompose_get_budget(d)))
			return;
		(void)text_next_line(text, &at, &line);
		for (start = at; text_next_line(text, &at, &line); start = at) {
			if (slice_find(line, SLICE_LIT(": "), 0) == SIZE_MAX &&
			    slice_trim(line).len > 0)
				break;
		}
		at = MIN_OF(slice_find(text, SLICE_LIT("-----"), start), text.len);
		body = slice_sub(text, start, at - start);
		checksum = slice_find(body, SLICE_LIT("\n="), 0);
		body.len = MIN_OF(checksum, body.len);
		sink_begin(&sink, d, o, body.len);
		sink_write_base64(&sink, body, BASE64_STOP, false, &facts);
		sink_emit(&sink, &c);
	}
}

/* Writes the body of a packet, in one or several pieces. */
static void
body_join(struct sink *sink, const struct packet *p, struct slice rest)
{
	bool partial = p->partial;

	sink_write(sink, p->body);
	while (partial && !sink->full) {
		size_t len, n = length_read(rest, &len, &partial);

		if (n == 0)
			break;
		rest = slice_from(rest, n);
		sink_write(sink, slice_sub(rest, 0, len));
		rest = slice_from(rest, len);
	}
}

/* Body of a literal packet: format, name, date, data. */
static void
literal_emit(struct decompose *d, struct object *o, struct packet *p, struct slice rest)
{
	struct child c = { .step = SLICE_LIT("pgp literal"), .roles = ROLE_LEAF | ROLE_ENTITY };
	size_t head = 6 + (p->body.len > 1 ? p->body.ptr[1] : 0u);
	struct slice name = slice_sub(p->body, 2, head - 6);
	struct sink sink;

	if (name.len > 0) {
		c.names = &name;
		c.name_count = 1;
		c.step = name;
	}
	p->body = slice_from(p->body, head);
	if (!p->partial) {
		decompose_emit(d, o, &c, p->body);
		return;
	}
	sink_begin(&sink, d, o, o->bytes.len);
	body_join(&sink, p, rest);
	sink_emit(&sink, &c);
}

/* The next piece of a body in pieces, or nothing. */
static struct slice
piece_next(struct packet *p, struct slice *rest)
{
	struct slice piece = p->body;
	size_t len, n;

	p->body = SLICE_NONE;
	if (p->partial && (n = length_read(*rest, &len, &p->partial)) > 0) {
		*rest = slice_from(*rest, n);
		p->body = slice_sub(*rest, 0, len);
		*rest = slice_from(*rest, len);
	} else {
		p->partial = false;
	}
	return piece;
}

/* Inflates the body into the sink; false when it is damaged. */
static bool
body_inflate(
    struct decompose *d, struct sink *sink, struct packet *p, struct slice rest, bool raw)
{
	z_stream z = { 0 };
	int r = inflateInit2(&z, raw ? -15 : 15);

	if (r != Z_OK)
		return false;
	while (r == Z_OK && !sink->full && budget_has_time(decompose_get_budget(d))) {
		if (z.avail_in == 0 && (p->body.len > 0 || p->partial)) {
			struct slice piece = piece_next(p, &rest);

			z.next_in = (Bytef *)(uintptr_t)piece.ptr;
			z.avail_in = (uInt)MIN_OF(piece.len, (size_t)UINT32_MAX);
		}
		z.next_out = sink_get(sink, SINK_STEP_MAX);
		z.avail_out = SINK_STEP_MAX;
		r = inflate(&z, Z_NO_FLUSH);
		sink_put(sink, SINK_STEP_MAX - z.avail_out);
		if (r == Z_BUF_ERROR && (p->body.len > 0 || p->partial))
			r = Z_OK;
	}
	inflateEnd(&z);
	return r == Z_STREAM_END;
}

/* The same for bzip2. */
static bool
body_bunzip(struct decompose *d, struct sink *sink, struct packet *p, struct slice rest)
{
	bz_stream z = { 0 };
	int r = BZ2_bzDecompressInit(&z, 0, 0);
	bool idle = false;

	while (r == BZ_OK && !idle && !sink->full && budget_has_time(decompose_get_budget(d))) {
		if (z.avail_in == 0 && (p->body.len > 0 || p->partial)) {
			struct slice piece = piece_next(p, &rest);

			z.next_in = (char *)(uintptr_t)piece.ptr;
			z.avail_in = (unsigned)MIN_OF(piece.len, (size_t)UINT32_MAX);
		}
		z.next_out = (char *)sink_get(sink, SINK_STEP_MAX);
		z.avail_out = SINK_STEP_MAX;
		r = BZ2_bzDecompress(&z);
		sink_put(sink, SINK_STEP_MAX - z.avail_out);
		idle = z.avail_out == SINK_STEP_MAX && z.avail_in == 0 && p->body.len == 0 &&
		       !p->partial;
	}
	BZ2_bzDecompressEnd(&z);
	return r == BZ_STREAM_END;
}

/* Emits what a compressed packet holds: an object that comes here again. */
static void
compressed_emit(struct decompose *d, struct object *o, struct packet *p, struct slice rest)
{
	struct child c = {
		.step = SLICE_LIT("pgp compressed"),
		.declared = SLICE_LIT("application/pgp"),
	};
	unsigned method = p->body.len > 0 ? p->body.ptr[0] : 0;
	struct sink sink;
	bool good = true;

	sink_begin(&sink, d, o, o->bytes.len);
	p->body = slice_from(p->body, 1);
	if (method == 0)
		body_join(&sink, p, rest);
	else if (method == 3)
		good = body_bunzip(d, &sink, p, rest);
	else
		good = body_inflate(d, &sink, p, rest, method == 1);
	if (!good && !sink.full)
		object_add_facts(o, FACT_BIT(FACT_CORRUPT));
	sink_emit(&sink, &c);
}

void
pgp_open(struct decompose *d, struct object *o)
{
	struct slice in = o->bytes;
	struct packet p;

	if ((in.ptr[0] & 0x80) == 0) {
		armour_open(d, o);
		return;
	}
	for (unsigned i = 0; i < PACKETS_MAX && packet_read(&in, &p); i++) {
		if (!budget_has_time(decompose_get_budget(d)))
			return;
		switch (p.tag) {
		case TAG_ENCRYPTED:
		case TAG_ENCRYPTED_MAC:
		case TAG_ENCRYPTED_AEAD:
			object_add_facts(o, FACT_BIT(FACT_ENCRYPTED));
			return;
		case TAG_COMPRESSED:
			compressed_emit(d, o, &p, in);
			return;
		case TAG_LITERAL:
			literal_emit(d, o, &p, in);
			return;
		default:
			break;
		}
	}
}
