/* test_policy.c: from evidence to a decision: what is unknown is never clean, infected outweighs,
 * the strictest cause counts. */
#include "test_common.h"

#include "decide/policy.h"
#include "message/message.h"

#define EVIDENCE_MAX 4
#define FOUR_LINES "unscanned_encrypted = accept unscanned_corrupt = reject " \
	"unscanned_unsupported = hold unscanned_truncated = discard"

static struct config *
config_of(const char *policy)
{
	CLEANUP(buf_done) struct buf messages, text;
	struct config *c;

	buf_init(&messages, 10000);
	buf_init(&text, 10000);
	assert_int_equal(buf_printf(&text, "policy { %s }\n", policy), 0);
	c = config_parse("test", buf_get(&text), &messages);
	if (c == NULL)
		fail_msg("%s: %s", policy, buf_get_str(&messages));
	return c;
}

static const struct case_row {
	const char *name, *policy;
	uint32_t findings;
	enum cause causes[EVIDENCE_MAX]; /* up to the first NONE */
	bool not_inspected;
	enum mail_verdict verdict;
	enum action action;
	unsigned code;
	const char *enhanced, *header, *value; /* NULL: no header */
} rows[] = {
	{ "clean", "", 0, { 0 }, false, MAIL_CLEAN, ACTION_ACCEPT, 250, "2.0.0",
	    "X-Virus-Scanned", "Cordon at mx.example" },
	{ "clean, no header wanted", "add_header = false", 0, { 0 }, false, MAIL_CLEAN,
	    ACTION_ACCEPT, 250, "2.0.0", NULL, NULL },
	{ "nothing known at all", "", 0, { 0 }, true, MAIL_UNSCANNED, ACTION_TEMPFAIL, 451, "4.7.1",
	    NULL, NULL },
	{ "nothing inspected, encrypted accepted", "unscanned = reject", 0, { 0 }, true,
	    MAIL_UNSCANNED, ACTION_REJECT, 550, "5.7.1", NULL, NULL },
	{ "nothing inspected, unscanned accepted by choice", "unscanned = accept", 0, { 0 }, true,
	    MAIL_UNSCANNED, ACTION_ACCEPT, 250, "2.7.1", "X-Virus-Unscanned", "error" },
	{ "infected", "", 1, { 0 }, false, MAIL_INFECTED, ACTION_REJECT, 550, "5.7.1", NULL, NULL },
	{ "infected, not inspected to the end", "", 1, { 0 }, true, MAIL_INFECTED, ACTION_REJECT, 550,
	    "5.7.1", NULL, NULL },
	{ "infected outweighs unscanned", "", 2, { CAUSE_TIMEOUT, CAUSE_ENCRYPTED }, false,
	    MAIL_INFECTED, ACTION_REJECT, 550, "5.7.1", NULL, NULL },
	{ "infected outweighs even when it is the milder", "infected = discard unscanned = reject",
	    1, { CAUSE_TIMEOUT }, false, MAIL_INFECTED, ACTION_DISCARD, 250, "2.7.1", NULL, NULL },
	{ "infected to be tried again", "infected = tempfail", 1, { 0 }, false, MAIL_INFECTED,
	    ACTION_TEMPFAIL, 451, "4.7.1", NULL, NULL },
	{ "encrypted alone is accepted, marked", "", 0, { CAUSE_ENCRYPTED }, false, MAIL_UNSCANNED,
	    ACTION_ACCEPT, 250, "2.7.1", "X-Virus-Unscanned", "encrypted" },
	{ "the mark is added without add_header", "add_header = false", 0, { CAUSE_ENCRYPTED }, false,
	    MAIL_UNSCANNED, ACTION_ACCEPT, 250, "2.7.1", "X-Virus-Unscanned", "encrypted" },
	{ "encrypted twice", "", 0, { CAUSE_ENCRYPTED, CAUSE_ENCRYPTED }, false, MAIL_UNSCANNED,
	    ACTION_ACCEPT, 250, "2.7.1", "X-Virus-Unscanned", "encrypted" },
	{ "encrypted and a timeout", "", 0, { CAUSE_ENCRYPTED, CAUSE_TIMEOUT }, false, MAIL_UNSCANNED,
	    ACTION_TEMPFAIL, 451, "4.7.1", NULL, NULL },
	{ "the same the other way round", "", 0, { CAUSE_TIMEOUT, CAUSE_ENCRYPTED }, false,
	    MAIL_UNSCANNED, ACTION_TEMPFAIL, 451, "4.7.1", NULL, NULL },
	{ "reject is stricter than tempfail", "unscanned_corrupt = reject", 0,
	    { CAUSE_TIMEOUT, CAUSE_CORRUPT, CAUSE_ENCRYPTED }, false, MAIL_UNSCANNED, ACTION_REJECT,
	    550, "5.7.1", NULL, NULL },
	{ "tempfail is stricter than discard", "unscanned_corrupt = discard", 0,
	    { CAUSE_CORRUPT, CAUSE_TIMEOUT }, false, MAIL_UNSCANNED, ACTION_TEMPFAIL, 451, "4.7.1",
	    NULL, NULL },
	{ "discard is stricter than hold",
	    "unscanned_corrupt = discard unscanned_too_big = hold", 0,
	    { CAUSE_TOO_BIG, CAUSE_CORRUPT }, false, MAIL_UNSCANNED, ACTION_DISCARD, 250, "2.7.1",
	    NULL, NULL },
	{ "hold is stricter than accept", "unscanned_too_big = hold", 0,
	    { CAUSE_ENCRYPTED, CAUSE_TOO_BIG }, false, MAIL_UNSCANNED, ACTION_HOLD, 250, "2.7.1",
	    "X-Virus-Unscanned", "encrypted, too_big" },
	{ "four lines: encrypted", FOUR_LINES, 0, { CAUSE_ENCRYPTED }, false, MAIL_UNSCANNED,
	    ACTION_ACCEPT, 250, "2.7.1", "X-Virus-Unscanned", "encrypted" },
	{ "four lines: corrupt", FOUR_LINES, 0, { CAUSE_CORRUPT }, false, MAIL_UNSCANNED,
	    ACTION_REJECT, 550, "5.7.1", NULL, NULL },
	{ "four lines: unsupported", FOUR_LINES, 0, { CAUSE_UNSUPPORTED }, false, MAIL_UNSCANNED,
	    ACTION_HOLD, 250, "2.7.1", "X-Virus-Unscanned", "unsupported" },
	{ "four lines: truncated", FOUR_LINES, 0, { CAUSE_TRUNCATED }, false, MAIL_UNSCANNED,
	    ACTION_DISCARD, 250, "2.7.1", NULL, NULL },
	{ "a cause nobody named", "unscanned = reject", 0, { CAUSE_ERROR }, false, MAIL_UNSCANNED,
	    ACTION_REJECT, 550, "5.7.1", NULL, NULL },
};

static void
decide(const struct case_row *row, struct decision *ret_decision)
{
	struct config *c = config_of(row->policy);
	struct finding findings[2] = { { .object = 1, .scanner = SLICE_LIT("s"),
		.name = SLICE_LIT("Virus.One") }, { .object = 1, .name = SLICE_LIT("Virus.Two") } };
	struct unscanned unscanned[EVIDENCE_MAX] = { { 0 } };
	struct evidence ev = { .id = "ID1", .findings = findings, .finding_count = row->findings,
		.unscanned = unscanned, .inspected = !row->not_inspected };

	while (ev.unscanned_count < EVIDENCE_MAX && row->causes[ev.unscanned_count] != CAUSE_NONE) {
		unscanned[ev.unscanned_count].cause = row->causes[ev.unscanned_count];
		ev.unscanned_count++;
	}
	memset(ret_decision, 0xff, sizeof(*ret_decision)); /* all of it is filled in */
	policy_decide(c, "mx.example", &ev, ret_decision);
	config_unref(&c);
}

static void
test_table(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct case_row *row = &rows[i];
		struct decision d;

		decide(row, &d);
		if (d.verdict != row->verdict || d.action != row->action || d.code != row->code ||
		    strcmp(d.enhanced, row->enhanced) != 0)
			fail_msg("%s: %s %s %u %s", row->name, mail_verdict_get_text(d.verdict),
			    action_get_name(d.action), d.code, d.enhanced);
		if (d.header_count != (row->header != NULL ? 1u : 0u))
			fail_msg("%s: %u headers", row->name, d.header_count);
		if (row->header != NULL) {
			assert_string_equal(d.headers[0].name, row->header);
			assert_string_equal(d.headers[0].value, row->value);
		}
		assert_true(d.remove_forged);
		assert_true(d.text[0] != '\0' && d.reason[0] != '\0');
		assert_true((d.cause != CAUSE_NONE) == (d.verdict == MAIL_UNSCANNED));
	}
}

/* No set of causes, in any order, makes a mail clean, and none passes a tempfail by. */
static void
test_every_cause(void **state UNUSED)
{
	struct config *c = config_of("");

	for (int a = 1; a < CAUSE_COUNT; a++) {
		for (int b = 1; b < CAUSE_COUNT; b++) {
			struct unscanned u[] = { { 1, (enum cause)a, SLICE_NONE },
				{ 2, (enum cause)b, SLICE_NONE } };
			struct evidence ev = { .id = "I", .unscanned = u, .unscanned_count = 2,
				.inspected = true };
			bool accepted = a == CAUSE_ENCRYPTED && b == CAUSE_ENCRYPTED;
			struct decision d;

			policy_decide(c, "h", &ev, &d);
			assert_int_equal(d.verdict, MAIL_UNSCANNED);
			assert_int_equal(d.action, accepted ? ACTION_ACCEPT : ACTION_TEMPFAIL);
			assert_true(d.cause == (enum cause)a || d.cause == (enum cause)b);
			assert_true(accepted || d.cause != CAUSE_ENCRYPTED);
			assert_non_null(strstr(d.text, cause_get_text((enum cause)a)));
			assert_non_null(strstr(d.text, cause_get_text((enum cause)b)));
		}
	}
	config_unref(&c);
}

/* Every cause has an option of its own, and that option is the one that counts. */
static void
test_option_of_every_cause(void **state UNUSED)
{
	for (int cause = 1; cause < CAUSE_COUNT; cause++) {
		char policy[64];
		struct config *c;

		(void)snprintf(policy, sizeof(policy), "unscanned_%s = hold",
		    cause_get_text((enum cause)cause));
		c = config_of(policy);
		for (int other = 1; other < CAUSE_COUNT; other++) {
			struct unscanned u = { 0, (enum cause)other, SLICE_NONE };
			struct evidence ev = { .id = "I", .unscanned = &u, .unscanned_count = 1,
				.inspected = true };
			enum action want = other == cause ? ACTION_HOLD :
			    other == CAUSE_ENCRYPTED ? ACTION_ACCEPT : ACTION_TEMPFAIL;
			struct decision d;

			policy_decide(c, "h", &ev, &d);
			assert_int_equal(d.action, want);
			assert_int_equal(d.cause, other);
		}
		config_unref(&c);
	}
}

static void
test_zero(void **state UNUSED)
{
	static const struct decision zero;
	static const struct evidence nothing = { .id = "" };
	struct config *c = config_of("");
	struct decision d;

	assert_int_equal(zero.verdict, MAIL_UNSCANNED);
	assert_int_equal(zero.action, ACTION_TEMPFAIL);
	assert_int_equal(VERDICT_UNKNOWN, 0);
	assert_int_equal(CAUSE_NONE, 0);
	policy_decide(c, "", &nothing, &d);
	assert_int_equal(d.verdict, MAIL_UNSCANNED);
	assert_int_equal(d.action, ACTION_TEMPFAIL);
	assert_int_equal(d.cause, CAUSE_ERROR);
	config_unref(&c);
}

static void
test_texts(void **state UNUSED)
{
	char longest[400];
	struct finding f[5] = { { .name = SLICE_LIT("A.b") }, { .name = SLICE_LIT("A.b") },
		{ .name = SLICE_LIT("C\r\nd\x80") } };
	struct evidence ev = { .id = "ID77", .findings = f, .finding_count = 3, .inspected = true };
	struct config *c = config_of("reply_infected = \"5.9.9 {names} {id} {host}\"");
	struct decision d;

	policy_decide(c, "mx.example", &ev, &d);
	assert_string_equal(d.text, "A.b, C??d? ID77 mx.example");
	assert_string_equal(d.enhanced, "5.9.9");
	memset(longest, 'n', sizeof(longest));
	for (size_t i = 0; i < 5; i++) /* names that differ, and are long */
		f[i].name = slice_of(longest, sizeof(longest) - i);
	ev.finding_count = 5;
	policy_decide(c, "mx.example", &ev, &d);
	assert_true(strlen(d.text) < 512);
	for (size_t i = 0; d.text[i] != '\0'; i++)
		assert_true(d.text[i] >= 0x20 && d.text[i] < 0x7f);
	config_unref(&c);
	assert_string_equal(mail_verdict_get_text(MAIL_UNSCANNED), "unscanned");
	assert_string_equal(mail_verdict_get_text(MAIL_CLEAN), "clean");
	assert_string_equal(mail_verdict_get_text(MAIL_INFECTED), "infected");
	assert_string_equal(mail_verdict_get_text(MAIL_BANNED), "banned");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_cause), cmocka_unit_test(test_option_of_every_cause),
		cmocka_unit_test(test_zero), cmocka_unit_test(test_texts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
