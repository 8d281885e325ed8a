/* helper_fake.c: a program in the place of 7zz, for test_helper.c. What it does is said by the
 * archive: 8 bytes of a WIM's mark, then a word. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char archive[4096];
static bool listing;
static const char *member; /* NULL: all */

static void
member_list(const char *name, const char *size)
{
	printf("Path = %s\nSize = %s\nEncrypted = -\n\n", name, size);
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
spin(void)
{
	static volatile unsigned n;

	for (;;)
		n++;
}

static void
crash(void)
{
	__builtin_trap();
}

static void
flood(void)
{
	static char block[65536];

	if (listing) {
		member_list("zeros", "");
		return;
	}
	while (fwrite(block, 1, sizeof(block), stdout) > 0)
		continue;
}

static void
words(void)
{
	for (;;)
		fprintf(stderr, "ERROR: so many words that they have no end\n");
}

static void
members(void)
{
	for (unsigned i = 0; listing; i++)
		printf("Path = %u\nSize = 1\n\n", i);
}

/* Takes what it can get; with no limit it would end at 3 GB. */
static void
memory(void)
{
	size_t got = 0;

	while (got < (size_t)3 << 30) {
		char *p = malloc((size_t)16 << 20);

		if (p == NULL)
			exit(8);
		memset(p, 1, (size_t)16 << 20);
		got += (size_t)16 << 20;
	}
}

static bool
can_start(void)
{
	char *argv[] = { (char *)"true", NULL }, *envp[] = { NULL };
	int fd = open("/proc/self/exe", O_RDONLY);

	/* each would become another program and never return */
	(void)execve("/bin/true", argv, envp);
	(void)execve("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", argv, envp);
	(void)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	if (dup2(fd, 200) == 200)
		return true;
	(void)syscall(SYS_execveat, 200, "", argv, envp, AT_EMPTY_PATH);
	return fcntl(200, F_GETFD) >= 0 && errno != EPERM;
}

/* Other mails: what the process that started us has open, and the others of this user. */
static bool
can_reach_others(void)
{
	char path[64];

	for (int fd = 3; fd < 32; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getppid(), fd);
		if (open(path, O_RDONLY) >= 0)
			return true;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)getppid());
	return open(path, O_RDONLY) >= 0 || open("/proc/self/environ", O_RDONLY) >= 0;
}

/* Says what it was able to do. */
static void
escape(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	char text[256];
	struct stat st;

	if (listing) {
		member_list("report", "");
		return;
	}
	(void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s%s%s%s.",
	    open("/etc/passwd", O_RDONLY) >= 0 ? "read " : "",
	    open("/tmp/cordon-helper-escaped", O_CREAT | O_WRONLY, 0600) >= 0 ? "write " : "",
	    open("/dev/null", O_WRONLY) >= 0 ? "device " : "",
	    unlink("/tmp/cordon-helper-bait") == 0 ? "unlink " : "",
	    socket(AF_INET, SOCK_STREAM, 0) >= 0 || connect(3, (void *)&to, sizeof(to)) == 0
		? "socket "
		: "",
	    socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? "unix " : "",
	    syscall(SYS_fork) >= 0 || syscall(SYS_vfork) >= 0 ? "fork " : "",
	    kill(getppid(), 0) == 0 || kill(0, 0) == 0 ? "kill " : "",
	    ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? "ptrace " : "",
	    pwrite(3, "x", 1, 0) == 1 || ftruncate(3, 0) == 0 ? "archive " : "",
	    mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
			MAP_FAILED ||
		    mkdir("/tmp/cordon-helper-escaped", 0700) == 0
		? "code "
		: "");
	for (int fd = 4; fd < 300; fd++) {
		if (fstat(fd, &st) == 0)
			(void)snprintf(
			    text + strlen(text), sizeof(text) - strlen(text), "descriptor");
	}
	if (can_reach_others())
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "others");
	if (can_start())
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "exec");
	(void)fwrite(text, 1, strlen(text), stdout);
}

static void
shorter(void)
{
	if (listing)
		member_list("a", "10");
	else
		printf("12345");
}

/* One member more than the listing tells. */
static void
hidden(void)
{
	if (listing)
		member_list("a", "3");
	else if (member == NULL)
		fprintf(stderr, "- a\n- b\n"), printf("aaahidden");
	else
		printf("aaa");
}

/* The data comes in another order. */
static void
swapped(void)
{
	if (listing) {
		member_list("a", "3");
		member_list("b", "5");
	} else if (member == NULL) {
		fprintf(stderr, "- b\n- a\n");
		printf("bbbbbaaa");
	} else {
		printf("%s", strcmp(member, "a") == 0 ? "aaa" : "bbbbb");
	}
}

/* The first member is broken, the second is whole. */
static void
broken(void)
{
	if (listing) {
		member_list("a", "3");
		member_list("b", "5");
	} else if (member == NULL || strcmp(member, "a") == 0) {
		fprintf(stderr, "- a\nERROR: Data Error : a\n- b\n");
		printf("a%s", member == NULL ? "bbbbb" : "");
		exit(2);
	} else {
		fprintf(stderr, "- b\n");
		printf("bbbbb");
	}
}

static void
unsupported(void)
{
	if (listing)
		member_list("Data Error", "3");
	else
		fprintf(stderr, "- Data Error\nERROR: Unsupported Method : Data Error\n"),
		    exit(2);
}

static void
good(void)
{
	if (listing)
		member_list("a", "4");
	else
		fprintf(stderr, "- a\n"), printf("good");
}

static void
garbage(void)
{
	printf("Path = \nSize = 99999999999999999999999\nPath\n = \nSize = 1\n\nPath = x\nSize "
	       "= -1\n");
}

static const struct {
	const char *word;
	void (*act)(void);
} acts[] = { { "hang", hang }, { "spin", spin }, { "crash", crash }, { "flood", flood },
	{ "words", words }, { "members", members }, { "memory", memory }, { "escape", escape },
	{ "shorter", shorter }, { "hidden", hidden }, { "swapped", swapped },
	{ "broken", broken }, { "unsupported", unsupported }, { "good", good },
	{ "garbage", garbage } };

int
main(int argc, char **argv)
{
	int fd = open(argc > 2 ? "/proc/self/fd/3" : "", O_RDONLY);

	if (fd < 0 || read(fd, archive, sizeof(archive) - 1) < 9)
		return 7;
	close(fd);
	listing = strcmp(argv[1], "l") == 0;
	if (strcmp(argv[argc - 1], "/proc/self/fd/3") != 0)
		member = argv[argc - 1];
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(archive + 8, acts[i].word) == 0)
			acts[i].act();
	}
	return 0;
}
