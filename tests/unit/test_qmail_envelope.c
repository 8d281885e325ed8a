/* test_qmail_envelope.c: the envelope of qmail-queue(8), whole, cut at every byte, and odd. */
#include "test_common.h"

#include "cmd/qmail_envelope.c" /* programs are no library */

#define TEXT(literal)                                                                          \
	{                                                                                      \
		(const uint8_t *)("" literal), sizeof(literal) - 1                             \
	}

static void
test_good(void **state UNUSED)
{
	static const char text[] = "Falice@client.example\0Tbob@test.example\0T\0\0more";
	const size_t whole = sizeof(text) - 1 - 4;
	struct slice s = slice_of(text, sizeof(text) - 1), recipient;
	struct qmail_envelope e;
	size_t len = 0;

	assert_int_equal(qmail_envelope_parse(s, &e, &len), QMAIL_ENVELOPE_GOOD);
	assert_int_equal(len, whole);
	assert_true(slice_eq_str(e.sender, "alice@client.example"));
	assert_true(qmail_envelope_next(&e, &recipient));
	assert_true(slice_eq_str(recipient, "bob@test.example"));
	assert_true(qmail_envelope_next(&e, &recipient));
	assert_int_equal(recipient.len, 0);
	assert_false(qmail_envelope_next(&e, &recipient));
	for (size_t cut = 0; cut < whole; cut++)
		assert_int_equal(
		    qmail_envelope_parse(slice_sub(s, 0, cut), &e, &len), QMAIL_ENVELOPE_CUT);
}

static void
test_odd(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct slice text;
		enum qmail_envelope_result want;
	} rows[] = {
		{ "the null sender, no recipient", TEXT("F\0\0"), QMAIL_ENVELOPE_GOOD },
		{ "recipient first", TEXT("Tbob\0Falice\0\0"), QMAIL_ENVELOPE_BAD },
		{ "two senders", TEXT("Fa\0Fb\0\0"), QMAIL_ENVELOPE_BAD },
		{ "an unknown letter", TEXT("Fa\0Xb\0\0"), QMAIL_ENVELOPE_BAD },
		{ "zero bytes alone", TEXT("\0\0"), QMAIL_ENVELOPE_BAD },
	};
	uint8_t text[2 * QMAIL_ADDRESS_MAX_BYTES];
	struct qmail_envelope e;
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (qmail_envelope_parse(rows[i].text, &e, &len) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
	/* The longest address, and one more byte. */
	memset(text, 'F', sizeof(text));
	text[QMAIL_ADDRESS_MAX_BYTES - 1] = text[QMAIL_ADDRESS_MAX_BYTES] = '\0';
	assert_int_equal(
	    qmail_envelope_parse(slice_of(text, QMAIL_ADDRESS_MAX_BYTES + 1), &e, &len),
	    QMAIL_ENVELOPE_GOOD);
	text[QMAIL_ADDRESS_MAX_BYTES - 1] = 'F';
	assert_int_equal(
	    qmail_envelope_parse(slice_of(text, QMAIL_ADDRESS_MAX_BYTES + 1), &e, &len),
	    QMAIL_ENVELOPE_TOO_LONG);
	memset(text, 'F', sizeof(text));
	assert_int_equal(qmail_envelope_parse(slice_of(text, sizeof(text)), &e, &len),
	    QMAIL_ENVELOPE_TOO_LONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
