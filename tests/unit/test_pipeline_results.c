/* test_pipeline_results.c: the lists of findings and unscanned objects of one mail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/macros.h"
#include "scan/pipeline_private.h"

static void
test_full_list_keeps_every_cause(void **state UNUSED)
{
	struct job_state st = { 0 };
	struct scan_job j = { .arena = arena_new(16u << 20), .state = &st };
	bool deep = false, down = false;

	for (uint32_t i = 1; i <= JOB_UNSCANNED_MAX + 500; i++)
		job_add_unscanned(&j, i, CAUSE_ENCRYPTED, SLICE_NONE);
	assert_int_equal(j.unscanned_count, JOB_UNSCANNED_MAX);
	job_add_unscanned(&j, 9000, CAUSE_TOO_DEEP, SLICE_NONE);
	job_add_unscanned(&j, 9001, CAUSE_DOWN, SLICE_LIT("clamd"));
	job_add_unscanned(&j, 9002, CAUSE_TOO_DEEP, SLICE_NONE);
	assert_int_equal(j.unscanned_count, JOB_UNSCANNED_MAX);
	for (uint32_t i = 0; i < j.unscanned_count; i++) {
		deep = deep || (j.unscanned[i].cause == CAUSE_TOO_DEEP && j.unscanned[i].object == 9000);
		down = down || (j.unscanned[i].cause == CAUSE_DOWN && j.unscanned[i].object == 9001);
	}
	assert_true(deep && down);
	assert_int_equal(j.unscanned[0].cause, CAUSE_ENCRYPTED);
	arena_free(&j.arena);
}

static void
test_same_thing_stands_once(void **state UNUSED)
{
	struct job_state st = { 0 };
	struct scan_job j = { .arena = arena_new(1u << 20), .state = &st };

	job_add_unscanned(&j, 3, CAUSE_CORRUPT, SLICE_NONE);
	job_add_unscanned(&j, 3, CAUSE_CORRUPT, SLICE_NONE);
	job_add_unscanned(&j, 3, CAUSE_CORRUPT, SLICE_LIT("clamav"));
	assert_int_equal(j.unscanned_count, 2);
	arena_free(&j.arena);
}

/* Without any memory a mail is still neither clean nor without its finding. */
static void
test_no_memory_is_not_clean(void **state UNUSED)
{
	struct job_state st = { 0 };
	struct scan_job j = { .arena = arena_new(0), .state = &st };
	struct finding f = { .object = 2, .name = SLICE_LIT("X"), .scanner = SLICE_LIT("s") };

	job_add_unscanned(&j, 1, CAUSE_DOWN, SLICE_NONE);
	job_add_unscanned(&j, 2, CAUSE_DOWN, SLICE_NONE);
	job_add_finding(&j, &f);
	assert_int_equal(j.unscanned_count, 1);
	assert_int_equal(j.finding_count, 1);
	assert_true(st.infected);
	arena_free(&j.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_list_keeps_every_cause),
		cmocka_unit_test(test_same_thing_stands_once),
		cmocka_unit_test(test_no_memory_is_not_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
