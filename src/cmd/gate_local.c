/* gate_local.c: a gate below the cordon command, for when there is no daemon: one control
 * client, caged workers of its own, no listeners. What it records goes to the log that the
 * configuration names, since there is no recorder. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "cmd/gate.h"
#include "cmd/local_trees.h"
#include "config/config.h"
#include "proc/cage.h"
#include "record/counters.h"

/* What an MTA runs has its standard error put into a bounce, where the reply comes first: log
 * lines that have no other place wait in a file. */
static void
log_start(const struct config *c, int log_fd)
{
	bool to_stderr = strcmp(c->log, "stderr") == 0;

	if (to_stderr && isatty(STDERR_FILENO))
		return;
	if ((to_stderr || log_open("cordon", c->log, NULL) < 0) &&
	    log_open("cordon", "syslog", NULL) < 0)
		log_use_fd("cordon", log_fd < 0 ? STDERR_FILENO : log_fd, false);
}

/* The command's own input and output must end when the command ends. */
static void
standard_input_close(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		_exit(1);
	(void)dup2(null_fd, STDIN_FILENO);
	(void)dup2(null_fd, STDOUT_FILENO);
	if (null_fd > STDERR_FILENO)
		close(null_fd);
}

static int
gate_local_run(struct config *c, int *fd)
{
	static struct counters counters;
	struct local_trees trees;
	struct gate g = { 0 };
	struct err e = { 0 };
	int r;

	counters.started = (uint64_t)clock_wall_s();
	r = local_trees_prepare(&trees, c, &e);
	gate_init(&g, config_ref(c), &counters);
	if (r == 0)
		r = local_trees_start(&trees, c, g.pipeline, &e);
	/* Whoever we are, protocol lines are not read as root. */
	if (r == 0)
		r = process_drop_user(c->user, c->group, &e);
	if (r < 0) {
		fprintf(stderr, "cordon: cannot look at mail without cordond: %s\n", e.text);
	} else {
		if (trees.warning[0] != '\0')
			log_warn(NULL, "event=no_engine error=\"%s\"", trees.warning);
		gate_control_accept(&g, fd);
		while (g.clients != NULL || g.session_count > 0)
			loop_run_once(g.loop);
	}
	gate_done(&g);
	local_trees_done(&trees);
	return r < 0 ? 1 : 0;
}

int
gate_local_start(struct config *c, int *ret_pid, int *ret_log_fd, struct err *e)
{
	int pair[2];
	pid_t pid;

	*ret_log_fd = memfd_create("cordon-log", MFD_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "cannot make a socket");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		standard_input_close();
		log_start(c, *ret_log_fd);
		(void)signal(SIGPIPE, SIG_IGN);
		(void)sha256_guard_memory();
		(void)fcntl(pair[1], F_SETFL, O_NONBLOCK);
		_exit(gate_local_run(c, &pair[1]));
	}
	close(pair[1]);
	if (pid < 0) {
		int r = err_set(e, errno, "cannot start a process");

		close(pair[0]);
		return r;
	}
	*ret_pid = (int)pid;
	return pair[0];
}
