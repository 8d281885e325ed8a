/* helper_cage.c: Landlock, a seccomp allow-list and rlimits for the programs; see
 * helper_cage.h. What is not allowed fails with EPERM rather than killing: versions differ in
 * what they ask for, and a refused call harms nobody. */
#include "proc/helper_cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

#define CALL(name)      SCMP_SYS(name)
#define FIRST_FREE_FD   8 /* 0 to 3 are the child's */
#define DESCRIPTORS_MAX 32
#define CODE_MAX_BYTES  (64u << 10)

/* Loading a program and computing. Paths are judged by Landlock. */
static const int calls[] = {
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(pread64),
	CALL(lseek),
	CALL(_llseek),
	CALL(close),
	CALL(open),
	CALL(openat),
	CALL(fstat),
	CALL(fstat64),
	CALL(stat),
	CALL(stat64),
	CALL(lstat),
	CALL(lstat64),
	CALL(newfstatat),
	CALL(fstatat64),
	CALL(statx),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(readlink),
	CALL(readlinkat),
	CALL(getdents64),
	CALL(getcwd),
	CALL(brk),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(sigaltstack),
	CALL(futex),
	CALL(futex_time64),
	CALL(set_robust_list),
	CALL(set_tid_address),
	CALL(rseq),
	CALL(arch_prctl),
	CALL(set_thread_area),
	CALL(set_tls),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(sysinfo),
	CALL(uname),
	CALL(umask),
	CALL(getpid),
	CALL(gettid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(clock_gettime),
	CALL(clock_gettime64),
	CALL(clock_getres),
	CALL(clock_nanosleep),
	CALL(nanosleep),
	CALL(gettimeofday),
	CALL(time),
	CALL(times),
	CALL(getrusage),
	CALL(getrandom),
	CALL(poll),
	CALL(ppoll),
	CALL(exit),
	CALL(exit_group),
	CALL(restart_syscall),
};

static int
add(scmp_filter_ctx f, int call, unsigned count, const struct scmp_arg_cmp *args)
{
	int r = call == __NR_SCMP_ERROR
		    ? 0
		    : seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, count, args);

	return r == -EEXIST || r == -EDOM ? 0 : r;
}

/* Memory may be written or executed, never both; threads, no processes; limits may be read; one
 * exec, see helper_cage.h. */
static int
add_conditions(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp no_write = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0);
	const struct scmp_arg_cmp thread =
	    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	const struct scmp_arg_cmp only_read = SCMP_A2(SCMP_CMP_EQ, 0, 0);
	const struct scmp_arg_cmp exec[] = { SCMP_A0(SCMP_CMP_EQ, HELPER_PROGRAM_FD, 0),
		SCMP_A4(SCMP_CMP_EQ, AT_EMPTY_PATH, 0) };
	int r = add(f, CALL(mmap), 1, &no_exec);

	if (r == 0)
		r = add(f, CALL(mmap), 1, &no_write);
	if (r == 0)
		r = add(f, CALL(mmap2), 1, &no_exec);
	if (r == 0)
		r = add(f, CALL(mmap2), 1, &no_write);
	if (r == 0)
		r = add(f, CALL(mprotect), 1, &no_exec);
	if (r == 0)
		r = add(f, CALL(clone), 1, &thread);
	if (r == 0)
		r = add(f, CALL(prlimit64), 1, &only_read);
	if (r == 0)
		r = add(f, CALL(execveat), ARRAY_LEN(exec), exec);
	/* Its flags are out of a filter's sight; the C library then takes clone(2). */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	return r;
}

/* What the companion does besides: talk, make pipes and memory, fork, watch, and close in the
 * child what forks off. */
static const int companion_calls[] = {
	CALL(recvmsg),
	CALL(sendmsg),
	CALL(pipe2),
	CALL(dup2),
	CALL(dup3),
	CALL(fcntl),
	CALL(fcntl64),
	CALL(memfd_create),
	CALL(ftruncate),
	CALL(ftruncate64),
	CALL(wait4),
	CALL(kill),
	CALL(pidfd_open),
	CALL(prctl),
	CALL(setrlimit),
	CALL(ugetrlimit),
	CALL(getrlimit),
	CALL(landlock_restrict_self),
	CALL(close_range),
	CALL(setpgid),
	CALL(chdir),
	CALL(getppid),
};

static int
companion_filter_load(void)
{
	const struct scmp_arg_cmp no_namespace = SCMP_A0(SCMP_CMP_MASKED_EQ,
	    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC |
		CLONE_NEWUTS | CLONE_NEWCGROUP,
	    0);
	const struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, 0, 0);
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = f == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < ARRAY_LEN(calls) && r == 0; i++)
		r = add(f, calls[i], 0, NULL);
	for (size_t i = 0; i < ARRAY_LEN(companion_calls) && r == 0; i++)
		r = add(f, companion_calls[i], 0, NULL);
	if (r == 0)
		r = add_conditions(f);
	if (r == 0)
		r = add(f, CALL(clone), 1, &no_namespace);
	if (r == 0)
		r = add(f, CALL(prlimit64), 1, &own);
	if (r == 0)
		r = seccomp_load(f);
	if (f != NULL)
		seccomp_release(f);
	return r;
}

/* The filter as the kernel takes it: libseccomp writes it to a descriptor only. */
static int
code_export(struct helper_cage *c, scmp_filter_ctx f)
{
	int fd = memfd_create("cordon-filter", MFD_CLOEXEC);
	off_t size;

	if (fd < 0 || seccomp_export_bpf(f, fd) < 0 || (size = lseek(fd, 0, SEEK_END)) <= 0 ||
	    size > (off_t)CODE_MAX_BYTES) {
		fd_close(&fd);
		return -EIO;
	}
	c->code = mem_new((size_t)size);
	if (pread(fd, c->code, (size_t)size, 0) != size) {
		fd_close(&fd);
		return -EIO;
	}
	fd_close(&fd);
	c->filter =
	    (struct sock_fprog){ (unsigned short)((size_t)size / sizeof(*c->code)), c->code };
	return 0;
}

static int
filter_make(struct helper_cage *c, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = f == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < ARRAY_LEN(calls) && r == 0; i++)
		r = add(f, calls[i], 0, NULL);
	if (r == 0)
		r = add_conditions(f);
	if (r == 0)
		r = code_export(c, f);
	if (f != NULL)
		seccomp_release(f);
	return r < 0 ? err_set(e, -r, "cannot make the seccomp filter for archive programs")
		     : 0;
}

static int
allow_below(int ruleset, const char *path, int fd, uint64_t rights, struct err *e)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };
	struct stat st;
	int own = -1, r = 0;

	if (path != NULL)
		fd = own = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0; /* not every system has it */
	rule.parent_fd = fd;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &=
		    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		r = err_set(e, errno, "cannot allow '%s' in the cage of archive programs",
		    path == NULL ? "the program" : path);
	fd_close(&own);
	return r;
}

static int
landlock_make(struct helper_cage *c, struct err *e)
{
	/* The loader is started as a program too; what else is there cannot be: see
	 * add_conditions. */
	static const char *const libraries[] = { "/usr/lib", "/usr/lib32", "/usr/lib64",
		"/usr/libx32", "/lib", "/lib32", "/lib64", "/libx32", "/usr/local/lib" };
	static const char *const readable[] = { "/etc/ld.so.cache", "/usr/share/locale" };
	struct landlock_ruleset_attr attr = { .handled_access_fs =
						  (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1 };
	uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	int low, r = 0;

	low =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (low < 0)
		return err_set(
		    e, errno, "cannot make a cage for archive programs with Landlock");
	c->landlock_fd = fcntl(low, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	fd_close(&low);
	if (c->landlock_fd < 0)
		return err_set(
		    e, errno, "cannot make a cage for archive programs with Landlock");
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT && r == 0; i++) {
		if (c->program_fds[i] >= 0)
			r = allow_below(c->landlock_fd, NULL, c->program_fds[i],
			    read | LANDLOCK_ACCESS_FS_EXECUTE, e);
	}
	for (size_t i = 0; i < ARRAY_LEN(libraries) && r == 0; i++)
		r = allow_below(
		    c->landlock_fd, libraries[i], -1, read | LANDLOCK_ACCESS_FS_EXECUTE, e);
	for (size_t i = 0; i < ARRAY_LEN(readable) && r == 0; i++)
		r = allow_below(c->landlock_fd, readable[i], -1, read, e);
	return r;
}

/* 0, or a negative errno with *e. */
static int
program_open(struct helper_cage *c, size_t i, const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "cannot open '%s'", path);
	c->program_fds[i] = dup3(fd, HELPER_PROGRAM_FD + 1 + (int)i, O_CLOEXEC);
	if (c->program_fds[i] < 0)
		err_set(e, errno, "cannot give '%s' its descriptor", path);
	fd_close(&fd);
	return c->program_fds[i] < 0 ? -e->code : 0;
}

int
helper_cage_init(struct helper_cage *c, const struct helper_paths *paths, uint64_t memory_bytes,
    struct err *e)
{
	bool any = false;
	int r;

	*c = (struct helper_cage){ .landlock_fd = -1, .memory_bytes = memory_bytes };
	r = err_set(e, ENOENT, "no program is to be used");
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++) {
		c->program_fds[i] = -1;
		if (paths->of[i] == NULL || paths->of[i][0] == '\0')
			continue;
		r = program_open(c, i, paths->of[i], e);
		any = any || r == 0;
	}
	if (!any)
		return r;
	r = filter_make(c, e);
	if (r == 0)
		r = landlock_make(c, e);
	if (r < 0)
		helper_cage_done(c);
	return r;
}

void
helper_cage_done(struct helper_cage *c)
{
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++)
		fd_close(&c->program_fds[i]);
	fd_close(&c->landlock_fd);
	free(c->code);
	c->code = NULL;
}

bool
helper_cage_has(const struct helper_cage *c, int fd)
{
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++) {
		if (c->program_fds[i] == fd)
			return true;
	}
	return false;
}

int
helper_cage_enter_companion(const struct helper_cage *c, struct err *e)
{
	int r;

	if (UNDER_ASAN)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, c->landlock_fd, 0) < 0)
		return err_set(e, errno, "cannot close in the companion that opens archives");
	r = companion_filter_load();
	return r < 0 ? err_set(e, -r, "cannot close in the companion that opens archives") : 0;
}

static bool
limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit l = { soft, hard };

	return setrlimit((__rlimit_resource_t)resource, &l) == 0;
}

void
helper_cage_exec(const struct helper_cage *c, enum helper_program program, uint32_t cpu_ms,
    char *const argv[], char *const envp[])
{
	uint64_t cpu_s = ((uint64_t)cpu_ms + 999) / 1000;

	if (dup3(c->program_fds[program], HELPER_PROGRAM_FD, O_CLOEXEC) < 0 ||
	    syscall(SYS_close_range, HELPER_PROGRAM_FD + 1u, ~0u, 0u) < 0)
		return;
	if (syscall(SYS_close_range, 4u, (unsigned)c->landlock_fd - 1, 0u) < 0)
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, c->landlock_fd, 0) < 0)
		return;
	if (syscall(SYS_close_range, (unsigned)c->landlock_fd, HELPER_PROGRAM_FD - 1u, 0u) < 0)
		return;
	if (!limit(RLIMIT_CORE, 0, 0) || !limit(RLIMIT_FSIZE, 0, 0) ||
	    !limit(RLIMIT_MEMLOCK, 0, 0) || !limit(RLIMIT_MSGQUEUE, 0, 0) ||
	    !limit(RLIMIT_CPU, cpu_s, cpu_s + 1) ||
	    !limit(RLIMIT_NOFILE, DESCRIPTORS_MAX, DESCRIPTORS_MAX) ||
	    (c->memory_bytes > 0 && !limit(RLIMIT_AS, c->memory_bytes, c->memory_bytes)))
		return;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &c->filter, 0, 0) < 0)
		return;
	(void)syscall(SYS_execveat, HELPER_PROGRAM_FD, "", argv, envp, AT_EMPTY_PATH);
}
