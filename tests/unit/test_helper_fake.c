/* test_helper_fake.c: a fake program in the place of nomarch and of lzop. Whatever it says or
 * does not say costs its own archive the clean verdict, and nothing else. What the parsers of
 * their listings make of odd lines. */
#include "test_opener.h"

#include "base/clock.h"
#include "decompose/helper_list.h"
#include "decompose/helper_opener.h"
#include "proc/helper.h"

#define MEMORY_BYTES (UINT64_C(512) << 20)

static struct bench bench;
static struct helper *helper;

static const struct {
	const char *file;
	struct slice mark;
} formats[] = {
	{ "a.arc", { (const uint8_t *)"\x1a\2NAME", 6 } },
	{ "a.lzo", { (const uint8_t *)"\x89LZO\0\r\n\x1a\n", 9 } },
};
enum { ARC, LZOP };

static struct object *
run(size_t format, const char *word)
{
	static uint8_t archive[64];

	memset(archive, 0, sizeof(archive));
	memcpy(archive, formats[format].mark.ptr, formats[format].mark.len);
	memcpy(archive + 29, word, strlen(word));
	return bench_run(&bench, slice_of(archive, sizeof(archive)), formats[format].file);
}

#define BIT(name) FACT_BIT(FACT_##name)

/* What it does, the facts that must be there for either format, and bytes that must be reached.
 */
static const struct {
	const char *word;
	uint64_t facts[2];
	const char *bytes;
} rows[] = {
	{ "good", { 0, 0 }, "good" },
	{ "apart", { 0, 0 }, "good" },
	{ "hang", { BIT(LIMIT_CPU), BIT(LIMIT_CPU) }, NULL },
	{ "crash", { BIT(CORRUPT), BIT(CORRUPT) }, "go" },
	{ "flood", { BIT(LIMIT_BYTES), BIT(LIMIT_BYTES) }, NULL },
	{ "words", { BIT(CORRUPT), BIT(CORRUPT) }, NULL },
	{ "members", { BIT(LIMIT_OBJECTS), BIT(LIMIT_OBJECTS) }, NULL },
	{ "silent", { BIT(CORRUPT), BIT(CORRUPT) }, NULL },
	{ "garbage", { BIT(CORRUPT), BIT(CORRUPT) }, NULL },
	{ "shorter", { BIT(CORRUPT), BIT(CORRUPT) }, "12345" },
	{ "longer", { BIT(CORRUPT), BIT(CORRUPT) }, "aaa" },
	{ "failed", { BIT(CORRUPT), BIT(CORRUPT) }, "good" },
	{ "warned", { BIT(CORRUPT), BIT(CORRUPT) }, "good" },
	{ "truncated", { BIT(TRUNCATED), BIT(TRUNCATED) }, NULL },
	{ "unsupported", { BIT(UNSUPPORTED), BIT(UNSUPPORTED) }, NULL },
	{ "half", { BIT(CORRUPT), BIT(CORRUPT) }, "good" },
	{ "second", { BIT(UNSUPPORTED), BIT(CORRUPT) }, "bb" },
	{ "none of these", { BIT(CORRUPT), BIT(CORRUPT) }, NULL },
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		size_t row = i / 2, format = i % 2;
		int64_t begun = clock_now_ms();
		struct object *o;

		bench.limits = limits_get_default();
		bench.limits.helper_ms = 1500;
		bench.limits.output_bytes = 8 << 20;
		o = run(format, rows[row].word);
		if ((o->facts & rows[row].facts[format]) != rows[row].facts[format] ||
		    (rows[row].facts[format] == 0 && o->facts != 0))
			fail_msg("%s as %s: facts %llx", rows[row].word, formats[format].file,
			    (unsigned long long)o->facts);
		if (rows[row].bytes != NULL &&
		    !bench_has_bytes(&bench, slice_of_str(rows[row].bytes)) &&
		    strcmp(rows[row].word, "second") != 0)
			fail_msg("%s as %s: not reached", rows[row].word, formats[format].file);
		assert_in_range(clock_now_ms() - begun, 0, 8000);
		assert_true(bench.seen_bytes <= (9 << 20));
		assert_true(helper_is_there(helper)); /* and the next archive is opened */
		assert_int_equal(run(format, "good")->facts, 0);
	}
	bench.limits = limits_get_default();
}

static bool
is_there_with(const char *name, enum fact fact)
{
	for (uint32_t id = 2; id <= decompose_get_object_count(bench.d); id++) {
		const struct object *o = decompose_get_object(bench.d, id);

		if (o->name_count > 0 && slice_eq_str(o->names[0], name) && has_fact(o, fact))
			return true;
	}
	return false;
}

/* One by one where that can be: the second member comes whole. */
static void
test_one_by_one(void **state)
{
	(void)state;
	assert_int_equal(run(ARC, "second")->facts, BIT(UNSUPPORTED));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("bbbbb")));
	assert_true(is_there_with("a", FACT_UNSUPPORTED));
	(void)run(LZOP, "truncated"); /* not listed: what comes is looked at */
	assert_true(bench_has_bytes(&bench, SLICE_LIT("go")));
}

/* Only one of them is there: the other's archives are unsupported, as all are without a
 * companion. */
static void
test_one_is_missing(void **state)
{
	struct helper_paths paths = { .of = { [HELPER_PROGRAM_NOMARCH] = "/nonexistent/nomarch",
					  [HELPER_PROGRAM_LZOP] = HELPER_FAKE_OLD } };
	struct err e = { 0 };
	struct helper *h = helper_start(&paths, MEMORY_BYTES, -1, &e);

	(void)state;
	assert_non_null(h);
	assert_false(helper_has(h, HELPER_PROGRAM_NOMARCH));
	assert_true(helper_has(h, HELPER_PROGRAM_LZOP));
	helper_opener_use(h);
	assert_int_equal(run(ARC, "good")->facts, BIT(UNSUPPORTED));
	assert_int_equal(run(LZOP, "good")->facts, 0);
	assert_int_equal(bench_run(&bench, SLICE_LIT("MSWIM\0\0\0good\0"), "a.wim")->facts,
	    BIT(UNSUPPORTED));
	helper_opener_use(helper);
	helper_free(&h);
	assert_false(helper_has(NULL, HELPER_PROGRAM_LZOP));
}

/* The companion itself starts nothing that it has not. */
static bool
take_nothing(void *ctx, struct slice bytes)
{
	(void)ctx;
	(void)bytes;
	return true;
}

static void
test_companion_refuses(void **state)
{
	struct helper_job job = { .mode = HELPER_LIST,
		.type = HELPER_TYPE_WIM,
		.wall_ms = 1000,
		.cpu_ms = 1000,
		.output = take_nothing,
		.message = take_nothing };

	(void)state;
	assert_true(helper_set_input(helper, SLICE_LIT("anything")));
	assert_int_equal(helper_run(helper, &job).end, HELPER_NOT_RUN);
	assert_true(helper_is_there(helper));
}

/* ---- listings ---- */

static const struct {
	bool (*next)(struct slice *rest, struct helper_member *ret);
	const char *line, *name; /* name: NULL: damaged */
	uint64_t size;
} lines[] = {
	{ helper_list_arc_next,
	    "A            \t8 (Crunched)\t        4         9  1980-01-01 00:00  9ED7", "A",
	    9 },
	{ helper_list_arc_next,
	    "A\tb          \t8 (Crunched)\t        4         9  1980-01-01 00:00  ", "A\tb",
	    9 },
	{ helper_list_arc_next,
	    "             \t8 (Crunched)\t        4         9  1980-01-01 00:00  9ED7", "", 9 },
	{ helper_list_arc_next,
	    "A            \t8 (Crunched)\t        4        -1  1980-01-01 00:00  9ED7", NULL,
	    0 },
	{ helper_list_arc_next, "A            \t8 (Crunched)\t        4", NULL, 0 },
	{ helper_list_arc_next, "A            \t        4         9  1980-01-01 00:00", NULL,
	    0 },
	{ helper_list_arc_next, "a name that is too long\t8 (S)\t 4  9  1980-01-01 00:00", NULL,
	    0 },
	{ helper_list_arc_next, "A\t8 (S)\t4 99999999999 1980-01-01 00:00", NULL, 0 },
	{ helper_list_arc_next, "", NULL, 0 },
	{ helper_list_lzop_next, "LZO1X-1            24        31 100.0% /proc/self/fd/a b ",
	    "a b ", 31 },
	{ helper_list_lzop_next, "LZO1X-1            24        31 100.0% -x", "-x", 31 },
	{ helper_list_lzop_next, "LZO1X-1            24        31 100.0%", "", 31 },
	{ helper_list_lzop_next, "LZO1X-1            24        31", NULL, 0 },
	{ helper_list_lzop_next, "LZO1X-1            24        -1 100.0% a", NULL, 0 },
	{ helper_list_lzop_next, "LZO1X-1            24 99999999999999999999 100.0% a", NULL,
	    0 },
	{ helper_list_lzop_next, "name", NULL, 0 },
	{ helper_list_lzop_next, "", NULL, 0 },
};

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CLEANUP(buf_done) struct buf text = { .max = 1024 };
		struct helper_member m;
		struct slice rest;

		assert_int_equal(buf_printf(&text, "%s\n", lines[i].line), 0);
		rest = buf_get(&text);
		if (!lines[i].next(&rest, &m) || m.damaged != (lines[i].name == NULL) ||
		    m.size != (m.damaged ? UINT64_MAX : lines[i].size) ||
		    (!m.damaged && !slice_eq_str(m.path, lines[i].name)))
			fail_msg("line %zu: \"%.*s\"", i, SLICE_FMT(m.path));
		assert_false(lines[i].next(&rest, &m));
	}
}

/* A stored member has one size; one of none has no bytes. It is taken, and told. */
static void
test_contradictions(void **state)
{
	struct slice rest = SLICE_LIT("a\t2 (Stored)\t5 4 1980-01-01 00:00 9ED7\n"
				      "b\t8 (Crunched)\t5 0 1980-01-01 00:00 9ED7\n"
				      "c\t1 (Stored)\t4 4 1980-01-01 00:00 9ED7\n");
	struct helper_member m;

	(void)state;
	assert_true(helper_list_arc_next(&rest, &m));
	assert_true(m.damaged && m.size == 4);
	assert_true(helper_list_arc_next(&rest, &m));
	assert_true(m.damaged && m.size == 0);
	assert_true(helper_list_arc_next(&rest, &m));
	assert_true(!m.damaged && m.size == 4);
}

/* lzop's heading and sum are passed over; complaints are told by their words. */
static void
test_around(void **state)
{
	struct slice rest =
	    SLICE_LIT("method      compressed  uncompr. ratio uncompressed_name\n"
		      "LZO1X-1            24        24 100.0% a\n"
		      "                 1973      3024  65.2% (totals -- 2 files)\n");
	struct helper_member m;

	(void)state;
	assert_true(helper_list_lzop_next(&rest, &m));
	assert_true(slice_eq_str(m.path, "a"));
	assert_false(helper_list_lzop_next(&rest, &m));
	assert_int_equal(
	    helper_list_lzop_get_facts(
		SLICE_LIT("lzop: x: warning: this is a multipart archive (try option '-N')\n")),
	    0);
	assert_int_equal(helper_list_lzop_get_facts(SLICE_LIT(
			     "lzop: x: warning: ignoring trailing garbage in lzop file\n")),
	    BIT(CORRUPT));
	assert_int_equal(helper_list_arc_get_facts(SLICE_LIT("warning, bad CRC\nunsupported "
							     "compression method 11\n")),
	    BIT(CORRUPT) | BIT(UNSUPPORTED));
	assert_int_equal(helper_list_arc_get_facts(SLICE_LIT("nomarch: out of memory!\n")),
	    BIT(LIMIT_BYTES));
	assert_int_equal(helper_list_arc_get_facts(SLICE_NONE), 0);
}

static int
setup(void **state)
{
	struct helper_paths paths = { .of = { [HELPER_PROGRAM_NOMARCH] = HELPER_FAKE_OLD,
					  [HELPER_PROGRAM_LZOP] = HELPER_FAKE_OLD } };
	struct err e = { 0 };

	(void)state;
	bench_init(&bench, false);
	helper = helper_start(&paths, MEMORY_BYTES, -1, &e);
	if (helper == NULL)
		print_message("%s\n", e.text);
	helper_opener_use(helper);
	return helper == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	helper_opener_use(NULL);
	helper_free(&helper);
	bench_done(&bench);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_one_is_missing),
		cmocka_unit_test(test_companion_refuses),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_around),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
