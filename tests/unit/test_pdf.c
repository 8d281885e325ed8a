/* test_pdf.c: PDF files made here: chains of filters, embedded files found by type and by
 * reference, scripts, object streams, what is active and what is not. */
#include "test_opener.h"

#include <zlib.h>

#include "decompose/pdf_filter.h"

static struct bench bench;

static void
deflate_put(struct buf *b, struct slice plain)
{
	uLongf len = compressBound((uLong)plain.len);

	assert_int_equal(buf_reserve(b, len), 0);
	assert_int_equal(compress(b->data + b->len, &len, plain.ptr, (uLong)plain.len), Z_OK);
	b->len += len;
}

static void
hex_put(struct buf *b, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		buf_printf(b, i % 16 == 15 ? "%02X\n" : "%02x", bytes.ptr[i]);
	buf_append_str(b, ">");
}

/* "n 0 obj <<dict>> stream data endstream endobj". */
static void
stream_put(struct buf *b, unsigned number, const char *dict, struct slice data)
{
	buf_printf(b, "%u 0 obj\n<<%s/Length %zu>>\nstream\r\n", number, dict, data.len);
	buf_append_slice(b, data);
	buf_append_str(b, "\nendstream\nendobj\n");
}

static struct object *
run(struct buf *b)
{
	return bench_run(&bench, buf_get(b), "a.pdf");
}

static void
pdf_begin(struct buf *b)
{
	buf_init(b, 1 << 20);
	buf_append_str(b, "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n");
}

static void
test_embedded(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf packed = { 0 };
	CLEANUP(buf_done) struct buf hex = { 0 };
	struct object *o, *file;

	(void)state;
	buf_init(&packed, 4096);
	buf_init(&hex, 8192);
	deflate_put(&packed, eicar());
	hex_put(&hex, buf_get(&packed));
	pdf_begin(&b);
	buf_append_str(&b, "1 0 obj<</Type/Filespec/F(short.com)/UF<FEFF00E9002E0063006F006D>"
	    "/EF<</F 2 0 R>>>>endobj\n");
	stream_put(&b, 2, "/#46ilter[/ASCIIHexDecode /FlateDecode]", buf_get(&hex));
	o = run(&b);
	assert_int_equal(o->facts, FACT_BIT(FACT_EMBEDDED_FILE));
	file = bench_named(&bench, "\xc3\xa9.com");
	assert_non_null(file);
	assert_true(slice_eq(file->bytes, eicar()));
	/* By its type alone, the length not being there, the end neither. */
	buf_clear(&b);
	buf_append_str(&b, "%PDF-1.7\n1 0 obj<</Type/EmbeddedFile>>stream\n");
	buf_append_slice(&b, eicar());
	o = run(&b);
	assert_int_equal(o->facts, FACT_BIT(FACT_EMBEDDED_FILE) | FACT_BIT(FACT_TRUNCATED));
	assert_true(bench_has_bytes(&bench, eicar()));
}

/* A stream that claims to be nothing in particular but begins like a program. */
static void
test_disguised(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf packed = { 0 };
	CLEANUP(buf_done) struct buf page = { 0 };
	uint8_t rar[200] = "Rar!\x1a\x07\x01";

	(void)state;
	buf_init(&packed, 4096);
	deflate_put(&packed, slice_of(rar, sizeof(rar)));
	pdf_begin(&b);
	stream_put(&b, 1, "/Filter/FlateDecode", buf_get(&packed));
	(void)run(&b);
	assert_true(bench_has_bytes(&bench, slice_of(rar, sizeof(rar))));
	/* A page's content is not emitted, an image is left closed. */
	buf_clear(&b);
	buf_init(&page, 4096);
	deflate_put(&page, SLICE_LIT("q 1 0 0 1 0 0 cm BT /F1 12 Tf (Hello) Tj ET Q q 1 0 0 1 0 0 cm"));
	buf_append_str(&b, "%PDF-1.4\n");
	stream_put(&b, 1, "/Filter/FlateDecode", buf_get(&page));
	stream_put(&b, 2, "/Subtype/Image/Filter/DCTDecode", slice_of(rar, sizeof(rar)));
	assert_int_equal(run(&b)->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 1);
}

static void
test_script(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf objects = { 0 };
	struct object *o;

	(void)state;
	pdf_begin(&b);
	buf_append_str(&b, "1 0 obj<</OpenAction<</S/JavaScript/JS(a\\(1\\)\\073\\\nb)>>>>endobj\n");
	buf_init(&objects, 4096);
	deflate_put(&objects, SLICE_LIT("2 0 9 9 <</S/#4aavaScript/JS 3 0 R>>"));
	stream_put(&b, 4, "/Type/ObjStm/N 2/First 8/Filter/FlateDecode", buf_get(&objects));
	stream_put(&b, 3, "/Filter/A85", SLICE_LIT("<~87cURD]i,\"Ebo7~>"));
	o = run(&b);
	assert_int_equal(o->facts, FACT_BIT(FACT_ACTIVE_CONTENT));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("a(1);b")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("Hello World")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("2 0 9 9 <</S/#4aavaScript/JS 3 0 R>>")));
}

static void
test_facts(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} cases[] = {
		{ "1 0 obj<</OpenAction[3 0 R/FitH null]/Names 2 0 R>>endobj", 0 },
		{ "1 0 obj<</A<</S/URI/URI(http://x/JS)>>>>endobj", 0 },
		{ "1 0 obj<</T(/JS /Launch)>>endobj % /AA /JS\n", 0 },
		{ "1 0 obj<</A<</S/Launch/F(cmd.exe)>>>>endobj", FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "1 0 obj<</AA<</O 5 0 R>>>>endobj", FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "trailer<</Root 1 0 R/Encrypt 9 0 R>>", FACT_BIT(FACT_ENCRYPTED) },
		{ "1 0 obj<</Type/XRef/Encrypt<</V 4>>>>", FACT_BIT(FACT_ENCRYPTED) },
		{ "1 0 obj<</EncryptMetadata true/T(/Encrypt 1 0 R)>>", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };

		pdf_begin(&b);
		buf_append_str(&b, cases[i].text);
		if (run(&b)->facts != cases[i].want)
			print_message("case %zu\n", i);
		assert_int_equal(run(&b)->facts, cases[i].want);
	}
}

static void
test_filters(void **state)
{
	static const struct {
		enum pdf_filter filter;
		struct slice in, want;
	} cases[] = {
		{ PDF_FILTER_HEX, { (const uint8_t *)"61 62\n6>7", 9 }, { (const uint8_t *)"ab`", 3 } },
		{ PDF_FILTER_85, { (const uint8_t *)"87cUR D]i,\"Ebo7~>", 17 },
		    { (const uint8_t *)"Hello World", 11 } },
		{ PDF_FILTER_85, { (const uint8_t *)"z~>", 3 }, { (const uint8_t *)"\0\0\0\0", 4 } },
		{ PDF_FILTER_RUNS, { (const uint8_t *)"\2abc\xfe" "d\x80zz", 9 },
		    { (const uint8_t *)"abcddd", 6 } },
		/* ISO 32000-1, 7.4.4.2, the example */
		{ PDF_FILTER_LZW, { (const uint8_t *)"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01", 9 },
		    { (const uint8_t *)"-----A---B", 10 } },
	};

	(void)state;
	(void)bench_run(&bench, SLICE_LIT("x"), "x");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = { 0 };

		buf_init(&out, 4096);
		assert_true(pdf_filter_undo(bench.d, cases[i].filter, false, cases[i].in, &out));
		assert_true(slice_eq(buf_get(&out), cases[i].want));
	}
}

/* Strings without an end, again and again: linear, and what follows is found. */
static void
test_unclosed(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	pdf_begin(&b);
	b.max = (size_t)8 << 20;
	for (unsigned i = 0; i < 200000; i++)
		buf_append_str(&b, "1 0 obj<</T(");
	buf_append_str(&b, "1 0 obj<</Type/EmbeddedFile>>stream\n");
	buf_append_slice(&b, eicar());
	buf_append_str(&b, "\nendstream");
	(void)run(&b);
	assert_true(bench_has_bytes(&bench, eicar()));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_disguised),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_unclosed),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
