/* test_budget.c: paying for work: to the last byte, and not one more. */
#include "test_common.h"

#include <unistd.h>

#include "decompose/budget.h"
#include "decompose/object.h"

static const struct limits small = { .depth = 3, .mime_depth = 3, .objects = 5,
	.output_bytes = 1000, .held_bytes = 500, .ratio = 10, .ratio_floor_bytes = 100,
	.cpu_ms = 1000, .entity_readings = 2 };

static void
test_bytes(void **state UNUSED)
{
	static const struct {
		uint64_t want, before, input;
		bool ok;
		enum fact fact;
	} rows[] = {
		{ 0, 0, 0, true, FACT_LIMIT_BYTES },
		{ 1000, 0, 1000, true, FACT_LIMIT_BYTES },
		{ 1001, 0, 1000, false, FACT_LIMIT_BYTES },
		{ UINT64_MAX, 0, 1000, false, FACT_LIMIT_BYTES },
		{ 100, 0, 1, true, FACT_LIMIT_RATIO },      /* at the floor: any ratio */
		{ 101, 0, 1, false, FACT_LIMIT_RATIO },
		{ 1, 100, 1, false, FACT_LIMIT_RATIO },
		{ 101, 0, 0, false, FACT_LIMIT_RATIO },     /* no input counts as one byte */
		{ 199, 0, 20, true, FACT_LIMIT_RATIO },
		{ 200, 0, 20, false, FACT_LIMIT_RATIO },
		{ 100, 100, 20, false, FACT_LIMIT_RATIO },
		{ 99, 100, 20, true, FACT_LIMIT_RATIO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct budget b;
		int fact = -1;
		bool ok;

		budget_init(&b, &small, 0);
		ok = budget_take_bytes(&b, rows[i].want, rows[i].before, rows[i].input, &fact);
		if (ok != rows[i].ok)
			fail_msg("row %zu", i);
		assert_true(b.left_bytes == 1000 - (ok ? rows[i].want : 0));
		assert_true(b.facts == (ok ? 0 : FACT_BIT(rows[i].fact)));
		if (!ok)
			assert_int_equal(fact, rows[i].fact);
	}
}

/* max(min_quota, size * min_factor, min(max_quota, size * max_factor)) */
static void
test_quota(void **state UNUSED)
{
	static const struct {
		uint64_t min, max;
		uint32_t min_factor, max_factor;
		uint64_t input, want;
	} rows[] = {
		{ 100, 0, 5, 500, 1000, UINT64_MAX }, /* off */
		{ 1000, 100000, 5, 500, 1, 1000 },    /* small mails have the least quota ... */
		{ 1000, 100000, 5, 500, 2, 1000 },
		{ 1000, 100000, 5, 500, 3,
		    1500 }, /* ... then grow with the larger factor ... */
		{ 1000, 100000, 5, 500, 200, 100000 },
		{ 1000, 100000, 5, 500, 5000, 100000 }, /* ... up to the most ... */
		{ 1000, 100000, 5, 500, 20000, 100000 },
		{ 1000, 100000, 5, 500, 20001,
		    100005 }, /* ... and large ones with the smaller one */
		{ 0, 100000, 0, 500, 0, 0 },
		{ 0, UINT64_MAX, 2, 3, UINT64_MAX / 2, UINT64_MAX }, /* no overflow */
		{ 0, 1, UINT32_MAX, 0, UINT64_MAX, UINT64_MAX },
	};
	struct limits l = small;
	struct budget b;
	int fact;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		l.quota_min = rows[i].min;
		l.quota_max = rows[i].max;
		l.quota_min_factor = rows[i].min_factor;
		l.quota_max_factor = rows[i].max_factor;
		if (budget_get_quota(&l, rows[i].input) != rows[i].want)
			fail_msg("row %zu", i);
	}
	l = small;
	l.quota_max = 300;
	l.quota_max_factor = 10;
	budget_init(&b, &l, 20);
	assert_int_equal(budget_get_left_bytes(&b, &fact), 200);
	assert_int_equal(fact, FACT_LIMIT_QUOTA);
	assert_true(budget_take_bytes(&b, 150, 0, 100, &fact));
	assert_false(budget_take_bytes(&b, 51, 0, 100, &fact));
	assert_int_equal(fact, FACT_LIMIT_QUOTA);
	assert_true(b.facts == FACT_BIT(FACT_LIMIT_QUOTA));
	assert_true(budget_take_bytes(&b, 50, 0, 100, &fact));
	assert_int_equal(budget_get_left_bytes(&b, &fact), 0);
	l.quota_max = 5000; /* above output_bytes: that one is named */
	l.quota_max_factor = 1000;
	budget_init(&b, &l, 20);
	assert_false(budget_take_bytes(&b, 1001, 0, 1000, &fact));
	assert_int_equal(fact, FACT_LIMIT_BYTES);
}

static void
test_counts(void **state UNUSED)
{
	struct budget b;

	budget_init(&b, &small, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_true(budget_take_object(&b));
	assert_true(b.facts == 0);
	assert_false(budget_take_object(&b));
	assert_false(budget_take_object(&b));
	assert_true(b.facts == FACT_BIT(FACT_LIMIT_OBJECTS));
	assert_true(budget_take_entity_reading(&b));
	assert_true(budget_take_entity_reading(&b));
	assert_false(budget_take_entity_reading(&b));
	assert_true(b.facts == (FACT_BIT(FACT_LIMIT_OBJECTS) | FACT_BIT(FACT_LIMIT_VIEWS)));
}

static void
test_key_tries(void **state UNUSED)
{
	struct budget b;

	budget_init(&b, &small, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(budget_take_key_try(&b));
	assert_false(budget_take_key_try(&b));
	assert_false(budget_take_key_try(&b));
	assert_true(b.facts == 0);
}

static void
test_time(void **state UNUSED)
{
	struct limits l = small;
	struct budget b;
	unsigned n = 0;

	budget_init(&b, &l, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(budget_has_time(&b));
	l.cpu_ms = 0;
	budget_init(&b, &l, 0);
	while (budget_has_time(&b))
		n++;
	assert_true(n <= 64);
	assert_false(budget_has_time(&b)); /* and stays so */
	assert_true(b.facts == FACT_BIT(FACT_LIMIT_CPU));
	assert_true(budget_get_time_facts(&b) == FACT_BIT(FACT_LIMIT_CPU));
	budget_init(&b, &l, 0);
	budget_add_work(&b, 1); /* too little to count */
	assert_true(budget_has_time(&b));
	budget_add_work(&b, UINT64_MAX); /* now the clock is looked at */
	assert_false(budget_has_time(&b));
	l.cpu_ms = 1000;
	l.wall_ms = 1;
	budget_init(&b, &l, 0);
	(void)usleep(2000);
	for (n = 0; budget_has_time(&b); n++)
		;
	assert_true(n <= 64);
	assert_true(b.facts == FACT_BIT(FACT_LIMIT_WALL));
	assert_true(budget_get_time_facts(&b) == FACT_BIT(FACT_LIMIT_WALL));
	l.wall_ms = UINT32_MAX;
	l.cpu_ms = UINT32_MAX; /* no overflow into the past */
	budget_init(&b, &l, 0);
	for (unsigned i = 0; i < 200; i++)
		assert_true(budget_has_time(&b));
}

static void
test_default(void **state UNUSED)
{
	struct limits l = limits_get_default();

	assert_true(l.depth > 0 && l.mime_depth > 0 && l.objects > 0 && l.output_bytes > 0);
	assert_true(l.held_bytes > 0 && l.held_bytes <= l.output_bytes);
	assert_true(l.ratio > 0 && l.ratio_floor_bytes > 0 && l.cpu_ms > 0 && l.entity_readings > 0);
}

/* Each limit has a fact, each such fact a cause: what was not looked at is never just clean. */
static void
test_facts_have_causes(void **state UNUSED)
{
	for (int f = 0; f < FACT_COUNT; f++) {
		const char *text = fact_get_text((enum fact)f);

		assert_true(text[0] != '\0');
		if (strncmp(text, "limit:", 6) == 0)
			assert_int_not_equal(fact_get_cause((enum fact)f), CAUSE_NONE);
		for (int k = 0; k < f; k++)
			assert_string_not_equal(text, fact_get_text((enum fact)k));
	}
	assert_int_equal(fact_get_cause(FACT_ENCRYPTED), CAUSE_ENCRYPTED);
	assert_int_equal(fact_get_cause(FACT_CORRUPT), CAUSE_CORRUPT);
	assert_int_equal(fact_get_cause(FACT_TRUNCATED), CAUSE_TRUNCATED);
	assert_int_equal(fact_get_cause(FACT_UNSUPPORTED), CAUSE_UNSUPPORTED);
	assert_int_equal(fact_get_cause(FACT_MACRO), CAUSE_NONE);
	assert_string_equal(cause_get_text(CAUSE_COUNT), "unknown");
	assert_null(ambiguity_get_name(0));
	assert_null(ambiguity_get_name(AMBIGUITY_MAX + 1));
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		assert_non_null(ambiguity_get_name(n));
		assert_non_null(strchr("HML", ambiguity_get_severity(n)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_quota), cmocka_unit_test(test_counts),
		cmocka_unit_test(test_key_tries), cmocka_unit_test(test_time), cmocka_unit_test(test_default),
		cmocka_unit_test(test_facts_have_causes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
