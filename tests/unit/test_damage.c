/* test_damage.c: every sample of archives and documents, of the developers' corpus and our own,
 * with one percent of its bytes changed, the same ones every time: the decomposer does not
 * crash and keeps to its budget of time, objects and bytes. Where 7zz and the like are installed
 * they have their part. */
#include "test_opener.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "decompose/helper_opener.h"
#include "proc/helper.h"

#define FILE_MAX_BYTES  ((size_t)512 << 10)
#define CAGE_DATA_BYTES ((rlim_t)1 << 30)
#define HELPER_BYTES    (UINT64_C(512) << 20)
#define OUTPUT_BYTES    ((uint64_t)32 << 20)
#define OBJECTS         2000u
#define CPU_MS          2000u
#define HEAD_BYTES      64u /* left alone in every other round: the format stays known */
#ifdef __SANITIZE_ADDRESS__
#define ROUNDS   3u
#define SLACK_MS 3000

/* As in the cage: what asks for more than this is refused. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "max_allocation_size_mb=1024";
}
#else
#define ROUNDS   10u
#define SLACK_MS 500
#endif

static struct bench bench;
static unsigned file_count;
static int64_t slowest_ms;

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void
damage(uint8_t *data, size_t len, unsigned round)
{
	uint32_t seed = (uint32_t)len * 2654435761u + 1 + round * 40503u;
	size_t first = round % 2 == 1 && len > 2 * (size_t)HEAD_BYTES ? HEAD_BYTES : 0;

	for (size_t i = 0; i < len / 100 + 1; i++) {
		size_t at = first + next_random(&seed) % (len - first);

		data[at] = (uint8_t)next_random(&seed);
	}
}

static void
run_damaged(const char *path, const char *name, unsigned round)
{
	struct slice bytes = file_read(path);
	uint8_t *data = (uint8_t *)(uintptr_t)bytes.ptr;
	int64_t begun_us;

	if (bytes.len == 0 || bytes.len > FILE_MAX_BYTES) {
		free(data);
		return;
	}
	damage(data, bytes.len, round);
	begun_us = clock_cpu_us();
	(void)bench_run(&bench, bytes, name);
	begun_us = (clock_cpu_us() - begun_us) / 1000;
	if (begun_us > CPU_MS + SLACK_MS)
		print_message("%s, round %u: %d ms\n", path, round, (int)begun_us);
	assert_true(begun_us <= CPU_MS + SLACK_MS);
	assert_true(decompose_get_object_count(bench.d) <= OBJECTS);
	/* What lies inside the file as it is costs no output; each byte of it may be seen again
	 * in every level of depth. */
	assert_true(bench.seen_bytes <= OUTPUT_BYTES + (bench.limits.depth + 5) * bytes.len);
	if (begun_us > slowest_ms)
		slowest_ms = begun_us;
	file_count++;
	(void)bench_run(&bench, SLICE_LIT("x"), "x"); /* lets go of the bytes */
	free(data);
}

static void
run_folder(const char *folder, unsigned round)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char path[2048];
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (stat(path, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			run_folder(path, round);
		else
			run_damaged(path, e->d_name, round);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static const char *
source_get(void)
{
	const char *source = getenv("CORDON_SOURCE");

	return source == NULL ? "." : source;
}

static void
test_own_samples(void **state)
{
	char folder[2048];

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus", source_get());
	file_count = 0;
	for (unsigned round = 0; round < ROUNDS; round++)
		run_folder(folder, round);
	print_message("%u damaged files, slowest %d ms\n", file_count, (int)slowest_ms);
	assert_true(file_count > 100 * ROUNDS);
}

static void
test_corpus(void **state)
{
	static const char *const parts[] = { "archives", "office", "tnef" };
	const char *shared = getenv("CORDON_SHARED");
	char folder[2048];

	(void)state;
	file_count = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
			if (shared != NULL)
				(void)snprintf(
				    folder, sizeof(folder), "%s/corpus/%s", shared, parts[i]);
			else
				(void)snprintf(folder, sizeof(folder), "%s/../shared/corpus/%s",
				    source_get(), parts[i]);
			run_folder(folder, round);
		}
	}
	print_message("%u damaged files, slowest %d ms\n", file_count, (int)slowest_ms);
	if (file_count == 0)
		print_message("no corpus (CORDON_SHARED): not tested\n");
	else
		assert_true(file_count > 400 * ROUNDS);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_samples),
		cmocka_unit_test(test_corpus),
	};
	struct helper *helper = NULL;
	char program[HELPER_PROGRAM_COUNT][256];
	struct helper_paths paths = { 0 };
	struct err e;
	int failed;

	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++) {
		if (helper_find_program(i, "auto", program[i], sizeof(program[i]), &e))
			paths.of[i] = program[i];
		else
			print_message("%s is not installed: without it\n",
			    helper_program_get_name(i));
	}
	helper = helper_start(&paths, HELPER_BYTES, -1, &e);
#ifndef __SANITIZE_ADDRESS__
	/* As in the cage: what asks for more than this is refused, and must live with it. */
	(void)setrlimit(RLIMIT_DATA, &(struct rlimit){ CAGE_DATA_BYTES, CAGE_DATA_BYTES });
#endif
	bench_init(&bench, false);
	bench.limits.output_bytes = OUTPUT_BYTES;
	bench.limits.objects = OBJECTS;
	bench.limits.cpu_ms = CPU_MS;
	bench.limits.helper_ms = 2000;
	bench.limits.helper_runs = 8;
	helper_opener_use(helper);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	helper_opener_use(NULL);
	helper_free(&helper);
	bench_done(&bench);
	return failed;
}
