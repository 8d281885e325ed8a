/* test_cage.c: closed in, a process cannot open, connect, run or fork; in a forked child, whose
 * end tells. Under AddressSanitizer the cage is wider, for its reports: less is tested then. */
#include "test_common.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "proc/cage.h"

#define NO_CAGE 99 /* exit status of a child that could not close itself in */
#define MEMORY_BYTES (UINT64_C(256) << 20)

static int fds[2], file_fd;
static char folder[64], inside[128];

enum end { REFUSED, KILLED, ALLOWED };

/* Each gives true when it could do what it tried. */
static bool
try_open(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool
try_create(void)
{
	return open("/tmp/cordon-unit-escaped", O_CREAT | O_WRONLY, 0600) >= 0;
}

static bool
try_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st) == 0;
}

static bool
try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool
try_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool
try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return connect(fds[0], (struct sockaddr *)&to, sizeof(to)) == 0;
}

static bool
try_exec(void)
{
	char *const argv[] = { (char *)(uintptr_t)"/bin/true", NULL };

	execv(argv[0], argv);
	return false;
}

static bool
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
try_kill(void)
{
	return kill(getppid(), 0) == 0;
}

static bool
try_trace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static bool
try_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED;
}

static bool
try_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool
try_chdir(void)
{
	return chdir("/") == 0;
}

static bool
try_unlink(void)
{
	return unlink(inside) == 0;
}

static bool
try_file_write(void)
{
	return write(file_fd, "x", 1) == 1;
}

static bool
try_much_memory(void)
{
	volatile char *p = malloc((size_t)2 * MEMORY_BYTES);

	if (p == NULL)
		return false;
	p[0] = 1;
	free((void *)(uintptr_t)p);
	return true;
}

static bool
try_many_fds(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur > 256;
}

/* What parsing needs goes on working. */
static bool
try_work(void)
{
	struct stat st;
	char *p = malloc(1 << 20);
	char got = 0;
	void *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == NULL || map == MAP_FAILED || fstat(fds[0], &st) != 0)
		return false;
	memset(p, 1, 1 << 20);
	free(p);
	munmap(map, 8192);
	return clock_now_ms() > 0 && clock_cpu_us() >= 0 && time(NULL) > 0 &&
	    write(fds[1], "w", 1) == 1 && read(fds[0], &got, 1) == 1 && got == 'w';
}

static bool
try_inside_folder(void)
{
	int fd = open(inside, O_RDWR | O_CREAT, 0600);
	char made[200], got[4] = "";

	(void)snprintf(made, sizeof(made), "%s.d", inside);
	return fd >= 0 && write(fd, "abc", 3) == 3 && pread(fd, got, 3, 0) == 3 &&
	    memcmp(got, "abc", 3) == 0 && mkdir(made, 0700) == 0 && rmdir(made) == 0 &&
	    unlink(inside) == 0;
}

static bool
try_link_out(void)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/../cordon-unit-moved", folder);
	return rename(inside, path) == 0;
}

static bool
try_large_file(void)
{
	static char block[4096];
	int fd = open(inside, O_RDWR | O_CREAT, 0600);

	signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < 20; i++) {
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return false;
	}
	return true;
}

static const struct {
	const char *name;
	bool (*act)(void);
	enum end inspector, engine;
	bool also_asan;
} rows[] = {
	{ "work", try_work, ALLOWED, ALLOWED, true },
	{ "run a program", try_exec, KILLED, KILLED, true },
	{ "connect", try_connect, KILLED, KILLED, true },
	{ "change folder", try_chdir, KILLED, KILLED, true },
	{ "map code", try_map_code, KILLED, KILLED, true },
	{ "many descriptors", try_many_fds, KILLED, KILLED, false },
	{ "open a file", try_open, REFUSED, REFUSED, false },
	{ "create a file", try_create, REFUSED, REFUSED, false },
	{ "look at a file", try_stat, KILLED, ALLOWED, false },
	{ "remove a file", try_unlink, KILLED, ALLOWED, false },
	{ "write a file", try_file_write, KILLED, ALLOWED, false },
	{ "move a file out", try_link_out, KILLED, REFUSED, false },
	{ "socket", try_socket, REFUSED, REFUSED, false },
	{ "unix socket", try_unix_socket, REFUSED, REFUSED, false },
	{ "fork", try_fork, REFUSED, REFUSED, false },
	{ "signal the parent", try_kill, KILLED, KILLED, false },
	{ "trace the parent", try_trace, KILLED, KILLED, false },
	{ "make code of data", try_make_code, KILLED, KILLED, false },
	{ "more memory than granted", try_much_memory, REFUSED, REFUSED, false },
	{ "work in the folder", try_inside_folder, REFUSED, ALLOWED, false },
	{ "a file larger than granted", try_large_file, REFUSED, REFUSED, false },
};

_Noreturn static void
child_main(enum cage_kind kind, bool (*act)(void))
{
	struct cage_limits limits = { .memory_bytes = MEMORY_BYTES, .file_bytes = 40000,
		.folder = folder };
	struct err e;

	if (cage_enter(kind, &limits, &e) < 0) {
		(void)!write(STDERR_FILENO, e.text, strlen(e.text));
		_exit(NO_CAGE);
	}
	_exit(act() ? ALLOWED : REFUSED);
}

static enum end
run_in_cage(enum cage_kind kind, bool (*act)(void), const char *name)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		child_main(kind, act);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		if (WTERMSIG(status) != SIGSYS && WTERMSIG(status) != SIGXFSZ)
			fail_msg("%s: signal %d", name, WTERMSIG(status));
		return KILLED;
	}
	if (WEXITSTATUS(status) == NO_CAGE)
		fail_msg("%s: no cage", name);
	return (enum end)WEXITSTATUS(status);
}

static void
run_table(enum cage_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum end want = kind == CAGE_INSPECTOR ? rows[i].inspector : rows[i].engine, got;

		if (TEST_ASAN && !rows[i].also_asan && kind == CAGE_INSPECTOR)
			continue;
		if (TEST_ASAN && !rows[i].also_asan && rows[i].act != try_open &&
		    rows[i].act != try_create && rows[i].act != try_inside_folder &&
		    rows[i].act != try_link_out && rows[i].act != try_large_file)
			continue;
		file_write(folder, "file", "x");
		got = run_in_cage(kind, rows[i].act, rows[i].name);
		if (got != want)
			fail_msg("%s: %d, want %d", rows[i].name, (int)got, (int)want);
	}
	assert_int_equal(access("/tmp/cordon-unit-escaped", F_OK), -1);
	assert_int_equal(access("/tmp/cordon-unit-moved", F_OK), -1);
}

static void
test_inspector(void **state UNUSED)
{
	run_table(CAGE_INSPECTOR);
}

static void
test_engine(void **state UNUSED)
{
	run_table(CAGE_ENGINE);
}

/* Outside, all of it works: the table above can fail. */
static void
test_without_cage(void **state UNUSED)
{
	assert_true(try_open());
	assert_true(try_stat());
	assert_true(try_socket());
	assert_true(try_unix_socket());
	assert_true(try_fork());
	assert_true(try_map_code());
	assert_true(try_make_code());
	assert_true(try_much_memory());
	assert_true(try_file_write());
	assert_true(try_inside_folder());
	assert_true(try_work());
}

/* A container may let no landlock_create_ruleset() through: systemd-nspawn does not by itself. */
static void
forbid_landlock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { ARRAY_LEN(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		_exit(NO_CAGE);
}

/* Nothing is looked at then, and the log says what to do. */
static void
test_container_without_landlock(void **state UNUSED)
{
	struct cage_limits limits = { .file_bytes = 40000, .folder = folder };
	pid_t pid = fork();
	struct err e;
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		forbid_landlock();
		_exit(cage_enter(CAGE_ENGINE, &limits, &e) == -EPERM &&
		      strstr(e.text, "this container") != NULL &&
		      strstr(e.text, "--system-call-filter") != NULL ? ALLOWED : REFUSED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ALLOWED);
}

static void
test_no_such_folder(void **state UNUSED)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct cage_limits limits = { .folder = "/nonexistent/folder" };
		struct err e = { 0 };
		int r = cage_enter(CAGE_ENGINE, &limits, &e);

		_exit(r == -ENOENT && strstr(e.text, "/nonexistent/folder") != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_cpu_alarm(void **state UNUSED)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		process_set_cpu_alarm_ms(30);
		process_set_cpu_alarm_ms(0); /* taken back */
		for (int64_t end = clock_cpu_us() + 60000; clock_cpu_us() < end;)
			continue;
		process_set_cpu_alarm_ms(30);
		for (int64_t end = clock_now_ms() + 5000; clock_now_ms() < end;)
			continue;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPROF);
}

static void
test_tied_to_parent(void **state UNUSED)
{
	int status, pipes[2];
	pid_t pid, parent = getpid();
	char byte;

	pid = fork();
	if (pid == 0) {
		process_tie_to_parent(parent + 1); /* the parent is another one by now */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	/* A middle process ends: the inner one, which holds the pipe's other end, follows. */
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		pid_t middle = getpid();

		pid = fork();
		if (pid == 0) {
			process_tie_to_parent(middle);
			(void)!write(pipes[1], "r", 1);
			sleep(20);
			_exit(0);
		}
		(void)!read(pipes[0], &byte, 1);
		_exit(0);
	}
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	alarm(10);
	assert_int_equal(read(pipes[0], &byte, 1), 0);
	alarm(0);
	close(pipes[0]);
}

static int
group_setup(void **state UNUSED)
{
	folder_make(folder);
	(void)snprintf(inside, sizeof(inside), "%s/file", folder);
	file_write(folder, "outside", "x");
	file_fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (file_fd < 0)
		file_fd = memfd_create("test", 0);
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static int
group_teardown(void **state UNUSED)
{
	folder_remove(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_without_cage),
		cmocka_unit_test(test_inspector), cmocka_unit_test(test_engine),
		cmocka_unit_test(test_no_such_folder),
		cmocka_unit_test(test_container_without_landlock), cmocka_unit_test(test_cpu_alarm),
		cmocka_unit_test(test_tied_to_parent) };

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
