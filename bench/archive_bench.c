/* archive_bench.c: how fast archives are listed and opened, beside `bsdtar -xO` of the same files
 * in the same run: a ZIP of 200 members, and a tar.gz of 50 MB. Ours is the decomposer on one
 * core, from reading the file to the last object, with SHA-256 of every object and without; no
 * process around it. bsdtar is a process from start to end, its output thrown away.
 * Usage: archive_bench BSDTAR FOLDER [rounds, default 7]; the files are made in FOLDER. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/sha256.h"
#include "bench_sha256.h"
#include "decompose/archive_read.h"
#include "decompose/charset.h"
#include "decompose/decompose.h"

#define HOLD_BYTES   ((size_t)512 << 20)
#define PIECE_BYTES  65536u
#define ZIP_MEMBERS  200u
#define TAR_GZ_BYTES ((int64_t)50 * 1000 * 1000)
#define AIM          0.8

struct bench {
	struct decompose *d;
	struct limits limits;
	uint64_t object_bytes, objects;
	struct sha256_cost sha;
	uint64_t seed;
};

static uint64_t
next_random(struct bench *b)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return b->seed;
}

/* Lines of words; every fourth piece is of bytes that do not pack. */
static void
piece_fill(struct bench *b, char *piece, size_t len)
{
	static const char *const words[] = { "the ", "invoice ", "of ", "and ", "market ", "\n",
		"seventeen ", "is ", "delivered ", "to ", "account ", "with ", "number ",
		"again ", "because ", "it " };
	bool noise = next_random(b) % 4 == 0;

	for (size_t at = 0; at < len;) {
		uint64_t r = next_random(b);
		const char *from = noise ? (const char *)&r : words[r >> 20 & 15];
		size_t n = MIN_OF(noise ? sizeof(r) : strlen(from), len - at);

		memcpy(piece + at, from, n);
		at += n;
	}
}

static bool
member_add(struct bench *b, struct archive *a, unsigned number, size_t size)
{
	static char piece[PIECE_BYTES];
	struct archive_entry *e = archive_entry_new();
	char name[64];
	bool ok;

	(void)snprintf(name, sizeof(name), "folder%u/file%05u.txt", number % 10, number);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)size);
	ok = archive_write_header(a, e) == ARCHIVE_OK;
	while (ok && size > 0) {
		size_t n = MIN_OF(size, sizeof(piece));

		piece_fill(b, piece, n);
		ok = archive_write_data(a, piece, n) == (la_ssize_t)n;
		size -= n;
	}
	archive_entry_free(e);
	return ok;
}

/* 200 members of 1 KB to 512 KB, as many small ones as large ones. */
static bool
zip_make(struct bench *b, const char *path)
{
	struct archive *a = archive_write_new();
	bool ok = archive_write_set_format_zip(a) == ARCHIVE_OK &&
		  archive_write_open_filename(a, path) == ARCHIVE_OK;

	for (unsigned i = 0; i < ZIP_MEMBERS && ok; i++)
		ok = member_add(b, a, i, (size_t)1024 << next_random(b) % 10);
	ok = archive_write_close(a) == ARCHIVE_OK && ok;
	return archive_write_free(a) == ARCHIVE_OK && ok;
}

static bool
tar_gz_make(struct bench *b, const char *path)
{
	struct archive *a = archive_write_new();
	bool ok = archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
		  archive_write_add_filter_gzip(a) == ARCHIVE_OK &&
		  archive_write_open_filename(a, path) == ARCHIVE_OK;

	for (unsigned i = 0; ok && archive_filter_bytes(a, -1) < TAR_GZ_BYTES; i++)
		ok = member_add(b, a, i, (size_t)4096 << next_random(b) % 10);
	ok = archive_write_close(a) == ARCHIVE_OK && ok;
	return archive_write_free(a) == ARCHIVE_OK && ok;
}

static unsigned
on_object(void *ctx, struct object *o)
{
	struct bench *b = ctx;

	b->objects++;
	b->object_bytes += o->size;
	return WISH_OPEN;
}

/* Seconds, or a negative number when the file cannot be read or was not opened whole. */
static double
ours_run(struct bench *b, const char *path)
{
	struct decompose_hook hook = { on_object, b, true };
	double begun = bench_now_s();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;
	ssize_t got = 0;

	if (fd < 0 || fstat(fd, &st) < 0 || (bytes = malloc((size_t)st.st_size)) == NULL)
		return -1;
	for (ssize_t n = 1; n > 0 && got < st.st_size; got += n)
		n = read(fd, bytes + got, (size_t)(st.st_size - got));
	close(fd);
	b->objects = b->object_bytes = 0;
	b->sha = (struct sha256_cost){ 0 };
	sha256_cost_count(&b->sha);
	decompose_run(b->d, slice_of(bytes, (size_t)got), ROLE_LEAF, slice_of_str(path),
	    &b->limits, &hook);
	sha256_cost_count(NULL);
	begun = bench_now_s() - begun;
	free(bytes);
	for (uint32_t id = 1; id <= decompose_get_object_count(b->d); id++) {
		if (decompose_get_object(b->d, id)->facts != 0)
			return -1;
	}
	return begun;
}

static double
bsdtar_run(const char *bsdtar, const char *path)
{
	double begun = bench_now_s();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int out = open("/dev/null", O_WRONLY);

		if (out < 0 || dup2(out, STDOUT_FILENO) < 0)
			_exit(126);
		(void)execl(bsdtar, bsdtar, "-xOf", path, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		return -1;
	return bench_now_s() - begun;
}

/* Rounds in turn; the fastest of each counts. */
static bool
bench_file(
    struct bench *b, const char *label, const char *bsdtar, const char *path, unsigned rounds)
{
	double ours = 0, alone = 0, theirs = 0;

	for (unsigned i = 0; i < rounds; i++) {
		double one = ours_run(b, path), other = bsdtar_run(bsdtar, path);

		if (one < 0 || other < 0)
			return false;
		if (i == 0 || one < ours)
			ours = one;
		if (i == 0 || one - b->sha.seconds < alone)
			alone = one - b->sha.seconds;
		if (i == 0 || other < theirs)
			theirs = other;
	}
	printf(
	    "%-22s %6llu objects %7.1f MB   bsdtar %7.1f ms   with SHA-256 %7.1f ms  x%.2f   "
	    "without %7.1f ms  x%.2f%s\n",
	    label, (unsigned long long)b->objects, (double)b->object_bytes / 1e6, theirs * 1e3,
	    ours * 1e3, theirs / ours, alone * 1e3, theirs / alone,
	    theirs / alone >= AIM ? "" : "   NOT REACHED");
	return true;
}

int
main(int argc, char **argv)
{
	struct bench b = { .limits = limits_get_default(), .seed = 88172645463325252u };
	unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 7;
	uint8_t *hold = mmap(NULL, HOLD_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char zip[4096], tar_gz[4096];

	if (argc < 3 || hold == MAP_FAILED || rounds == 0) {
		(void)fprintf(stderr, "usage: archive_bench BSDTAR FOLDER [ROUNDS]\n");
		return 2;
	}
	(void)snprintf(zip, sizeof(zip), "%s/bench-200.zip", argv[2]);
	(void)snprintf(tar_gz, sizeof(tar_gz), "%s/bench-50M.tar.gz", argv[2]);
	if (!zip_make(&b, zip) || !tar_gz_make(&b, tar_gz)) {
		(void)fprintf(
		    stderr, "archive_bench: cannot make the archives in %s\n", argv[2]);
		return 2;
	}
	sha256_preload();
	charset_preload();
	archive_preload();
	b.limits.held_bytes = HOLD_BYTES;
	b.d = decompose_new(hold, HOLD_BYTES);
	if (!bench_file(&b, "zip of 200 members", argv[1], zip, rounds) ||
	    !bench_file(&b, "tar.gz of 50 MB", argv[1], tar_gz, rounds)) {
		(void)fprintf(stderr, "archive_bench: a file was not opened whole\n");
		return 1;
	}
	decompose_free(&b.d);
	return 0;
}
