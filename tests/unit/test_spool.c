/* test_spool.c: where the bytes of mails lie: what goes in comes out, one budget for all. */
#include "test_common.h"

#include "message/spool.h"
#include "proc/region.h"

#define KB 1024u

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 131 + i / 977);
}

static void
fill(struct spool *s, size_t bytes, size_t step)
{
	while (bytes > 0) {
		size_t room = 0;
		int error = 0;
		uint8_t *to = spool_reserve(s, MIN_OF(step, bytes), &room, &error);

		assert_non_null(to);
		assert_true(room > 0 && room <= MIN_OF(step, bytes));
		for (size_t i = 0; i < room; i++)
			to[i] = byte_at(s->len + i);
		spool_commit(s, room);
		bytes -= room;
	}
}

static void
test_bytes(void **state UNUSED)
{
	static const struct {
		size_t bytes, step;
	} cases[] = { { 1, 1 }, { 5000, 1 }, { 256 * KB, 100000 }, { 256 * KB + 1, 4096 },
		{ 9000 * KB, 65536 }, { 3000 * KB, 10000 * KB } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct spool_pool *p = spool_pool_new(64 << 20);
		struct spool s;
		struct slice got;

		spool_init(&s, p);
		assert_int_equal(spool_get(&s).len, 0);
		assert_true(spool_pool_get_used(p) == 0);
		fill(&s, cases[i].bytes, cases[i].step);
		got = spool_get(&s);
		assert_int_equal(got.len, cases[i].bytes);
		for (size_t k = 0; k < got.len; k++) {
			if (got.ptr[k] != byte_at(k))
				fail_msg("case %zu: byte %zu", i, k);
		}
		assert_true(spool_pool_get_used(p) >= cases[i].bytes);
		assert_true(spool_pool_get_used(p) < 2 * cases[i].bytes + 512 * KB);
		spool_done(&s);
		assert_int_equal(spool_get(&s).len, 0);
		assert_true(spool_pool_get_used(p) == 0);
		spool_done(&s); /* twice is fine */
		spool_pool_free(&p);
		assert_null(p);
	}
}

static void
test_budget(void **state UNUSED)
{
	struct spool_pool *p = spool_pool_new(1024 * KB);
	struct spool a, b, c;
	size_t room;
	int error = 0;

	spool_init(&a, p);
	spool_init(&b, p);
	spool_init(&c, p);
	fill(&a, 400 * KB, 4096); /* 512 KB */
	fill(&b, 500 * KB, 4096); /* all of it */
	assert_true(spool_pool_get_used(p) == 1024 * KB);
	assert_null(spool_reserve(&c, 1, &room, &error));
	assert_int_equal(error, -EAGAIN);
	assert_int_equal(spool_append(&c, SLICE_LIT("x")), -EAGAIN);
	fill(&a, 112 * KB, 4096);
	error = 0;
	assert_null(spool_reserve(&a, 1, &room, &error));
	assert_int_equal(error, -EAGAIN);
	assert_int_equal(spool_append(&a, SLICE_LIT("x")), -EAGAIN);
	assert_int_equal(spool_get(&a).len, 512 * KB);
	spool_pool_set_budget(p, 2048 * KB); /* a reload */
	assert_int_equal(spool_append(&a, SLICE_LIT("x")), 0);
	spool_done(&a);
	spool_done(&b);
	assert_true(spool_pool_get_used(p) == 0);
	assert_int_equal(spool_append(&c, SLICE_LIT("x")), 0);
	spool_done(&c);
	spool_pool_free(&p);
}

/* A lone mail may pass the budget: else it could never come in. */
static void
test_lone_mail(void **state UNUSED)
{
	struct spool_pool *p = spool_pool_new(100);
	struct spool a, b;
	size_t room;
	int error = 0;

	spool_init(&a, p);
	spool_init(&b, p);
	fill(&a, 3000 * KB, 65536);
	assert_null(spool_reserve(&b, 1, &room, &error));
	assert_int_equal(error, -EAGAIN);
	spool_done(&a);
	fill(&b, 10, 10);
	spool_done(&b);
	spool_pool_free(&p);
}

/* What does not fit whole is not there at all. */
static void
test_append_is_whole_or_nothing(void **state UNUSED)
{
	struct spool_pool *p = spool_pool_new(512 * KB);
	uint8_t *much = malloc(600 * KB);
	struct spool a, b;

	assert_non_null(much);
	memset(much, 'm', 600 * KB);
	spool_init(&a, p);
	spool_init(&b, p);
	assert_int_equal(spool_append(&a, SLICE_LIT("first")), 0);
	assert_int_equal(spool_append(&b, SLICE_LIT("other")), 0);
	assert_int_equal(spool_append(&a, slice_of(much, 600 * KB)), -EAGAIN);
	assert_slice(spool_get(&a), "first");
	assert_int_equal(spool_append(&a, SLICE_LIT(" second")), 0);
	assert_slice(spool_get(&a), "first second");
	assert_int_equal(spool_append(&a, SLICE_NONE), 0);
	spool_done(&a);
	spool_done(&b);
	spool_pool_free(&p);
	free(much);
}

/* Regions are used again, and no mail sees a byte of the one before through what it wrote. */
static void
test_reuse(void **state UNUSED)
{
	struct spool_pool *p = spool_pool_new(64 << 20);
	unsigned before = fds_count();
	struct spool s;
	uint32_t id = 0;

	for (unsigned round = 0; round < 20; round++) {
		spool_init(&s, p);
		fill(&s, 100 * KB, 5000);
		if (round == 0)
			id = s.region->id;
		assert_int_equal(s.region->id, id);
		assert_true(s.region->touched >= 100 * KB);
		spool_done(&s);
	}
	spool_init(&s, p);
	fill(&s, 8000 * KB, 65536);
	spool_done(&s);
	spool_pool_trim(p);
	spool_init(&s, p);
	fill(&s, 10, 10);
	assert_true(s.region->ptr[10] == 0); /* what was there before was given back */
	assert_true(s.region->ptr[4000 * KB] == 0);
	spool_done(&s);
	assert_int_equal(fds_count(), before + 2);
	spool_pool_free(&p);
	assert_int_equal(fds_count(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_budget), cmocka_unit_test(test_lone_mail),
		cmocka_unit_test(test_append_is_whole_or_nothing), cmocka_unit_test(test_reuse) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
