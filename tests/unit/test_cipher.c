/* test_cipher.c: the examples of RFC 1321, FIPS 180-4, NIST SP 800-38A and RFC 6229. */
#include "test_common.h"

#include "base/cipher.h"

static size_t
unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned v;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
	return n;
}

static void
test_digest(void **state UNUSED)
{
	static const struct {
		enum cipher_digest which;
		const char *hex;
	} rows[] = {
		{ CIPHER_MD5, "900150983cd24fb0d6963f7d28e17f72" },
		{ CIPHER_SHA256,
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ CIPHER_SHA384,
		    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
		    "8086072ba1e7cc2358baeca134c825a7" },
		{ CIPHER_SHA512,
		    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
	};
	const struct slice parts[] = { SLICE_LIT("a"), SLICE_NONE, SLICE_LIT("bc") };
	uint8_t got[CIPHER_DIGEST_MAX], want[CIPHER_DIGEST_MAX];

	cipher_preload();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = unhex(rows[i].hex, want);

		assert_int_equal(cipher_digest(rows[i].which, parts, 3, got), len);
		assert_memory_equal(got, want, len);
	}
}

static void
test_aes(void **state UNUSED)
{
	static const struct {
		const char *key, *packed;
	} rows[] = {
		{ "2b7e151628aed2a6abf7158809cf4f3c",
		    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" },
		{ "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
		    "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d" },
	};
	uint8_t key[32], iv[16], plain[32], packed[32], got[40] = { 0 };

	(void)unhex("000102030405060708090a0b0c0d0e0f", iv);
	(void)unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51", plain);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice k = slice_of(key, unhex(rows[i].key, key));

		(void)unhex(rows[i].packed, packed);
		assert_true(cipher_aes_cbc_encrypt(k, iv, slice_of(plain, 32), got));
		assert_memory_equal(got, packed, 32);
		assert_true(
		    cipher_aes_cbc_decrypt(k, iv, slice_of(got, 32), got)); /* in place */
		assert_memory_equal(got, plain, 32);
		got[32] = 7; /* half a block is left alone */
		assert_true(cipher_aes_cbc_decrypt(k, iv, slice_of(got, 33), got));
		assert_int_equal(got[32], 7);
	}
	assert_false(cipher_aes_cbc_decrypt(slice_of(key, 24), iv, slice_of(got, 16), got));
	assert_false(cipher_aes_cbc_decrypt(SLICE_NONE, iv, slice_of(got, 16), got));
}

static void
test_rc4(void **state UNUSED)
{
	static const struct {
		const char *key, *stream;
	} rows[] = {
		{ "0102030405", "b2396305f03dc027ccc3524a0a1118a8" },
		{ "0102030405060708090a0b0c0d0e0f10", "9ac7cc9a609d1ef7b2932899cde41b97" },
	};
	uint8_t key[16], want[16], got[16];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = unhex(rows[i].key, key);

		(void)unhex(rows[i].stream, want);
		memset(got, 0, sizeof(got));
		cipher_rc4(slice_of(key, len), slice_of(got, sizeof(got)), got);
		assert_memory_equal(got, want, sizeof(want));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_aes),
		cmocka_unit_test(test_rc4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
