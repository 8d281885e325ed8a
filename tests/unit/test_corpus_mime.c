/* test_corpus_mime.c: the mails of the shared corpus (CORDON_SHARED, or ../shared): each case
 * of the ambiguity manifest, the evasion set, the parts that a lenient parser finds, ham,
 * bombs. Skips with a word when the corpus is not there. */
#include <dirent.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "test_mime_helper.h"

#define PATH_SIZE 4096
#define FILE_MAX  ((size_t)64 << 20)

static char shared[PATH_SIZE];
static char eicar_text[80];

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
find_shared(void)
{
	const char *given = getenv("CORDON_SHARED"), *source = getenv("CORDON_SOURCE");

	if (given != NULL)
		(void)snprintf(shared, sizeof(shared), "%s", given);
	else
		(void)snprintf(
		    shared, sizeof(shared), "%s/../shared", source == NULL ? "." : source);
	return is_folder(shared);
}

/* The whole file, below the shared folder; false when it cannot be read. */
static bool
read_file(const char *path, struct buf *out)
{
	char full[PATH_SIZE * 2];
	FILE *f;
	uint8_t piece[65536];
	size_t n;

	buf_init(out, FILE_MAX);
	(void)snprintf(full, sizeof(full), "%s/%s", shared, path);
	f = fopen(full, "rb");
	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		assert_int_equal(buf_append(out, piece, n), 0);
	(void)fclose(f);
	return true;
}

static void
run_file(struct mime_bench *b, const char *path)
{
	CLEANUP(buf_done) struct buf mail = { .len = 0 };

	if (!read_file(path, &mail))
		fail_msg("cannot read %s", path);
	mime_bench_run(b, buf_get(&mail));
}

/* The string value behind "key": at or after *at, or an empty slice. Enough of JSON for the
 * manifests, whose strings hold no escapes that matter here. */
static struct slice
json_next(struct slice text, const char *key, size_t *at)
{
	char quoted[64];
	size_t start, end;

	(void)snprintf(quoted, sizeof(quoted), "\"%s\": \"", key);
	start = slice_find(text, slice_of_str(quoted), *at);
	if (start == SIZE_MAX)
		return SLICE_NONE;
	start += strlen(quoted);
	end = slice_find_byte(text, '"', start);
	*at = end == SIZE_MAX ? text.len : end;
	return slice_sub(text, start, *at - start);
}

static void
test_ambiguity_manifest(void **state)
{
	CLEANUP(buf_done) struct buf json = { .len = 0 };
	struct mime_bench b;
	unsigned failed = 0, count = 0;
	size_t at = 0;

	(void)state;
	assert_true(read_file("ambiguity/manifest.json", &json));
	mime_bench_init(&b);
	b.marker = slice_of_str(eicar_text);
	for (;;) {
		struct slice file = json_next(buf_get(&json), "file", &at), expected;
		char path[512];
		bool found, flagged, ok;

		if (file.len == 0)
			break;
		expected = json_next(buf_get(&json), "expected", &at);
		(void)snprintf(path, sizeof(path), "ambiguity/%.*s", SLICE_FMT(file));
		run_file(&b, path);
		found = b.marked > 0;
		flagged = b.ambiguities != 0;
		ok = slice_eq_str(expected, "detect") ? found
		     : slice_eq_str(expected, "flag") ? found || flagged
						      : !found && !flagged;
		if (!ok)
			print_error("%s: expected %.*s, found %d, flagged %d\n", path,
			    SLICE_FMT(expected), found, flagged);
		failed += !ok;
		count++;
	}
	mime_bench_done(&b);
	print_message("%u cases, %u failed\n", count, failed);
	assert_true(count >= 58);
	assert_int_equal(failed, 0);
}

/* Calls fn for every file below folder; returns their number. */
static unsigned
walk_files(struct mime_bench *b, const char *folder,
    void (*fn)(struct mime_bench *b, const char *path, void *ctx), void *ctx)
{
	char full[PATH_SIZE * 2];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	(void)snprintf(full, sizeof(full), "%s/%s", shared, folder);
	dir = opendir(full);
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		char path[PATH_SIZE], below[PATH_SIZE * 3];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		(void)snprintf(below, sizeof(below), "%s/%s", shared, path);
		if (is_folder(below)) {
			count += walk_files(b, path, fn, ctx);
			continue;
		}
		fn(b, path, ctx);
		count++;
	}
	(void)closedir(dir);
	return count;
}

struct tally {
	unsigned found, flagged, missed, high, slow;
};

static void
see_hidden_content(struct mime_bench *b, const char *path, void *ctx)
{
	struct tally *t = ctx;

	run_file(b, path);
	if (b->marked > 0) {
		t->found++;
	} else if (b->ambiguities != 0) {
		t->flagged++;
	} else {
		t->missed++;
		print_error("missed: %s\n", path);
	}
}

static void
see_hidden_name(struct mime_bench *b, const char *path, void *ctx)
{
	struct tally *t = ctx;
	bool found = false;

	if (strstr(path, "fname-cdisp.png.eml") != NULL)
		return; /* both files are called file.png there: nothing is hidden */
	run_file(b, path);
	for (uint32_t id = 1; id <= decompose_get_object_count(b->d); id++) {
		const struct object *o = decompose_get_object(b->d, id);

		for (uint32_t i = 0; i < o->name_count; i++)
			found |= slice_ends_with_nocase(o->names[i], SLICE_LIT(".zip"));
	}
	if (found) {
		t->found++;
	} else if (b->ambiguities != 0) {
		t->flagged++;
	} else {
		t->missed++;
		print_error("missed: %s\n", path);
	}
}

static void
test_evasion(void **state)
{
	struct tally content = { 0 }, name = { 0 };
	struct mime_bench b;

	(void)state;
	mime_bench_init(&b);
	b.marker = slice_of_str(eicar_text);
	walk_files(
	    &b, "corpus/mail/mime-evasion/noxxi/hide-content", see_hidden_content, &content);
	walk_files(&b, "corpus/mail/mime-evasion/noxxi/hide-filename", see_hidden_name, &name);
	mime_bench_done(&b);
	print_message("content: %u found, %u flagged; names: %u found, %u flagged\n",
	    content.found, content.flagged, name.found, name.flagged);
	assert_int_equal(content.missed + name.missed, 0);
	assert_true(content.found + content.flagged >= 88);
}

/* Every binary part of the lenient parser is among the objects. Seven entries are left out:
 * that parser leaves uuencode and BinHex as they are, with other line ends than in the file. */
static void
test_expected_parts(void **state)
{
	CLEANUP(buf_done) struct buf json = { .len = 0 };
	struct mime_bench b;
	struct slice text;
	size_t at = 0;
	unsigned count = 0, missing = 0;
	char path[512] = "";

	(void)state;
	assert_true(
	    read_file("corpus/mail/mime-torture/mail-parser/expected-parts.json", &json));
	text = buf_get(&json);
	mime_bench_init(&b);
	while (at < text.len) {
		size_t end = slice_find_byte(text, '\n', at), hash_at = at;
		struct slice line =
		    slice_sub(text, at, (end == SIZE_MAX ? text.len : end) - at);
		struct sha256 want;
		bool found = false;

		at += line.len + 1;
		if (slice_ends_with_nocase(line, SLICE_LIT(".eml\": ["))) {
			line = slice_trim(line);
			(void)snprintf(path, sizeof(path),
			    "corpus/mail/mime-torture/mail-parser/%.*s", (int)line.len - 5,
			    (const char *)line.ptr + 1);
			run_file(&b, path);
			continue;
		}
		if (slice_find(line, SLICE_LIT("\"sha256\""), 0) == SIZE_MAX ||
		    !sha256_parse(json_next(text, "sha256", &hash_at), &want))
			continue;
		count++;
		for (uint32_t id = 1; id <= decompose_get_object_count(b.d); id++)
			found |= memcmp(&decompose_get_object(b.d, id)->hash, &want,
				     sizeof(want)) == 0;
		if (!found && strstr(path, "/016.eml") == NULL &&
		    strstr(path, "/017.eml") == NULL && strstr(path, "/048.eml") == NULL) {
			print_error("missing in %s\n", path);
			missing++;
		}
	}
	mime_bench_done(&b);
	print_message("%u parts, %u missing\n", count, missing);
	assert_true(count >= 80);
	assert_int_equal(missing, 0);
}

static void
see_ham(struct mime_bench *b, const char *path, void *ctx)
{
	struct tally *t = ctx;

	run_file(b, path);
	t->found += b->marked > 0;
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		if ((b->ambiguities & AMBIGUITY_BIT(n)) != 0 &&
		    ambiguity_get_severity(n) == 'H') {
			t->high++;
			print_message("%s: %s\n", path, ambiguity_get_name(n));
			return;
		}
	}
	t->flagged += b->ambiguities != 0;
}

static void
test_ham(void **state)
{
	struct tally t = { 0 };
	struct mime_bench b;
	unsigned count;

	(void)state;
	mime_bench_init(&b);
	b.marker = slice_of_str(eicar_text);
	count = walk_files(&b, "corpus/mail/ham", see_ham, &t);
	mime_bench_done(&b);
	print_message(
	    "%u mails: %u flagged high, %u flagged otherwise\n", count, t.high, t.flagged);
	assert_int_equal(t.found, 0);
	assert_true(t.high * 100 <= count);
}

static void
see_time(struct mime_bench *b, const char *path, void *ctx)
{
	struct tally *t = ctx;
	int64_t before = clock_cpu_us();

	run_file(b, path);
	assert_true(decompose_get_object_count(b->d) <= b->limits.objects);
	if (clock_cpu_us() - before > 4000000) {
		print_error("%s: %lld us\n", path, (long long)(clock_cpu_us() - before));
		t->slow++;
	}
}

static void
test_torture(void **state)
{
	static const char *const bombs[] = { "mime-nest-multipart-300.eml",
		"mime-nest-rfc822-100.eml", "mime-20000-parts.eml", "header-150k-one-line.eml",
		"headers-20000.eml" };
	struct tally t = { 0 };
	struct mime_bench b;
	unsigned count;

	(void)state;
	mime_bench_init(&b);
	count = walk_files(&b, "corpus/mail/mime-torture", see_time, &t);
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		char path[512];

		(void)snprintf(path, sizeof(path), "corpus/bombs/%s", bombs[i]);
		b.marker = slice_of_str(eicar_text);
		see_time(&b, path, &t);
		/* What lies too deep for us is told, or it was found. */
		if (strstr(bombs[i], "mime-") != NULL && b.marked == 0)
			assert_true((b.facts & (FACT_BIT(FACT_LIMIT_DEPTH) |
						   FACT_BIT(FACT_LIMIT_VIEWS) |
						   FACT_BIT(FACT_LIMIT_OBJECTS))) != 0);
	}
	mime_bench_done(&b);
	print_message("%u mails\n", count);
	assert_true(count > 400);
	assert_int_equal(t.slow, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ambiguity_manifest),
		cmocka_unit_test(test_evasion),
		cmocka_unit_test(test_expected_parts),
		cmocka_unit_test(test_ham),
		cmocka_unit_test(test_torture),
	};

	(void)snprintf(eicar_text, sizeof(eicar_text), "%s%s%s",
	    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*");
	if (!find_shared()) {
		printf("SKIP ALL: no shared corpus (CORDON_SHARED)\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
