/* test_lnk.c: shortcuts made here: targets, arguments, what hangs behind; .url and libraries. */
#include "test_opener.h"

static struct bench bench;

static void
wide_put(struct buf *b, const char *text)
{
	put_le(b, strlen(text), 2);
	for (; *text != '\0'; text++)
		put_le(b, (uint8_t)*text, 2);
}

static void
link_make(struct buf *b, const char *target, const char *arguments)
{
	buf_init(b, 65536);
	buf_append(b, "L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", 20);
	put_le(b, 0x01 | 0x02 | 0x20 | 0x80, 4);
	put_le(b, 0, 52);
	put_le(b, 4, 2); /* the list of ids */
	put_le(b, 0, 4);
	put_le(b, 28 + strlen(target) + 1, 4);
	put_le(b, 28, 4);
	put_le(b, 1, 4);
	put_le(b, 0, 4);
	put_le(b, 28, 4);
	put_le(b, 0, 8);
	buf_append(b, target, strlen(target) + 1);
	wide_put(b, arguments);
	put_le(b, 0, 4);
}

static void
test_link(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	link_make(&b, "C:\\Windows\\System32\\cmd.exe", "/c start x");
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.pdf.lnk")->facts,
	    FACT_BIT(FACT_EXECUTABLE) | FACT_BIT(FACT_SUSPICIOUS_CALL));
	assert_true(bench_has_bytes(&bench,
	    SLICE_LIT("Target: C:\\Windows\\System32\\cmd.exe\nArguments: /c start x\n")));
	assert_int_equal(decompose_get_object_count(bench.d), 2);
}

static void
test_harmless(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	link_make(&b, "D:\\plans\\house.doc", "");
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.lnk")->facts, FACT_BIT(FACT_EXECUTABLE));
}

static void
test_behind(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	link_make(&b, "\\\\host\\share\\a.exe", "x");
	buf_append_slice(&b, eicar());
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.lnk")->facts,
	    FACT_BIT(FACT_EXECUTABLE) | FACT_BIT(FACT_EXTERNAL_LINK));
	assert_true(bench_has_bytes(&bench, eicar()));
}

/* Every length may lie; nothing is read that is not there. */
static void
test_cut(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	link_make(&b, "C:\\a.exe", "argument");
	for (size_t len = 20; len < b.len; len++)
		assert_true(has_fact(bench_run(&bench, slice_sub(buf_get(&b), 0, len), "a"),
		    FACT_EXECUTABLE));
}

static void
test_text(void **state)
{
	static const struct {
		const char *name, *text;
		uint64_t want;
	} cases[] = {
		{ "a.url", "[InternetShortcut]\r\nURL=https://example.com/\r\n", 0 },
		{ "a.url", "[InternetShortcut]\r\nURL=file:///C:/a.txt\r\n", 0 },
		{ "a.url", "[InternetShortcut]\r\nURL=file://host/a.exe\r\n",
		    FACT_BIT(FACT_EXTERNAL_LINK) },
		{ "a.url", "[InternetShortcut]\nURL=http://x/\nIconFile=\\\\host\\i.ico\n",
		    FACT_BIT(FACT_EXTERNAL_LINK) },
		{ "a.library-ms", "<?xml version=\"1.0\"?><libraryDescription><simpleLocation>"
		    "<url>http://host/dav</url></simpleLocation></libraryDescription>",
		    FACT_BIT(FACT_EXTERNAL_LINK) },
		{ "a.library-ms", "<?xml version=\"1.0\"?><libraryDescription><simpleLocation>"
		    "<url>knownfolder:{1}</url></simpleLocation></libraryDescription>", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(bench_run(&bench, slice_of_str(cases[i].text), cases[i].name)->facts,
		    cases[i].want);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_text),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
