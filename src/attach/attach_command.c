/* attach_command.c: programs of an MTA as children with a deadline. */
#include "attach/attach_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/limits.h"

#define POLL_MS    50
#define SAID_BYTES 300 /* of what a program said, as part of an error */

static volatile sig_atomic_t interrupted;
static bool held;

static void
note_signal(int sig UNUSED)
{
	interrupted = 1;
}

void
attach_interrupt_catch(void)
{
	struct sigaction act = { .sa_handler = note_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
}

bool
attach_interrupt_is_set(void)
{
	return interrupted != 0 && !held;
}

int
attach_interrupt_tell(struct err *e)
{
	err_set(e, 0, "interrupted");
	return -EINTR;
}

void
attach_interrupt_hold(bool hold)
{
	held = hold;
}

bool
attach_sleep_ms(unsigned ms)
{
	int64_t end = clock_now_ms() + ms;

	while (!attach_interrupt_is_set() && clock_now_ms() < end)
		poll(NULL, 0, (int)MIN_OF(end - clock_now_ms() + 1, POLL_MS));
	return !attach_interrupt_is_set();
}

bool
attach_program_find(const char *name, char *ret_path, size_t size)
{
	static const char usual[] = ":/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin";
	const char *path = getenv("PATH");
	struct slice rest;
	struct buf all;
	bool found = false;

	if (strchr(name, '/') != NULL)
		return snprintf(ret_path, size, "%s", name) < (int)size &&
		       access(name, X_OK) == 0;
	buf_init(&all, 65536);
	buf_append_str(&all, path == NULL ? "" : path);
	buf_append_str(&all, usual);
	for (rest = buf_get(&all); rest.len > 0 && !found;) {
		size_t end = slice_find_byte(rest, ':', 0);
		struct slice folder = slice_sub(rest, 0, end == SIZE_MAX ? rest.len : end);

		rest = slice_from(rest, end == SIZE_MAX ? rest.len : end + 1);
		found =
		    folder.len > 0 && folder.ptr[0] == '/' &&
		    snprintf(ret_path, size, "%.*s/%s", SLICE_FMT(folder), name) < (int)size &&
		    access(ret_path, X_OK) == 0;
	}
	buf_done(&all);
	return found;
}

struct child {
	pid_t pid;
	int fd[2]; /* its standard output and error; -1 closed */
	struct buf text[2];
};

static void
child_exec(const char *const argv[], const int out[2], const int err[2])
{
	int null = open("/dev/null", O_RDWR);

	/* A group of its own: Ctrl-C reaches us alone, and a program of the MTA is not torn
	 * apart. */
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
		_exit(126);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int
child_start(struct child *c, const char *const argv[], struct err *e)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_set(e, errno, "cannot run %s", argv[0]);
	if (pipe2(err, O_CLOEXEC) < 0) {
		int code = errno;

		close(out[0]);
		close(out[1]);
		return err_set(e, code, "cannot run %s", argv[0]);
	}
	c->pid = fork();
	if (c->pid == 0)
		child_exec(argv, out, err);
	close(out[1]);
	close(err[1]);
	c->fd[0] = out[0];
	c->fd[1] = err[0];
	for (int i = 0; i < 2; i++) {
		fcntl(c->fd[i], F_SETFL, O_NONBLOCK);
		buf_init(&c->text[i], ATTACH_OUTPUT_MAX_BYTES);
	}
	return c->pid < 0 ? err_set(e, errno, "cannot run %s", argv[0]) : 0;
}

static void
child_done(struct child *c)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&c->fd[i]);
		buf_done(&c->text[i]);
	}
}

/* Reads what there is. What is beyond the largest size is thrown away. */
static void
child_read(struct child *c, int i)
{
	uint8_t bytes[16384];
	ssize_t n;

	while (c->fd[i] >= 0 && (n = read(c->fd[i], bytes, sizeof(bytes))) != 0) {
		if (n < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		if (buf_append(&c->text[i], bytes, (size_t)n) < 0)
			continue;
	}
	fd_close(&c->fd[i]);
	c->fd[i] = -1;
}

/* Waits for the end of the child (not of what it left running). Its status, or negative. */
static int
child_wait(struct child *c, const char *name, struct err *e)
{
	int64_t end = clock_now_ms() + ATTACH_COMMAND_MS;
	int status = 255 << 8; /* should there be no child to wait for */

	while (waitpid(c->pid, &status, WNOHANG) == 0) {
		struct pollfd fds[2] = { { c->fd[0], POLLIN, 0 }, { c->fd[1], POLLIN, 0 } };
		bool late = clock_now_ms() > end;

		if (late || attach_interrupt_is_set()) {
			kill(-c->pid, SIGKILL);
			kill(c->pid, SIGKILL);
			waitpid(c->pid, &status, 0);
			return late ? err_set(e, EINVAL, "%s did not end in time", name)
				    : attach_interrupt_tell(e);
		}
		poll(fds, 2, c->fd[0] < 0 && c->fd[1] < 0 ? 5 : POLL_MS);
		child_read(c, 0);
		child_read(c, 1);
	}
	child_read(c, 0);
	child_read(c, 1);
	return status;
}

/* The last lines of what it said, on one line. */
static struct slice
last_words(struct buf *text)
{
	struct slice s = slice_trim(buf_get(text));

	if (s.len > SAID_BYTES)
		s = slice_from(s, s.len - SAID_BYTES);
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] < ' ')
			text->data[i] = ' ';
	return s;
}

int
attach_command_run(const char *const argv[], struct buf *ret_out, struct err *e)
{
	CLEANUP(child_done) struct child c = { .fd = { -1, -1 } };
	int status, r = child_start(&c, argv, e);

	if (r < 0)
		return r;
	status = child_wait(&c, argv[0], e);
	if (status < 0)
		return status;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		struct slice said = last_words(c.text[1].len > 0 ? &c.text[1] : &c.text[0]);

		return err_set(e, EINVAL, "%s failed: %.*s", argv[0], SLICE_FMT(said));
	}
	r = ret_out == NULL ? 0 : buf_append_slice(ret_out, buf_get(&c.text[0]));
	return r < 0 ? err_set(e, -r, "%s printed too much", argv[0]) : 0;
}
