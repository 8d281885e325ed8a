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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_active_mime),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
