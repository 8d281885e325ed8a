/* test_cms.c: S/MIME: content of signed, compressed and digested objects, with definite and
 * indefinite lengths, in pieces, in PEM; and what is really encrypted. */
#include "test_decode_helper.h"

#include <zlib.h>

#include "decompose/cms_opener.h"
#include "decompose/decode_ber.h"

static const char mail[] = "Content-Type: text/plain\r\n\r\nThe signed text.\r\n";

#define OID_DATA       "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
#define OID_SIGNED     "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
#define OID_ENVELOPED  "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
#define OID_DIGESTED   "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x05"
#define OID_ENCRYPTED  "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06"
#define OID_COMPRESSED "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09"
#define OID_TIME_STAMP "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04"

/* An element around the bytes. indefinite: with an end mark instead of a length. */
static struct buf
element(uint8_t tag, bool indefinite, struct slice inside)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_append_byte(&b, tag);
	if (indefinite) {
		buf_append_byte(&b, 0x80);
	} else if (inside.len < 128) {
		buf_append_byte(&b, (uint8_t)inside.len);
	} else {
		buf_append_byte(&b, 0x82);
		buf_append_byte(&b, (uint8_t)(inside.len >> 8));
		buf_append_byte(&b, (uint8_t)inside.len);
	}
	buf_append_slice(&b, inside);
	if (indefinite)
		buf_append(&b, "\0\0", 2);
	return b;
}

/* Puts an element around what b holds. */
static void
wrap(struct buf *b, uint8_t tag, bool indefinite)
{
	struct buf outer = element(tag, indefinite, buf_get(b));

	buf_done(b);
	*b = outer;
}

static void
before(struct buf *b, struct slice bytes)
{
	CLEANUP(buf_done) struct buf old = *b;

	buf_init(b, 1 << 20);
	buf_append_slice(b, bytes);
	buf_append_slice(b, buf_get(&old));
}

static void
before_oid(struct buf *b, const char *oid)
{
	CLEANUP(buf_done) struct buf e = element(BER_OID, false, slice_of_str(oid));

	before(b, buf_get(&e));
}

/* ContentInfo { kind, version, algorithms (tag), { inner, [0] content }, more } around b. */
static void
wrap_info(
    struct buf *b, const char *kind, uint8_t algorithms, const char *inner, bool indefinite)
{
	uint8_t algs[2] = { algorithms, 0 };

	wrap(b, 0xa0, indefinite);
	before_oid(b, inner);
	wrap(b, BER_SEQUENCE, indefinite);
	before(b, slice_of(algs, 2));
	before(b, SLICE_LIT("\x02\x01\x01"));
	buf_append(b, "\xa0\x03\x02\x01\x07\x31\x00", 7); /* certificates, signers */
	wrap(b, BER_SEQUENCE, indefinite);
	wrap(b, 0xa0, indefinite);
	before_oid(b, kind);
	wrap(b, BER_SEQUENCE, indefinite);
}

static struct object *
check_content(struct buf *b, const char *name, const char *want)
{
	struct taken *t = taken_run(buf_get(b), ROLE_LEAF, name);
	struct object *o = taken_find_str(t, want);
	static struct object copy;

	if (o == NULL)
		fail_msg("content was not found");
	assert_int_equal(
	    taken_facts(t) & (FACT_BIT(FACT_ENCRYPTED) | FACT_BIT(FACT_CORRUPT)), 0);
	if ((o->roles & ROLE_ENTITY) != 0)
		assert_true(slice_eq_str(o->declared, "message/rfc822"));
	copy = *o; /* its slices are gone with t */
	taken_free(&t);
	return &copy;
}

static void
test_signed(void **state)
{
	(void)state;
	for (int indefinite = 0; indefinite < 2; indefinite++) {
		CLEANUP(buf_done) struct buf b = element(BER_OCTETS, false, slice_of_str(mail));
		struct object *o;

		wrap_info(&b, OID_SIGNED, BER_SET, OID_DATA, indefinite == 1);
		o = check_content(&b, "smime.p7m", mail);
		assert_true((o->roles & ROLE_ENTITY) != 0);
		assert_true((o->views & VIEW_BIT(VIEW_CMS)) != 0);
		assert_true((o->notes & AMBIGUITY_BIT(48)) != 0);
		check_content(&b, "", mail); /* by its OID alone */
	}
}

/* Octets in pieces, pieces in pieces, with end marks or lengths. */
static void
test_pieces(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		bool indefinite = (kind & 1) != 0;
		CLEANUP(buf_done) struct buf b = { .max = 1 << 20 };
		struct slice rest = slice_of_str(mail);

		while (rest.len > 0) {
			CLEANUP(buf_done)
			struct buf piece = element(BER_OCTETS, false, slice_sub(rest, 0, 7));

			buf_append_slice(&b, buf_get(&piece));
			rest = slice_from(rest, 7);
		}
		wrap(&b, BER_OCTETS | 0x20, indefinite);
		if (kind >= 2)
			wrap(&b, BER_OCTETS | 0x20, !indefinite);
		wrap_info(&b, OID_SIGNED, BER_SET, OID_DATA, indefinite);
		check_content(&b, "", mail);
	}
}

static void
test_compressed(void **state)
{
	uint8_t packed[256];
	uLongf len = sizeof(packed);

	(void)state;
	assert_int_equal(compress(packed, &len, (const Bytef *)mail, sizeof(mail) - 1), Z_OK);
	for (int pieces = 0; pieces < 2; pieces++) {
		CLEANUP(buf_done)
		struct buf b = element(BER_OCTETS, false, slice_of(packed, len));

		if (pieces == 1)
			wrap(&b, BER_OCTETS | 0x20, true);
		wrap_info(&b, OID_COMPRESSED, BER_SEQUENCE, OID_DATA, pieces == 1);
		check_content(&b, "", mail);
	}
}

static void
test_digested_and_nested(void **state)
{
	CLEANUP(buf_done) struct buf b = element(BER_OCTETS, false, slice_of_str(mail));

	(void)state;
	wrap_info(&b, OID_DIGESTED, BER_SEQUENCE, OID_DATA, false);
	check_content(&b, "", mail);
	/* a signed object as the content of another */
	wrap(&b, BER_OCTETS, false);
	wrap_info(&b, OID_SIGNED, BER_SET, OID_DATA, true);
	check_content(&b, "", mail);
}

/* Content that is no data is a file, not a mail. */
static void
test_other_content(void **state)
{
	CLEANUP(buf_done)
	struct buf b = element(BER_OCTETS, false, SLICE_LIT("\x30\x03\x02\x01\x05"));

	(void)state;
	wrap_info(&b, OID_SIGNED, BER_SET, OID_TIME_STAMP, false);
	assert_int_equal(check_content(&b, "", "\x30\x03\x02\x01\x05")->roles, ROLE_LEAF);
}

static void
test_pem_and_base64(void **state)
{
	CLEANUP(buf_done) struct buf b = element(BER_OCTETS, false, slice_of_str(mail));
	CLEANUP(buf_done) struct buf pem = { .max = 1 << 20 }, bare = { .max = 1 << 20 };

	(void)state;
	wrap_info(&b, OID_SIGNED, BER_SET, OID_DATA, false);
	buf_append_str(&pem, "-----BEGIN PKCS7-----\n");
	base64_encode(buf_get(&b), 64, &pem);
	buf_append_str(&pem, "\n-----END PKCS7-----\n");
	check_content(&pem, "a.txt", mail);
	base64_encode(buf_get(&b), 64, &bare);
	check_content(&bare, "smime.p7m", mail);
}

static void
check_encrypted(struct buf *b, bool want)
{
	struct taken *t = taken_run(buf_get(b), ROLE_LEAF, "smime.p7m");

	assert_int_equal((taken_facts(t) & FACT_BIT(FACT_ENCRYPTED)) != 0, want);
	assert_int_equal(taken_facts(t) & FACT_BIT(FACT_CORRUPT), 0);
	taken_free(&t);
}

/* EncryptedContentInfo { data, algorithm, [0] octets } behind version and recipients. */
static void
encrypted_build(struct buf *b, const char *kind, const char *octets, bool indefinite)
{
	*b = (struct buf){ .max = 1 << 20 };
	buf_append(b, "\x30\x00", 2);
	if (octets != NULL) {
		CLEANUP(buf_done) struct buf e = element(0x80, false, slice_of_str(octets));

		buf_append_slice(b, buf_get(&e));
	}
	before_oid(b, OID_DATA);
	wrap(b, BER_SEQUENCE, indefinite);
	if (strcmp(kind, OID_ENVELOPED) == 0)
		before(b, SLICE_LIT("\x31\x03\x30\x01\x05"));
	before(b, SLICE_LIT("\x02\x01\x02"));
	wrap(b, BER_SEQUENCE, indefinite);
	wrap(b, 0xa0, indefinite);
	before_oid(b, kind);
	wrap(b, BER_SEQUENCE, indefinite);
}

static void
test_encrypted(void **state)
{
	static const char *const kinds[] = { OID_ENVELOPED, OID_ENCRYPTED };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		for (int indefinite = 0; indefinite < 2; indefinite++) {
			CLEANUP(buf_done) struct buf b = { 0 };

			encrypted_build(&b, kinds[i], "qwertyuiopasdfgh", indefinite == 1);
			check_encrypted(&b, true);
			buf_done(&b);
			encrypted_build(&b, kinds[i], NULL, indefinite == 1);
			check_encrypted(&b, false);
		}
	}
}

/* A detached signature has no content, and that is all right; the certificates behind it are
 * not taken for content. */
static void
test_detached(void **state)
{
	(void)state;
	for (int indefinite = 0; indefinite < 2; indefinite++) {
		CLEANUP(buf_done) struct buf b = { .max = 1 << 20 };
		CLEANUP(taken_free) struct taken *t = NULL;

		before_oid(&b, OID_DATA);
		wrap(&b, BER_SEQUENCE, indefinite == 1);
		before(&b, SLICE_LIT("\x02\x01\x01\x31\x00"));
		buf_append(&b,
		    "\xa0\x03\x04\x01"
		    "x\x31\x00",
		    7);
		wrap(&b, BER_SEQUENCE, indefinite == 1);
		wrap(&b, 0xa0, indefinite == 1);
		before_oid(&b, OID_SIGNED);
		wrap(&b, BER_SEQUENCE, indefinite == 1);
		t = taken_run(buf_get(&b), ROLE_LEAF, "smime.p7s");
		assert_int_equal(taken_count(t), 1);
		assert_int_equal(taken_facts(t), 0);
	}
}

/* Cut anywhere: no crash, and the content as far as it goes once it has begun. */
static void
test_cut(void **state)
{
	CLEANUP(buf_done) struct buf b = element(BER_OCTETS, false, slice_of_str(mail));
	size_t start;

	(void)state;
	wrap_info(&b, OID_SIGNED, BER_SET, OID_DATA, true);
	start = slice_find(buf_get(&b), slice_of_str(mail), 0);
	for (size_t len = 0; len < b.len; len++) {
		CLEANUP(taken_free)
		struct taken *t =
		    taken_run(slice_sub(buf_get(&b), 0, len), ROLE_LEAF, "smime.p7m");

		if (len > start && len < start + sizeof(mail) - 1)
			assert_non_null(taken_find(t, slice_of(mail, len - start)));
	}
}

static void
test_ber_depth(void **state)
{
	CLEANUP(buf_done) struct buf b = { .max = 1 << 20 };
	struct slice in;
	struct ber e;

	(void)state;
	for (size_t i = 0; i < 100000; i++)
		buf_append(&b, "\x30\x80", 2);
	in = buf_get(&b);
	assert_true(ber_next(&in, &e, NULL));
	assert_int_equal(e.inside.len, b.len - 2);
	assert_int_equal(in.len, 0);
	in = SLICE_LIT("\x30\x80\x04\x01x\x00\x00\x05\x00");
	assert_true(ber_next(&in, &e, NULL));
	assert_int_equal(e.inside.len, 3);
	assert_true(ber_next(&in, &e, NULL));
	assert_int_equal(e.tag, 5);
	assert_false(ber_next(&in, &e, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_digested_and_nested),
		cmocka_unit_test(test_other_content),
		cmocka_unit_test(test_pem_and_base64),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_ber_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
