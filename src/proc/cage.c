/* cage.c: rlimits, Landlock and a seccomp allow-list. */
#include "proc/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
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

#define CALL(name) SCMP_SYS(name)

/* What parsing in memory needs, and talking over descriptors that are open already. */
static const int calls_inspector[] = {
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(recvmsg), CALL(sendmsg),
	CALL(close), CALL(fstat), CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise),
	CALL(rt_sigreturn), CALL(rt_sigprocmask), CALL(rt_sigaction), CALL(setitimer),
	CALL(clock_gettime), CALL(gettimeofday), CALL(time), CALL(getrandom), CALL(futex),
	CALL(getpid), CALL(gettid), CALL(tgkill), CALL(exit), CALL(exit_group),
	CALL(restart_syscall), CALL(poll), CALL(ppoll), CALL(lseek), CALL(sched_yield),
	CALL(getcwd), CALL(uname), CALL(umask), CALL(rseq),
};

/* What libclamav needs beside: temporary files in the one folder that Landlock leaves. */
static const int calls_engine[] = {
	CALL(open), CALL(openat), CALL(creat), CALL(stat), CALL(lstat), CALL(newfstatat),
	CALL(statx), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(unlink),
	CALL(unlinkat), CALL(rename), CALL(renameat), CALL(renameat2), CALL(mkdir),
	CALL(mkdirat), CALL(rmdir), CALL(getdents64), CALL(getdents), CALL(ftruncate),
	CALL(pread64), CALL(pwrite64), CALL(fcntl), CALL(dup), CALL(dup2), CALL(dup3),
	CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(readlink), CALL(readlinkat),
	CALL(sysinfo), CALL(getrusage), CALL(times), CALL(getuid), CALL(geteuid), CALL(getgid),
	CALL(getegid), CALL(statfs), CALL(fstatfs), CALL(flock), CALL(fsync), CALL(fadvise64),
	CALL(clock_nanosleep), CALL(nanosleep), CALL(copy_file_range), CALL(sendfile),
	CALL(sched_getaffinity), CALL(fdatasync), CALL(utimensat), CALL(select), CALL(pselect6),
};

/* AddressSanitizer's own needs: reports, shadow memory, stack of the handler. */
static const int calls_sanitizer[] = {
	CALL(sigaltstack), CALL(getrlimit), CALL(prlimit64), CALL(readlink), CALL(open),
	CALL(openat), CALL(stat), CALL(newfstatat), CALL(getuid), CALL(geteuid), CALL(getppid),
	CALL(prctl), CALL(ptrace), CALL(wait4), CALL(clone), CALL(clone3), CALL(pipe2), CALL(mprotect),
	CALL(getdents64), CALL(arch_prctl), CALL(set_robust_list), CALL(sched_getaffinity), CALL(kill),
	CALL(ioctl), CALL(fcntl), CALL(socket), CALL(access), CALL(getrusage), CALL(getpgrp), CALL(sysinfo),
};

static int
allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int r;

		if (calls[i] == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
		if (r < 0 && r != -EEXIST && r != -EDOM)
			return r;
	}
	return 0;
}

/* mmap and mprotect, but never executable. */
static int
allow_memory(scmp_filter_ctx filter, bool mprotect_too)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mmap), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (r == 0 && mprotect_too)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mprotect), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

static int
seccomp_close(enum cage_kind kind, struct err *e)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (filter == NULL)
		return err_set(e, ENOMEM, "cannot make a seccomp filter");
	r = allow(filter, calls_inspector, ARRAY_LEN(calls_inspector));
	if (r == 0)
		r = allow_memory(filter, !UNDER_ASAN);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(setpriority), 2,
		    SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS, 0), SCMP_A1(SCMP_CMP_EQ, 0, 0));
	/* fstat(2) as the C library calls it: of an open descriptor, no path. */
	if (r == 0 && kind == CAGE_INSPECTOR && !UNDER_ASAN)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(newfstatat), 1,
		    SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH, 0));
	if (r == 0 && kind == CAGE_ENGINE)
		r = allow(filter, calls_engine, ARRAY_LEN(calls_engine));
	if (r == 0 && UNDER_ASAN)
		r = allow(filter, calls_sanitizer, ARRAY_LEN(calls_sanitizer));
	/* Asked for by libraries, harmless to refuse: an error, not the end. */
	if (r == 0 && !UNDER_ASAN) {
		(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(ioctl), 0);
		(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(prctl), 0);
		(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(socket), 0);
		(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(clone3), 0);
		(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(clone), 0);
		if (kind == CAGE_INSPECTOR) {
			(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(openat), 0);
			(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(open), 0);
			(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(readlink), 0);
			(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(sysinfo), 0);
			(void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(sched_getaffinity), 0);
		}
	}
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		return err_set(e, -r, "cannot close the cage with seccomp (kernel without "
		    "CONFIG_SECCOMP_FILTER, or a container that forbids it)");
	return 0;
}

static int
landlock_allow_folder(int ruleset, const char *folder, uint64_t rights, struct err *e)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };
	int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return err_set(e, errno, "cannot open '%s' for the cage", folder);
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		r = err_set(e, errno, "cannot allow '%s' in the cage", folder);
	close(fd);
	return r;
}

static int
landlock_close(const char *folder, struct err *e)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs =
	    (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1 };
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs),
	    0);
	int r = 0;

	if (ruleset < 0 && errno == EPERM)
		return err_set(e, errno, "cannot close the cage with Landlock: this container "
		    "forbids its system calls (systemd-nspawn: --system-call-filter="
		    "'landlock_create_ruleset landlock_add_rule landlock_restrict_self')");
	if (ruleset < 0)
		return err_set(e, errno, "cannot close the cage with Landlock (kernel 5.13 or later "
		    "with CONFIG_SECURITY_LANDLOCK is needed; see /sys/kernel/security/lsm)");
	if (folder != NULL)
		r = landlock_allow_folder(ruleset, folder, attr.handled_access_fs &
		    ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
		    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
		    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM), e);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = err_set(e, errno, "cannot close the cage with Landlock");
	close(ruleset);
	return r;
}

static int
limit(int resource, uint64_t value, struct err *e)
{
	struct rlimit l = { value, value };

	if (setrlimit((__rlimit_resource_t)resource, &l) < 0)
		return err_set(e, errno, "cannot set resource limit %d to %llu", resource,
		    (unsigned long long)value);
	return 0;
}

static int
limits_apply(enum cage_kind kind, const struct cage_limits *l, struct err *e)
{
	int r = limit(RLIMIT_CORE, 0, e);

	if (r == 0 && l->memory_bytes > 0 && !UNDER_ASAN)
		r = limit(RLIMIT_DATA, l->memory_bytes, e);
	if (r == 0 && kind == CAGE_INSPECTOR && !UNDER_ASAN)
		r = limit(RLIMIT_FSIZE, 0, e);
	if (r == 0 && kind == CAGE_ENGINE && l->file_bytes > 0)
		r = limit(RLIMIT_FSIZE, l->file_bytes, e);
	if (r == 0)
		r = limit(RLIMIT_NOFILE, kind == CAGE_INSPECTOR ? 64 : 256, e);
	return r;
}

int
cage_enter(enum cage_kind kind, const struct cage_limits *limits, struct err *e)
{
	int r = limits_apply(kind, limits, e);

	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "cannot give up new privileges");
	if (kind == CAGE_INSPECTOR && UNDER_ASAN)
		return seccomp_close(kind, e);
	r = landlock_close(kind == CAGE_ENGINE ? limits->folder : NULL, e);
	return r < 0 ? r : seccomp_close(kind, e);
}

void
process_tie_to_parent(int parent_pid)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (getppid() != parent_pid)
		_exit(1); /* it was gone before we could be tied to it */
}

void
process_adopt_orphans(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void
process_set_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

void
process_set_cpu_alarm_ms(unsigned ms)
{
	struct itimerval t = { .it_value = { .tv_sec = ms / 1000,
		.tv_usec = (ms % 1000) * 1000 } };

	(void)setitimer(ITIMER_PROF, &t, NULL);
}

#define NICE_BACK 10
#define NICE_LIMIT_FOR_0 20 /* RLIMIT_NICE counts 20 - nice */

void
process_allow_step_back(void)
{
	struct rlimit l = { NICE_LIMIT_FOR_0, NICE_LIMIT_FOR_0 };

	(void)setrlimit(RLIMIT_NICE, &l);
}

void
process_step_back(bool back)
{
	static int allowed = -1;
	struct rlimit l;

	if (allowed < 0)
		allowed = getrlimit(RLIMIT_NICE, &l) == 0 && l.rlim_cur >= NICE_LIMIT_FOR_0;
	if (allowed > 0)
		(void)setpriority(PRIO_PROCESS, 0, back ? NICE_BACK : 0);
}
