/* test_config_text.c: templates of replies and headers, and addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "config/config_address.h"
#include "config/config_template.h"

static void
test_template_format(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "5.7.1 infected with {names} [{id}]", "5.7.1 infected with A, B [x1]" },
		{ "{id}{id}", "x1x1" },
		{ "{unknown} {", "{unknown} {" },
		{ "{hostile}", "a??250 ok?" },
		{ "", "" },
		{ "plain}", "plain}" },
	};
	static const struct config_template_value values[] = {
		{ "names", { (const uint8_t *)"A, B", 4 } },
		{ "id", { (const uint8_t *)"x1", 2 } },
		{ "hostile", { (const uint8_t *)"a\r\n250 ok\x80", 10 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = { .max = 2000 };

		assert_int_equal(
		    config_template_format(cases[i].in, values, ARRAY_LEN(values), &out), 0);
		assert_string_equal(buf_get_str(&out), cases[i].want);
	}
}

static void
test_template_is_bounded(void **state)
{
	static uint8_t many[5000];
	const struct config_template_value values[] = { { "v", { many, sizeof(many) } } };
	CLEANUP(buf_done) struct buf out = { .max = 2000 };
	CLEANUP(buf_done) struct buf tiny = { .max = 10 };

	(void)state;
	memset(many, 'v', sizeof(many));
	assert_int_equal(config_template_format("{v}", values, 1, &out), 0);
	assert_int_equal(out.len, 203);
	assert_memory_equal(out.data + 199, "v...", 4);
	buf_clear(&out);
	assert_int_equal(
	    config_template_format("{v}{v}{v}{v}{v}{v}{v}{v}", values, 1, &out), 0);
	assert_int_equal(out.len, 900);
	assert_true(config_template_format("{v}", values, 1, &tiny) < 0);
	assert_int_equal(tiny.len, 0);
}

static void
test_template_check(void **state)
{
	struct slice bad;

	(void)state;
	assert_true(config_template_check("a {id} b {host}", "id host", &bad));
	assert_false(config_template_check("a {ho} b", "id host", &bad));
	assert_true(slice_eq_str(bad, "{ho}"));
	assert_false(config_template_check("a { b", "id host", &bad));
	assert_true(slice_eq_str(bad, "{"));
	assert_false(config_template_check("a } b", "id host", &bad));
	assert_false(config_template_check("a\xc3", "id host", &bad));
	assert_int_equal(config_template_get_code_len("5.7.1 x"), 6);
	assert_int_equal(config_template_get_code_len("4.123.999 x"), 10);
	assert_int_equal(config_template_get_code_len("5.7.1"), 0);
	assert_int_equal(config_template_get_code_len("3.7.1 x"), 0);
	assert_int_equal(config_template_get_code_len("5.7 x"), 0);
	assert_int_equal(config_template_get_code_len("5.7.1234 x"), 0);
	assert_int_equal(config_template_get_code_len(""), 0);
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *text;
		bool server, good;
		enum config_family family;
		const char *host;
		unsigned port;
	} cases[] = {
		{ "unix:/run/a", false, true, CONFIG_FAMILY_UNIX, "/run/a", 0 },
		{ "inet:127.0.0.1:1", false, true, CONFIG_FAMILY_INET, "127.0.0.1", 1 },
		{ "inet:localhost:65535", false, true, CONFIG_FAMILY_INET, "localhost", 65535 },
		{ "inet6:[::1]:10025", false, true, CONFIG_FAMILY_INET6, "::1", 10025 },
		{ "unix:/c", true, true, CONFIG_FAMILY_UNIX, "/c", 0 },
		{ "tcp:mx.example:3310", true, true, CONFIG_FAMILY_ANY, "mx.example", 3310 },
		{ "tcp:10.1.2.3:3310", true, true, CONFIG_FAMILY_INET, "10.1.2.3", 3310 },
		{ "tcp:[fe80::1]:3310", true, true, CONFIG_FAMILY_INET6, "fe80::1", 3310 },
		{ "tcp:1.2.3:5", true, false, 0, "", 0 },
		{ "tcp::5", true, false, 0, "", 0 },
		{ "tcp:a b:5", true, false, 0, "", 0 },
		{ "tcp:a:0", true, false, 0, "", 0 },
		{ "tcp:a:65536", true, false, 0, "", 0 },
		{ "tcp:a:", true, false, 0, "", 0 },
		{ "tcp:[a]:5", true, false, 0, "", 0 },
		{ "inet:[::1]:5", false, false, 0, "", 0 },
		{ "unix:relative", false, false, 0, "", 0 },
		{ "unix:/", false, false, 0, "", 0 },
		{ "UNIX:/x", false, false, 0, "", 0 },
		{ "", false, false, 0, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_address a = { 0 };
		const char *expected = NULL;
		bool good = cases[i].server
				? config_address_parse_server(cases[i].text, &a, &expected)
				: config_address_parse_listen(cases[i].text, &a, &expected);

		if (good != cases[i].good)
			fail_msg("'%s': %d", cases[i].text, good);
		assert_non_null(expected);
		if (!good)
			continue;
		assert_int_equal(a.family, cases[i].family);
		assert_string_equal(a.host, cases[i].host);
		assert_int_equal(a.port, cases[i].port);
	}
}

static void
test_long_addresses(void **state)
{
	char path[200] = "unix:/", host[400] = "tcp:";
	struct config_address a;
	const char *expected;

	(void)state;
	memset(path + 6, 'a', CONFIG_UNIX_PATH_MAX - 1);
	assert_true(config_address_parse_listen(path, &a, &expected));
	path[6 + CONFIG_UNIX_PATH_MAX - 1] = 'a';
	assert_false(config_address_parse_listen(path, &a, &expected));
	memset(host + 4, 'a', 300);
	memcpy(host + 304, ":25", 4);
	assert_false(config_address_parse_server(host, &a, &expected));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_template_format),
		cmocka_unit_test(test_template_is_bounded),
		cmocka_unit_test(test_template_check),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_long_addresses),
	};

	return cmocka_run_group_tests_name("config_text", tests, NULL, NULL);
}
