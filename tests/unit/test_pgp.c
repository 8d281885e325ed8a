/* test_pgp.c: OpenPGP: encrypted messages are marked, signed and compressed ones opened, clear
 * text left alone. */
#include "test_decode_helper.h"

#include <zlib.h>

#include "decompose/pgp_opener.h"

static const char text[] = "The text inside the literal packet, with a line end.\r\n";

/* A packet with a new-style length of two bytes at most; partial: in pieces of 16 bytes. */
static void
packet_add(struct buf *b, unsigned tag, struct slice body, bool partial)
{
	buf_append_byte(b, (uint8_t)(0xc0 | tag));
	while (partial && body.len > 16) {
		buf_append_byte(b, 0xe4);
		buf_append_slice(b, slice_sub(body, 0, 16));
		body = slice_from(body, 16);
	}
	if (body.len < 192) {
		buf_append_byte(b, (uint8_t)body.len);
	} else {
		buf_append_byte(b, (uint8_t)(((body.len - 192) >> 8) + 192));
		buf_append_byte(b, (uint8_t)(body.len - 192));
	}
	buf_append_slice(b, body);
}

static void
literal_add(struct buf *b, bool partial)
{
	CLEANUP(buf_done) struct buf body = { .max = 4096 };

	buf_append(&body,
	    "b\x05"
	    "a.txt\0\0\0\0",
	    11);
	buf_append_str(&body, text);
	packet_add(b, 11, buf_get(&body), partial);
}

/* Deflated, raw (1) or with zlib's header (2), behind the method's number. */
static void
compressed_add(struct buf *b, struct slice in, int method, bool partial)
{
	uint8_t out[4096] = { (uint8_t)method };
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, method == 1 ? -15 : 15, 8, 0), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)in.ptr;
	z.avail_in = (uInt)in.len;
	z.next_out = out + 1;
	z.avail_out = sizeof(out) - 1;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	packet_add(b, 8, slice_of(out, 1 + z.total_out), partial);
	deflateEnd(&z);
}

static void
encrypted_build(struct buf *b)
{
	uint8_t key[30] = { 3, 1, 2, 3, 4, 5, 6, 7, 8, 1 };
	uint8_t data[60] = { 1 };

	*b = (struct buf){ .max = 4096 };
	packet_add(b, 1, slice_of(key, sizeof(key)), false);
	packet_add(b, 18, slice_of(data, sizeof(data)), true);
}

static void
armour_add(struct buf *out, struct slice message)
{
	buf_append_str(out,
	    "Dear you,\r\n\r\n-----BEGIN PGP MESSAGE-----\r\nVersion: X 1\r\nComment: no\r\n"
	    "\r\n");
	base64_encode(message, 64, out);
	buf_append_str(out, "\r\n=AbCd\r\n-----END PGP MESSAGE-----\r\nbye\r\n");
}

static void
test_encrypted(void **state)
{
	CLEANUP(buf_done) struct buf b, armour = { .max = 8192 };
	CLEANUP(taken_free) struct taken *t = NULL;

	(void)state;
	encrypted_build(&b);
	t = taken_run(buf_get(&b), ROLE_LEAF, "");
	assert_int_equal(taken_get(t, 1)->facts, FACT_BIT(FACT_ENCRYPTED));
	taken_free(&t);
	armour_add(&armour, buf_get(&b));
	for (unsigned role = ROLE_LEAF; role <= ROLE_TEXT; role *= ROLE_TEXT / ROLE_LEAF) {
		t = taken_run(buf_get(&armour), role, "encrypted.asc");
		assert_non_null(taken_find(t, buf_get(&b)));
		assert_int_equal(taken_facts(t), FACT_BIT(FACT_ENCRYPTED));
		taken_free(&t);
	}
}

/* Signed with a one-pass packet, compressed, in pieces: readable, so not encrypted. */
static void
test_signed(void **state)
{
	(void)state;
	for (int kind = 0; kind < 12; kind++) {
		bool partial = (kind & 1) != 0, armoured = (kind & 2) != 0;
		CLEANUP(buf_done) struct buf inner = { .max = 4096 }, b = { .max = 4096 };
		CLEANUP(buf_done) struct buf armour = { .max = 8192 };
		CLEANUP(taken_free) struct taken *t = NULL;
		struct object *o;

		packet_add(&inner, 4,
		    SLICE_LIT("\x03\0\x08\x01"
			      "12345678\x01"),
		    false);
		literal_add(&inner, partial);
		if (kind / 4 == 0)
			buf_append_slice(&b, buf_get(&inner));
		else
			compressed_add(&b, buf_get(&inner), kind / 4, partial);
		armour_add(&armour, buf_get(&b));
		t = taken_run(buf_get(armoured ? &armour : &b),
		    armoured ? ROLE_TEXT : ROLE_LEAF, "a.gpg");
		o = taken_find_str(t, text);
		if (o == NULL)
			fail_msg("kind %d: the text was not found", kind);
		assert_true(object_is_named(o, "a.txt"));
		assert_int_equal(taken_facts(t) & FACT_BIT(FACT_ENCRYPTED), 0);
	}
}

static void
test_left_alone(void **state)
{
	static const char *const texts[] = {
		"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHello.\n"
		"-----BEGIN PGP SIGNATURE-----\n\niQEz\n=abcd\n-----END PGP SIGNATURE-----\n",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEN\n=abcd\n-----END PGP PUBLIC KEY "
		"BLOCK-----\n",
		"\xff\xd8\xff\xe0\0\x10JFIF 0123456789012345678901234567890123456789",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (unsigned role = ROLE_LEAF; role <= ROLE_TEXT;
		     role *= ROLE_TEXT / ROLE_LEAF) {
			struct object o = { .roles = role, .bytes = slice_of_str(texts[i]) };
			struct taken *t = taken_run(slice_of_str(texts[i]), role, "");

			assert_false(pgp_claims(&o));
			assert_int_equal(taken_facts(t), 0);
			taken_free(&t);
		}
	}
}

/* An armoured message that is no message is no reason to call a mail encrypted. */
static void
test_armour_of_nothing(void **state)
{
	CLEANUP(buf_done) struct buf armour = { .max = 8192 };
	CLEANUP(taken_free) struct taken *t = NULL;

	(void)state;
	armour_add(&armour, slice_of_str(text));
	t = taken_run(buf_get(&armour), ROLE_TEXT, "");
	assert_non_null(taken_find_str(t, text));
	assert_int_equal(taken_facts(t), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_armour_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
