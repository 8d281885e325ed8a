/* test_signature_set.c: signature files as administrators write them, and write them wrong. */
#include "test_common.h"

#include <sys/stat.h>

#include "scan/signature_set.h"

#define N16 "0123456789abcdef"
#define N128 N16 N16 N16 N16 N16 N16 N16 N16

static const struct {
	const char *name, *text;
	size_t count;
	const char *first_name, *first_text; /* NULL: not looked at */
	const char *error;                   /* NULL: parses */
} rows[] = {
	{ "empty file", "", 0, NULL, NULL, NULL },
	{ "comments and blanks", "# a\n\n  \t\r\n   # b\n#", 0, NULL, NULL, NULL },
	{ "one", "A.b-1 = text", 1, "A.b-1", "text", NULL },
	{ "without blanks", "A=text\n", 1, "A", "text", NULL },
	{ "blanks around", "  \tA \t=\t  a text \t\r\n", 1, "A", "a text", NULL },
	{ "equals in the text", "A = x=y==", 1, "A", "x=y==", NULL },
	{ "hash in the text", "A = ab # c", 1, "A", "ab # c", NULL },
	{ "hexadecimal", "A = hex:4142 43\t44", 1, "A", "ABCD", NULL },
	{ "hexadecimal, upper and lower", "A = hex:6a6B6C6d", 1, "A", "jklm", NULL },
	{ "hex in capitals is text", "A = HEX:4142", 1, "A", "HEX:4142", NULL },
	{ "several", "A = 1111\n#\nB = 2222\nC = 3333", 3, "A", "1111", NULL },
	{ "longest name", N128 " = text", 1, N128, "text", NULL },
	{ "shortest text", "A = abcd", 1, "A", "abcd", NULL },
	{ "longest text", "A = " N128 N128 N128 N128 N128 N128 N128 N128, 1, "A", NULL, NULL },
	{ "no equals", "A text", 0, NULL, NULL, "f:1: no '=' here, expected NAME = text" },
	{ "third line", "A = 1111\n\nB 2222\nC = 3333", 1, "A", "1111", "f:3: no '='" },
	{ "no name", " = text", 0, NULL, NULL, "f:1: bad name, expected 1 to 128" },
	{ "blank in the name", "A b = text", 0, NULL, NULL, "f:1: bad name" },
	{ "name not ASCII", "\xc3\xa9 = text", 0, NULL, NULL, "f:1: bad name" },
	{ "control in the name", "A\x01 = text", 0, NULL, NULL, "f:1: bad name" },
	{ "name too long", N128 "x = text", 0, NULL, NULL, "f:1: bad name" },
	{ "no text", "A =", 0, NULL, NULL, "f:1: text of 0 bytes, expected 4 to 1024" },
	{ "text too short", "A = abc", 0, NULL, NULL, "f:1: text of 3 bytes, expected 4 to 1024" },
	{ "text too long", "A = x" N128 N128 N128 N128 N128 N128 N128 N128, 0, NULL, NULL,
	    "f:1: text of 1025 bytes, expected 4 to 1024" },
	{ "odd digits", "A = hex:41424344 4", 0, NULL, NULL, "f:1: bad hexadecimal text, expected" },
	{ "blank inside a pair", "A = hex:4 1424344", 0, NULL, NULL, "f:1: bad hexadecimal" },
	{ "no digit", "A = hex:4142434g", 0, NULL, NULL, "f:1: bad hexadecimal" },
	{ "no bytes", "A = hex:", 0, NULL, NULL, "f:1: text of 0 bytes" },
	{ "three bytes", "A = hex:414243", 0, NULL, NULL, "f:1: text of 3 bytes" },
};

static void
test_table(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice text = slice_of_str(rows[i].text);
		uint8_t *copy = malloc(text.len + 1);
		struct signature_set s;
		struct err e = { 0 };
		int r;

		assert_non_null(copy);
		memcpy(copy, text.ptr, text.len);
		signature_set_init(&s);
		r = signature_set_parse(&s, "f", slice_of(copy, text.len), &e);
		free(copy); /* both are copied */
		if (r != (rows[i].error == NULL ? 0 : -EINVAL) || s.count != rows[i].count)
			fail_msg("%s: %d, %zu signatures, %s", rows[i].name, r, s.count, e.text);
		if (rows[i].error != NULL && strncmp(e.text, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		if (rows[i].first_name != NULL) {
			assert_slice(s.items[0].name, rows[i].first_name);
			assert_int_equal(s.items[0].name.ptr[s.items[0].name.len], '\0');
		}
		if (rows[i].first_text != NULL)
			assert_slice(s.items[0].text, rows[i].first_text);
		signature_set_done(&s);
		assert_int_equal(s.count, 0);
	}
}

static void
test_hex_limit(void **state UNUSED)
{
	char text[2 * 1026 + 20] = "A = hex:";

	for (unsigned bytes = 1023; bytes <= 1026; bytes++) {
		struct signature_set s;
		struct err e;
		size_t n = 8;

		for (unsigned i = 0; i < 2 * bytes; i++)
			text[n++] = '0';
		signature_set_init(&s);
		assert_int_equal(signature_set_parse(&s, "f", slice_of(text, n), &e),
		    bytes <= 1024 ? 0 : -EINVAL);
		if (bytes <= 1024)
			assert_int_equal(s.items[0].text.len, bytes);
		signature_set_done(&s);
	}
}

static void
test_nul_bytes(void **state UNUSED)
{
	struct signature_set s;
	struct err e;

	signature_set_init(&s);
	assert_int_equal(signature_set_parse(&s, "f", SLICE_LIT("A = hex:00010000\nB = a\0bc\n"), &e),
	    0);
	assert_int_equal(s.count, 2);
	assert_true(slice_eq(s.items[0].text, SLICE_LIT("\0\1\0\0")));
	assert_true(slice_eq(s.items[1].text, SLICE_LIT("a\0bc")));
	signature_set_done(&s);
}

static void
test_eicar(void **state UNUSED)
{
	struct signature_set s;

	signature_set_init(&s);
	assert_int_equal(signature_set_add_eicar(&s), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.items[0].text.len, 68);
	assert_true(slice_eq(s.items[0].text, eicar_text()));
	signature_set_done(&s);
}

static void
test_files(void **state UNUSED)
{
	char folder[64], path[128];
	struct signature_set s;
	struct err e;

	folder_make(folder);
	file_write(folder, "20-b", "B = bbbb\n");
	file_write(folder, "10-a", "A = aaaa");
	file_write(folder, "30-empty", "");
	file_write(folder, ".hidden", "broken");
	file_write(folder, "10-a~", "broken");
	(void)snprintf(path, sizeof(path), "%s/40-folder", folder);
	assert_int_equal(mkdir(path, 0700), 0); /* not deeper */
	signature_set_init(&s);
	assert_int_equal(signature_set_load(&s, folder, &e), 0);
	assert_int_equal(s.count, 2);
	assert_slice(s.items[0].name, "A"); /* in order of the names of the files */
	assert_slice(s.items[1].name, "B");
	(void)snprintf(path, sizeof(path), "%s/20-b", folder);
	assert_int_equal(signature_set_load(&s, path, &e), 0);
	assert_int_equal(s.count, 3);
	file_write(folder, "15-bad", "C = cccc\nno\n");
	assert_int_equal(signature_set_load(&s, folder, &e), -EINVAL);
	assert_non_null(strstr(e.text, "15-bad:2: no '='"));
	assert_int_equal(s.count, 5); /* what stood before it */
	assert_int_equal(signature_set_load(&s, "/nonexistent/file", &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/file"));
	signature_set_done(&s);
	folder_remove(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
		cmocka_unit_test(test_hex_limit), cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_eicar), cmocka_unit_test(test_files) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
