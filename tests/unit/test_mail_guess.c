/* test_mail_guess.c: which files given by hand are mails. */
#include "test_common.h"

#include "decompose/mail_guess.h"
#include "decompose/object.h"

static void
test_table(void **state UNUSED)
{
	static const struct {
		const char *bytes, *name;
		uint32_t want;
	} rows[] = {
		{ "From: a\r\nSubject: b\r\n\r\nx", "m", ROLE_ENTITY },
		{ "from: a\nSUBJECT: b\n\nx", "", ROLE_ENTITY },
		{ "X-Own: 1\nX-Other: 2\nReceived: x\n\tfolded\nDate: y\n\n", "1234.M5P6", ROLE_ENTITY },
		{ "From someone Mon Jan  1\nReceived: x\n\n", "mbox", ROLE_ENTITY },
		{ "Subject: only one\n\ntext\n", "x", ROLE_LEAF | ROLE_TEXT },
		{ "just some text\nin lines\n", "x.txt", ROLE_LEAF | ROLE_TEXT },
		{ "just some text\n", "x.eml", ROLE_ENTITY },
		{ "just some text\n", "X.EML", ROLE_ENTITY },
		{ "", "x.eml", ROLE_ENTITY },
		{ "PK\3\4........................From: a\nSubject: b\n", "x", ROLE_LEAF },
		{ "MZ\x90", "x.exe", ROLE_LEAF },
		{ "int from; /* subject */\nint to;\n", "x.c", ROLE_LEAF | ROLE_TEXT },
		{ "Notes\nFrom: here\nthere\nSubject : x\n", "x", ROLE_ENTITY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t got = mail_guess_roles(slice_of_str(rows[i].bytes), slice_of_str(rows[i].name));

		if ((got & ~ROLE_TEXT) != (rows[i].want & ~ROLE_TEXT) ||
		    ((rows[i].want & ROLE_TEXT) != 0 && (got & ROLE_TEXT) == 0))
			fail_msg("row %zu (%s): %x, want %x", i, rows[i].name, got, rows[i].want);
	}
	assert_int_not_equal(mail_guess_roles(SLICE_NONE, SLICE_NONE) & ROLE_LEAF, 0);
}

/* Header fields far behind the start do not count, and cost nothing. */
static void
test_far(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(buf_append_str(&b, "line of text\n"), 0);
	assert_int_equal(buf_append_str(&b, "From: a\nSubject: b\n\n"), 0);
	assert_int_not_equal(mail_guess_roles(buf_get(&b), SLICE_NONE), ROLE_ENTITY);
	buf_clear(&b);
	for (unsigned i = 0; i < 50000; i++)
		assert_int_equal(buf_append_str(&b, "no line end "), 0);
	assert_int_not_equal(mail_guess_roles(buf_get(&b), SLICE_NONE), ROLE_ENTITY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
		cmocka_unit_test(test_far) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
