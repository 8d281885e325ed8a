/* test_smtp_client_count.c: whose connections are counted together. */
#include "test_common.h"

#include "intake/smtp_session_private.h"

static void
test_one_address(void **state UNUSED)
{
	for (unsigned i = 0; i < 3; i++)
		assert_true(smtp_client_count_enter("192.0.2.7", 3));
	assert_false(smtp_client_count_enter("192.0.2.7", 3));
	assert_true(smtp_client_count_enter("192.0.2.8", 3)); /* its neighbour is another */
	smtp_client_count_leave("192.0.2.7");
	assert_true(smtp_client_count_enter("192.0.2.7", 3));
	assert_true(smtp_client_count_enter("192.0.2.7", 0)); /* any number */
	for (unsigned i = 0; i < 4; i++)
		smtp_client_count_leave("192.0.2.7");
	smtp_client_count_leave("192.0.2.8");
	assert_true(smtp_client_count_enter("192.0.2.7", 1)); /* nothing stays behind */
	smtp_client_count_leave("192.0.2.7");
}

/* Who has one address of a /64 has 2^64 of them. */
static void
test_one_network(void **state UNUSED)
{
	static const struct {
		const char *address;
		bool is_let_in;
	} cases[] = {
		{ "2001:db8:1:2::1", true },
		{ "2001:db8:1:2:ffff::99", true },
		{ "2001:DB8:1:2:0:0:0:3", false }, /* the same network, however it is written */
		{ "2001:db8:1:3::1", true },
		{ "::ffff:192.0.2.1", true }, /* IPv4 in IPv6's clothes: each for itself */
		{ "::ffff:192.0.2.2", true },
		{ "::ffff:192.0.2.3", true },
		{ "", true }, /* a unix socket */
		{ "no address", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    smtp_client_count_enter(cases[i].address, 2), cases[i].is_let_in);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (cases[i].is_let_in)
			smtp_client_count_leave(cases[i].address);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_true(smtp_client_count_enter("2001:db8:1:2::1", 2));
	for (unsigned i = 0; i < 2; i++)
		smtp_client_count_leave("2001:db8:1:2::2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_address),
		cmocka_unit_test(test_one_network) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
