/* role.c: fork, exec, and what both sides of it agree on. */
#include "proc/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "config/config.h"
#include "proc/cage.h"

#define FIRST_FREE_FD 64 /* while descriptors are moved to their places */
#define CONFIG_TEXT_MAX (16u << 20)

#ifndef CORDON_LIBEXECDIR
#define CORDON_LIBEXECDIR "/usr/libexec/cordon"
#endif

int
role_text_fd(struct slice text, struct err *e)
{
	int fd = memfd_create("cordon-config", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "cannot make shared memory"), -1;
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n <= 0) {
			err_set(e, errno, "cannot write the configuration to shared memory");
			close(fd);
			return -1;
		}
		text = slice_from(text, (size_t)n);
	}
	(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Puts fds[i] at descriptor ROLE_FD_CONTROL + i, inheritable, whatever stood there. */
static bool
descriptors_place(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (fds[i] < 0)
			return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (dup2(fds[i], ROLE_FD_CONTROL + (int)i) < 0)
			return false;
	}
	return true;
}

_Noreturn static void
role_exec(const struct role_start *s, int config_fd, pid_t parent)
{
	int fds[16] = { s->control_fd, config_fd };
	size_t count = 3;
	bool is_syslog;
	char number[16];
	char *argv[] = { (char *)(uintptr_t)s->program, (char *)"--role",
		(char *)(uintptr_t)s->role, number, NULL, (char *)(uintptr_t)s->config_name, NULL };
	sigset_t none;

	fds[2] = log_get_fd(&is_syslog);
	argv[4] = (char *)(uintptr_t)(is_syslog ? "syslog" : "file");
	snprintf(number, sizeof(number), "%d", (int)parent);
	for (size_t i = 0; i < s->extra_count && count < ARRAY_LEN(fds); i++)
		fds[count++] = s->extra_fds[i];
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (descriptors_place(fds, count))
		execv(s->program, argv);
	log_error(NULL, "event=exec program=%s error=\"%s\"", s->program, strerror(errno));
	_exit(127);
}

pid_t
role_spawn(const struct role_start *s, struct err *e)
{
	int config_fd = role_text_fd(s->config_text, e);
	pid_t parent = getpid(), pid;

	if (config_fd < 0)
		return -EIO;
	pid = fork();
	if (pid == 0)
		role_exec(s, config_fd, parent);
	close(config_fd);
	if (pid < 0)
		return err_set(e, errno, "cannot start %s", s->program);
	return pid;
}

static int
role_read_config(const char *name, struct role *r, struct err *e)
{
	struct buf messages;
	struct stat st;
	ssize_t n;

	if (fstat(ROLE_FD_CONFIG, &st) < 0 || st.st_size > (off_t)CONFIG_TEXT_MAX)
		return err_set(e, errno, "cannot read the configuration given by the supervisor");
	r->config_text = mem_new((size_t)st.st_size + 1);
	n = pread(ROLE_FD_CONFIG, r->config_text, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return err_set(e, EIO, "cannot read the configuration given by the supervisor");
	buf_init(&messages, 64 * 1024);
	r->config = config_parse(name, slice_of(r->config_text, (size_t)n), &messages);
	if (r->config == NULL)
		err_set(e, EINVAL, "%s", buf_get_str(&messages));
	buf_done(&messages);
	return r->config == NULL ? -EINVAL : 0;
}

int
role_enter(int argc, char **argv, const char *process_name, struct role *ret_role,
    struct err *e)
{
	struct role r = { 0 };
	uint64_t parent;
	int status;

	if (argc != 6 || strcmp(argv[1], "--role") != 0 ||
	    !slice_parse_uint(slice_of_str(argv[3]), INT32_MAX, &parent))
		return err_set(e, EINVAL, "this program is started by cordond, not by hand");
	r.name = argv[2];
	log_use_fd(process_name, ROLE_FD_LOG, strcmp(argv[4], "syslog") == 0);
	process_set_name(process_name);
	for (int fd = ROLE_FD_CONTROL; fd < 20; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (!sha256_guard_memory())
		log_warn(NULL, "event=openssl_in_use: a lack of memory in it is not noticed");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	status = role_read_config(argv[5], &r, e);
	if (status == 0)
		status = process_drop_user(r.config->user, r.config->group, e);
	if (status < 0)
		return status;
	process_tie_to_parent((int)parent);
	*ret_role = r;
	return 0;
}

static bool
is_program(const char *folder, size_t len, const char *name, char *ret_path, size_t size)
{
	int n = snprintf(ret_path, size, "%.*s/%s", (int)len, folder, name);

	return n > 0 && (size_t)n < size && access(ret_path, X_OK) == 0;
}

bool
role_find_program(const char *name, const char *folder, char *ret_path, size_t size)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash != NULL && is_program(self, (size_t)(slash - self), name, ret_path, size))
			return true;
	}
	if (folder != NULL && folder[0] != '\0' &&
	    is_program(folder, strlen(folder), name, ret_path, size))
		return true;
	return is_program(CORDON_LIBEXECDIR, strlen(CORDON_LIBEXECDIR), name, ret_path, size);
}
