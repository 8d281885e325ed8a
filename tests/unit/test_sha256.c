/* test_sha256.c: the examples of FIPS 180-4, and hexadecimal text. */
#include "test_common.h"

#include "base/sha256.h"

static const struct {
	const char *text, *hex;
} rows[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void
test_known(void **state UNUSED)
{
	char hex[SHA256_HEX_SIZE];
	uint8_t *million = malloc(1000000);
	struct sha256 h;

	sha256_preload();
	sha256_preload();
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			h = sha256_of(slice_of_str(rows[i].text));
			sha256_format(&h, hex);
			assert_string_equal(hex, rows[i].hex);
		}
	}
	assert_non_null(million);
	memset(million, 'a', 1000000);
	h = sha256_of(slice_of(million, 1000000));
	sha256_format(&h, hex);
	assert_string_equal(hex,
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
	h = sha256_of(SLICE_NONE);
	sha256_format(&h, hex);
	assert_string_equal(hex, rows[0].hex);
}

static void
test_parse(void **state UNUSED)
{
	char text[80];
	struct sha256 h, want = sha256_of(SLICE_LIT("abc"));

	assert_true(sha256_parse(slice_of_str(rows[1].hex), &h));
	assert_memory_equal(&h, &want, sizeof(h));
	for (size_t i = 0; i <= 64; i++)
		text[i] = (char)(rows[1].hex[i] >= 'a' ? rows[1].hex[i] - 32 : rows[1].hex[i]);
	memset(&h, 0, sizeof(h));
	assert_true(sha256_parse(slice_of_str(text), &h));
	assert_memory_equal(&h, &want, sizeof(h));
	assert_false(sha256_parse(slice_of(text, 63), &h));
	assert_false(sha256_parse(SLICE_NONE, &h));
	text[64] = '0';
	assert_false(sha256_parse(slice_of(text, 65), &h));
	for (size_t i = 0; i < 64; i++) {
		static const char bad[] = "gG/:@` \xff";
		char old = text[i];

		text[i] = bad[i % (sizeof(bad) - 1)];
		assert_false(sha256_parse(slice_of(text, 64), &h));
		text[i] = old;
	}
	text[0] = '\0';
	assert_false(sha256_parse(slice_of(text, 64), &h));
	assert_memory_equal(&h, &want, sizeof(h)); /* untouched when it fails */
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_known),
		cmocka_unit_test(test_parse) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
