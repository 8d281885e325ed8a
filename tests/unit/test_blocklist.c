/* test_blocklist.c: lists of SHA-256: as written, as written wrong, and found. */
#include "test_common.h"

#include "scan/blocklist.h"

#define H1 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* abc */
#define H1_CAPITALS "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
#define H2 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* nothing */

static void
test_table(void **state UNUSED)
{
	static const struct {
		const char *name, *text;
		size_t count;
		const char *found; /* name of the hash of "abc" */
		const char *error;
	} rows[] = {
		{ "empty", "", 0, NULL, NULL },
		{ "comments", "# x\n\n \t\r\n#", 0, NULL, NULL },
		{ "bare", H1, 1, "SHA-256-blocklist", NULL },
		{ "capitals", H1_CAPITALS "\n", 1, "SHA-256-blocklist", NULL },
		{ "a name", H1 " Evil.A\n", 1, "Evil.A", NULL },
		{ "as sha256sum writes it", H1 "  evil file.exe\r\n", 1, "evil file.exe", NULL },
		{ "tab", "\t" H1 "\tEvil.B\n", 1, "Evil.B", NULL },
		{ "two", H2 " other\n" H1 " Evil.C", 2, "Evil.C", NULL },
		{ "other only", H2 "\n", 1, NULL, NULL },
		{ "short", "# c\n\n" H2 "\nba7816bf\n" H1, 1, NULL, "f:4: no SHA-256, expected 64" },
		{ "one digit more", H1 "0\n", 0, NULL, "f:1: no SHA-256" },
		{ "name without a blank", H1 ",name\n", 0, NULL, "f:1: no SHA-256" },
		{ "no digit", "xa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 0,
		    NULL, "f:1: no SHA-256" },
		{ "MD5", "d41d8cd98f00b204e9800998ecf8427e\n", 0, NULL, "f:1: no SHA-256" },
	};
	struct sha256 abc = sha256_of(SLICE_LIT("abc"));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct blocklist b;
		struct err e = { 0 };
		const char *found;
		int r;

		blocklist_init(&b);
		assert_null(blocklist_find(&b, &abc));
		r = blocklist_parse(&b, "f", slice_of_str(rows[i].text), &e);
		blocklist_sort(&b);
		if (r != (rows[i].error == NULL ? 0 : -EINVAL) || b.count != rows[i].count)
			fail_msg("%s: %d, %zu, %s", rows[i].name, r, b.count, e.text);
		if (rows[i].error != NULL && strncmp(e.text, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		found = blocklist_find(&b, &abc);
		if ((found == NULL) != (rows[i].found == NULL))
			fail_msg("%s: found %s", rows[i].name, found == NULL ? "nothing" : found);
		if (found != NULL)
			assert_string_equal(found, rows[i].found);
		blocklist_done(&b);
	}
}

static void
test_many(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text;
	struct blocklist b;
	struct err e;

	buf_init(&text, 10 << 20);
	for (unsigned i = 0; i < 5000; i++) {
		struct sha256 h = sha256_of(slice_of(&i, sizeof(i)));
		char hex[SHA256_HEX_SIZE];

		sha256_format(&h, hex);
		assert_int_equal(buf_printf(&text, "%s N%u\n", hex, i), 0);
	}
	blocklist_init(&b);
	assert_int_equal(blocklist_parse(&b, "f", buf_get(&text), &e), 0);
	blocklist_sort(&b);
	for (unsigned i = 0; i < 10000; i++) {
		struct sha256 h = sha256_of(slice_of(&i, sizeof(i)));
		const char *name = blocklist_find(&b, &h);
		char want[16];

		(void)snprintf(want, sizeof(want), "N%u", i);
		assert_int_equal(name != NULL, i < 5000);
		if (name != NULL)
			assert_string_equal(name, want);
	}
	blocklist_done(&b);
}

static void
test_load(void **state UNUSED)
{
	char folder[64];
	struct blocklist b;
	struct err e;

	folder_make(folder);
	file_write(folder, "a", H1 " A\n");
	file_write(folder, "b", H2);
	file_write(folder, ".c", "broken");
	blocklist_init(&b);
	assert_int_equal(blocklist_load(&b, folder, &e), 0);
	assert_int_equal(b.count, 2);
	file_write(folder, "d", "#\nbroken\n");
	assert_int_equal(blocklist_load(&b, folder, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/d:2: no SHA-256"));
	assert_int_equal(blocklist_load(&b, "/nonexistent/list", &e), -ENOENT);
	blocklist_done(&b);
	folder_remove(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
		cmocka_unit_test(test_many), cmocka_unit_test(test_load) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
