/* test_zip_password.c: encrypted ZIP members opened with words of the mail that carries them,
 * or of the configured list; and left alone otherwise. */
#include "test_opener.h"

#include <zlib.h>

#include "decompose/zip_crypt.h"
#include "decompose/zip_password.h"

static struct bench bench;

/* PKWARE's cipher, the other way round. */
static void
encrypt(struct slice plain, const char *password, uint8_t check, struct buf *out)
{
	const z_crc_t *t = get_crc_table();
	uint32_t k[3] = { 0x12345678, 0x23456789, 0x34567890 };
	size_t password_len = strlen(password);

	for (size_t i = 0; i < password_len + 12 + plain.len; i++) {
		uint8_t c, x;
		uint32_t v = (k[2] & 0xffff) | 2;

		if (i < password_len) {
			c = (uint8_t)password[i];
		} else {
			size_t at = i - password_len;

			c = at < 11 ? (uint8_t)(at * 37) : at == 11 ? check : plain.ptr[at - 12];
			x = (uint8_t)(c ^ (uint8_t)(v * (v ^ 1) >> 8));
			assert_int_equal(buf_append_byte(out, x), 0);
		}
		k[0] = (uint32_t)t[(k[0] ^ c) & 0xff] ^ k[0] >> 8;
		k[1] = (k[1] + (k[0] & 0xff)) * 134775813u + 1;
		k[2] = (uint32_t)t[(k[2] ^ k[1] >> 24) & 0xff] ^ k[2] >> 8;
	}
}

/* A ZIP of one stored member, encrypted. */
static void
zip_make(struct buf *out, const char *name, struct slice plain, const char *password)
{
	uint32_t crc = (uint32_t)crc32_z(0, plain.ptr, plain.len);
	size_t directory_at;

	buf_init(out, 65536);
	for (int central = 0; central < 2; central++) {
		directory_at = out->len;
		put_le(out, central ? 0x02014b50 : 0x04034b50, 4);
		put_le(out, 20, 2);
		if (central)
			put_le(out, 20, 2);
		put_le(out, 1, 2);
		put_le(out, 0, 6);
		put_le(out, crc, 4);
		put_le(out, plain.len + 12, 4);
		put_le(out, plain.len, 4);
		put_le(out, strlen(name), 2);
		put_le(out, 0, central ? 16 : 2);
		assert_int_equal(buf_append_str(out, name), 0);
		if (!central)
			encrypt(plain, password, (uint8_t)(crc >> 24), out);
	}
	put_le(out, 0x06054b50, 4);
	put_le(out, 0, 4);
	put_le(out, 1, 2);
	put_le(out, 1, 2);
	put_le(out, out->len - 12 - directory_at, 4);
	put_le(out, directory_at, 4);
	put_le(out, 0, 2);
}

static void
put_base64(struct buf *out, struct slice in)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < in.len; i += 3) {
		uint32_t v = (uint32_t)in.ptr[i] << 16;

		v |= i + 1 < in.len ? (uint32_t)in.ptr[i + 1] << 8 : 0;
		v |= i + 2 < in.len ? in.ptr[i + 2] : 0u;
		for (unsigned k = 0; k < 4; k++)
			put_le(out, i + k > in.len ? '=' : (uint8_t)letters[v >> (18 - 6 * k) & 63], 1);
		if (i % 57 == 54)
			put_le(out, '\n', 1);
	}
}

/* A mail with that subject and text, and the archive attached. */
static void
mail_make(struct buf *out, const char *subject, const char *text, struct slice zip)
{
	buf_init(out, 65536);
	assert_int_equal(buf_printf(out, "From: a@example.org\nSubject: %s\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n%s\n"
	    "--b\nContent-Type: application/zip; name=a.zip\n"
	    "Content-Transfer-Encoding: base64\n\n", subject, text), 0);
	put_base64(out, zip);
	assert_int_equal(buf_append_str(out, "\n--b--\n"), 0);
}

static void
run_mail(struct slice mail)
{
	struct decompose_hook hook = { .seen = bench_seen, .ctx = &bench };

	decompose_run(bench.d, mail, ROLE_ENTITY, SLICE_NONE, &bench.limits, &hook);
}

static const struct {
	const char *password, *subject, *text;
	bool opens;
} cases[] = {
	{ "s3cr3t!x",  "Invoice", "Dear all,\nthe password is: s3cr3t!x\nBye",          true },
	{ "4711",      "Invoice", "Archive pass: \"4711\".",                            true },
	{ "4711",      "Invoice", "Password:4711",                                      true },
	{ "hush-hush", "your code hush-hush", "see above",                              true },
	{ "walrus",    "Invoice", "There is a walrus in the text, and nothing is said", true },
	{ "unsaid",    "Invoice", "The password comes by telephone.",                   false },
};

static void
test_words_of_the_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf zip, mail;
		struct object *o;

		zip_make(&zip, "virus.com", eicar(), cases[i].password);
		mail_make(&mail, cases[i].subject, cases[i].text, buf_get(&zip));
		run_mail(buf_get(&mail));
		o = bench_named(&bench, "virus.com");
		assert_non_null(o);
		if (bench_has_bytes(&bench, eicar()) != cases[i].opens)
			print_message("case %zu\n", i);
		assert_int_equal(bench_has_bytes(&bench, eicar()), cases[i].opens);
		assert_int_equal(has_fact(o, FACT_PASSWORD_FOUND), cases[i].opens);
		assert_int_equal(has_fact(o, FACT_ENCRYPTED), !cases[i].opens);
		o = decompose_get_object(bench.d, o->parent);
		assert_int_equal(has_fact(o, FACT_ENCRYPTED), !cases[i].opens);
		buf_done(&zip);
		buf_done(&mail);
	}
}

static void
test_configured_list(void **state)
{
	const struct slice words[] = { SLICE_LIT("wrong"), SLICE_LIT("infected") };
	struct buf zip;
	struct object *o;

	(void)state;
	zip_make(&zip, "virus.com", eicar(), "infected");
	o = bench_run(&bench, buf_get(&zip), "a.zip");
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED));
	zip_password_set_list(words, 2);
	o = bench_run(&bench, buf_get(&zip), "a.zip");
	assert_int_equal(o->facts, FACT_BIT(FACT_PASSWORD_FOUND));
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_true(slice_eq_str(bench_named(&bench, "virus.com")->trail, "virus.com (password)"));
	zip_password_set_list(NULL, 0);
	buf_done(&zip);
}

/* A member made by 7-Zip: "hello hello hello\n", AES-256, password "secret". */
static void
test_aes(void **state)
{
	static const uint8_t packed[] = {
		0x74, 0x60, 0x23, 0xe9, 0x5a, 0x98, 0x0a, 0x57, 0x5e, 0x03, 0x9d, 0x0f,
		0xed, 0x8d, 0xd5, 0x01, 0xce, 0xa1, 0xd1, 0xf0, 0x69, 0x5f, 0x1d, 0x2f,
		0x65, 0xae, 0xa1, 0x82, 0x91, 0xc8, 0x96, 0x0d, 0xe6, 0xfe, 0x83, 0x85,
		0xe3, 0xa6, 0x86, 0x75, 0xf8, 0xa8, 0xd1, 0x54, 0x97, 0xe4,
	};
	uint8_t plain[sizeof(packed)];
	size_t len = 0;

	(void)state;
	assert_true(zip_crypt_aes(slice_of(packed, sizeof(packed)), SLICE_LIT("secret"), 3, plain,
	    &len));
	assert_true(slice_eq_str(slice_of(plain, len), "hello hello hello\n"));
	assert_false(zip_crypt_aes(slice_of(packed, sizeof(packed)), SLICE_LIT("Secret"), 3, plain,
	    &len));
	for (size_t n = 0; n < sizeof(packed); n++)
		assert_false(zip_crypt_aes(slice_of(packed, n), SLICE_LIT("secret"), 3, plain, &len));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_the_mail),
		cmocka_unit_test(test_configured_list),
		cmocka_unit_test(test_aes),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
