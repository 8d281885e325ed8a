/* test_opensmtpd_relay.c: what smtpd hears from the relay with a daemon, without one, and when
 * the daemon goes at each point of a mail. */
#include "intake/opensmtpd_line.h"
#include "intake/opensmtpd_relay.h"
#include "unit/test_common.h"

#define CONFIG "config|smtpd-version|6.8.0p2\nconfig|ready\n"
#define ID     "0000000000000001"
#define CONNECT                                                                                \
	"report|0.6|1.0|smtp-in|link-connect|" ID "|c.example|pass|192.0.2.1:1|192.0.2.9:25\n"
#define GONE      "report|0.6|1.0|smtp-in|link-disconnect|" ID "\n"
#define MAIL      "report|0.6|1.0|smtp-in|tx-mail|" ID "|0a|ok|s@x.example\n"
#define DATA(l)   "filter|0.6|1.0|smtp-in|data-line|" ID "|000000000000000f|" l "\n"
#define COMMIT    "filter|0.6|1.0|smtp-in|commit|" ID "|000000000000000c|\n"
#define GIVEN(l)  "filter-dataline|" ID "|000000000000000f|" l "\n"
#define RESULT(a) "filter-result|" ID "|000000000000000c|" a "\n"
#define NOT_SEEN  RESULT(OPENSMTPD_NOT_SEEN)

static size_t step; /* bytes that come at a time; 0: all */

static void
feed(struct opensmtpd_relay *r, bool from_daemon, const char *text)
{
	struct slice rest = slice_of_str(text);

	while (rest.len > 0) {
		struct slice now = slice_sub(rest, 0, step == 0 ? rest.len : step);
		struct err e = { 0 };
		int failed = from_daemon ? opensmtpd_relay_take_daemon(r, now, &e)
					 : opensmtpd_relay_take_smtpd(r, now, &e);

		if (failed < 0)
			print_error("%s\n", e.text);
		assert_int_equal(failed, 0);
		rest = slice_from(rest, now.len);
	}
}

static void
expect(struct buf *b, const char *want, const char *file, int line)
{
	slice_expect(buf_get(b), want, file, line);
	buf_clear(b);
}
#define smtpd_says(text)   feed(&r, false, text)
#define daemon_says(text)  feed(&r, true, text)
#define smtpd_hears(text)  expect(&r.to_smtpd, text, __FILE__, __LINE__)
#define daemon_hears(text) expect(&r.to_daemon, text, __FILE__, __LINE__)

static struct opensmtpd_relay r;

static void
begin(bool connected)
{
	opensmtpd_relay_init(&r);
	if (connected)
		assert_int_equal(opensmtpd_relay_connect(&r), 0);
	smtpd_says(CONFIG);
	assert_true(slice_has(buf_get(&r.to_smtpd), "register|filter|smtp-in|commit\n"));
	assert_true(
	    slice_ends_with_nocase(buf_get(&r.to_smtpd), SLICE_LIT("register|ready\n")));
	buf_clear(&r.to_smtpd);
	daemon_hears(connected ? CONFIG : "");
}

static void
lose(void)
{
	assert_int_equal(opensmtpd_relay_disconnect(&r), 0);
	daemon_hears("");
}

static void
find(void)
{
	assert_int_equal(opensmtpd_relay_connect(&r), 0);
	daemon_hears(CONFIG);
}

static void
test_passes_on(void **state UNUSED)
{
	static const size_t steps[] = { 0, 1, 7 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		step = steps[i];
		begin(true);
		daemon_says("register|report|smtp-in|link-connect\nregister|ready\n");
		smtpd_hears("");
		smtpd_says(CONNECT MAIL DATA("a") DATA("b|") DATA("."));
		daemon_hears(CONNECT MAIL DATA("a") DATA("b|") DATA("."));
		daemon_says(GIVEN("x") GIVEN("b|") GIVEN("."));
		smtpd_hears(GIVEN("x") GIVEN("b|") GIVEN("."));
		smtpd_says(COMMIT);
		daemon_hears(COMMIT);
		daemon_says(RESULT("proceed"));
		smtpd_hears(RESULT("proceed"));
		smtpd_says(GONE);
		daemon_hears(GONE);
		opensmtpd_relay_done(&r);
	}
	step = 0;
}

/* smtpd ends when it hears what it did not ask for. */
static void
test_unasked(void **state UNUSED)
{
	begin(true);
	daemon_says(GIVEN("x") RESULT("proceed"));
	smtpd_says(CONNECT MAIL DATA("a"));
	daemon_says(GIVEN("x") GIVEN(".") RESULT("proceed"));
	smtpd_hears("");
	smtpd_says(DATA("."));
	daemon_says(RESULT("proceed") GIVEN(".") GIVEN("more") RESULT("proceed"));
	smtpd_hears(GIVEN("."));
	smtpd_says(COMMIT);
	daemon_says(RESULT("proceed") RESULT("proceed"));
	smtpd_hears(RESULT("proceed"));
	smtpd_says(GONE);
	daemon_says(GIVEN("."));
	smtpd_hears("");
	opensmtpd_relay_done(&r);
}

static void
test_no_daemon(void **state UNUSED)
{
	begin(false);
	smtpd_says(CONNECT MAIL DATA("a") DATA(".") COMMIT);
	smtpd_hears(GIVEN(".") NOT_SEEN);
	smtpd_says(MAIL DATA("a"));
	find(); /* it never sees this mail's beginning */
	smtpd_says(DATA("b") DATA("."));
	smtpd_hears(GIVEN("."));
	smtpd_says(COMMIT);
	smtpd_hears(NOT_SEEN);
	daemon_hears("");
	smtpd_says(MAIL DATA("a"));
	daemon_hears(MAIL DATA("a"));
	opensmtpd_relay_done(&r);
}

/* The daemon goes after each step of a mail, and another comes at once. */
static void
test_lost(void **state UNUSED)
{
	static const struct {
		const char *smtpd, *daemon, *at_once, *rest, *then;
	} cases[] = {
		{ CONNECT, "", "", MAIL DATA("a") DATA("."), NULL },
		{ CONNECT MAIL, "", "", DATA("a") DATA(".") COMMIT, GIVEN(".") NOT_SEEN },
		{ CONNECT MAIL DATA("a"), "", "", DATA("b") DATA(".") COMMIT,
		    GIVEN(".") NOT_SEEN },
		{ CONNECT MAIL DATA("."), "", GIVEN("."), COMMIT, NOT_SEEN },
		{ CONNECT MAIL DATA("."), GIVEN("x") "filter-data", GIVEN("x") GIVEN("."),
		    COMMIT, NOT_SEEN },
		{ CONNECT MAIL DATA("."), GIVEN("x") GIVEN("."), GIVEN("x") GIVEN("."), COMMIT,
		    NOT_SEEN },
		{ CONNECT MAIL DATA(".") COMMIT, "", NOT_SEEN, MAIL DATA("."), NULL },
		{ CONNECT MAIL DATA("a") GONE, "", "", DATA(".") COMMIT, GIVEN(".") NOT_SEEN },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned found = 0; found < 2; found++) {
			begin(true);
			smtpd_says(cases[i].smtpd);
			daemon_says(cases[i].daemon);
			buf_clear(&r.to_daemon);
			lose();
			smtpd_hears(cases[i].at_once);
			if (found == 0 && cases[i].then == NULL) {
				opensmtpd_relay_done(&r);
				continue;
			}
			if (found == 1)
				find();
			smtpd_says(cases[i].rest);
			smtpd_hears(cases[i].then == NULL ? "" : cases[i].then);
			daemon_hears(cases[i].then == NULL ? cases[i].rest : "");
			opensmtpd_relay_done(&r);
		}
	}
}

static void
test_nonsense(void **state UNUSED)
{
	static const char *const from_smtpd[] = { "nonsense\n", "config|x|y\n",
		"filter|0.9|1.0|smtp-in|commit|1|1|\n" };
	static const char *const from_daemon[] = { "nonsense\n",
		"filter-result|x|1|proceed\n" };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(from_smtpd); i++) {
		begin(true);
		assert_int_equal(
		    opensmtpd_relay_take_smtpd(&r, slice_of_str(from_smtpd[i]), &e), -EINVAL);
		opensmtpd_relay_done(&r);
	}
	for (size_t i = 0; i < ARRAY_LEN(from_daemon); i++) {
		begin(true);
		assert_int_equal(
		    opensmtpd_relay_take_daemon(&r, slice_of_str(from_daemon[i]), &e), -EINVAL);
		opensmtpd_relay_done(&r);
	}
	opensmtpd_relay_init(&r);
	assert_int_equal(opensmtpd_relay_take_smtpd(&r, slice_of_str(CONNECT), &e), -EINVAL);
	opensmtpd_relay_done(&r);
}

/* More sessions than it keeps: their mails are deferred. */
static void
test_many(void **state UNUSED)
{
	char line[128];

	begin(true);
	for (unsigned i = 2; i < 10003; i++) {
		snprintf(
		    line, sizeof(line), "report|0.6|1.0|smtp-in|link-connect|%x||fail||\n", i);
		smtpd_says(line);
		buf_clear(&r.to_daemon);
	}
	smtpd_says(CONNECT MAIL DATA("a"));
	daemon_hears(CONNECT MAIL);
	smtpd_says(DATA(".") COMMIT);
	daemon_hears("");
	smtpd_hears(GIVEN(".") NOT_SEEN);
	opensmtpd_relay_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes_on),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_no_daemon),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
