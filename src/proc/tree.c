/* tree.c: the root of a worker tree. */
#include "proc/tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/wire.h"

#define BACKOFF_FIRST_MS 20
#define HEALTHY_MS 2000 /* a worker that lived so long did not die at once */

struct nursling {
	pid_t pid; /* 0: none */
	int64_t born_ms, due_ms; /* due: when a replacement may start */
	unsigned backoff_ms;
};

struct nursery {
	const struct tree *tree;
	int control_fd, gate_fd, signal_fd;
	struct nursling *workers;
};

void
tree_report_failure(int control_fd, const char *why)
{
	struct buf b;

	buf_init(&b, FRAME_MAX_BYTES);
	if (wire_put_slice(&b, slice_sub(slice_of_str(why), 0, 4096)) == 0)
		(void)frame_send(control_fd, FRAME_TREE_FAILED, buf_get(&b), NULL, 0);
	buf_done(&b);
}

/* False: the supervisor did not hear it, and would wait for ever. */
static bool
report_ready(const struct nursery *n)
{
	struct buf b;
	bool sent;

	buf_init(&b, FRAME_MAX_BYTES);
	sent = wire_put_str(&b, n->tree->version) == 0 &&
	    wire_put_u64(&b, n->tree->signatures) == 0 && wire_put_u64(&b, n->tree->built) == 0 &&
	    frame_send(n->control_fd, FRAME_TREE_READY, buf_get(&b), NULL, 0) == 0;
	buf_done(&b);
	return sent;
}

_Noreturn static void
worker_begin(struct nursery *n, int sock, unsigned index, pid_t parent)
{
	sigset_t none;

	fd_close(&n->control_fd);
	fd_close(&n->gate_fd);
	fd_close(&n->signal_fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	process_set_name(n->tree->worker_name);
	process_tie_to_parent(parent);
	n->tree->worker_main(n->tree->ctx, sock, index);
	_exit(0);
}

/* Tells the gate of a new worker. False: the gate is gone. */
static bool
worker_announce(struct nursery *n, pid_t pid, int sock)
{
	uint32_t number = (uint32_t)pid;

	return frame_send(n->gate_fd, FRAME_WORKER, slice_of(&number, sizeof(number)), &sock, 1) == 0;
}

static void
worker_start(struct nursery *n, unsigned index)
{
	struct nursling *w = &n->workers[index];
	pid_t parent = getpid();
	int pair[2];

	w->born_ms = clock_now_ms();
	w->due_ms = w->born_ms + 1000;
	if (frame_pair(pair) < 0) {
		log_warn(NULL, "event=worker_start error=%s: trying again in a second", "no socket");
		return;
	}
	w->pid = fork();
	if (w->pid == 0) {
		close(pair[0]);
		worker_begin(n, pair[1], index, parent);
	}
	close(pair[1]);
	if (w->pid < 0) {
		log_warn(NULL, "event=worker_start error=\"fork refused\": trying again in a second");
		w->pid = 0;
	} else if (!worker_announce(n, w->pid, pair[0])) {
		kill(w->pid, SIGKILL);
	}
	close(pair[0]);
}

static void
workers_kill(struct nursery *n)
{
	for (unsigned i = 0; i < n->tree->workers; i++) {
		if (n->workers[i].pid > 0)
			kill(n->workers[i].pid, SIGKILL);
		n->workers[i].due_ms = 0;
		n->workers[i].backoff_ms = 0;
	}
}

static void
worker_ended(struct nursery *n, struct nursling *w, int status)
{
	int64_t now = clock_now_ms();

	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		log_warn(NULL, "event=worker_died name=%s pid=%d signal=%d: its mail gets an unscanned "
		    "verdict, a new worker takes its place", n->tree->worker_name, (int)w->pid,
		    WTERMSIG(status));
	w->pid = 0;
	if (now - w->born_ms >= HEALTHY_MS)
		w->backoff_ms = 0;
	w->due_ms = now + w->backoff_ms;
	w->backoff_ms = MIN_OF(MAX_OF(w->backoff_ms * 2, (unsigned)BACKOFF_FIRST_MS),
	    n->tree->backoff_max_ms);
}

static void
workers_reap(struct nursery *n)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)!read(n->signal_fd, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < n->tree->workers; i++) {
			if (n->workers[i].pid == pid)
				worker_ended(n, &n->workers[i], status);
		}
	}
}

/* Starts what is due. Returns how long poll may wait, in ms; -1: for ever. */
static int
workers_start_due(struct nursery *n)
{
	int64_t now = clock_now_ms(), wait = -1;

	if (n->gate_fd < 0 || n->control_fd < 0)
		return -1;
	for (unsigned i = 0; i < n->tree->workers; i++) {
		struct nursling *w = &n->workers[i];

		if (w->pid == 0 && w->due_ms <= now)
			worker_start(n, i);
		if (w->pid == 0)
			wait = MIN_OF(wait < 0 ? INT32_MAX : wait, MAX_OF(w->due_ms - now, (int64_t)1));
	}
	return (int)wait;
}

static void
gate_gone(struct nursery *n)
{
	fd_close(&n->gate_fd);
	workers_kill(n);
}

static void
control_read(struct nursery *n, uint8_t *buffer)
{
	struct frame f;
	int r = frame_recv(n->control_fd, buffer, &f);

	if (r <= 0) {
		fd_close(&n->control_fd); /* retired: serve until the gate lets go */
		return;
	}
	if (f.type == FRAME_GATE && f.fd_count == 1) {
		gate_gone(n);
		n->gate_fd = frame_take_fd(&f, 0);
	}
	frame_close_fds(&f);
}

static void
gate_read(struct nursery *n, uint8_t *buffer)
{
	struct frame f;
	uint32_t pid;

	if (frame_recv(n->gate_fd, buffer, &f) <= 0) {
		gate_gone(n);
		/* The gate ended, or only the channel did: then the supervisor makes another. */
		if (n->control_fd >= 0)
			(void)frame_send(n->control_fd, FRAME_GATE, SLICE_NONE, NULL, 0);
		return;
	}
	if (f.type == FRAME_KILL) {
		struct wire_reader r = wire_read(f.body);

		pid = wire_get_u32(&r);
		for (unsigned i = 0; i < n->tree->workers; i++) {
			if (wire_is_done(&r) && n->workers[i].pid == (pid_t)pid && pid > 0)
				kill((pid_t)pid, SIGKILL);
		}
	}
	frame_close_fds(&f);
}

int
tree_run(const struct tree *t, int control_fd)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct nursery n = { .tree = t, .control_fd = control_fd, .gate_fd = -1 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	n.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ASSERT(n.signal_fd >= 0);
	n.workers = mem_new(t->workers * sizeof(*n.workers));
	if (!report_ready(&n))
		fd_close(&n.control_fd);
	while (n.control_fd >= 0 || n.gate_fd >= 0) {
		struct pollfd fds[3] = { { n.signal_fd, POLLIN, 0 }, { n.control_fd, POLLIN, 0 },
			{ n.gate_fd, POLLIN, 0 } };

		if (poll(fds, 3, workers_start_due(&n)) < 0 && errno != EINTR)
			break;
		workers_reap(&n);
		if (fds[2].revents != 0)
			gate_read(&n, buffer);
		if (fds[1].revents != 0)
			control_read(&n, buffer);
	}
	workers_kill(&n);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	free(n.workers);
	return 0;
}
