/* test_helper_old.c: what nomarch (ARC) and lzop give, where they are installed (Debian's
 * packages of those names): members, odd names, damage of every kind, the developers' corpus.
 * Each is tested when it is there. */
#include "test_opener.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decompose/helper_opener.h"
#include "proc/helper.h"

#define MEMORY_BYTES    (UINT64_C(1) << 30)
#define LONG_TEXT_BYTES 300000

static struct bench bench;
static struct helper *helper;
static char programs[HELPER_PROGRAM_COUNT][256];

static bool
is_installed(enum helper_program program)
{
	if (programs[program][0] == '\0')
		print_message(
		    "%s is not installed: not tested\n", helper_program_get_name(program));
	return programs[program][0] != '\0';
}

/* ---- ARC, made by hand ---- */

struct arc {
	uint8_t bytes[65536];
	size_t len;
};

static uint16_t
crc16(struct slice s)
{
	unsigned crc = 0;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= s.ptr[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0xa001 : crc >> 1;
	}
	return (uint16_t)crc;
}

static void
arc_put(struct arc *a, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		a->bytes[a->len++] = (uint8_t)(value >> (8 * i));
}

/* One member: 0x1a, method, 13 bytes of name, packed size, date, time, CRC, size, data. */
static void
arc_add(struct arc *a, const char *name, uint8_t method, uint32_t size, struct slice data)
{
	arc_put(a, 0x1a, 1);
	arc_put(a, method, 1);
	memset(a->bytes + a->len, 0, 13);
	memcpy(a->bytes + a->len, name, strlen(name));
	a->len += 13;
	arc_put(a, data.len, 4);
	arc_put(a, 0x21, 4);
	arc_put(a, crc16(data), 2);
	arc_put(a, size, 4);
	if (data.len > 0)
		memcpy(a->bytes + a->len, data.ptr, data.len);
	a->len += data.len;
}

static void
arc_store(struct arc *a, const char *name, const char *text)
{
	arc_add(a, name, 2, (uint32_t)strlen(text), slice_of_str(text));
}

static struct object *
arc_run(struct arc *a)
{
	return bench_run(&bench, slice_of(a->bytes, a->len), "a.arc");
}

static struct object *
arc_end_and_run(struct arc *a)
{
	arc_put(a, 0x1a, 2); /* and method 0 */
	return arc_run(a);
}

static void
test_arc(void **state)
{
	struct arc a = { .len = 0 };
	struct object *o;

	(void)state;
	if (!is_installed(HELPER_PROGRAM_NOMARCH))
		return;
	arc_store(&a, "NOTE.TXT", "the first member\n");
	arc_store(&a, "EMPTY", "");
	arc_store(&a, "second", "another\n");
	/* method 3: a byte, 0x90, how often */
	arc_add(&a, "packed", 3, 20, SLICE_LIT("x\x90\x14"));
	o = arc_end_and_run(&a);
	assert_true(magic_is(o->detected, "arc"));
	/* the CRC in the header is that of the packed bytes, which is wrong */
	assert_int_equal(o->facts, FACT_BIT(FACT_CORRUPT));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("the first member\n")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("another\n")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("xxxxxxxxxxxxxxxxxxxx")));
	assert_true(slice_eq_str(bench_named(&bench, "NOTE.TXT")->trail, "arc: NOTE.TXT"));

	a.len = 0;
	arc_store(&a, "NOTE.TXT", "the first member\n");
	arc_store(&a, "second", "another\n");
	assert_int_equal(arc_end_and_run(&a)->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	helper_opener_use(NULL);
	assert_int_equal(arc_run(&a)->facts, FACT_BIT(FACT_UNSUPPORTED));
	helper_opener_use(helper);
}

/* Names that are options, wildcards or more than a line; the same name twice. */
static void
test_arc_names(void **state)
{
	struct arc a = { .len = 0 };

	(void)state;
	if (!is_installed(HELPER_PROGRAM_NOMARCH))
		return;
	arc_store(&a, "-l", "dash\n");
	arc_store(&a, "*", "star\n");
	arc_store(&a, "same", "one of two\n");
	arc_store(&a, "same", "two of two\n");
	arc_store(&a, "a b\tc  ", "blanks\n");
	arc_store(&a, "../../up", "up\n");
	assert_int_equal(arc_end_and_run(&a)->facts, 0);
	assert_true(bench_has_bytes(&bench, SLICE_LIT("dash\n")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("one of two\n")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("two of two\n")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("blanks\n")));
	assert_non_null(bench_named(&bench, "-l"));
	assert_non_null(bench_named(&bench, "../../up"));

	/* Asked for one by one: the second is not read, and what follows is off its place. */
	a.len = 0;
	arc_store(&a, "-l", "dash\n");
	arc_add(&a, "broken", 11, 9, SLICE_LIT("zzzzzzzzz"));
	arc_store(&a, "*", "star\n");
	arc_store(&a, "last", "last one\n");
	assert_int_equal(arc_end_and_run(&a)->facts, FACT_BIT(FACT_UNSUPPORTED));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("last one\n")));
	assert_non_null(bench_named(&bench, "broken")); /* its name counts */

	/* A line feed in a name: what was in the listing is in doubt. */
	a.len = 0;
	arc_store(&a, "first", "1st\n");
	arc_store(&a, "a\nb", "odd\n");
	arc_store(&a, "last", "last one\n");
	assert_int_equal(arc_end_and_run(&a)->facts, FACT_BIT(FACT_CORRUPT));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("odd\n")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("last one\n")));
}

static void
test_arc_damage(void **state)
{
	struct arc a = { .len = 0 };
	size_t whole;

	(void)state;
	if (!is_installed(HELPER_PROGRAM_NOMARCH))
		return;
	arc_store(&a, "first", "the first member\n");
	arc_store(&a, "second", "another\n");
	assert_int_equal(arc_end_and_run(&a)->facts, 0);
	whole = a.len;
	for (size_t len = 46; len < whole; len++) {
		struct object *o;

		a.len = len;
		o = arc_run(&a);
		if (!has_fact(o, FACT_TRUNCATED) && !has_fact(o, FACT_CORRUPT))
			print_message(
			    "cut at %zu: facts %llx\n", len, (unsigned long long)o->facts);
		assert_true(has_fact(o, FACT_TRUNCATED) || has_fact(o, FACT_CORRUPT));
		assert_true(bench_has_bytes(&bench, SLICE_LIT("the first member\n")));
	}
	a.len = whole;
	a.bytes[29] ^= 1; /* data: the CRC tells */
	assert_int_equal(arc_run(&a)->facts, FACT_BIT(FACT_CORRUPT));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("another\n")));
	a.bytes[29] ^= 1;
	a.bytes[28] = 0x80; /* a negative size */
	assert_true(has_fact(arc_run(&a), FACT_CORRUPT));
	a.bytes[28] = 0x7f; /* one that is far too large */
	assert_true((arc_run(&a)->facts & ~FACT_BIT(FACT_PASSWORD_FOUND)) != 0);
}

/* Sizes that let a reader get more than nomarch gives; bytes behind the end. */
static void
test_arc_hides_nothing(void **state)
{
	struct arc a = { .len = 0 };

	(void)state;
	if (!is_installed(HELPER_PROGRAM_NOMARCH))
		return;
	arc_add(&a, "short", 2, 4, SLICE_LIT("more than is told\n"));
	arc_store(&a, "last", "last one\n");
	assert_true(has_fact(arc_end_and_run(&a), FACT_CORRUPT));
	a.len = 0;
	arc_add(&a, "none", 8, 0, SLICE_LIT("more than is told\n"));
	arc_store(&a, "last", "last one\n");
	assert_true(has_fact(arc_end_and_run(&a), FACT_CORRUPT));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("last one\n")));

	a.len = 0;
	arc_store(&a, "first", "first\n");
	arc_put(&a, 0x1a, 2);
	arc_put(&a, 0, 7);
	memcpy(a.bytes + a.len, "what stands behind the end", 26);
	a.len += 26;
	assert_int_equal(arc_run(&a)->facts, 0);
	assert_true(bench_has_bytes(&bench, SLICE_LIT("first\n")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("what stands behind the end")));
	a.len -= 26; /* padding */
	assert_int_equal(arc_run(&a)->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
}

static void
test_arc_of_none(void **state)
{
	struct arc a = { .len = 0 };
	struct object *o;

	(void)state;
	if (!is_installed(HELPER_PROGRAM_NOMARCH))
		return;
	/* Two bytes are no mark; an empty member alone is one. */
	arc_store(&a, "EMPTY", "");
	o = arc_end_and_run(&a);
	assert_true(magic_is(o->detected, "arc"));
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 1);
}

/* ---- lzop, which packs by itself ---- */

/* What lzop makes of these files; the archive's bytes are the caller's to free. */
static struct slice
lzop_pack(const char *const *files)
{
	char path[] = "/tmp/cordon-lzop-XXXXXX",
	     *argv[8] = { programs[HELPER_PROGRAM_LZOP], (char *)"-c" };
	int fd = mkstemp(path), status;
	size_t n = 2;
	struct slice bytes;
	pid_t pid;

	assert_true(fd >= 0);
	while (*files != NULL)
		argv[n++] = (char *)(uintptr_t)*files++;
	pid = fork();
	if (pid == 0) {
		(void)dup2(fd, 1);
		(void)execv(argv[0], argv);
		_exit(127);
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	bytes = file_read(path);
	(void)unlink(path);
	assert_non_null(bytes.ptr);
	return bytes;
}

/* A file with that text; its path is in path. */
static void
file_make(char *path, struct slice text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.ptr, text.len), text.len);
	close(fd);
}

static struct object *
run_changed(struct slice bytes, size_t at, uint8_t with)
{
	static uint8_t copy[65536];

	assert_true(bytes.len <= sizeof(copy) && at < bytes.len);
	memcpy(copy, bytes.ptr, bytes.len);
	copy[at] ^= with;
	return bench_run(&bench, slice_of(copy, bytes.len), "a.lzo");
}

static void
test_lzop(void **state)
{
	char one[] = "/tmp/cordon-one-XXXXXX", two[] = "/tmp/cordon-two-XXXXXX";
	const char *const files[] = { one, two, NULL }, *const single[] = { one, NULL };
	static char text[LONG_TEXT_BYTES];
	struct slice bytes, several;
	struct object *o;

	(void)state;
	if (!is_installed(HELPER_PROGRAM_LZOP))
		return;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i * i % 23);
	file_make(one, slice_of(text, sizeof(text)));
	file_make(two, SLICE_LIT("and a second file\n"));
	bytes = lzop_pack(single);
	o = bench_run(&bench, bytes, "a.lzo");
	assert_int_equal(o->facts, 0);
	assert_true(bench_has_bytes(&bench, slice_of(text, sizeof(text))));
	assert_non_null(bench_named(&bench, one + sizeof("/tmp/") - 1));

	several = lzop_pack(files);
	assert_int_equal(bench_run(&bench, several, "a.lzo")->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	assert_true(bench_has_bytes(&bench, SLICE_LIT("and a second file\n")));

	/* Damage: what came before it is looked at, and it is told. */
	assert_int_equal(bench_run(&bench, slice_sub(several, 0, several.len - 7), "a")->facts,
	    FACT_BIT(FACT_TRUNCATED));
	assert_true(decompose_get_object_count(bench.d) > 1);
	assert_true(has_fact(run_changed(bytes, bytes.len - 9, 1), FACT_CORRUPT));
	for (size_t at = 9; at < 60; at++) {
		o = run_changed(bytes, at, 0x41);
		/* Fields that tell nothing of the content (a date, rights) may change the sum
		 * of the header, which is told, or nothing. */
		assert_true(
		    o->facts != 0 || bench_has_bytes(&bench, slice_of(text, sizeof(text))));
	}
	helper_opener_use(NULL);
	assert_int_equal(bench_run(&bench, bytes, "a.lzo")->facts, FACT_BIT(FACT_UNSUPPORTED));
	helper_opener_use(helper);
	(void)bench_run(&bench, SLICE_LIT("x"), "x"); /* lets go of the bytes */
	free((void *)(uintptr_t)bytes.ptr);
	free((void *)(uintptr_t)several.ptr);
	(void)unlink(one);
	(void)unlink(two);
}

/* ---- the developers' corpus ---- */

static const struct {
	const char *file;
	enum helper_program program;
	uint64_t facts;
	const char *trail; /* of some object */
} wants[] = {
	{ "patool/t.arc", HELPER_PROGRAM_NOMARCH, 0, "arc: t.txt" },
	{ "patool/p.arc", HELPER_PROGRAM_NOMARCH, FACT_BIT(FACT_CORRUPT), "arc: t.txt" },
	{ "patool/t.txt.lzo", HELPER_PROGRAM_LZOP, 0, "lzop: t.txt" },
	{ "tar/test_compat_lzop_1.tar.lzo", HELPER_PROGRAM_LZOP, 0, " > INSTALL" },
	{ "tar/test_compat_lzop_2.tar.lzo", HELPER_PROGRAM_LZOP, 0, "lzop: " },
	{ "tar/test_compat_lzop_3.tar.lzo", HELPER_PROGRAM_LZOP, FACT_BIT(FACT_CORRUPT),
	    " > INSTALL" }, /* bytes behind the end */
	{ "tar/test_read_filter_lzop.tar.lzo", HELPER_PROGRAM_LZOP, 0, "lzop: " },
};

static bool
any_trail_has(const char *text)
{
	for (uint32_t id = 2; id <= decompose_get_object_count(bench.d); id++) {
		if (slice_find(decompose_get_object(bench.d, id)->trail, slice_of_str(text),
			0) != SIZE_MAX)
			return true;
	}
	return false;
}

static void
test_corpus(void **state)
{
	const char *shared = getenv("CORDON_SHARED"), *source = getenv("CORDON_SOURCE");
	unsigned found = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		struct slice bytes;
		char path[2048];
		struct object *o;

		if (shared != NULL)
			(void)snprintf(
			    path, sizeof(path), "%s/corpus/archives/%s", shared, wants[i].file);
		else
			(void)snprintf(path, sizeof(path), "%s/../shared/corpus/archives/%s",
			    source == NULL ? "." : source, wants[i].file);
		if (programs[wants[i].program][0] == '\0')
			continue;
		bytes = file_read(path);
		if (bytes.ptr == NULL)
			continue;
		found++;
		o = bench_run(&bench, bytes, "file");
		if (o->facts != wants[i].facts || !any_trail_has(wants[i].trail)) {
			print_message(
			    "%s: facts %llx\n", wants[i].file, (unsigned long long)o->facts);
			for (uint32_t id = 2; id <= decompose_get_object_count(bench.d); id++)
				print_message("  %.*s\n",
				    SLICE_FMT(decompose_get_object(bench.d, id)->trail));
		}
		assert_int_equal(o->facts, wants[i].facts);
		assert_true(any_trail_has(wants[i].trail));
		(void)bench_run(&bench, SLICE_LIT("x"), "x"); /* lets go of the bytes */
		free((void *)(uintptr_t)bytes.ptr);
	}
	if (found == 0)
		print_message("no corpus: not tested\n");
}

static int
setup(void **state)
{
	struct helper_paths paths = { 0 };
	struct err e = { 0 };

	(void)state;
	bench_init(&bench, false);
	bench.keep = true;
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++)
		paths.of[i] = programs[i];
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
		cmocka_unit_test(test_arc),
		cmocka_unit_test(test_arc_names),
		cmocka_unit_test(test_arc_damage),
		cmocka_unit_test(test_arc_hides_nothing),
		cmocka_unit_test(test_arc_of_none),
		cmocka_unit_test(test_lzop),
		cmocka_unit_test(test_corpus),
	};
	struct err e = { 0 };
	bool any = false;

	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++)
		any =
		    helper_find_program(i, "auto", programs[i], sizeof(programs[i]), &e) || any;
	if (!any) {
		print_message("SKIP ALL: none of the programs is installed\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
