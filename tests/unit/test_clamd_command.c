/* test_clamd_command.c: commands of the clamd protocol, in a table. What clamd does with each
 * was seen in clamd 1.4.6; tests/live/test_clamd_socket.py compares them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/macros.h"
#include "intake/clamd_command.h"

#define MORE 9999u /* as used: not whole yet */

static const struct {
	const char *in;
	size_t len;
	bool is_later; /* not the first bytes of a read */
	enum clamd_verb verb;
	const char *argument;
	size_t used;
	bool is_old, wants_more;
} cases[] = {
#define CASE(in, ...)                                                                          \
	{                                                                                      \
		in, sizeof(in) - 1, __VA_ARGS__                                                \
	}
	CASE("zPING\0", false, CLAMD_VERB_PING, "", 6, false, false),
	CASE("zPING\0rest", true, CLAMD_VERB_PING, "", 6, false, false),
	CASE("nPING\nrest", true, CLAMD_VERB_PING, "", 6, false, false),
	CASE("nPING\r\n", false, CLAMD_VERB_PING, "", 7, false, false),
	CASE("nPING\0x\n", false, CLAMD_VERB_PING, "", 8, false, false),
	CASE("zPING\n\0", false, CLAMD_VERB_UNKNOWN, "", 7, false, false),
	CASE("zPING", false, 0, "", MORE, false, false),
	CASE("nPING", false, 0, "", MORE, false, false),
	CASE("", false, 0, "", MORE, false, false),
	CASE("PING\n", true, 0, "", MORE, false, false),
	CASE("PING\n", false, CLAMD_VERB_PING, "", 5, true, false),
	CASE("PING\r\nPING\n", false, CLAMD_VERB_PING, "", 6, true, false),
	CASE("PING", false, CLAMD_VERB_PING, "", 4, true, false),
	CASE("PI", false, CLAMD_VERB_UNKNOWN, "", 2, true, false),
	CASE("\n", false, CLAMD_VERB_UNKNOWN, "", 1, true, false),
	CASE("\0", false, CLAMD_VERB_UNKNOWN, "", 1, true, false),
	CASE("z\0", false, CLAMD_VERB_UNKNOWN, "", 2, false, false),
	CASE("n\n", false, CLAMD_VERB_UNKNOWN, "", 2, false, false),
	CASE("zping\0", false, CLAMD_VERB_UNKNOWN, "", 6, false, false),
	CASE("zPING x\0", false, CLAMD_VERB_UNKNOWN, "", 8, false, false),
	CASE("zSCAN /a b\0", false, CLAMD_VERB_SCAN, "/a b", 11, false, false),
	CASE("zSCAN /a\nb\0", false, CLAMD_VERB_SCAN, "/a\nb", 11, false, false),
	CASE("nSCAN /a\r\r\n", false, CLAMD_VERB_SCAN, "/a", 11, false, false),
	CASE("zSCAN \0", false, CLAMD_VERB_SCAN, "", 7, false, false),
	CASE("zSCAN/a\0", false, CLAMD_VERB_SCAN, "a", 8, false, false),
	CASE("zSCAN\0", false, CLAMD_VERB_UNKNOWN, "", 6, false, false),
	CASE("SCAN /a\n", false, CLAMD_VERB_SCAN, "/a", 8, true, false),
	CASE("CONTSCAN /a", false, CLAMD_VERB_CONTSCAN, "/a", 11, true, false),
	CASE("MULTISCAN /a\n", false, CLAMD_VERB_MULTISCAN, "/a", 13, true, false),
	CASE("ALLMATCHSCAN /a\n", false, CLAMD_VERB_UNKNOWN, "", 16, true, false),
	CASE("nALLMATCHSCAN /a\n", false, CLAMD_VERB_ALLMATCHSCAN, "/a", 17, false, false),
	CASE("zVERSION\0", false, CLAMD_VERB_VERSION, "", 9, false, false),
	CASE("zVERSIONCOMMANDS\0", false, CLAMD_VERB_COMMANDS, "", 17, false, false),
	CASE("VERSIONCOMMANDS\n", false, CLAMD_VERB_UNKNOWN, "", 16, true, false),
	CASE("STATS\n", false, CLAMD_VERB_UNKNOWN, "", 6, true, false),
	CASE("nSTATS\n", false, CLAMD_VERB_STATS, "", 7, false, false),
	CASE("QUIT\n", false, CLAMD_VERB_SHUTDOWN, "", 5, true, false),
	CASE("zDETSTATSCLEAR\0", false, CLAMD_VERB_DETSTATS, "", 15, false, false),
	CASE("DETSTATS\n", false, CLAMD_VERB_DETSTATS, "", 9, true, false),
	CASE("zFILDES\0", false, CLAMD_VERB_FILDES, "", 9, false, true),
	CASE("zFILDES\0x", false, CLAMD_VERB_FILDES, "", 9, false, false),
	CASE("nFILDES\nxy", false, CLAMD_VERB_FILDES, "", 9, false, false),
	CASE("nFILDES\r\n", false, CLAMD_VERB_FILDES, "", 9, false, false),
	CASE("FILDES", false, CLAMD_VERB_FILDES, "", 8, true, true),
	CASE("FILDES\n", false, CLAMD_VERB_FILDES, "", 8, true, true),
	CASE("FILDES\nx", false, CLAMD_VERB_FILDES, "", 8, true, false),
	CASE("FILDESx", false, CLAMD_VERB_UNKNOWN, "", 7, true, false),
#undef CASE
};

static void
test_commands(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice in = slice_of(cases[i].in, cases[i].len);
		struct clamd_command c;
		bool is_whole = clamd_command_next(in, !cases[i].is_later, &c);

		assert_int_equal(is_whole, cases[i].used != MORE);
		if (!is_whole)
			continue;
		assert_int_equal(c.verb, cases[i].verb);
		assert_true(slice_eq_str(c.argument, cases[i].argument));
		assert_int_equal(c.used, cases[i].used);
		assert_int_equal(c.is_old, cases[i].is_old);
		assert_int_equal(c.wants_more, cases[i].wants_more);
		assert_int_equal(c.end, in.ptr[0] == 'z' ? '\0' : '\n');
	}
}

/* A command with a mark says nothing before its last byte is there. */
static void
test_in_pieces(void **state UNUSED)
{
	static const char *const commands[] = { "zSCAN /some/path", "nMULTISCAN /some/path",
		"zVERSIONCOMMANDS", "nIDSESSION", "zEND" };

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		char text[64] = "";
		size_t len = strlen(commands[i]);
		struct clamd_command c;

		memcpy(text, commands[i], len);
		text[len] = text[0] == 'z' ? '\0' : '\n';
		for (size_t n = 0; n <= len; n++)
			assert_false(clamd_command_next(slice_of(text, n), true, &c));
		assert_true(clamd_command_next(slice_of(text, len + 1), true, &c));
		assert_int_equal(c.used, len + 1);
		assert_int_not_equal(c.verb, CLAMD_VERB_UNKNOWN);
	}
}

static void
test_names(void **state UNUSED)
{
	static const char want[] = "SCAN QUIT RELOAD PING CONTSCAN VERSIONCOMMANDS VERSION END "
				   "SHUTDOWN MULTISCAN FILDES STATS IDSESSION INSTREAM "
				   "DETSTATSCLEAR DETSTATS ALLMATCHSCAN ";
	size_t at = 0;
	const char *name;

	for (size_t i = 0; (name = clamd_command_get_name(i)) != NULL; i++) {
		assert_memory_equal(want + at, name, strlen(name));
		at += strlen(name) + 1;
	}
	assert_int_equal(at, sizeof(want) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
