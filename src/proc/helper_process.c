/* helper_process.c: the companion. It talks to one inspector, which a mail may have taken over:
 * whatever that asks for, it gets memory, and runs of the programs inside limits. Texts from
 * mails reach them as a password on standard input and as a member's path behind "--". */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/macros.h"
#include "proc/frame.h"
#include "proc/helper_private.h"
#include "proc/wire.h"

#define ENDED_MAX_BYTES 64

struct companion {
	int sock, input_fd;
	const struct helper_cage *cage;
	bool gone; /* the inspector is, or it said what cannot be */
};

/* One run. */
struct run {
	struct helper_job job;
	char password[HELPER_TEXT_MAX + 2], member[HELPER_TEXT_MAX + 1];
	int in_pipe[2], out_pipe[2], message_pipe[2];
	pid_t pid;
	int pid_fd;
	int64_t begun_us;
	struct helper_result result;
};

static void
pipe_close(int pair[2])
{
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

_Noreturn static void
child_exec(const struct companion *c, const struct run *r, pid_t parent)
{
	static char charset[] = "LC_ALL=C.UTF-8", zone[] = "TZ=UTC";
	char *argv[HELPER_ARGV_MAX];
	char *envp[] = { charset, zone, NULL };
	sigset_t none;

	helper_program_fill_argv(r->job.mode, r->job.type, r->member, argv);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setpgid(0, 0);
	(void)signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() == parent && dup2(r->in_pipe[0], 0) == 0 &&
	    dup2(r->out_pipe[1], 1) == 1 && dup2(r->message_pipe[1], 2) == 2 &&
	    dup2(c->input_fd, 3) == 3 && chdir("/") == 0)
		helper_cage_exec(
		    c->cage, helper_type_get_program(r->job.type), r->job.cpu_ms, argv, envp);
	_exit(HELPER_EXIT_NOT_STARTED);
}

/* No descriptor of ours may be one of 0 to 3: those are the child's. */
static bool
pipe_make(int pair[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		pair[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 8);
		close(low[i]);
	}
	return pair[0] >= 0 && pair[1] >= 0;
}

static bool
child_start(struct companion *c, struct run *r)
{
	size_t len = strlen(r->password);
	pid_t parent = getpid();

	if (c->cage->program_fds[helper_type_get_program(r->job.type)] < 0)
		return false;
	/* Sealed: no later request of the inspector changes what the program has in hand. */
	if (c->input_fd < 0 ||
	    fcntl(c->input_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return false;
	if (!pipe_make(r->in_pipe) || !pipe_make(r->out_pipe) || !pipe_make(r->message_pipe))
		return false;
	if (write(r->in_pipe[1], r->password, len) != (ssize_t)len)
		return false;
	fd_close(&r->in_pipe[1]);
	r->pid = fork();
	if (r->pid == 0)
		child_exec(c, r, parent);
	if (r->pid > 0)
		r->pid_fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	return r->pid > 0;
}

/* True: the child is to be ended. */
static bool
inspector_says_stop(struct companion *c)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct frame f;
	int got = frame_recv(c->sock, buffer, &f);

	if (got == -EAGAIN)
		return false;
	c->gone = c->gone || got != 1 || f.type != FRAME_HELP_STOP;
	frame_close_fds(&f);
	return true;
}

static void
child_watch(struct companion *c, struct run *r)
{
	int64_t due_ms = clock_now_ms() + r->job.wall_ms;
	bool kill_it = r->pid_fd < 0;

	while (!kill_it) {
		struct pollfd p[2] = { { c->sock, POLLIN, 0 }, { r->pid_fd, POLLIN, 0 } };
		int64_t left = due_ms - clock_now_ms();

		if (left <= 0) {
			r->result.end = HELPER_TIMEOUT;
			kill_it = true;
		} else if (poll(p, 2, (int)left) < 0 && errno != EINTR) {
			kill_it = true;
		} else if (p[1].revents != 0) {
			break;
		} else if (p[0].revents != 0 && inspector_says_stop(c)) {
			r->result.end = HELPER_STOPPED;
			kill_it = true;
		}
	}
	if (kill_it)
		(void)kill(r->pid, SIGKILL);
}

static void
child_reap(struct run *r)
{
	struct rusage used = { 0 };
	int status = 0;

	while (wait4(r->pid, &status, 0, &used) < 0 && errno == EINTR)
		continue;
	r->result.cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
			   (uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec;
	if (r->result.end != HELPER_NOT_RUN)
		return;
	if (WIFSIGNALED(status)) {
		r->result.status = (uint32_t)WTERMSIG(status);
		r->result.end =
		    WTERMSIG(status) == SIGXCPU || r->result.cpu_us / 1000 >= r->job.cpu_ms
			? HELPER_TIMEOUT
			: HELPER_KILLED;
	} else if (WEXITSTATUS(status) != HELPER_EXIT_NOT_STARTED) {
		r->result.status = (uint32_t)WEXITSTATUS(status);
		r->result.end = HELPER_EXITED;
	}
}

static void
ended_send(struct companion *c, const struct helper_result *result)
{
	CLEANUP(buf_done) struct buf b = { .max = ENDED_MAX_BYTES };

	if (helper_ended_encode(result, &b) < 0 ||
	    frame_send(c->sock, FRAME_HELP_ENDED, buf_get(&b), NULL, 0) < 0)
		c->gone = true;
}

static bool
text_copy(char *to, struct slice s, const char *tail)
{
	if (s.len > HELPER_TEXT_MAX || (s.len > 0 && memchr(s.ptr, 0, s.len) != NULL))
		return false;
	if (s.len > 0)
		memcpy(to, s.ptr, s.len);
	memcpy(to + s.len, tail, strlen(tail) + 1);
	return true;
}

/* False: no request that an inspector of ours would send. */
static bool
run_read(struct slice body, struct run *r)
{
	return helper_run_decode(body, &r->job) && text_copy(r->member, r->job.member, "") &&
	       text_copy(r->password, r->job.password, r->job.password.len > 0 ? "\n" : "");
}

static void
on_run(struct companion *c, struct slice body)
{
	static struct run r;
	int give[2];

	memset(&r, 0, sizeof(r));
	r.in_pipe[0] = r.in_pipe[1] = r.out_pipe[0] = r.out_pipe[1] = -1;
	r.message_pipe[0] = r.message_pipe[1] = r.pid_fd = -1;
	if (!run_read(body, &r)) {
		c->gone = true;
		return;
	}
	if (child_start(c, &r)) {
		give[0] = r.out_pipe[0];
		give[1] = r.message_pipe[0];
		if (frame_send(c->sock, FRAME_HELP_STARTED, SLICE_NONE, give, 2) < 0)
			c->gone = true;
		pipe_close(r.in_pipe);
		pipe_close(r.out_pipe);
		pipe_close(r.message_pipe);
		if (c->gone)
			(void)kill(r.pid, SIGKILL);
		child_watch(c, &r);
		child_reap(&r);
	}
	pipe_close(r.in_pipe);
	pipe_close(r.out_pipe);
	pipe_close(r.message_pipe);
	fd_close(&r.pid_fd);
	if (!c->gone)
		ended_send(c, &r.result);
}

/* Memory as large as asked for; the pages come into being as the inspector fills them. */
static void
on_input(struct companion *c, struct slice body)
{
	struct wire_reader w = wire_read(body);
	uint64_t size = wire_get_u64(&w);
	int low, error;

	fd_close(&c->input_fd);
	if (!wire_is_done(&w) || size == 0 || size > HELPER_INPUT_MAX) {
		c->gone = true;
		return;
	}
	low = memfd_create("cordon-archive", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (low >= 0)
		c->input_fd = fcntl(low, F_DUPFD_CLOEXEC, 8);
	fd_close(&low);
	if (c->input_fd >= 0 && ftruncate(c->input_fd, (off_t)size) < 0)
		fd_close(&c->input_fd);
	error = frame_send(
	    c->sock, FRAME_HELP_REGION, SLICE_NONE, &c->input_fd, c->input_fd >= 0 ? 1 : 0);
	c->gone = error < 0;
}

void
helper_process_run(int sock, const struct helper_cage *cage)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct companion c = { .sock = sock, .input_fd = -1, .cage = cage };
	struct frame f;

	while (!c.gone && frame_recv(sock, buffer, &f) == 1) {
		if (f.type == FRAME_HELP_INPUT && f.fd_count == 0)
			on_input(&c, f.body);
		else if (f.type == FRAME_HELP_RUN && f.fd_count == 0)
			on_run(&c, f.body);
		else if (f.type == FRAME_HELP_STOP && f.fd_count == 0)
			continue; /* the run had ended by itself meanwhile */
		else
			c.gone = true;
		frame_close_fds(&f);
	}
	fd_close(&c.input_fd);
}
