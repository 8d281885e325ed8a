/* test_ambiguity_policy.c: what follows when a mail can be read in several ways: the word of
 * each class, the strictest of all, evidence, the header, forged ones, counters. */
#include "test_common.h"

#include "act/reply.h"
#include "base/arena.h"
#include "config/config_table.h"
#include "decide/ambiguity_results.h"
#include "decide/policy.h"
#include "message/message.h"
#include "record/counters.h"
#include "record/record.h"
#include "scan/pipeline.h"

#define A(n) AMBIGUITY_BIT(n)
#define ALL_CLASSES (A(AMBIGUITY_MAX + 1) - 2)

static struct config *
config_of(const char *text)
{
	CLEANUP(buf_done) struct buf messages = { .max = 10000 };
	struct config *c = config_parse("test", slice_of_str(text), &messages);

	if (c == NULL)
		fail_msg("%s: %s", text, buf_get_str(&messages));
	return c;
}

static void
test_every_class_has_an_option(void **state UNUSED)
{
	CLEANUP(config_unref) struct config *c = config_new_default();
	unsigned options = 0;

	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
		options += config_rows[i].section == CONFIG_SECTION_ambiguous;
	assert_int_equal(options, AMBIGUITY_MAX);
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		char name[64], number[8];
		const struct config_row *row;

		(void)snprintf(name, sizeof(name), "%s", ambiguity_get_name(n));
		for (char *p = name; *p != '\0'; p++)
			*p = *p == '-' ? '_' : *p;
		(void)snprintf(number, sizeof(number), "A%02u: ", n);
		row = config_row_find(CONFIG_SECTION_ambiguous, name);
		if (row == NULL)
			fail_msg("no option ambiguous.%s", name);
		assert_memory_equal(row->doc, number, strlen(number));
	}
	assert_int_equal(config_get_ambiguity(c, "of-a-later-version"), CONFIG_AMBIGUITY_FLAG);
	assert_int_equal(config_get_ambiguity(c, "dup"), CONFIG_AMBIGUITY_FLAG);
	assert_int_equal((enum config_ambiguity)0, CONFIG_AMBIGUITY_TEMPFAIL);
}

/* The policy words of the catalogue. */
static void
test_defaults(void **state UNUSED)
{
	static const unsigned accepted[] = { 3, 4, 13, 16, 23, 24, 28, 30, 31, 32, 33, 36, 37, 38, 39,
		40, 44, 46, 48 };
	CLEANUP(config_unref) struct config *c = config_new_default();
	uint64_t accept = 0;

	for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
		accept |= A(accepted[i]);
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		enum config_ambiguity want = (accept & A(n)) != 0 ? CONFIG_AMBIGUITY_ACCEPT :
		    CONFIG_AMBIGUITY_FLAG;

		if (config_get_ambiguity(c, ambiguity_get_name(n)) != want)
			fail_msg("A%02u is not %s", n, config_ambiguity_get_name(want));
	}
	assert_false(c->policy.ambiguity_header);
}

/* An option counts for its own class and for no other one. */
static void
test_option_of_every_class(void **state UNUSED)
{
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		char text[128];
		struct config *c;

		(void)snprintf(text, sizeof(text), "ambiguous { %s = reject }", ambiguity_get_name(n));
		for (char *p = text; *p != '\0'; p++)
			*p = *p == '-' ? '_' : *p;
		c = config_of(text);
		for (unsigned k = 1; k <= AMBIGUITY_MAX; k++) {
			struct evidence ev = { .id = "I", .inspected = true, .ambiguities = A(k) };
			struct decision d;
			char reason[32];

			policy_decide(c, "h", &ev, &d);
			assert_int_equal(d.action, k == n ? ACTION_REJECT : ACTION_ACCEPT);
			assert_int_equal(d.verdict, k == n ? MAIL_BANNED : MAIL_CLEAN);
			(void)snprintf(reason, sizeof(reason), "ambiguous: A%02u", n);
			assert_true(k != n || strcmp(d.reason, reason) == 0);
		}
		config_unref(&c);
	}
}

#define MIXED "ambiguous { dup_cte = reject separator = tempfail tnef = accept } "

static const struct case_row {
	const char *name, *config;
	uint64_t ambiguities, notes;
	uint32_t findings;
	enum cause cause;
	bool not_inspected;
	enum mail_verdict verdict;
	enum action action;
	unsigned code;
	const char *enhanced, *reason;
} rows[] = {
	{ "nothing", MIXED, 0, 0, 0, 0, false, MAIL_CLEAN, ACTION_ACCEPT, 250, "2.0.0", "clean" },
	{ "notes never count", MIXED, 0, ALL_CLASSES, 0, 0, false, MAIL_CLEAN, ACTION_ACCEPT, 250,
	    "2.0.0", "clean" },
	{ "accept", MIXED, A(39), 0, 0, 0, false, MAIL_CLEAN, ACTION_ACCEPT, 250, "2.0.0", "clean" },
	{ "flag", MIXED, A(1) | A(29) | A(39), 0, 0, 0, false, MAIL_CLEAN, ACTION_ACCEPT, 250, "2.0.0",
	    "clean, ambiguous: A01, A29" },
	{ "tempfail", MIXED, A(8) | A(1), 0, 0, 0, false, MAIL_BANNED, ACTION_TEMPFAIL, 451, "4.6.0",
	    "ambiguous: A08" },
	{ "reject is stricter", MIXED, A(8) | A(2), 0, 0, 0, false, MAIL_BANNED, ACTION_REJECT, 550,
	    "5.6.0", "ambiguous: A02" },
	{ "infected outweighs", MIXED "policy { infected = discard }", A(2), 0, 1, 0, false,
	    MAIL_INFECTED, ACTION_DISCARD, 250, "2.7.1", "infected: Virus" },
	{ "stricter than unscanned", MIXED, A(2), 0, 0, CAUSE_TIMEOUT, false, MAIL_BANNED,
	    ACTION_REJECT, 550, "5.6.0", "ambiguous: A02" },
	{ "stricter than accepted encrypted", MIXED, A(8), 0, 0, CAUSE_ENCRYPTED, false, MAIL_BANNED,
	    ACTION_TEMPFAIL, 451, "4.6.0", "ambiguous: A08" },
	{ "stricter than hold", MIXED "policy { unscanned = hold }", A(8), 0, 0, CAUSE_TIMEOUT, false,
	    MAIL_BANNED, ACTION_TEMPFAIL, 451, "4.6.0", "ambiguous: A08" },
	{ "as strict as unscanned", MIXED, A(8), 0, 0, CAUSE_TIMEOUT, false, MAIL_UNSCANNED,
	    ACTION_TEMPFAIL, 451, "4.7.1", "unscanned: timeout" },
	{ "milder than unscanned", MIXED "policy { unscanned = reject }", A(8), 0, 0, CAUSE_TIMEOUT,
	    false, MAIL_UNSCANNED, ACTION_REJECT, 550, "5.7.1", "unscanned: timeout" },
	{ "flag makes nothing milder", MIXED, A(1), 0, 0, CAUSE_TIMEOUT, false, MAIL_UNSCANNED,
	    ACTION_TEMPFAIL, 451, "4.7.1", "unscanned: timeout" },
	{ "flagged and encrypted", MIXED, A(1), 0, 0, CAUSE_ENCRYPTED, false, MAIL_UNSCANNED,
	    ACTION_ACCEPT, 250, "2.7.1", "unscanned: encrypted" },
	{ "without a report", MIXED, A(1), 0, 0, 0, true, MAIL_UNSCANNED, ACTION_TEMPFAIL, 451,
	    "4.7.1", "unscanned: error" },
	{ "a text of our own", MIXED "policy { reply_ambiguous = \"5.6.7 {classes} {id} {host}\" }",
	    A(2), 0, 0, 0, false, MAIL_BANNED, ACTION_REJECT, 550, "5.6.7", "ambiguous: A02" },
};

static void
test_table(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct case_row *row = &rows[i];
		struct config *c = config_of(row->config);
		struct finding f = { .object = 1, .name = SLICE_LIT("Virus") };
		struct unscanned u = { 1, row->cause, SLICE_NONE };
		struct evidence ev = { .id = "ID1", .findings = &f, .finding_count = row->findings,
			.unscanned = &u, .unscanned_count = row->cause != CAUSE_NONE,
			.inspected = !row->not_inspected, .ambiguities = row->ambiguities,
			.notes = row->notes };
		struct decision d;

		memset(&d, 0xff, sizeof(d));
		policy_decide(c, "mx.example", &ev, &d);
		if (d.verdict != row->verdict || d.action != row->action || d.code != row->code ||
		    strcmp(d.enhanced, row->enhanced) != 0 || strcmp(d.reason, row->reason) != 0)
			fail_msg("%s: %s %s %u %s: %s", row->name, mail_verdict_get_text(d.verdict),
			    action_get_name(d.action), d.code, d.enhanced, d.reason);
		assert_true((d.cause != CAUSE_NONE) == (d.verdict == MAIL_UNSCANNED));
		if (d.verdict == MAIL_BANNED) {
			assert_non_null(strstr(d.text, "ID1"));
			assert_non_null(strstr(d.text, row->reason + strlen("ambiguous: ")));
			assert_int_equal(d.header_count, 0);
		}
		config_unref(&c);
	}
}

static void
test_all_at_once(void **state UNUSED)
{
	CLEANUP(config_unref) struct config *c = config_of("policy { ambiguity_header = true }");
	struct evidence ev = { .id = "I", .inspected = true, .ambiguities = ALL_CLASSES,
		.views = UINT32_MAX, .blobs = UINT32_MAX, .scanned = UINT32_MAX };
	struct decision d;
	char host[254];

	memset(host, 'h', sizeof(host) - 1);
	host[253] = '\0';
	policy_decide(c, host, &ev, &d);
	assert_int_equal(d.header_count, 2);
	assert_true(strlen(d.reason) < sizeof(d.reason));
	assert_non_null(strstr(d.headers[1].value, ",smime; views=4294967295; "));
	assert_non_null(strstr(d.headers[1].value, "; policy=flag"));
	assert_true(strlen(d.headers[1].name) + 2 + strlen(d.headers[1].value) <= 998);
}

/* ---- the header ---- */

static void
test_results(void **state UNUSED)
{
	static struct finding f[1];
	static struct unscanned u[1];
	static const struct {
		const char *host;
		struct evidence ev;
		enum config_ambiguity word;
		enum action action;
		const char *want;
	} results[] = {
		{ "mx1.example.net", { .inspected = true, .ambiguities = A(2) | A(29), .notes = A(46),
		    .views = 3, .blobs = 4, .scanned = 4 }, CONFIG_AMBIGUITY_FLAG, ACTION_ACCEPT,
		    "mx1.example.net 1; result=ambiguous; class=dup-cte,b64-inner-padding; views=3; "
		    "blobs=4; scanned=4; action=accept; policy=flag" },
		{ "h", { .inspected = true, .views = 1, .blobs = 1, .scanned = 1 },
		    CONFIG_AMBIGUITY_ACCEPT, ACTION_ACCEPT,
		    "h 1; result=none; views=1; blobs=1; scanned=1; action=accept" },
		{ "h", { .inspected = true, .notes = A(3), .views = 1, .blobs = 2, .scanned = 2 },
		    CONFIG_AMBIGUITY_ACCEPT, ACTION_ACCEPT, "h 1; result=benign; class=mime-version; "
		    "views=1; blobs=2; scanned=2; action=accept" },
		{ "h", { .inspected = true, .ambiguities = A(39), .views = 1, .blobs = 2, .scanned = 2 },
		    CONFIG_AMBIGUITY_ACCEPT, ACTION_ACCEPT, "h 1; result=benign; class=tnef; views=1; "
		    "blobs=2; scanned=2; action=accept; policy=accept" },
		{ "h", { .inspected = true, .ambiguities = A(1), .unscanned = u, .unscanned_count = 1,
		    .views = 2, .blobs = 3, .scanned = 2 }, CONFIG_AMBIGUITY_FLAG, ACTION_HOLD,
		    "h 1; result=limit; class=dup-content-type; views=2; blobs=3; scanned=2; action=hold; "
		    "policy=flag" },
		{ "h", { .inspected = false }, CONFIG_AMBIGUITY_ACCEPT, ACTION_ACCEPT,
		    "h 1; result=limit; views=0; blobs=0; scanned=0; action=accept" },
		{ "h", { .inspected = true, .findings = f, .finding_count = 1, .unscanned = u,
		    .unscanned_count = 1, .ambiguities = A(1), .views = 1, .blobs = 1 },
		    CONFIG_AMBIGUITY_REJECT, ACTION_ACCEPT, "h 1; result=malicious; "
		    "class=dup-content-type; views=1; blobs=1; scanned=0; action=accept; policy=reject" },
		{ "", { .inspected = true }, CONFIG_AMBIGUITY_ACCEPT, ACTION_ACCEPT,
		    "localhost 1; result=none; views=0; blobs=0; scanned=0; action=accept" },
		{ "a b;\r\nX: \xc3\xa4", { .inspected = true }, CONFIG_AMBIGUITY_ACCEPT, ACTION_ACCEPT,
		    "a-b---X---- 1; result=none; views=0; blobs=0; scanned=0; action=accept" },
	};

	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		CLEANUP(buf_done) struct buf out = { .max = AMBIGUITY_RESULTS_MAX_BYTES };

		assert_int_equal(ambiguity_results_format(results[i].host, &results[i].ev,
		    results[i].word, results[i].action, &out), 0);
		assert_slice(buf_get(&out), results[i].want);
	}
}

/* Whatever the evidence: the grammar, and no byte that is not in a token or number. */
static void
test_results_syntax(void **state UNUSED)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		struct evidence ev = { .inspected = true, .ambiguities = A(n) | A(48), .views = n };
		CLEANUP(buf_done) struct buf out = { .max = AMBIGUITY_RESULTS_MAX_BYTES };
		CLEANUP(buf_done) struct buf small = { .max = 20 };
		const char *p;

		assert_int_equal(ambiguity_results_format("h", &ev, CONFIG_AMBIGUITY_FLAG, ACTION_ACCEPT,
		    &out), 0);
		p = buf_get_str(&out);
		assert_memory_equal(p, "h 1", 3);
		for (p += 3; *p != '\0'; p += strcspn(p, ";")) {
			size_t key;

			assert_memory_equal(p, "; ", 2);
			key = strspn(p + 2, token);
			assert_true(key > 0 && p[2 + key] == '=');
			p += 3 + key;
			assert_true(strspn(p, token) > 0);
			assert_int_equal(strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-,"), strcspn(p, ";"));
		}
		assert_true(ambiguity_results_format("h", &ev, CONFIG_AMBIGUITY_FLAG, ACTION_ACCEPT,
		    &small) < 0);
		assert_int_equal(small.len, 0);
	}
}

static void
test_header_is_added(void **state UNUSED)
{
	static const struct {
		const char *config;
		uint32_t findings;
		enum cause cause;
		unsigned headers; /* 2: ours is the second one */
		const char *value;
	} cases[] = {
		{ "", 0, 0, 1, NULL },
		{ "policy { ambiguity_header = true }", 0, 0, 2, "result=ambiguous; class=dup-cte;" },
		{ "policy { ambiguity_header = true add_header = false }", 0, 0, 1,
		    "result=ambiguous; class=dup-cte;" },
		{ "policy { ambiguity_header = true } ambiguous { dup_cte = accept }", 0, 0, 2,
		    "result=benign; class=dup-cte;" },
		{ "policy { ambiguity_header = true } ambiguous { dup_cte = tempfail }", 0, 0, 0, NULL },
		{ "policy { ambiguity_header = true }", 0, CAUSE_ENCRYPTED, 2, "result=limit;" },
		{ "policy { ambiguity_header = true }", 0, CAUSE_TIMEOUT, 0, NULL },
		{ "policy { ambiguity_header = true }", 1, 0, 0, NULL },
		{ "policy { ambiguity_header = true infected = hold }", 1, 0, 1, "result=malicious;" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config *c = config_of(cases[i].config);
		struct finding f = { .object = 1, .name = SLICE_LIT("Virus") };
		struct unscanned u = { 1, cases[i].cause, SLICE_NONE };
		struct evidence ev = { .id = "I", .inspected = true, .ambiguities = A(2), .findings = &f,
			.finding_count = cases[i].findings, .unscanned = &u,
			.unscanned_count = cases[i].cause != CAUSE_NONE };
		struct decision d;

		policy_decide(c, "mx", &ev, &d);
		if (d.header_count != cases[i].headers)
			fail_msg("case %zu: %u headers", i, d.header_count);
		if (cases[i].value != NULL) {
			const struct decision_header *h = &d.headers[d.header_count - 1];

			assert_string_equal(h->name, "MIME-Ambiguity-Results");
			assert_non_null(strstr(h->value, cases[i].value));
		}
		config_unref(&c);
	}
}

/* Those that a mail brings along go, whether or not one of ours is added. */
static void
test_forged_results(void **state UNUSED)
{
	static const char *const names[] = { "MIME-Ambiguity-Results", "Subject",
		"mime-ambiguity-results" };
	struct spool_pool *pool = spool_pool_new(16 << 20);
	struct message_limits l = { .max_bytes = 1 << 20, .header_bytes = 1 << 20, .recipients = 5 };
	struct message *m = message_new(&l, pool, NULL, SLICE_NONE, SLICE_NONE);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		message_add_header(m, slice_of_str(names[i]), SLICE_LIT("mx 1; result=none"), false);
	for (unsigned on = 0; on < 4; on++) {
		struct evidence ev = { .id = "I", .inspected = true };
		struct config *c = config_of(on == 3 ? "policy { remove_forged = false add_header = false }" :
		    on == 2 ? "policy { header_name = MIME-Ambiguity-Results add_header = false }" :
		    on == 1 ? "policy { add_header = false ambiguity_header = true }" :
		    "policy { add_header = false }");
		struct decision d;
		struct intake_reply r;

		policy_decide(c, "mx", &ev, &d);
		reply_make(c, &d, NULL, m, &r);
		assert_int_equal(r.edit_count, on == 3 ? 0 : 2 + d.header_count);
		for (unsigned i = 0; i < 2 && on != 3; i++) {
			assert_string_equal(r.edits[i].name, "MIME-Ambiguity-Results");
			assert_null(r.edits[i].value);
			assert_int_equal(r.edits[i].index, 2 - i);
		}
		assert_int_equal(d.header_count, on == 1);
		assert_true(on != 1 || strncmp(r.edits[2].value, "mx 1; result=none", 17) == 0);
		config_unref(&c);
	}
	message_free(&m);
	spool_pool_free(&pool);
}

/* ---- evidence, counters ---- */

static void
test_evidence(void **state UNUSED)
{
	struct report_object objects[] = {
		{ .id = 1, .ambiguities = A(2) },
		{ .id = 2, .views = VIEW_BIT(VIEW_STRICT) | VIEW_BIT(VIEW_HDR_LAST), .notes = A(46) },
		{ .id = 3, .views = VIEW_BIT(VIEW_HDR_LAST), .ambiguities = A(48) },
	};
	struct finding f = { .object = 2 };
	struct unscanned u[] = { { 0, CAUSE_ERROR, SLICE_NONE }, { 2, CAUSE_DOWN, SLICE_LIT("a") },
		{ 3, CAUSE_DOWN, SLICE_LIT("a") }, { 2, CAUSE_DOWN, SLICE_LIT("b") } };
	struct scan_job j = { .findings = &f, .finding_count = 1, .unscanned = u,
		.unscanned_count = 4, .report = { .objects = objects, .object_count = 3 } };
	struct scan_job nothing = { .unscanned = u, .unscanned_count = 2 };
	struct evidence ev;

	memset(&ev, 0xff, sizeof(ev));
	evidence_from_job("ID", &j, &ev);
	assert_string_equal(ev.id, "ID");
	assert_ptr_equal(ev.findings, &f);
	assert_ptr_equal(ev.unscanned, u);
	assert_int_equal(ev.finding_count, 1);
	assert_int_equal(ev.unscanned_count, 4);
	assert_true(ev.inspected);
	assert_true(ev.ambiguities == (A(2) | A(48)));
	assert_true(ev.notes == A(46));
	assert_int_equal(ev.views, 2);
	assert_int_equal(ev.blobs, 3);
	assert_int_equal(ev.scanned, 1);
	j.report.object_count = 1;
	evidence_from_job("ID", &j, &ev);
	assert_int_equal(ev.views, 1);
	assert_int_equal(ev.scanned, 0); /* and not below */
	evidence_from_job("ID", &nothing, &ev);
	assert_false(ev.inspected);
	assert_true(ev.ambiguities == 0 && ev.notes == 0);
	assert_int_equal(ev.views + ev.blobs + ev.scanned, 0);
}

static void
test_counters(void **state UNUSED)
{
	static struct counters c;
	static const char *const lists[] = { "A02,A48", "A02", "", "A49,B1,A,,A2x,A02" };
	CLEANUP(buf_done) struct buf out = { .max = 100000 };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct record r = { .verdict = MAIL_CLEAN, .action = ACTION_ACCEPT,
			.classes = slice_of_str(lists[i]) };

		counters_add(&c, &r);
	}
	assert_int_equal(c.classes[2], 3);
	assert_int_equal(c.classes[48], 1);
	assert_int_equal(counters_format_json(&c, &out), 0);
	assert_true(slice_has(buf_get(&out), ",\"ambiguities\":{\"A02\":3,\"A48\":1},"));
	memset(&c, 0, sizeof(c));
	buf_clear(&out);
	assert_int_equal(counters_format_json(&c, &out), 0);
	assert_true(slice_has(buf_get(&out), ",\"ambiguities\":{},"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_class_has_an_option),
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_option_of_every_class),
		cmocka_unit_test(test_table), cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_results), cmocka_unit_test(test_results_syntax),
		cmocka_unit_test(test_header_is_added), cmocka_unit_test(test_forged_results),
		cmocka_unit_test(test_evidence), cmocka_unit_test(test_counters) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
