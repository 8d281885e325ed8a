/* test_office.c: parts of OOXML and ODF packages by their names, and flat XML documents. */
#include "test_opener.h"

static struct bench bench;

#define RELATION(type, target) "<?xml version=\"1.0\"?><Relationships><Relationship Id=\"r\" " \
	"Type=\"http://x/relationships/" type "\" Target=\"" target "\" TargetMode=\"External\"/>" \
	"</Relationships>"

static void
test_facts(void **state)
{
	static const struct {
		const char *name, *text;
		uint64_t want;
	} cases[] = {
		{ "word/_rels/document.xml.rels", RELATION("hyperlink", "http://x/"), 0 },
		{ "word/_rels/settings.xml.rels", RELATION("attachedTemplate", "http://x/a.dotm"),
		    FACT_BIT(FACT_EXTERNAL_LINK) },
		{ "word/_rels/settings.xml.rels",
		    RELATION("attachedTemplate", "file:///C:\\Users\\a\\Normal.dotm"), 0 },
		{ "word/_rels/settings.xml.rels",
		    RELATION("attachedTemplate", "file:///\\\\host\\a.dotm"),
		    FACT_BIT(FACT_EXTERNAL_LINK) },
		{ "word/_rels/document.xml.rels", RELATION("oleObject", "mhtml:http://x!y"),
		    FACT_BIT(FACT_EXTERNAL_LINK) },
		{ "xl/macrosheets/sheet1.xml", "<xm:macrosheet/>", FACT_BIT(FACT_MACRO) },
		{ "xl/workbook.xml", "<definedName name=\"_xlnm.Auto_Open\">",
		    FACT_BIT(FACT_AUTO_MACRO) },
		{ "xl/workbook.xml", "<definedName name=\"_xlnm.Print_Area\">", 0 },
		{ "xl/externalLinks/externalLink1.xml", "<externalLink><ddeLink ddeService=\"cmd\">",
		    FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "xl/externalLinks/externalLink1.bin", "\xe8\x02\x05\x01\x01", 0 },
		{ "book.xml", "<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:"
		    "spreadsheet\"><Cell ss:Formula=\"=cmd|'/c calc.exe'!A1\">",
		    FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "book.xml", "<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:"
		    "spreadsheet\"><Cell ss:Formula=\"=SUM(A1:B2)\">", 0 },
		{ "a.csv", "1,2\n=cmd|'/k calc.exe'!A0\n", FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "a.csv", "x;\"+cmd|'/c x'!A\"\r\n", FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "a.csv", "a,-2+3+cmd|' /C calc'!A0", FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "a.tsv", "1\t@SUM(1+1)*cmd\t", 0 },
		{ "a.csv", "yes|no!,=1+2,|!,x=cmd|'a'!b", 0 },
		{ "a.csv", "=cmd|'/c\nx'!A", 0 },
		{ "a.slk", "ID;PWXL;N;E\nO;L;E;D;V0\nNN;NAuto_Open;ER1C1\n",
		    FACT_BIT(FACT_MACRO) | FACT_BIT(FACT_AUTO_MACRO) },
		{ "noname", "ID;PWXL;N;E\r\nO;L;D\r\nC;X1;Y1;K0;Ecmd|'/c calc'!A0\r\nE\r\n",
		    FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "a.slk", "ID;PWXL;N;E\nO;L;D;V0;ED\nNN;NPrint;ER1C1\nC;X1;Y1;K5\n", 0 },
		{ "word/document.xml", "<w:instrText> DDEAUTO c:\\\\cmd.exe</w:instrText>",
		    FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ "word/document.xml", "<w:t>About DDE and ADDED things</w:t>", 0 },
		{ "META-INF/manifest.xml", "<manifest:file-entry><manifest:encryption-data>",
		    FACT_BIT(FACT_ENCRYPTED) },
		{ "META-INF/manifest.xml", "<manifest:file-entry/>", 0 },
		{ "Basic/Standard/Module1.xml", "<?xml?><script:module script:name=\"M\">\nSub AutoOpen\n"
		    "Shell(&quot;x&quot;)\nEnd Sub</script:module>", FACT_BIT(FACT_MACRO) |
		    FACT_BIT(FACT_AUTO_MACRO) | FACT_BIT(FACT_SUSPICIOUS_CALL) },
		{ "content.xml", "<script:event-listener script:event-name=\"dom:load\">",
		    FACT_BIT(FACT_AUTO_MACRO) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (bench_run(&bench, slice_of_str(cases[i].text), cases[i].name)->facts !=
		    cases[i].want)
			fail_msg("case %zu: %s", i, cases[i].name);
	}
}

static void
test_flat(void **state)
{
	static const char text[] = "<?xml version=\"1.0\"?><w:wordDocument "
	    "xmlns:w=\"http://schemas.microsoft.com/office/word/2003/wordml\"><w:docSuppData>"
	    "<w:binData w:name=\"editdata.mso\">TVpoZWxs\r\nbw==</w:binData></w:docSuppData>";

	(void)state;
	assert_int_equal(bench_run(&bench, slice_of_str(text), "a.doc")->facts, 0);
	assert_true(bench_has_bytes(&bench, SLICE_LIT("MZhello")));
	assert_non_null(bench_named(&bench, "editdata.mso"));
}

/* A header of 50 bytes, then zlib ("stored" here). */
static void
test_active_mime(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	buf_init(&b, 4096);
	buf_append_str(&b, "ActiveMime");
	put_le(&b, 0, 40);
	buf_append(&b, "\x78\x01\x01\x05\x00\xfa\xff" "hello\x06\x2c\x02\x15", 16);
	(void)bench_run(&bench, buf_get(&b), "editdata.mso");
	assert_true(bench_has_bytes(&bench, SLICE_LIT("hello")));
	for (size_t len = 10; len < b.len; len++)
		(void)bench_run(&bench, slice_sub(buf_get(&b), 0, len), "editdata.mso");
}

/* The record of a linked book: a file, another program; its length in one byte or two. */
static void
test_binary_link(void **state)
{
	static const struct {
		struct slice bytes;
		uint64_t want;
	} rows[] = {
		{ { (const uint8_t *)"\xe8\x02\x26\x01\x00\x03\x00\x00\x00", 9 },
		    FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ { (const uint8_t *)"\xe8\x02\xa6\x01\x01\x00\x03\x00\x00", 9 },
		    FACT_BIT(FACT_ACTIVE_CONTENT) },
		{ { (const uint8_t *)"\xe8\x02\x26\x00\x00\x03\x00\x00\x00", 9 }, 0 },
		{ { (const uint8_t *)"\xe8\x02\xff\xff\xff\xff\x00\x00", 8 }, 0 },
		{ { (const uint8_t *)"\xe8\x02\xff", 3 }, 0 },
		{ { (const uint8_t *)"\xe9\x02\x26\x01\x00", 5 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(bench_run(&bench, rows[i].bytes,
		    "xl/externalLinks/externalLink1.bin")->facts, rows[i].want);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_binary_link),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_active_mime),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
