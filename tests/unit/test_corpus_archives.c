/* test_corpus_archives.c: the developers' corpus of archives and bombs, where it is present
 * ($CORDON_SHARED, or ../shared beside the tree): what must be reached, and what must be said.
 * Damage is test_damage.c's. */
#include "test_corpus_table.h"
#include "test_opener.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decompose/mail_guess.h"

#include "decompose/zip_password.h"

static struct bench bench;
static char corpus[1024];

#define CLAM "71e7b604d18aefd839e51a39c88df8383bb4c071dc31f87f00a2b5df580d4495"
#define BOMB_SECONDS 5
#define BOMB_KILOBYTES  (256 * 1024)
#define CAGE_DATA_BYTES ((rlim_t)1 << 30)

static struct object *
run_path(const char *path, const char *name)
{
	static struct slice bytes; /* borrowed by the decomposer until the next run */

	free((void *)(uintptr_t)bytes.ptr);
	bytes = file_read(path);
	if (bytes.ptr == NULL)
		print_message("cannot read %s\n", path);
	assert_non_null(bytes.ptr);
	return bench_run(&bench, bytes, name);
}

/* "archives/zip/x.zip" below the corpus. */
static struct object *
run_file(const char *name)
{
	char path[2048];
	const char *base = strrchr(name, '/');

	(void)snprintf(path, sizeof(path), "%s/%s", corpus, name);
	return run_path(path, base == NULL ? name : base + 1);
}

/* Not containers that can be opened: a packed program, a mail without clam.exe, programs that are
 * hidden in another file without a header of their own. */
static const char *const clam_exceptions[] = { "clam-upx.exe", "clam_cache_emax.tgz",
	"clam.exe.emb-exes" };

static void
check_clam(const char *path, const char *name)
{
	if (strstr(name, "clam") == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(clam_exceptions); i++) {
		if (strcmp(name, clam_exceptions[i]) == 0)
			return;
	}
	(void)run_path(path, name);
	if (!bench_has_hash(&bench, CLAM))
		fail_msg("%s: clam.exe not reached", path);
}

static void
test_clam(void **state)
{
	char folder[2048];

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/archives/clamav", corpus);
	assert_true(folder_walk(folder, check_clam) > 40);
}

/* ---- every file: what is said of it, and of what is in it ---- */

/* Facts that mean: not everything was looked at. */
static uint64_t
facts_with_cause(void)
{
	uint64_t facts = 0;

	for (int f = 0; f < FACT_COUNT; f++) {
		if (fact_get_cause((enum fact)f) != CAUSE_NONE)
			facts |= FACT_BIT(f);
	}
	return facts;
}

static struct corpus_table table;

static void
check_row(const char *path, const char *name)
{
	(void)run_path(path, name);
	corpus_table_check(&table, &bench, path);
}

static void
test_every_file(void **state)
{
	char path[2048];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/archives", corpus);
	corpus_table_open(&table, "archives.tsv", path, facts_with_cause());
	(void)folder_walk(path, check_row);
	corpus_table_close(&table, 420);
}

/* The four causes are told apart on files of every kind. */
static void
test_four_facts(void **state)
{
	static const struct {
		const char *file;
		enum fact fact;
	} rows[] = {
		{ "zip/test_encrypted.zip", FACT_ENCRYPTED },
		{ "rar/test_read_format_rar_encryption_header.rar", FACT_ENCRYPTED },
		{ "7z/test_read_format_7zip_encryption_header.7z", FACT_ENCRYPTED },
		{ "patool/p-space.7z", FACT_ENCRYPTED },
		{ "patool/p.arj", FACT_ENCRYPTED },
		{ "zip/test_read_format_zip.zip", FACT_CORRUPT },
		{ "7z/test_read_format_7zip_malformed.7z", FACT_CORRUPT },
		{ "cab/mspack-bad_nofolders.cab", FACT_CORRUPT },
		{ "cab/mspack-lzx-main-tree-no-lengths.cab", FACT_CORRUPT },
		{ "rpm/test_read_format_huge_rpm.rpm", FACT_CORRUPT },
		{ "7z/test_read_format_7zip_solid_zstd.7z", FACT_UNSUPPORTED },
		{ "cab/mspack-mszip_lzx_qtm.cab", FACT_UNSUPPORTED },
		{ "clamav/lh1.lzh", FACT_UNSUPPORTED },
		{ "patool/t.ace", FACT_UNSUPPORTED },
		{ "patool/t.txt.lzo", FACT_UNSUPPORTED },
		{ "cab/mspack-partial_shortfile1.cab", FACT_TRUNCATED },
		{ "compressed/test_read_files_compressed.part01", FACT_TRUNCATED },
		{ "rar/test_read_format_rar_invalid1.rar", FACT_TRUNCATED },
		{ "warc/test_read_format_warc_incomplete.warc", FACT_TRUNCATED },
		{ "zip/test_read_format_zip_malformed1.zip", FACT_TRUNCATED },
	};
	uint64_t four = FACT_BIT(FACT_ENCRYPTED) | FACT_BIT(FACT_CORRUPT) |
			FACT_BIT(FACT_UNSUPPORTED) | FACT_BIT(FACT_TRUNCATED);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[256];

		(void)snprintf(name, sizeof(name), "archives/%s", rows[i].file);
		if ((run_file(name)->facts & four) != FACT_BIT(rows[i].fact))
			fail_msg("%s", name);
	}
}

/* ---- what Python's zipfile and tarfile list ---- */

struct listing {
	struct slice text;
	size_t at;
};

/* The next line without blanks, quotes at the ends and comma; false at the end. */
static bool
line_next(struct listing *l, struct slice *ret_line)
{
	size_t end = slice_find_byte(l->text, '\n', l->at);

	if (end == SIZE_MAX)
		return false;
	*ret_line = slice_trim(slice_sub(l->text, l->at, end - l->at));
	if (ret_line->len > 0 && ret_line->ptr[ret_line->len - 1] == ',')
		ret_line->len--;
	l->at = end + 1;
	return true;
}

/* The value of a line like `"name": "x"`, or an empty slice. */
static struct slice
line_value(struct slice line, const char *key)
{
	char start[32];
	struct slice v;

	(void)snprintf(start, sizeof(start), "\"%s\": ", key);
	if (!slice_starts_with(line, slice_of_str(start)))
		return SLICE_NONE;
	v = slice_from(line, strlen(start));
	if (v.len >= 2 && v.ptr[0] == '"')
		v = slice_sub(v, 1, v.len - 2);
	return v;
}

/* Whether some object (a name of it) is that member. Escaped names are not compared. */
static bool
has_member(struct slice name, uint64_t size)
{
	for (uint32_t id = 2; id <= decompose_get_object_count(bench.d); id++) {
		const struct object *o = decompose_get_object(bench.d, id);

		for (uint32_t i = 0; i < o->name_count; i++) {
			if (slice_eq(o->names[i], name))
				return o->size >= size || has_fact(o, FACT_ENCRYPTED);
		}
	}
	return false;
}

/* With the right word in the configured list they open, and the trail says how. */
static const struct {
	const char *file, *password;
} locked[] = {
	{ "zip/test_read_format_zip_winzip_aes256.zip", "password" },
	{ "zip/test_read_format_zip_winzip_aes256_large_bzip2.zip", "password" },
	{ "zip/test_read_format_zip_winzip_aes256_large_lzma.zip", "password" },
	{ "zip/test_read_format_zip_winzip_aes256_large_ppmd.zip", "password" },
	{ "zip/test_read_format_zip_winzip_aes256_stored.zip", "password" },
	{ "zip/tar_test_option_passphrase.zip", "pass1" },
	{ "patool/p.zip", "thereisnotry" },
	{ "patool/p.cbz", "thereisnotry" },
};

static void
test_passwords(void **state)
{
	unsigned opened = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(locked); i++) {
		struct slice words[] = { SLICE_LIT("another"), slice_of_str(locked[i].password) };
		char name[256];
		const struct object *o;
		bool said = false;

		zip_password_set_list(words, ARRAY_LEN(words));
		(void)snprintf(name, sizeof(name), "archives/%s", locked[i].file);
		o = run_file(name);
		for (uint32_t id = 2; id <= decompose_get_object_count(bench.d); id++)
			said = said || slice_find(decompose_get_object(bench.d, id)->trail,
			    SLICE_LIT("(password)"), 0) != SIZE_MAX;
		if (has_fact(o, FACT_ENCRYPTED) || !said)
			print_message("%s: not opened, facts %llx\n", name, (unsigned long long)o->facts);
		opened += !has_fact(o, FACT_ENCRYPTED) && said;
		zip_password_set_list(words, 1);
		assert_true(has_fact(run_file(name), FACT_ENCRYPTED));
	}
	zip_password_set_list(NULL, 0);
	assert_int_equal(opened, ARRAY_LEN(locked));
}

static void
test_python_listing(void **state)
{
	char path[2048];
	struct listing l = { .at = 0 };
	struct slice line, v, name = SLICE_NONE;
	unsigned files = 0, members = 0, lost = 0;
	bool skip = true;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/archives/python-listing.json", corpus);
	l.text = file_read(path);
	assert_non_null(l.text.ptr);
	while (line_next(&l, &line)) {
		if (line.len > 5 && line.ptr[0] == '"' && line.ptr[line.len - 1] == '{' &&
		    slice_find_byte(line, '/', 0) != SIZE_MAX) {
			char file[512];

			(void)snprintf(file, sizeof(file), "archives/%.*s", SLICE_FMT(slice_sub(line, 1,
			    slice_find_byte(line, '"', 1) - 1)));
			/* Holes of gigabytes, a size that lies by 4 GB, the last volume of two, and
			 * access lists that Python takes for files. */
			skip = strstr(file, "sparse") != NULL || strstr(file, "off_by_4gib") != NULL ||
			    strstr(file, "logos.zip") != NULL || strstr(file, "_acl") != NULL;
			if (!skip)
				(void)run_file(file);
			files++;
		}
		v = line_value(line, "name");
		if (v.len > 0)
			name = slice_find_byte(v, '\\', 0) == SIZE_MAX ? v : SLICE_NONE;
		v = line_value(line, "size");
		if (v.len > 0 && name.len > 0 && !skip) {
			uint64_t size = strtoull((const char *)v.ptr, NULL, 10);

			if (size > 0) {
				members++;
				if (!has_member(name, size)) {
					print_message("lost: %.*s, %u bytes\n", SLICE_FMT(name), (unsigned)size);
					lost++;
				}
			}
		}
	}
	print_message("%u files, %u members, %u lost\n", files, members, lost);
	assert_true(files > 100 && members > 150);
	assert_int_equal(lost, 0);
	free((void *)(uintptr_t)l.text.ptr);
}

/* ---- bombs ---- */

/* What must be said somewhere, by the kind of bomb that bombs/expected.json tells. */
static const struct {
	const char *file;
	uint64_t limits; /* any of these; 0: nothing in it is out of bounds */
	bool reached;    /* the virus at the bottom is found all the same */
} bombs[] = {
	{ "zeros-100M.gz", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "zeros-512M.bz2", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "zeros-256M.xz", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "flat-overlap-1000x10M.zip", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "quoted-overlap-250.zip", FACT_BIT(FACT_LIMIT_BYTES) | FACT_BIT(FACT_LIMIT_HELD),
	    false },
	{ "tree-10x4-16M.zip", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "chain-zip-60.zip", FACT_BIT(FACT_LIMIT_DEPTH), false },
	{ "chain-gz-200.gz", FACT_BIT(FACT_LIMIT_DEPTH), false },
	{ "tar-xz-60000-members.tar.xz", FACT_BIT(FACT_LIMIT_OBJECTS), false },
	{ "zip-lies-size.zip", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "ratio-200M.xlsx", FACT_BIT(FACT_LIMIT_HELD) | FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "flate2-100M.pdf", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "mime-attached-zip-overlap.eml", FACT_BIT(FACT_LIMIT_RATIO), false },
	{ "mime-nest-multipart-300.eml", FACT_BIT(FACT_LIMIT_DEPTH), false },
	{ "mime-nest-rfc822-100.eml", 0, true },
	{ "mime-20000-parts.eml", FACT_BIT(FACT_LIMIT_VIEWS), false },
	{ "header-150k-one-line.eml", 0, false },
	{ "headers-20000.eml", 0, false },
};

/* In a process of its own, as in life, so that its memory can be told. */
_Noreturn static void
bomb_run(size_t which, struct slice bytes)
{
	struct decompose_hook hook = { .seen = bench_seen, .ctx = &bench, .hash_first = true };
	struct slice name = slice_of_str(bombs[which].file);
	uint64_t facts = 0;

	bench.keep = false;
	decompose_run(
	    bench.d, bytes, mail_guess_roles(bytes, name), name, &bench.limits, &hook);
	for (uint32_t id = 1; id <= decompose_get_object_count(bench.d); id++)
		facts |= decompose_get_object(bench.d, id)->facts;
	if (bombs[which].limits != 0 ? (facts & bombs[which].limits) == 0
				     : (facts & FACTS_LIMITS) != 0)
		_exit(1);
	_exit(bombs[which].reached && bench.eicars == 0 ? 2 : 0);
}

static void
test_bombs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		struct rusage used;
		struct slice bytes;
		char path[2048];
		int status;
		pid_t pid;

		(void)snprintf(path, sizeof(path), "%s/bombs/%s", corpus, bombs[i].file);
		bytes = file_read(path);
		assert_non_null(bytes.ptr);
		(void)madvise(bench.hold, HOLD_BYTES, MADV_DONTNEED);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			bomb_run(i, bytes);
		assert_int_equal(wait4(pid, &status, 0, &used), pid);
		print_message("%-32s %ld.%03ld s, %ld MB\n", bombs[i].file,
		    used.ru_utime.tv_sec + used.ru_stime.tv_sec,
		    (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000 % 1000,
		    used.ru_maxrss / 1024);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("%s: status %x", bombs[i].file, (unsigned)status);
#ifndef __SANITIZE_ADDRESS__
		assert_true(used.ru_utime.tv_sec + used.ru_stime.tv_sec < BOMB_SECONDS);
		assert_true(used.ru_maxrss <= BOMB_KILOBYTES);
#endif
		free((void *)(uintptr_t)bytes.ptr);
	}
}

static bool
corpus_find(void)
{
	const char *shared = getenv("CORDON_SHARED"), *source = getenv("CORDON_SOURCE");
	struct stat st;

	if (shared != NULL)
		(void)snprintf(corpus, sizeof(corpus), "%s/corpus", shared);
	else
		(void)snprintf(corpus, sizeof(corpus), "%s/../shared/corpus",
		    source != NULL ? source : ".");
	return stat(corpus, &st) == 0 && S_ISDIR(st.st_mode);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clam),
		cmocka_unit_test(test_every_file),
		cmocka_unit_test(test_four_facts),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_python_listing),
		cmocka_unit_test(test_bombs),
	};
	int failed;

	if (!corpus_find()) {
		(void)puts("SKIP ALL: no corpus (CORDON_SHARED)");
		return 0;
	}
#ifndef __SANITIZE_ADDRESS__
	/* As in the cage: what asks for more than this is refused, and must live with it. */
	(void)setrlimit(RLIMIT_DATA, &(struct rlimit){ CAGE_DATA_BYTES, CAGE_DATA_BYTES });
#endif
	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
