/* test_helper_7zz.c: what 7zz itself gives, where it is installed (Debian's package 7zip):
 * formats, layers of disk images, passwords from the mail and from the configured list. */
#include "test_opener.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decompose/helper_opener.h"
#include "decompose/zip_password.h"
#include "proc/helper.h"

#define MEMORY_BYTES (UINT64_C(1) << 30)
#define TEXT         "this text must be reached, whatever is around it\n"
#define CLAM         "71e7b604d18aefd839e51a39c88df8383bb4c071dc31f87f00a2b5df580d4495"

static struct bench bench;
static struct helper *helper;
static char program[256], folder[] = "/tmp/cordon-7zz-XXXXXX";
static struct slice kept; /* bytes of the last run */

static void
file_write(const char *path, struct slice s)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(s.ptr, 1, s.len, f), s.len);
	assert_int_equal(fclose(f), 0);
}

/* Packs note.txt and second.txt with 7zz; options end with NULL. The archive's bytes are
 * borrowed until the next call. */
static struct slice
pack(const char *name, const char *const *options)
{
	char *argv[16] = { (char *)"7zz", (char *)"a", (char *)"-bd" };
	size_t n = 3;
	int status;
	pid_t pid;

	while (*options != NULL)
		argv[n++] = (char *)(uintptr_t)*options++;
	argv[n++] = (char *)(uintptr_t)name;
	argv[n++] = (char *)"note.txt";
	argv[n] = (char *)"second.txt";
	(void)unlink(name);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)execv(program, argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free((void *)(uintptr_t)kept.ptr);
	kept = file_read(name);
	assert_non_null(kept.ptr);
	return kept;
}

static bool
has_text(void)
{
	return bench_has_bytes(&bench, SLICE_LIT(TEXT));
}

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
test_wim(void **state)
{
	static const char *const options[] = { NULL };
	struct slice wim = pack("a.wim", options);

	(void)state;
	assert_int_equal(bench_run(&bench, wim, "a.wim")->facts, 0);
	assert_true(has_text());
	assert_true(any_trail_has("wim: note.txt"));
	/* cut off: never clean */
	assert_true((bench_run(&bench, slice_sub(wim, 0, wim.len / 2), "a.wim")->facts &
			(FACT_BIT(FACT_TRUNCATED) | FACT_BIT(FACT_CORRUPT))) != 0);
	helper_opener_use(NULL);
	assert_true(has_fact(bench_run(&bench, wim, "a.wim"), FACT_UNSUPPORTED));
	helper_opener_use(helper);
}

static void
test_squashfs(void **state)
{
	static const uint8_t image[] = {
#include "small_squashfs.inc"
	};

	(void)state;
	assert_int_equal(bench_run(&bench, slice_of(image, sizeof(image)), "a.img")->facts, 0);
	assert_true(bench_has_bytes(&bench, SLICE_LIT("inside squashfs\n")));
}

/* A diskette of 64 KB with one file, FAT12. */
static void
fat_make(uint8_t *image, size_t size)
{
	static const char text[] = TEXT;
	uint8_t *fat = image + 512, *root = image + 1024, *data = root + 512;

	memset(image, 0, size);
	memcpy(image, "\xeb\x3c\x90MSDOS5.0", 11);
	memcpy(image + 11,
	    "\0\x02"
	    "\1"
	    "\1\0"
	    "\1"
	    "\x10\0",
	    8); /* 512 bytes, 1, 1, 1 FAT, 16 names */
	image[19] = (uint8_t)(size / 512);
	image[20] = (uint8_t)(size / 512 >> 8);
	image[21] = 0xf8;
	image[22] = 1; /* sectors of the FAT */
	image[24] = 1;
	image[26] = 1;
	image[38] = 0x29;
	memcpy(image + 43, "NO NAME    FAT12   \x55", 19);
	image[510] = 0x55;
	image[511] = 0xaa;
	memcpy(fat, "\xf8\xff\xff\xff\x0f", 5);
	memcpy(root, "NOTE    TXT\x20", 12);
	root[26] = 2;
	root[28] = sizeof(text) - 1;
	memcpy(data, text, sizeof(text) - 1);
}

static void
test_disks(void **state)
{
	static uint8_t disk[512 * 2 + 65536 + 512];
	uint8_t *fat = disk + 1024, *entry = disk + 446, *footer = fat + 65536;
	struct object *o;

	(void)state;
	fat_make(fat, 65536);
	o = bench_run(&bench, slice_of(fat, 65536), "floppy.img");
	assert_true(magic_is(o->detected, "fat"));
	assert_int_equal(o->facts, 0);
	assert_true(has_text());
	assert_true(any_trail_has("fat: NOTE.TXT"));

	/* behind a partition table */
	entry[4] = 1;
	entry[8] = 2;
	entry[12] = 128;
	disk[510] = 0x55;
	disk[511] = 0xaa;
	o = bench_run(&bench, slice_of(disk, 1024 + 65536), "disk.img");
	assert_true(magic_is(o->detected, "mbr"));
	assert_int_equal(o->facts, 0);
	assert_true(has_text());

	/* and in a virtual disk of fixed size: a footer behind it */
	memcpy(footer, "conectix\0\0\0\2\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 24);
	footer[46] = footer[54] = (uint8_t)((1024 + 65536) >> 8);
	footer[45] = footer[53] = (uint8_t)((1024 + 65536) >> 16);
	footer[63] = 2;
	for (unsigned i = 0, sum = 0; i < 512; i++) {
		sum += footer[i];
		if (i == 511) {
			for (unsigned k = 0; k < 4; k++)
				footer[64 + k] = (uint8_t)(~sum >> (24 - 8 * k));
		}
	}
	o = bench_run(&bench, slice_of(disk, sizeof(disk)), "disk.vhd");
	assert_true(magic_is(o->detected, "vhd"));
	assert_int_equal(o->facts, 0);
	assert_true(has_text());
}

/* 7z with the methods that 7zz packs with, and what is read without it. */
static const struct {
	const char *method, *behind; /* behind a filter: what packs */
	bool needs_helper;
} methods[] = {
	{ "-m0=Copy", NULL, false },
	{ "-m0=LZMA", NULL, false },
	{ "-m0=LZMA2", NULL, false },
	{ "-m0=BZip2", NULL, false },
	{ "-m0=Deflate", NULL, false },
	{ "-m0=Deflate64", NULL, true },
	{ "-m0=PPMd", NULL, false },
	{ "-m0=Delta:4", "-m1=LZMA", false },
	{ "-m0=BCJ", "-m1=LZMA", false },
	{ "-m0=BCJ2", "-m1=LZMA", false },
	{ "-m0=ARM", "-m1=LZMA", true },
	{ "-m0=ARM64", "-m1=LZMA", true },
	{ "-m0=PPC", "-m1=LZMA", true },
	{ "-m0=SPARC", "-m1=LZMA", true },
};

static void
test_methods(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		const char *options[] = { methods[i].method, methods[i].behind, NULL };
		struct slice archive = pack("m.7z", options);
		struct object *o = bench_run(&bench, archive, "m.7z");

		if (o->facts != 0 || !has_text())
			print_message("%s: facts %llx\n", methods[i].method,
			    (unsigned long long)o->facts);
		assert_int_equal(o->facts, 0);
		assert_true(has_text());
		helper_opener_use(NULL);
		o = bench_run(&bench, archive, "m.7z");
		helper_opener_use(helper);
		assert_true(has_text() || o->facts != 0); /* never clean when not read */
		assert_true(methods[i].needs_helper || o->facts == 0);
	}
}

/* ---- passwords ---- */

static void
mail_add_archive(struct buf *mail, struct slice archive)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < archive.len; i += 3) {
		size_t n = MIN_OF((size_t)3, archive.len - i);
		uint32_t v = (uint32_t)archive.ptr[i] << 16 |
			     (n > 1 ? (uint32_t)archive.ptr[i + 1] << 8 : 0) |
			     (n > 2 ? archive.ptr[i + 2] : 0u);

		for (size_t k = 0; k < 4; k++)
			assert_int_equal(
			    buf_append_byte(
				mail, k <= n ? (uint8_t)letters[v >> (18 - 6 * k) & 63] : '='),
			    0);
		if (i % 57 == 54)
			assert_int_equal(buf_append_str(mail, "\r\n"), 0);
	}
}

/* A mail with that text and the archive; returns the archive's object. */
static struct object *
run_mail(const char *text, struct slice archive)
{
	static struct buf mail;
	struct decompose_hook hook = { .seen = bench_seen, .ctx = &bench, .hash_first = true };

	buf_done(&mail);
	buf_init(&mail, 1 << 20);
	assert_int_equal(
	    buf_printf(&mail,
		"Subject: the papers\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n%s\r\n--b\r\n"
		"Content-Type: application/x-7z-compressed; name=a.7z\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n",
		text),
	    0);
	mail_add_archive(&mail, archive);
	assert_int_equal(buf_append_str(&mail, "\r\n--b--\r\n"), 0);
	decompose_run(bench.d, buf_get(&mail), ROLE_ENTITY, SLICE_NONE, &bench.limits, &hook);
	return bench_named(&bench, "a.7z");
}

/* A member that was opened with a password; where it was only listed before, that no longer says
 * that something was not looked at. */
static bool
has_opened(const char *name)
{
	bool found = false;

	for (uint32_t id = 1; id <= decompose_get_object_count(bench.d); id++) {
		struct object *o = decompose_get_object(bench.d, id);

		if (o->name_count == 0 || !slice_eq_str(o->names[0], name))
			continue;
		assert_false(has_fact(o, FACT_ENCRYPTED));
		found |= has_fact(o, FACT_PASSWORD_FOUND);
	}
	return found;
}

static void
test_passwords(void **state)
{
	static const char *const data_only[] = { "-pOpenSesame", NULL };
	static const char *const names_too[] = { "-pOpenSesame", "-mhe=on", NULL };
	static const char *const stored[] = { "-pOpenSesame", "-mx0", NULL };
	static const char *const *const ways[] = { data_only, names_too, stored };
	struct slice word = SLICE_LIT("OpenSesame");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct slice archive = pack("a.7z", ways[i]);
		struct object *o = run_mail("the password is: OpenSesame\r\n", archive);

		assert_non_null(o);
		assert_int_equal(o->facts, FACT_BIT(FACT_PASSWORD_FOUND));
		assert_true(has_text());
		assert_true(any_trail_has("7z: note.txt (password)"));
		assert_true(has_opened("note.txt"));
		o = run_mail("the password is: ClosedSesame\r\n", archive);
		assert_non_null(o);
		assert_true(has_fact(o, FACT_ENCRYPTED) && !has_fact(o, FACT_PASSWORD_FOUND));
		assert_false(has_text());
		/* where the names can be read they count */
		assert_true((ways[i] == names_too) == (bench_named(&bench, "note.txt") == NULL));

		zip_password_set_list(&word, 1);
		assert_int_equal(
		    bench_run(&bench, archive, "a.7z")->facts, FACT_BIT(FACT_PASSWORD_FOUND));
		assert_true(has_text());
		bench.limits.helper_passwords = 0;
		assert_true(has_fact(bench_run(&bench, archive, "a.7z"), FACT_ENCRYPTED));
		bench.limits = limits_get_default();
		zip_password_set_list(NULL, 0);
		helper_opener_use(NULL);
		assert_true(has_fact(bench_run(&bench, archive, "a.7z"), FACT_ENCRYPTED));
		helper_opener_use(helper);
	}
}

/* Many words, and the time they may take. */
static void
test_passwords_are_bounded(void **state)
{
	static const char *const names_too[] = { "-pOpenSesame", "-mhe=on", NULL };
	struct slice archive = pack("a.7z", names_too);
	CLEANUP(buf_done) struct buf text = { .max = 1 << 16 };
	struct object *o;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(buf_printf(&text, "word%u ", i), 0);
	bench.limits.helper_runs = 10;
	o = run_mail(buf_get_str(&text), archive);
	assert_true(has_fact(o, FACT_ENCRYPTED));
	bench.limits = limits_get_default();
	bench.limits.helper_ms = 200;
	o = run_mail(buf_get_str(&text), archive);
	assert_true(has_fact(o, FACT_ENCRYPTED));
	bench.limits = limits_get_default();
}

/* ---- the developers' corpus ---- */

static const struct {
	const char *file, *password;
	const char *trail; /* of some object */
} wants[] = {
	{ "archives/patool/t.wim", NULL, "wim: t/t.txt" },
	{ "archives/patool/t.chm", NULL, "chm: doc.htm" },
	{ "archives/patool/p-space.7z", "thereisnotry", "(password)" },
	{ "archives/7z/test_read_format_7zip_encryption_header.7z", "12345678", "(password)" },
	{ "office/clamav/clam.chm", NULL, "clam.exe" },
};

static void
test_corpus(void **state)
{
	const char *shared = getenv("CORDON_SHARED");
	const char *source = getenv("CORDON_SOURCE");
	unsigned found = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		struct slice bytes, word = slice_of_str(wants[i].password);
		char path[2048];

		if (shared != NULL)
			(void)snprintf(
			    path, sizeof(path), "%s/corpus/%s", shared, wants[i].file);
		else
			(void)snprintf(path, sizeof(path), "%s/../shared/corpus/%s",
			    source == NULL ? "." : source, wants[i].file);
		bytes = file_read(path);
		if (bytes.ptr == NULL)
			continue;
		found++;
		zip_password_set_list(&word, word.len > 0 ? 1 : 0);
		(void)bench_run(&bench, bytes, "file");
		if (!any_trail_has(wants[i].trail))
			print_message("%s: facts %llx\n", wants[i].file,
			    (unsigned long long)decompose_get_object(bench.d, 1)->facts);
		assert_true(any_trail_has(wants[i].trail));
		if (strstr(wants[i].file, "clam.") != NULL)
			assert_true(bench_has_hash(&bench, CLAM));
		(void)bench_run(&bench, SLICE_LIT("x"), "x"); /* lets go of the bytes */
		free((void *)(uintptr_t)bytes.ptr);
	}
	zip_password_set_list(NULL, 0);
	if (found == 0)
		print_message("no corpus: not tested\n");
}

static int
setup(void **state)
{
	struct helper_paths paths = { .of = { [HELPER_PROGRAM_7ZZ] = program } };
	struct err e = { 0 };

	(void)state;
	bench_init(&bench, false);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	file_write("note.txt", SLICE_LIT(TEXT));
	file_write("second.txt", SLICE_LIT("another\n"));
	helper = helper_start(&paths, MEMORY_BYTES, -1, &e);
	if (helper == NULL)
		print_message("%s\n", e.text);
	helper_opener_use(helper);
	return helper == NULL ? -1 : 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	helper_opener_use(NULL);
	helper_free(&helper);
	bench_done(&bench);
	free((void *)(uintptr_t)kept.ptr);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wim),
		cmocka_unit_test(test_squashfs),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_passwords_are_bounded),
		cmocka_unit_test(test_corpus),
	};
	struct err e = { 0 };

	if (!helper_find_program(HELPER_PROGRAM_7ZZ, "auto", program, sizeof(program), &e)) {
		print_message("SKIP ALL: 7zz is not installed\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
