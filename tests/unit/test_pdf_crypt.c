/* test_pdf_crypt.c: encrypted PDFs of every version of the standard handler, written by qpdf
 * (tests/fuzz/make_pdf_seeds.py): opened without a password and with those of a mail; what is
 * damaged, said twice or not encrypted after all never passes for looked at. */
#include "test_opener.h"

#include "base/cipher.h"
#include "base/clock.h"
#include "decompose/pdf_key.h"
#include "decompose/zip_password.h"

#define WORD  SLICE_LIT("Geheim42")
#define PLAIN "Plain text that a reader finds where the file says it is encrypted."

static struct bench bench;
static const char *source;

/* A sample, whole, in a buffer with room for more. */
static void
sample_read(struct buf *b, const char *name)
{
	struct slice bytes;
	char path[2048];

	(void)snprintf(
	    path, sizeof(path), "%s/tests/fuzz/corpus/pdf/encrypted-%s.bin", source, name);
	bytes = file_read(path);
	if (bytes.ptr == NULL)
		fail_msg("%s is missing", path);
	buf_done(b);
	buf_init(b, 1 << 20);
	assert_int_equal(buf_append_slice(b, bytes), 0);
	free((void *)(uintptr_t)bytes.ptr);
}

static struct object *
run(const struct buf *b)
{
	return bench_run(&bench, buf_get(b), "a.pdf");
}

/* All that is hidden in a sample was found. */
static bool
is_open(bool password)
{
	struct object *file = bench_named(&bench, "invoice.com");
	bool noted = false;

	if (file == NULL || !bench_has_bytes(&bench, eicar()))
		return false;
	for (uint32_t id = 1; id <= decompose_get_object_count(bench.d); id++) {
		struct object *o = decompose_get_object(bench.d, id);

		noted |= slice_find(o->trail, SLICE_LIT("(password)"), 0) != SIZE_MAX;
		if (id != 1 && (o->roles & ROLE_ENTITY) == 0 &&
		    slice_eq_str(o->declared, "text/javascript") &&
		    has_fact(o, FACT_PASSWORD_FOUND) != password)
			return false;
	}
	return noted == password && has_fact(file, FACT_PASSWORD_FOUND) == password &&
	       bench_has_bytes(&bench, SLICE_LIT("app.alert(42);")) &&
	       bench_has_bytes(&bench, SLICE_LIT("this.exportDataObject();"));
}

#define WHAT_IS_IN (FACT_BIT(FACT_ACTIVE_CONTENT) | FACT_BIT(FACT_EMBEDDED_FILE))

static const char *const open_samples[] = { "r2", "r3", "r4-rc4", "r4-aes", "r4-aes-metadata",
	"r4-aes-objects", "r4-aes-stored", "r5", "r6", "r6-objects" };
static const char *const locked_samples[] = { "r2-user", "r3-user", "r6-user", "r2-owner",
	"r4-owner", "r5-owner", "r6-owner" };

static void
test_without_password(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(open_samples); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		uint64_t facts;

		sample_read(&b, open_samples[i]);
		facts = run(&b)->facts;
		if (facts != (WHAT_IS_IN | FACT_BIT(FACT_ENCRYPTED_OPEN)) || !is_open(false))
			fail_msg("%s: facts %llx", open_samples[i], (unsigned long long)facts);
	}
}

static void
test_configured_password(void **state UNUSED)
{
	const struct slice words[] = { SLICE_LIT("another"), WORD };

	for (size_t i = 0; i < ARRAY_LEN(locked_samples); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		uint64_t facts;

		sample_read(&b, locked_samples[i]);
		zip_password_set_list(words, 2);
		facts = run(&b)->facts;
		if (facts != (WHAT_IS_IN | FACT_BIT(FACT_PASSWORD_FOUND)) || !is_open(true))
			fail_msg(
			    "%s: facts %llx", locked_samples[i], (unsigned long long)facts);
		zip_password_set_list(words, 1);
		facts = run(&b)->facts;
		assert_int_equal(facts & ~FACT_BIT(FACT_EMBEDDED_FILE),
		    FACT_BIT(FACT_ACTIVE_CONTENT) | FACT_BIT(FACT_ENCRYPTED));
		assert_int_equal(bench.eicars, 0);
		assert_int_equal(decompose_get_object_count(bench.d), 1); /* no noise either */
	}
	zip_password_set_list(NULL, 0);
}

/* A mail with that text and the file; returns the file's object. */
static struct object *
run_mail(const char *text, const struct buf *pdf)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static struct buf mail;
	struct decompose_hook hook = { .seen = bench_seen, .ctx = &bench, .hash_first = true };

	buf_done(&mail);
	buf_init(&mail, 1 << 20);
	buf_printf(&mail,
	    "Subject: papers\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n--b\r\n"
	    "Content-Type: application/pdf; name=a.pdf\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    text);
	for (size_t i = 0; i < pdf->len; i += 3) {
		size_t n = MIN_OF((size_t)3, pdf->len - i);
		uint32_t v = (uint32_t)pdf->data[i] << 16 |
			     (n > 1 ? (uint32_t)pdf->data[i + 1] << 8 : 0) |
			     (n > 2 ? pdf->data[i + 2] : 0u);

		for (size_t k = 0; k < 4; k++)
			buf_append_byte(
			    &mail, k <= n ? (uint8_t)letters[v >> (18 - 6 * k) & 63] : '=');
		if (i % 57 == 54)
			buf_append_str(&mail, "\r\n");
	}
	buf_append_str(&mail, "\r\n--b--\r\n");
	decompose_run(bench.d, buf_get(&mail), ROLE_ENTITY, SLICE_NONE, &bench.limits, &hook);
	return bench_named(&bench, "a.pdf");
}

static void
test_password_of_mail(void **state UNUSED)
{
	static const struct {
		const char *sample, *text;
		bool opens;
	} rows[] = {
		{ "r3-user", "the password is: Geheim42", true },
		{ "r6-owner", "Kennwort: Geheim42.", true },
		{ "r3-latin1",
		    "Passwort Gr\xc3\xbc\xc3\x9f"
		    "e42",
		    true },
		{ "r3-latin1", "Passwort Gruesse42", false },
		{ "r6-user", "no word of it", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		struct object *o;

		sample_read(&b, rows[i].sample);
		o = run_mail(rows[i].text, &b);
		assert_non_null(o);
		if (has_fact(o, FACT_PASSWORD_FOUND) != rows[i].opens ||
		    has_fact(o, FACT_ENCRYPTED) == rows[i].opens ||
		    is_open(true) != rows[i].opens)
			fail_msg("%s with \"%s\"", rows[i].sample, rows[i].text);
	}
}

/* Many words on many files: an end is made long before the time of the mail is used up. */
static void
test_tries_are_bounded(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf text = { 0 };
	int64_t begun = clock_cpu_us(), took;
	struct object *o;

	sample_read(&b, "r6-user");
	buf_init(&text, 1 << 16);
	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&text, "password: word%u\r\n", i);
	o = run_mail(buf_get_str(&text), &b);
	took = (clock_cpu_us() - begun) / 1000;
	print_message("a hundred wrong words on R 6: %d ms\n", (int)took);
	assert_true(has_fact(o, FACT_ENCRYPTED));
	assert_true(took < 5000);
}

static void
replace(struct buf *b, const char *from, const char *to)
{
	CLEANUP(buf_done) struct buf out = { 0 };
	size_t at = slice_find(buf_get(b), slice_of_str(from), 0);

	if (at == SIZE_MAX)
		fail_msg("no %s", from);
	buf_init(&out, b->max);
	buf_append_slice(&out, slice_sub(buf_get(b), 0, at));
	buf_append_str(&out, to);
	buf_append_slice(&out, slice_from(buf_get(b), at + strlen(from)));
	buf_clear(b);
	buf_append_slice(b, buf_get(&out));
}

/* The dictionary does not fit, is broken, or says more than one thing: encrypted. */
static void
test_damaged(void **state UNUSED)
{
	static const struct {
		const char *sample, *from, *to;
	} rows[] = {
		{ "r2", "/U <", "/U <00" },
		{ "r3", "/U <", "/U <00" },
		{ "r4-aes", "/U <", "/U <00" },
		{ "r5", "/U <", "/U <00" },
		{ "r6", "/U <", "/U <00" },
		{ "r6", "/U <", "/U (x) /X <" },
		{ "r3", "/P -4", "/P -5" },
		{ "r3", "/P -4", "/P /x" },
		{ "r4-aes", "/ID [", "/ID [<00><00>] /X [" },
		{ "r3", "/O <", "/O <00> /X <" },
		{ "r3", "/O <", "/O 3 0 R /X <" },
		{ "r3", "/Filter /Standard", "/Filter /Other.Standard" },
		{ "r3", "/Filter /Standard", "/Handler /Standard" },
		{ "r3", "/V 2", "/V 3" },
		{ "r3", "/V 2", "/V 9" },
		{ "r3", "/R 3", "/R 6" },
		{ "r3", "/R 3", "/R 3 /R 3" },
		{ "r4-aes", "/CFM /AESV2", "/CFM /AESV9" },
		{ "r4-aes", "/CFM /AESV2", "/CFM /AESV3" },
		{ "r4-aes", "/CFM /AESV2", "/CFM /AESV2 /CFM /V2" },
		{ "r4-aes", "/CFM /AESV2", "/CFM /None" },
		{ "r4-aes", "/StmF /StdCF", "/StmF /Gone" },
		{ "r4-aes", "/StmF /StdCF", "/StmF /StdCF /StmF /Identity" },
		{ "r4-aes", "/StmF /StdCF", "/StmF [/StdCF]" },
		{ "r4-aes", "<< /StdCF", "<< /StdCF << /CFM /V2 >> /StdCF" },
		{ "r4-aes", "<< /CF <<", "<< /CF << /A << /B << /C 1 >> >> >> /D <<" },
		{ "r6", "/CFM /AESV3", "/CFM /AESV2" },
		{ "r6", "/OE <", "/OE <00> /X <" },
		{ "r6", "/V 5", "/V" },
		{ "r6", "/R 6", "/R 5" },
		{ "r6", "/R 6", "/R 7" },
		{ "r6", "/Encrypt ", "/Encrypt 7 0 R /X " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		struct object *o;

		sample_read(&b, rows[i].sample);
		replace(&b, rows[i].from, rows[i].to);
		o = run(&b);
		if (!has_fact(o, FACT_ENCRYPTED) || has_fact(o, FACT_ENCRYPTED_OPEN))
			fail_msg("%s with %s: facts %llx", rows[i].sample, rows[i].to,
			    (unsigned long long)o->facts);
	}
}

/* Cut anywhere: it never passes for a file that is not encrypted and was opened in full. */
static void
test_cut(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	sample_read(&b, "r6");
	for (size_t len = b.len - 1; len > 32; len -= 7) {
		struct object *o = bench_run(&bench, slice_sub(buf_get(&b), 0, len), "a.pdf");

		if (has_fact(o, FACT_ENCRYPTED_OPEN))
			assert_true(bench_has_bytes(&bench, eicar()));
	}
}

static void
object_put(struct buf *b, unsigned number, const char *dict, struct slice data)
{
	buf_printf(b, "\n%u 0 obj\n<<%s/Length %zu>>\nstream\n", number, dict, data.len);
	buf_append_slice(b, data);
	buf_append_str(b, "\nendstream\nendobj\n");
}

/* What stands unencrypted in an encrypted file is found, whether it opens or not. */
static void
test_plain_inside(void **state UNUSED)
{
	static const char *const samples[] = { "r3", "r4-aes", "r6", "r6-user" };
	static const char *const dicts[] = { "/Type/EmbeddedFile",
		"/Type/EmbeddedFile/Filter/Crypt",
		"/Type/EmbeddedFile/Filter[/Crypt]/DecodeParms[<</Name/Identity>>]" };
	uint8_t rar[200] = "Rar!\x1a\x07\x01";

	for (size_t i = 0; i < ARRAY_LEN(samples) * ARRAY_LEN(dicts); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		struct object *o;

		sample_read(&b, samples[i / ARRAY_LEN(dicts)]);
		object_put(&b, 90, dicts[i % ARRAY_LEN(dicts)], SLICE_LIT(PLAIN));
		object_put(&b, 91, "", slice_of(rar, sizeof(rar)));
		buf_append_str(&b, "92 0 obj<</S/JavaScript/JS(plain.script\\(\\))>>endobj\n");
		o = run(&b);
		assert_int_equal(has_fact(o, FACT_ENCRYPTED), i / ARRAY_LEN(dicts) == 3);
		assert_true(bench_has_bytes(&bench, SLICE_LIT(PLAIN)));
		assert_true(bench_has_bytes(&bench, slice_of(rar, sizeof(rar))));
		assert_true(bench_has_bytes(&bench, SLICE_LIT("plain.script()")));
	}
}

/* A plain file that only claims to be encrypted, in a place where readers do not look. */
static void
test_claim(void **state UNUSED)
{
	static const char *const dicts[] = { "/Type/EmbeddedFile/Filter/RL",
		"/Type/EmbeddedFile", "/Type/EmbeddedFile/Filter/LZW",
		"/Type/ObjStm/Filter/AHx" };
	static const uint8_t runs[] = "\x07\x80\x81\x90\xa1\xb2\x01\x02\x03\x80";
	static const uint8_t lzw[] = "\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01";
	const struct slice data[] = { slice_of(runs, 10), slice_of(runs, 10), slice_of(lzw, 9),
		SLICE_LIT("2F4A5328686964646E29>") };
	const struct slice want[] = { slice_of(runs + 1, 8), slice_of(runs, 10),
		SLICE_LIT("-----A---B"), SLICE_LIT("hiddn") };

	for (size_t i = 0; i < ARRAY_LEN(dicts); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };

		sample_read(&b, "r3");
		object_put(&b, 90, dicts[i], data[i]);
		buf_append_str(&b, "91 0 obj<</JS<FEFF00610028002900e900e9>>>endobj\n");
		assert_false(has_fact(run(&b), FACT_ENCRYPTED));
		assert_true(bench_has_bytes(&bench, want[i]));
		assert_true(bench_has_bytes(&bench, SLICE_LIT("a()\xc3\xa9\xc3\xa9")));
	}
}

/* What the key does not open is told. */
static void
test_not_readable(void **state UNUSED)
{
	static const char *const dicts[] = { "/Type/EmbeddedFile/Filter/FlateDecode",
		"/Type/ObjStm/Filter/FlateDecode",
		"/Type/EmbeddedFile/Filter[/Crypt]/DecodeParms[<</Name/Gone>>]",
		"/Filter/Crypt/DecodeParms<</Name/Gone>>" };
	uint8_t noise[320];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(0x80 | i * 89);
	for (size_t i = 0; i < ARRAY_LEN(dicts); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		struct object *o;

		sample_read(&b, "r4-aes");
		object_put(&b, 90, dicts[i], slice_of(noise, sizeof(noise)));
		o = run(&b);
		if (!has_fact(o, FACT_ENCRYPTED))
			fail_msg("%s", dicts[i]);
		assert_true(has_fact(o, FACT_ENCRYPTED_OPEN) && is_open(false));
	}
}

/* Two encryption dictionaries: a reader follows one of them, and we do not know which. */
static void
test_two(void **state UNUSED)
{
	static const char *const more[] = {
		"trailer<</Encrypt 77 0 R>>",
		"trailer<</Encrypt<</Filter/Else/V 1>>>>",
		"77 0 obj<</Filter/Standard/V 1/R 2/P 0/O<00>/U<00>>>endobj trailer<</Encrypt "
		"77 0 R>>",
	};

	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		struct object *o;

		sample_read(&b, "r6");
		buf_append_str(&b, more[i]);
		o = run(&b);
		assert_true(has_fact(o, FACT_ENCRYPTED) && has_fact(o, FACT_ENCRYPTED_OPEN));
		assert_true(is_open(false));
	}
}

/* The dictionary once more as it is, and within the trailer: one way to read it. */
static void
test_same_twice(void **state UNUSED)
{
	for (unsigned direct = 0; direct < 2; direct++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		CLEANUP(buf_done) struct buf dict = { 0 };
		size_t at, end;

		sample_read(&b, "r6");
		at = slice_find(buf_get(&b), SLICE_LIT("<< /CF"), 0);
		end = slice_find(buf_get(&b), SLICE_LIT("\nendobj"), at);
		buf_init(&dict, 4096);
		buf_append_slice(&dict, slice_sub(buf_get(&b), at, end - at));
		if (direct != 0) {
			replace(&b, "/Encrypt 10 0 R", "/X 0");
			buf_append_str(&b, "trailer<</Encrypt");
			buf_append_slice(&b, buf_get(&dict));
			buf_append_str(&b, ">>");
		} else {
			buf_append_str(&b, "10 0 obj");
			buf_append_slice(&b, buf_get(&dict));
			buf_append_str(&b, "endobj trailer<</Encrypt 10 0 R>>");
		}
		assert_int_equal(run(&b)->facts, WHAT_IS_IN | FACT_BIT(FACT_ENCRYPTED_OPEN));
		assert_true(is_open(false));
	}
}

/* The dictionary of a sample with its key. */
static void
sample_unlock(const struct buf *b, struct pdf_crypt *c)
{
	size_t at = slice_find(buf_get(b), SLICE_LIT("<< /CF"), 0);

	assert_true(at != SIZE_MAX);
	assert_true(pdf_crypt_parse(c, slice_from(buf_get(b), at)));
	assert_false(pdf_key_find(c, SLICE_NONE, SLICE_LIT("wrong")));
	assert_true(pdf_key_find(c, SLICE_NONE, SLICE_NONE));
	assert_int_equal(c->key_len, 32);
}

/* Encrypted bytes that end like a line, where the length is told elsewhere. */
static void
test_tail(void **state UNUSED)
{
	static const char *const ends[] = { "\n", "\r", "\r\n" };
	CLEANUP(buf_done) struct buf b = { 0 };
	uint8_t plain[80], packed[96] = { 0 };
	struct pdf_crypt c;
	size_t len = sizeof(PLAIN) - 1, full = (len / 16 + 1) * 16;

	sample_read(&b, "r6");
	sample_unlock(&b, &c);
	assert_true(full <= sizeof(plain));
	memcpy(plain, PLAIN, len);
	memset(plain + len, (int)(full - len), full - len);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t tail = strlen(ends[i]);

		for (uint32_t n = 0;; n++) {
			memcpy(packed, &n, sizeof(n));
			assert_true(cipher_aes_cbc_encrypt(
			    slice_of(c.key, 32), packed, slice_of(plain, full), packed + 16));
			if (memcmp(packed + 16 + full - tail, ends[i], tail) == 0)
				break;
		}
		sample_read(&b, "r6");
		buf_append_str(&b, "90 0 obj<</Type/EmbeddedFile/Length 91 0 R>>stream\n");
		buf_append(&b, packed, 16 + full);
		buf_append_str(&b, "endstream endobj");
		assert_false(has_fact(run(&b), FACT_ENCRYPTED));
		assert_true(bench_has_bytes(&bench, SLICE_LIT(PLAIN)));
	}
}

/* Attachments alone are encrypted, or by a filter of their own. */
static void
test_filter_of_files(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	sample_read(&b, "r6");
	replace(&b, "/StmF /StdCF /StrF /StdCF", "/EFF /StdCF /StrF /StdCF");
	(void)run(&b);
	assert_true(bench_has_bytes(&bench, eicar()));
	sample_read(&b, "r6");
	replace(&b, "/StmF /StdCF", "/StmF /StdCF /EFF /Identity"); /* few readers know EFF */
	(void)run(&b);
	assert_true(bench_has_bytes(&bench, eicar()));
	sample_read(&b, "r6");
	replace(&b, "/StmF /StdCF", "");
	replace(&b, "/Type /EmbeddedFile /Length 96 /Filter /FlateDecode",
	    "/Type /EmbeddedFile /Length 96 /Filter[/Crypt/FlateDecode]"
	    "/DecodeParms[<</Type/CryptFilterDecodeParms/Name/StdCF>>null]");
	(void)run(&b);
	assert_true(bench_has_bytes(&bench, eicar()));
}

/* A mail of the developers' corpus, whose file asks for a password that is not in the mail. */
static void
test_shared_corpus(void **state UNUSED)
{
	const char *shared = getenv("CORDON_SHARED");
	struct decompose_hook hook = { .seen = bench_seen, .ctx = &bench, .hash_first = true };
	struct slice mail;
	struct object *o;
	char path[2048];

	if (shared != NULL)
		(void)snprintf(path, sizeof(path), "%s", shared);
	else
		(void)snprintf(path, sizeof(path), "%s/../shared", source);
	(void)snprintf(path + strlen(path), sizeof(path) - strlen(path),
	    "/corpus/mail/mime-torture/rspamd/pdf_encrypted.eml");
	mail = file_read(path);
	if (mail.ptr == NULL) {
		print_message("SKIP test_shared_corpus: no %s\n", path);
		return;
	}
	decompose_run(bench.d, mail, ROLE_ENTITY, SLICE_NONE, &bench.limits, &hook);
	o = bench_named(&bench, "990777.pdf");
	assert_non_null(o);
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED));
	free((void *)(uintptr_t)mail.ptr);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_password),
		cmocka_unit_test(test_configured_password),
		cmocka_unit_test(test_password_of_mail),
		cmocka_unit_test(test_tries_are_bounded),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_plain_inside),
		cmocka_unit_test(test_claim),
		cmocka_unit_test(test_not_readable),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_same_twice),
		cmocka_unit_test(test_shared_corpus),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_filter_of_files),
	};
	int failed;

	source = getenv("CORDON_SOURCE");
	if (source == NULL)
		source = ".";
	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
