/* decompose_bench.c: how fast mails are taken apart, on one core and without any process around
 * it, in GB/s of raw mail: alone, with SHA-256 of every object, with signatures matched too (the
 * built-in one). Then whether time stays linear when
 * ambiguous headers, parts and lines are doubled. The folder is one that bench_corpus wrote.
 * Usage: decompose_bench FOLDER [seconds, default 3] */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "bench_sha256.h"
#include "decompose/archive_read.h"
#include "decompose/charset.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "scan/signature_match.h"
#include "scan/signature_set.h"

#define HOLD_BYTES     ((size_t)256 << 20)
#define MAILS_MAX      20000
#define MAIL_MAX_BYTES ((size_t)256 << 20)
#define DOUBLED_MAX    ((size_t)16 << 20)
#define DOUBLINGS      4

struct bench {
	struct decompose *d;
	struct limits limits;
	struct buf *mails; /* owned */
	size_t count;
	uint64_t mail_bytes, object_bytes, objects;
	struct signature_match *match; /* NULL: not asked */
	struct sha256_cost sha;
	double match_s;
	uint64_t hits;
};

static void
on_hit(void *ctx, const char *name UNUSED)
{
	struct bench *b = ctx;

	b->hits++;
}

static unsigned
on_object(void *ctx, struct object *o)
{
	struct bench *b = ctx;

	b->objects++;
	b->object_bytes += o->size;
	if (b->match != NULL && (!o->borrowed || o->id == 1)) {
		double begun = bench_now_s();

		(void)signature_match_run(b->match, o->bytes, on_hit, b);
		b->match_s += bench_now_s() - begun;
	}
	return WISH_OPEN;
}

static bool
mail_read(struct bench *b, const char *folder, const char *name)
{
	struct buf *to = &b->mails[b->count];
	char path[4096];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return false;
	buf_init(to, MAIL_MAX_BYTES);
	do {
		char piece[65536];

		n = fread(piece, 1, sizeof(piece), f);
		if (buf_append(to, piece, n) < 0)
			n = 0;
	} while (n > 0);
	(void)fclose(f);
	b->mail_bytes += to->len;
	b->count++;
	return true;
}

static bool
mails_read(struct bench *b, const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;

	if (dir == NULL)
		return false;
	while (b->count < MAILS_MAX && (e = readdir(dir)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len > 4 && strcmp(e->d_name + len - 4, ".eml") == 0 &&
		    !mail_read(b, folder, e->d_name))
			break;
	}
	(void)closedir(dir);
	return b->count > 0;
}

static double
run_one(struct bench *b, struct slice mail)
{
	struct decompose_hook hook = { on_object, b, false };
	double begun = bench_now_s();

	decompose_run(b->d, mail, ROLE_ENTITY, SLICE_NONE, &b->limits, &hook);
	return bench_now_s() - begun;
}

static void
row(const char *name, double bytes, double seconds)
{
	printf("%-44s %8.2f GB/s %8.1f ms\n", name, bytes / seconds / 1e9, seconds * 1e3);
}

/* Whole passes over the corpus; the fastest counts. */
static void
bench_corpus(struct bench *b, double seconds)
{
	double best = 0, best_sha = 0, best_match = 0, begun = bench_now_s();
	uint64_t objects, object_bytes, sha_bytes;

	sha256_cost_count(&b->sha);
	do {
		double took = 0;

		b->match_s = 0;
		b->sha = (struct sha256_cost){ 0 };
		b->objects = b->object_bytes = 0;
		for (size_t i = 0; i < b->count; i++)
			took += run_one(b, buf_get(&b->mails[i]));
		if (best == 0 || took < best) {
			best = took;
			best_sha = b->sha.seconds;
			best_match = b->match_s;
		}
	} while (bench_now_s() - begun < seconds);
	sha256_cost_count(NULL);
	objects = b->objects;
	object_bytes = b->object_bytes;
	sha_bytes = b->sha.bytes;
	printf("%zu mails, %.1f MB; %llu objects, %.1f MB, of which %.1f MB were hashed\n",
	    b->count, (double)b->mail_bytes / 1e6, (unsigned long long)objects,
	    (double)object_bytes / 1e6, (double)sha_bytes / 1e6);
	row("decompose alone", (double)b->mail_bytes, best - best_sha - best_match);
	row("decompose + SHA-256", (double)b->mail_bytes, best - best_match);
	row("decompose + SHA-256 + matching", (double)b->mail_bytes, best);
	row("  SHA-256 of what it hashes", (double)sha_bytes, best_sha);
	row("  matching of what it matches", (double)object_bytes, best_match);
}

static const struct {
	const char *name, *before, *unit, *after;
	size_t first; /* repetitions in the smallest mail */
} doubled[] = {
	{ "Content-Type fields", "", "Content-Type: multipart/mixed; boundary=%zu\r\n",
	    "\r\n--1\r\n\r\nx\r\n", 500 },
	{ "Content-Transfer-Encoding fields", "", "Content-Transfer-Encoding: x%zu\r\n",
	    "\r\nQUJD\r\n", 500 },
	{ "boundary parameters", "Content-Type: multipart/mixed", "; boundary=\"b%zu\"",
	    "\r\n\r\n--b1\r\n\r\nx\r\n", 500 },
	{ "name sections", "Content-Type: a/b", "; name*%zu=\"x\"", "\r\n\r\nx", 500 },
	{ "parts with two encodings", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
	    "--b\r\nContent-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: "
	    "7bit\r\n\r\n"
	    "QUJD%zu\r\n",
	    "--b--\r\n", 100 },
	{ "parts with two types", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
	    "--b\r\nContent-Type: text/plain\r\nContent-Type: multipart/mixed; "
	    "boundary=b%zu\r\n"
	    "\r\n--b1\r\n\r\nx\r\n",
	    "--b--\r\n", 100 },
	{ "delimiters nobody declared", "Content-Type: multipart/mixed\r\n\r\n",
	    "--x%zu\r\nA: b\r\n\r\nx\r\n", "", 1000 },
	{ "lines of dashes", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--%.0zu\r\n",
	    "--b\r\n\r\nx\r\n", 20000 },
	{ "nested multiparts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
	    "--b\r\nContent-Type: multipart/mixed; boundary=b%zu\r\n\r\n", "", 500 },
	{ "padded base64 groups", "Content-Transfer-Encoding: base64\r\n\r\n", "QQ==%.0zu\r\n",
	    "", 20000 },
	{ "lines that begin a file", "\r\n", "begin 644 a%zu\r\n", "", 20000 },
};

/* One pattern at 1, 2, 4 ... times its first size. */
static bool
bench_doubling(struct bench *b, size_t which)
{
	double before = 0, first = 0, took = 0;

	printf("%-36s", doubled[which].name);
	for (unsigned k = 0; k <= DOUBLINGS; k++) {
		CLEANUP(buf_done) struct buf mail = { .max = DOUBLED_MAX };

		if (buf_append_str(&mail, "From: a@example.com\r\nMIME-Version: 1.0\r\n") < 0 ||
		    buf_append_str(&mail, doubled[which].before) < 0)
			return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		for (size_t i = 0; i < doubled[which].first << k; i++) {
			if (buf_printf(&mail, doubled[which].unit, i) < 0)
				return false;
		}
#pragma GCC diagnostic pop
		if (buf_append_str(&mail, doubled[which].after) < 0)
			return false;
		took = run_one(b, buf_get(&mail));
		for (unsigned again = 0; again < 4; again++) {
			double t = run_one(b, buf_get(&mail));

			took = MIN_OF(took, t);
		}
		printf(" %8.2f", took * 1e3);
		first = k == 0 ? took : first;
		before = took;
	}
	printf("   x%.2f\n", before <= 0 || first <= 0 ? 0 : took / first / (1 << DOUBLINGS));
	return true;
}

static bool
matcher_make(struct bench *b)
{
	struct signature_set set;
	struct err e;

	signature_set_init(&set);
	if (signature_set_add_eicar(&set) < 0)
		return false;
	b->match = signature_match_new(&set, &e);
	return b->match != NULL;
}

int
main(int argc, char **argv)
{
	struct bench b = { .limits = limits_get_default() };
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
	uint8_t *hold =
	    mmap(NULL, HOLD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	b.mails = calloc(MAILS_MAX, sizeof(*b.mails));
	if (argc < 2 || hold == MAP_FAILED || b.mails == NULL || !matcher_make(&b) ||
	    !mails_read(&b, argv[1])) {
		(void)fprintf(stderr,
		    "usage: decompose_bench FOLDER [SECONDS]; FOLDER holds *.eml "
		    "(see bench_corpus)\n");
		return 2;
	}
	sha256_preload();
	charset_preload();
	b.d = decompose_new(hold, HOLD_BYTES);
	bench_corpus(&b, seconds);
	printf("\n%-36s %s\n", "",
	    "ms at 1, 2, 4, 8, 16 times the size; per doubling of both: x1");
	for (size_t i = 0; i < ARRAY_LEN(doubled); i++) {
		if (!bench_doubling(&b, i))
			return 2;
	}
	decompose_free(&b.d);
	return 0;
}
