/* test_corpus_office.c: the office folder of the shared corpus: clam.exe reached in every
 * container, encrypted documents told from others, macros, links and embedded files found, and
 * nothing said of the harmless ones. Ham stays without facts that would hold it up. */
#include "test_corpus_table.h"
#include "test_opener.h"

#define CLAM_SHA256 "71e7b604d18aefd839e51a39c88df8383bb4c071dc31f87f00a2b5df580d4495"
#define BIT(f) FACT_BIT(FACT_##f)
/* What leaves a mail unscanned. */
#define HOLDING                                                                                \
	(BIT(ENCRYPTED) | BIT(CORRUPT) | BIT(TRUNCATED) | BIT(UNSUPPORTED) | FACTS_LIMITS |    \
	    BIT(LIMIT_VIEWS) | BIT(MULTI_VOLUME))
#define TELLING                                                                                \
	(HOLDING | BIT(MACRO) | BIT(AUTO_MACRO) | BIT(SUSPICIOUS_CALL) | BIT(EXTERNAL_LINK) |  \
	    BIT(EMBEDDED_FILE) | BIT(ACTIVE_CONTENT) | BIT(DISAGREEMENT))

static struct bench bench;
static char corpus[1024];

/* Facts of all objects of the file at path. */
static uint64_t
facts_of(const char *path, const char *name)
{
	struct slice bytes = file_read(path);
	uint64_t facts = 0;

	assert_non_null(bytes.ptr);
	(void)bench_run(&bench, bytes, name);
	for (uint32_t id = 1; id <= decompose_get_object_count(bench.d); id++)
		facts |= decompose_get_object(bench.d, id)->facts;
	free((void *)(uintptr_t)bytes.ptr);
	return facts;
}

static void
test_table(void **state)
{
	static const struct {
		const char *file;
		uint64_t want;
		const char *member; /* a name that some object has, or NULL */
	} rows[] = {
		{ "oletools/excel4-macros/excel4_sample_macro.xls", BIT(MACRO) | BIT(AUTO_MACRO), NULL },
		{ "oletools/excel4-macros/excel4_sample_macro.xlt", BIT(MACRO) | BIT(AUTO_MACRO), NULL },
		{ "oletools/excel4-macros/excel4_sample_macro.xlsm", BIT(MACRO) | BIT(AUTO_MACRO), NULL },
		{ "oletools/excel4-macros/excel4_sample_macro_excel5_format.xls",
		    BIT(MACRO) | BIT(AUTO_MACRO), NULL },
		{ "oletools/encrypted/autostart-encrypt-standardpassword.xls",
		    BIT(MACRO) | BIT(AUTO_MACRO) | BIT(ENCRYPTED), NULL },
		{ "oletools/olevba/sample_with_vba.ppt", BIT(MACRO), NULL },
		{ "oletools/msodde/dde-test.docx", BIT(ACTIVE_CONTENT), NULL },
		{ "oletools/msodde/dde-test.xlsx", BIT(ACTIVE_CONTENT), NULL },
		{ "oletools/msodde/harmless-clean.doc", 0, NULL },
		{ "oletools/msodde/harmless-clean.docx", 0, NULL },
		{ "oletools/msodde/harmless-clean.docm", 0, NULL },
		{ "oletools/msodde/harmless-clean.xml", 0, NULL },
		{ "oletools/msodde/harmless-clean-2003.xml", 0, NULL },
		{ "oletools/oleobj/embedded-simple-2007.doc", BIT(EMBEDDED_FILE), "simple-text-file.txt" },
		{ "oletools/oleobj/embedded-simple-2007.docx", BIT(EMBEDDED_FILE), "simple-text-file.txt" },
		{ "oletools/oleobj/embedded-simple-2007.odt", BIT(EMBEDDED_FILE), "simple-text-file.txt" },
		{ "oletools/oleobj/embedded-simple-2007.xls", BIT(EMBEDDED_FILE), "simple-text-file.txt" },
		{ "oletools/oleobj/embedded-simple-2007.ppt", BIT(EMBEDDED_FILE), "simple-text-file.txt" },
		{ "oletools/oleobj/embedded-simple-2007.xml", BIT(EMBEDDED_FILE), "simple-text-file.txt" },
		{ "oletools/oleobj/sample_with_lnk_file.doc", BIT(EMBEDDED_FILE), "calc.lnk" },
		{ "oletools/oleobj/external_link/sample_with_external_link_to_doc.docx",
		    BIT(EXTERNAL_LINK), NULL },
		{ "oletools/oleobj/external_link/sample_with_external_link_to_doc.xlsx",
		    BIT(EXTERNAL_LINK), NULL },
		{ "clamav/has_png_and_jpeg.xls", 0, NULL },
		{ "clamav/out-of-order.pdf", 0, NULL },
		{ "clamav/uri-and-ref.pdf", 0, NULL },
		{ "clamav/pdf-stats-test.pdf", BIT(EMBEDDED_FILE) | BIT(ACTIVE_CONTENT), NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[2048];
		uint64_t facts;

		(void)snprintf(path, sizeof(path), "%s/office/%s", corpus, rows[i].file);
		facts = facts_of(path, strrchr(rows[i].file, '/') + 1);
		if ((facts & TELLING) != rows[i].want)
			fail_msg("%s: facts %llx, not %llx", rows[i].file,
			    (unsigned long long)(facts & TELLING), (unsigned long long)rows[i].want);
		if (rows[i].member != NULL && bench_named(&bench, rows[i].member) == NULL)
			fail_msg("%s: no member %s", rows[i].file, rows[i].member);
	}
}

static struct corpus_table table;

static void
check_row(const char *path, const char *name)
{
	(void)facts_of(path, name);
	corpus_table_check(&table, &bench, path);
}

/* Every file: macros, links, embedded files, and why not all of it was looked at. */
static void
test_every_file(void **state)
{
	char path[2048];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/office", corpus);
	corpus_table_open(&table, "office.tsv", path, TELLING);
	(void)folder_walk(path, check_row);
	corpus_table_close(&table, 102);
}

static void
check_encrypted(const char *path, const char *name)
{
	if ((facts_of(path, name) & HOLDING) != BIT(ENCRYPTED))
		fail_msg("%s: not encrypted, or worse", path);
}

static void
test_encrypted(void **state)
{
	char folder[2048];

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/office/clamav-encrypted", corpus);
	assert_true(folder_walk(folder, check_encrypted) >= 14);
	(void)snprintf(folder, sizeof(folder), "%s/office/oletools/encrypted", corpus);
	assert_true(folder_walk(folder, check_encrypted) >= 17);
}

static void
check_clam(const char *path, const char *name)
{
	if (strncmp(name, "clam.", 5) != 0 || strstr(name, ".chm") != NULL)
		return;
	(void)facts_of(path, name);
	if (!bench_has_hash(&bench, CLAM_SHA256))
		fail_msg("%s: clam.exe was not reached", path);
}

static void
test_clam(void **state)
{
	char folder[2048];

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/office/clamav", corpus);
	assert_true(folder_walk(folder, check_clam) >= 10);
}

/* What is readable must not be called broken. */
static void
check_readable(const char *path, const char *name)
{
	uint64_t facts = facts_of(path, name);

	if ((facts & HOLDING) != 0)
		fail_msg("%s: facts %llx", path, (unsigned long long)facts);
}

static void
test_readable(void **state)
{
	static const char *const folders[] = { "oletools/excel4-macros", "oletools/oleobj",
		"oletools/olevba" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		char folder[2048];

		(void)snprintf(folder, sizeof(folder), "%s/office/%s", corpus, folders[i]);
		assert_true(folder_walk(folder, check_readable) > 0);
	}
}

static bool
corpus_find(void)
{
	const char *shared = getenv("CORDON_SHARED"), *source = getenv("CORDON_SOURCE");
	char office[2048];
	struct stat st;

	if (shared != NULL)
		(void)snprintf(corpus, sizeof(corpus), "%s/corpus", shared);
	else
		(void)snprintf(corpus, sizeof(corpus), "%s/../shared/corpus",
		    source != NULL ? source : ".");
	(void)snprintf(office, sizeof(office), "%s/office", corpus);
	return stat(office, &st) == 0 && S_ISDIR(st.st_mode);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_file),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_clam),
		cmocka_unit_test(test_readable),
	};
	int failed;

	if (!corpus_find()) {
		(void)puts("SKIP ALL: no corpus (CORDON_SHARED)");
		return 0;
	}
	bench_init(&bench, false);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
