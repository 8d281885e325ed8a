/* helper_fake_old.c: a program in the place of nomarch and of lzop, for test_helper_fake.c.
 * Which of them it is called as it sees by argv[0]; what it does is said by the archive: a word
 * behind 29 bytes of a mark. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char archive[4096];
static bool is_lzop, listing;
static const char *member; /* NULL: all */

static void
member_list(const char *name, const char *size)
{
	if (is_lzop)
		printf("LZO1X-1             4 %9s 100.0%% /proc/self/fd/%s\n", size, name);
	else
		printf(
		    "%-13s\t8 (Crunched)\t        4 %9s  1980-01-01 00:00  9ED7\n", name, size);
}

static void
good(void)
{
	if (listing && is_lzop)
		printf("method      compressed  uncompr. ratio uncompressed_name\n");
	if (listing)
		member_list("a", "4");
	else
		printf("good");
}

static void
hang(void)
{
	for (;;) {
		struct timespec t = { 1, 0 };

		(void)nanosleep(&t, NULL);
	}
}

static void
crash(void)
{
	if (listing)
		member_list("a", "4");
	else
		printf("go");
	fflush(stdout);
	__builtin_trap();
}

static void
flood(void)
{
	static char block[65536];

	if (listing) {
		member_list("zeros", "4000000000");
		return;
	}
	while (fwrite(block, 1, sizeof(block), stdout) > 0)
		continue;
}

static void
words(void)
{
	for (;;)
		fprintf(stderr, "so many words that they have no end\n");
}

static void
members(void)
{
	char name[16];

	for (unsigned i = 0; listing; i++) {
		(void)snprintf(name, sizeof(name), "%u", i % 100000);
		member_list(name, "1");
	}
}

static void
silent(void)
{
}

static void
garbage(void)
{
	printf("\n\t\n\t\t\n%% %% %%\nLZO1X-1 1\n\t2\t3 4\nx\t2 (S)\t99999999999999999999 1 2 "
	       "3\n");
}

static void
shorter(void)
{
	if (listing)
		member_list("a", "10");
	else
		printf("12345");
}

static void
longer(void)
{
	if (listing)
		member_list("a", "3");
	else
		printf("aaahidden");
}

/* The sum is that of the listing, the status says that something is wrong. */
static void
failed(void)
{
	if (listing) {
		member_list("a", "4");
	} else {
		printf("good");
		exit(1);
	}
}

/* A status for which there is no reason. */
static void
warned(void)
{
	good();
	exit(2);
}

static void
truncated(void)
{
	fprintf(stderr, is_lzop ? "lzop: x: unexpected end of file\n"
				: "nomarch: error reading data (hit EOF)\n");
	if (!listing)
		printf("go");
	exit(1);
}

static void
unsupported(void)
{
	if (listing) {
		member_list("a", "4");
		return;
	}
	fprintf(stderr, is_lzop
			    ? "lzop: x: unknown compression method -- get a newer version of "
			      "lzop\n"
			    : "unsupported compression method 11\n");
	exit(1);
}

/* Two members; together the first gives nothing. */
static void
second(void)
{
	if (listing) {
		member_list("a", "3");
		member_list("b", "5");
	} else if (member == NULL || strcmp(member, "a") == 0) {
		fprintf(stderr, "unsupported compression method 11\n");
		printf("%s", member == NULL ? "bbbbb" : "");
		exit(1);
	} else {
		printf("bbbbb");
	}
}

/* Nothing is open but what belongs to it, and no other program can be become. */
static void
apart(void)
{
	char *argv[] = { (char *)"true", NULL }, *envp[] = { NULL };
	struct stat st;

	for (int fd = 4; fd < 300; fd++) {
		if (fstat(fd, &st) == 0)
			return;
		(void)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	}
	(void)execve("/bin/true", argv, envp);
	good();
}

/* What was listed was not all. */
static void
half(void)
{
	if (listing)
		printf("half of a line\n");
	good();
}

static const struct {
	const char *word;
	void (*act)(void);
} acts[] = { { "good", good }, { "hang", hang }, { "crash", crash }, { "flood", flood },
	{ "words", words }, { "members", members }, { "silent", silent },
	{ "garbage", garbage }, { "shorter", shorter }, { "longer", longer },
	{ "failed", failed }, { "warned", warned }, { "truncated", truncated },
	{ "unsupported", unsupported }, { "second", second }, { "half", half },
	{ "apart", apart } };

int
main(int argc, char **argv)
{
	int fd = open(argc > 3 ? argv[3] : "", O_RDONLY);

	if (fd < 0 || read(fd, archive, sizeof(archive) - 1) < 30 || strcmp(argv[2], "--") != 0)
		return 99;
	close(fd);
	is_lzop = strcmp(argv[0], "lzop") == 0;
	listing = strncmp(argv[1], "-l", 2) == 0;
	member = argv[4];
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(archive + 29, acts[i].word) == 0)
			acts[i].act();
	}
	return 0;
}
