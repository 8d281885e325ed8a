/* test_corpus_archives.c: the developers' corpus of archives and bombs, where it is present
 * ($CORDON_SHARED, or ../shared beside the tree): what must be reached, and what must be said.
 * Damage is test_damage.c's. */
#include "test_opener.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "decompose/zip_password.h"

static struct bench bench;
static char corpus[1024];

#define CLAM "71e7b604d18aefd839e51a39c88df8383bb4c071dc31f87f00a2b5df580d4495"
#define BOMB_SECONDS 5
#define CAGE_DATA_BYTES ((rlim_t)1 << 30)

/* "archives/zip/x.zip" below the corpus. */
static struct object *
run_file(const char *name)
{
	char path[2048];
	const char *base = strrchr(name, '/');
	static struct slice bytes; /* borrowed by the decomposer until the next run */

	free((void *)(uintptr_t)bytes.ptr);
	(void)snprintf(path, sizeof(path), "%s/%s", corpus, name);
	bytes = file_read(path);
	if (bytes.ptr == NULL)
		print_message("cannot read %s\n", path);
	assert_non_null(bytes.ptr);
	return bench_run(&bench, bytes, base == NULL ? name : base + 1);
}

/* Containers of clam.exe that are opened here; others of that folder have formats that are
 * another opener's, or nobody's yet. */
static const char *const clam_files[] = { "clam-v3.rar", "clam.7z", "clam.arj", "clam.bin-be.cpio",
	"clam.bin-le.cpio", "clam.bz2.zip", "clam.cab", "clam.d64.zip", "clam.exe",
	"clam.exe.bz2", "clam.exe.szdd", "clam.exe_and_mail.tar.gz", "clam.impl.zip", "clam.iso",
	"clam.newc.cpio", "clam.odc.cpio", "clam.split.oneseg.zip", "clam.tar.gz", "clam.zip" };

static void
test_clam(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(clam_files); i++) {
		char name[256];

		(void)snprintf(name, sizeof(name), "archives/clamav/%s", clam_files[i]);
		(void)run_file(name);
		if (!bench_has_hash(&bench, CLAM))
			print_message("%s: clam.exe not reached\n", name);
		assert_true(bench_has_hash(&bench, CLAM));
	}
}

/* Facts that must be there, or none; the number of objects at least. */
static const struct {
	const char *file;
	enum fact fact; /* FACT_COUNT: none at all */
	uint32_t objects;
} wants[] = {
	{ "7z/test_read_format_7zip_bzip2.7z", FACT_COUNT, 2 },
	{ "7z/test_read_format_7zip_bcj_deflate.7z", FACT_COUNT, 2 },
	{ "7z/test_read_format_7zip_bcj2_bzip2.7z", FACT_COUNT, 2 },
	{ "7z/test_read_format_7zip_delta4_lzma2.7z", FACT_COUNT, 2 },
	{ "7z/test_read_format_7zip_ppmd_small_block.7z", FACT_COUNT, 5 },
	{ "7z/test_read_format_7zip_encryption_header.7z", FACT_ENCRYPTED, 1 },
	{ "7z/test_read_format_7zip_solid_zstd.7z", FACT_UNSUPPORTED, 1 },
	{ "7z/test_read_format_7zip_malformed.7z", FACT_CORRUPT, 1 },
	{ "7z/test_read_format_7zip_sfx_modified_pe.exe", FACT_SELF_EXTRACTING, 2 },
	{ "7z/test_read_format_7zip_sfx_boundary_elf.elf", FACT_SELF_EXTRACTING, 2 },
	{ "cab/mspack-normal_2files_2folders.cab", FACT_COUNT, 5 },
	{ "cab/mspack-mszip_lzx_qtm.cab", FACT_UNSUPPORTED, 3 },
	{ "cab/mspack-partial_nodata.cab", FACT_TRUNCATED, 1 },
	{ "lha/test_read_format_lha_lh7.lzh", FACT_COUNT, 3 },
	{ "lha/test_read_format_lha_filename_utf16.lzh", FACT_COUNT, 3 },
	{ "iso/test_read_format_iso_rockridge.iso.Z", FACT_COUNT, 3 },
	{ "iso/test_read_format_iso_rockridge_ce_loop.iso.Z", FACT_COUNT, 2 },
	{ "iso/test_read_format_iso_joliet.iso.Z", FACT_COUNT, 3 },
	{ "xar/test_read_format_xar_duplicate_filename_node.xar", FACT_COUNT, 2 },
	{ "warc/test_read_format_warc.warc", FACT_COUNT, 3 },
	{ "rpm/test_read_format_cpio_svr4_bzip2_rpm.rpm", FACT_COUNT, 2 },
	{ "rar/test_read_format_rar_compress_best.rar", FACT_COUNT, 4 },
	{ "rar/test_read_format_rar4_encrypted.rar", FACT_ENCRYPTED, 5 },
	{ "rar/test_read_format_rar_encryption_header.rar", FACT_ENCRYPTED, 1 },
	{ "rar/test_read_format_rar_encryption_partially.rar", FACT_ENCRYPTED, 3 },
	{ "rar/test_rar_multivolume_multiple_files.part1.rar", FACT_MULTI_VOLUME, 2 },
	{ "rar/test_read_format_rar_sfx.exe", FACT_SELF_EXTRACTING, 4 },
	{ "rar5/test_read_format_rar5_multiarchive.part01.rar", FACT_MULTI_VOLUME, 1 },
	{ "rar5/test_read_format_rar5_blake2.rar", FACT_COUNT, 2 },
	{ "rar5/test_read_format_rar5_solid.rar", FACT_COUNT, 8 },
	{ "rar5/test_read_format_rar5_win32.rar", FACT_COUNT, 8 },
	{ "zip/test_read_format_zip_winzip_aes256.zip", FACT_ENCRYPTED, 2 },
	{ "zip/test_encrypted.zip", FACT_ENCRYPTED, 2 },
	{ "zip/test_read_format_zip_ppmd8.zipx", FACT_COUNT, 2 },
	{ "zip/test_read_format_zip_lzma_stream_end.zipx", FACT_COUNT, 2 },
	{ "zip/test_read_format_zip_zstd_multi.zipx", FACT_COUNT, 4 },
	{ "zip/test_read_format_zip_bzip2.zipx", FACT_COUNT, 2 },
	{ "zip/cpython-exe_with_z64", FACT_COUNT, 2 },
	{ "patool/p.rar", FACT_ENCRYPTED, 2 },
	{ "patool/p-space.7z", FACT_ENCRYPTED, 1 },
	{ "patool/t.deb", FACT_COUNT, 4 },
	{ "patool/t.rpm", FACT_COUNT, 3 },
	{ "patool/t.tar.Z", FACT_COUNT, 3 },
	{ "patool/t.ace", FACT_UNSUPPORTED, 1 },
	{ "patool/t.zoo", FACT_UNSUPPORTED, 1 },
	{ "patool/t.arj", FACT_COUNT, 2 },
	{ "patool/p.arj", FACT_ENCRYPTED, 2 },
	{ "patool/t.wim", FACT_UNSUPPORTED, 1 },
	{ "patool/t.txt.lzo", FACT_UNSUPPORTED, 1 },
	{ "haraka-attachment/3layer.zip", FACT_COUNT, 3 },
	{ "haraka-attachment/encrypt.zip", FACT_ENCRYPTED, 2 },
	{ "haraka-attachment/encrypt-recursive.zip", FACT_ENCRYPTED, 2 },
	{ "haraka-attachment/password.zip", FACT_ENCRYPTED, 2 },
	{ "haraka-attachment/gz-in-zip.zip", FACT_COUNT, 2 },
};

static void
test_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		char name[256];
		struct object *o;

		(void)snprintf(name, sizeof(name), "archives/%s", wants[i].file);
		o = run_file(name);
		if (wants[i].fact == FACT_COUNT ? o->facts != 0 : !has_fact(o, wants[i].fact))
			print_message("%s: facts %llx\n", name, (unsigned long long)o->facts);
		if (wants[i].fact == FACT_COUNT)
			assert_int_equal(o->facts, 0);
		else
			assert_true(has_fact(o, wants[i].fact));
		if (decompose_get_object_count(bench.d) < wants[i].objects)
			print_message("%s: %u objects\n", name, decompose_get_object_count(bench.d));
		assert_true(decompose_get_object_count(bench.d) >= wants[i].objects);
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

static void
test_bombs(void **state)
{
	static const struct {
		const char *file;
		uint64_t limits; /* any of these, somewhere; 0: equal bytes are looked at once */
	} bombs[] = {
		{ "zeros-100M.gz", FACT_BIT(FACT_LIMIT_RATIO) },
		{ "zeros-512M.bz2", FACT_BIT(FACT_LIMIT_RATIO) },
		{ "zeros-256M.xz", FACT_BIT(FACT_LIMIT_RATIO) },
		{ "flat-overlap-1000x10M.zip", FACT_BIT(FACT_LIMIT_RATIO) },
		{ "quoted-overlap-250.zip", FACT_BIT(FACT_LIMIT_BYTES) },
		{ "tree-10x4-16M.zip", 0 },
		{ "chain-zip-60.zip", FACT_BIT(FACT_LIMIT_DEPTH) },
		{ "chain-gz-200.gz", FACT_BIT(FACT_LIMIT_DEPTH) },
		{ "tar-xz-60000-members.tar.xz", FACT_BIT(FACT_LIMIT_OBJECTS) },
		{ "zip-lies-size.zip", FACT_BIT(FACT_LIMIT_RATIO) | FACT_BIT(FACT_DISAGREEMENT) },
		{ "ratio-200M.xlsx", FACT_BIT(FACT_LIMIT_BYTES) | FACT_BIT(FACT_LIMIT_RATIO) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		struct timespec from, to;
		char name[256];
		uint64_t facts = 0;

		(void)snprintf(name, sizeof(name), "bombs/%s", bombs[i].file);
		bench.keep = false;
		(void)clock_gettime(CLOCK_MONOTONIC, &from);
		(void)run_file(name);
		(void)clock_gettime(CLOCK_MONOTONIC, &to);
		bench.keep = true;
		for (uint32_t id = 1; id <= decompose_get_object_count(bench.d); id++)
			facts |= decompose_get_object(bench.d, id)->facts;
		if (bombs[i].limits != 0 && (facts & bombs[i].limits) == 0)
			print_message("%s: facts %llx\n", name, (unsigned long long)facts);
		assert_true(bombs[i].limits == 0 || (facts & bombs[i].limits) != 0);
#ifndef __SANITIZE_ADDRESS__
		assert_true(to.tv_sec - from.tv_sec <= BOMB_SECONDS);
#endif
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
		cmocka_unit_test(test_facts),
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
