/* test_helper.c: archives through a program beside. A fake one shows that whatever it does
 * (hang, crash, flood, lie, try to get out) costs its own archive the clean verdict and nothing
 * else; 7zz itself, where it is installed, that archives are opened, with passwords too. */
#include "test_opener.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "decompose/helper_list.h"
#include "decompose/helper_opener.h"
#include "decompose/zip_password.h"
#include "proc/helper.h"

#define MEMORY_BYTES (UINT64_C(512) << 20)

static struct bench bench;

static struct helper *
use_program(const char *program)
{
	struct err e = { 0 };
	struct helper_paths paths = { .of = { [HELPER_PROGRAM_7ZZ] = program } };
	struct helper *h = helper_start(&paths, MEMORY_BYTES, -1, &e);

	if (h == NULL)
		print_message("%s\n", e.text);
	assert_non_null(h);
	helper_opener_use(h);
	return h;
}

static void
use_none(struct helper **h)
{
	helper_opener_use(NULL);
	helper_free(h);
}

/* An archive that tells the fake program what to do. */
static struct object *
run_fake(const char *word)
{
	static char archive[64];

	memset(archive, 0, sizeof(archive));
	memcpy(archive, "MSWIM\0\0\0", 8);
	memcpy(archive + 8, word, strlen(word));
	return bench_run(&bench, slice_of(archive, sizeof(archive)), "a.wim");
}

static void
test_not_installed(void **state)
{
	struct helper_paths nowhere = { .of = { [HELPER_PROGRAM_7ZZ] = "/nonexistent/7zz" } };
	char path[256];
	struct err e = { 0 };

	(void)state;
	helper_opener_use(NULL);
	assert_true(has_fact(run_fake("good"), FACT_UNSUPPORTED));
	assert_false(helper_find_program(HELPER_PROGRAM_7ZZ, "off", path, sizeof(path), &e));
	assert_int_equal(e.code, 0);
	assert_false(helper_find_program(
	    HELPER_PROGRAM_7ZZ, "/nonexistent/7zz", path, sizeof(path), &e));
	assert_int_equal(e.code, ENOENT);
	assert_true(
	    helper_find_program(HELPER_PROGRAM_7ZZ, "/bin/true", path, sizeof(path), &e));
	assert_null(helper_start(&nowhere, 0, -1, &e));
}

static void
test_good(void **state)
{
	struct helper *h = use_program(HELPER_FAKE);
	struct object *o = run_fake("good"), *member;

	(void)state;
	assert_int_equal(o->facts, 0);
	member = bench_named(&bench, "a");
	assert_non_null(member);
	assert_true(slice_eq_str(member->trail, "wim: a"));
	assert_int_equal(member->size, 4);
	use_none(&h);
}

/* What it does, and the fact that must be there. */
static const struct {
	const char *word;
	enum fact fact;
} troubles[] = {
	{ "hang", FACT_LIMIT_CPU },
	{ "spin", FACT_LIMIT_CPU },
	{ "crash", FACT_CORRUPT },
	{ "flood", FACT_LIMIT_BYTES },
	{ "words", FACT_CORRUPT },
	{ "members", FACT_LIMIT_OBJECTS },
	{ "memory", FACT_LIMIT_BYTES },
	{ "shorter", FACT_CORRUPT },
	{ "hidden", FACT_CORRUPT },
	{ "broken", FACT_CORRUPT },
	{ "unsupported", FACT_UNSUPPORTED },
	{ "garbage", FACT_UNSUPPORTED },
};

static void
test_trouble(void **state)
{
	struct helper *h = use_program(HELPER_FAKE);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(troubles); i++) {
		int64_t begun = clock_now_ms();
		struct object *o;

		bench.limits = limits_get_default();
		bench.limits.helper_ms = 2000;
		bench.limits.output_bytes = 8 << 20;
		o = run_fake(troubles[i].word);
		if (!has_fact(o, troubles[i].fact))
			print_message(
			    "%s: facts %llx\n", troubles[i].word, (unsigned long long)o->facts);
		assert_true(has_fact(o, troubles[i].fact));
		assert_in_range(clock_now_ms() - begun, 0, 8000);
		assert_true(bench.seen_bytes <= (9 << 20));
		assert_true(helper_is_there(h)); /* and the next archive is opened */
		assert_int_equal(run_fake("good")->facts, 0);
	}
	bench.limits = limits_get_default();
	use_none(&h);
}

/* CPU time of the program is paid from the mail's budget. */
static void
test_cpu_is_paid(void **state)
{
	struct helper *h = use_program(HELPER_FAKE);
	int64_t begun = clock_now_ms();

	(void)state;
	bench.limits.cpu_ms = 1000;
	assert_true(has_fact(run_fake("spin"), FACT_LIMIT_CPU));
	assert_in_range(clock_now_ms() - begun, 0, 20000);
	assert_true((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_CPU)) != 0);
	bench.limits = limits_get_default();
	use_none(&h);
}

static void
test_runs_are_bounded(void **state)
{
	struct helper *h = use_program(HELPER_FAKE);

	(void)state;
	bench.limits.helper_runs = 1;
	assert_true(has_fact(run_fake("good"), FACT_LIMIT_CPU));
	bench.limits = limits_get_default();
	use_none(&h);
}

/* Members are cut as they come, not as they are listed. */
static void
test_swapped(void **state)
{
	struct helper *h = use_program(HELPER_FAKE);

	(void)state;
	assert_int_equal(run_fake("swapped")->facts, 0);
	assert_true(bench_has_bytes(&bench, SLICE_LIT("aaa")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("bbbbb")));
	assert_true(has_fact(run_fake("broken"), FACT_CORRUPT));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("bbbbb")));
	use_none(&h);
}

static void
test_cage(void **state)
{
	struct helper *h = use_program(HELPER_FAKE);
	const struct object *o;
	int bait = open("/tmp/cordon-helper-bait", O_CREAT | O_WRONLY, 0600);

	(void)state;
	assert_true(bait >= 0);
	close(bait);
	bench.keep = true;
	assert_int_equal(run_fake("escape")->facts, 0);
	o = bench_named(&bench, "report");
	assert_non_null(o);
	if (!slice_eq_str(o->bytes, "."))
		print_message(
		    "it could: %.*s\n", (int)o->bytes.len, (const char *)o->bytes.ptr);
	assert_true(slice_eq_str(o->bytes, "."));
	assert_int_equal(access("/tmp/cordon-helper-bait", F_OK), 0);
	(void)unlink("/tmp/cordon-helper-bait");
	bench.keep = false;
	use_none(&h);
}

/* Not a program, one that ends at once: unsupported. */
static void
test_no_program(void **state)
{
	struct helper *h = use_program("/etc/passwd");

	(void)state;
	assert_true(has_fact(run_fake("good"), FACT_UNSUPPORTED));
	use_none(&h);
	h = use_program("/bin/false");
	assert_true(has_fact(run_fake("good"), FACT_CORRUPT));
	use_none(&h);
	h = use_program("/bin/true"); /* lists nothing and is content: not clean */
	assert_true(has_fact(run_fake("good"), FACT_CORRUPT));
	use_none(&h);
}

/* The companion dies: the archive is unsupported, and nothing hangs. */
static void
test_companion_killed(void **state)
{
	struct helper *h = use_program(HELPER_FAKE);
	char path[64], children[256] = "";
	FILE *f;
	pid_t pid;

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	if (f == NULL || fgets(children, sizeof(children), f) == NULL) {
		print_message("this kernel does not list children: not tested\n");
		if (f != NULL)
			(void)fclose(f);
		use_none(&h);
		return;
	}
	(void)fclose(f);
	pid = (pid_t)strtol(children, NULL, 10);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(has_fact(run_fake("good"), FACT_UNSUPPORTED));
	assert_false(helper_is_there(h));
	use_none(&h);
}

static void
test_listing(void **state)
{
	struct slice rest = SLICE_LIT(
	    "\nEnter password:\nPath = a b \nSize = 5\nEncrypted = +\n\n"
	    "Path = d\nFolder = +\nSize = \n\nPath = e\nAttributes = D drwx\nSize = 0\n\n"
	    "Path = f\nSize = x\n");
	struct helper_member m;

	(void)state;
	assert_true(helper_list_next(&rest, &m));
	assert_true(slice_eq_str(m.path, "a b "));
	assert_int_equal(m.size, 5);
	assert_true(m.encrypted && !m.folder);
	assert_true(helper_list_next(&rest, &m));
	assert_true(m.folder && m.size == UINT64_MAX);
	assert_true(helper_list_next(&rest, &m));
	assert_true(m.folder);
	assert_true(helper_list_next(&rest, &m));
	assert_true(m.size == UINT64_MAX);
	assert_false(helper_list_next(&rest, &m));
	assert_int_equal(helper_list_get_facts(SLICE_LIT("- error\nEverything is Ok\n")), 0);
	assert_int_equal(helper_list_get_facts(SLICE_LIT("ERROR: Data Error : encrypted")),
	    FACT_BIT(FACT_CORRUPT));
	assert_int_equal(helper_list_get_facts(SLICE_LIT("ERROR: /proc/self/fd/3 : Cannot open "
							 "encrypted archive. Wrong password?")),
	    FACT_BIT(FACT_ENCRYPTED));
	assert_int_equal(
	    helper_list_get_facts(SLICE_LIT("ERRORS:\nUnexpected end of archive\n")),
	    FACT_BIT(FACT_TRUNCATED));
}

static int
setup(void **state)
{
	(void)state;
	bench_init(&bench, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bench_done(&bench);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_installed),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_cpu_is_paid),
		cmocka_unit_test(test_runs_are_bounded),
		cmocka_unit_test(test_swapped),
		cmocka_unit_test(test_cage),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_companion_killed),
		cmocka_unit_test(test_listing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
