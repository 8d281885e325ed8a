/* supervisor.c: start, reload, stop; gate and recorder. */
#include "cmd/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "config/config.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/listen.h"
#include "proc/role.h"
#include "proc/wire.h"
#include "record/counters.h"

#define BACKOFF_FIRST_MS 20u
#define HEALTHY_MS       10000
#define STOP_SLACK_MS    3000u
#define CONFIG_MAX_BYTES (16u << 20)

unsigned
backoff_next(unsigned *backoff_ms, int64_t born_ms, unsigned max_ms)
{
	unsigned wait;

	if (clock_now_ms() - born_ms > HEALTHY_MS)
		*backoff_ms = 0;
	wait = *backoff_ms;
	*backoff_ms = MIN_OF(MAX_OF(wait * 2, BACKOFF_FIRST_MS), max_ms);
	return wait;
}

static int
config_read(const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot read configuration '%s'", path);
	if (st.st_size > (off_t)CONFIG_MAX_BYTES)
		return err_set(e, EINVAL, "configuration '%s' is larger than 16 MB", path);
	text = mem_new((size_t)st.st_size + 1);
	n = read(fd, text, (size_t)st.st_size);
	if (n < 0) {
		free(text);
		return err_set(e, errno, "cannot read configuration '%s'", path);
	}
	*ret_text = text;
	*ret_len = (size_t)n;
	return 0;
}

static void
log_messages(struct buf *messages)
{
	struct slice rest = buf_get(messages);

	while (rest.len > 0) {
		size_t end = slice_find_byte(rest, '\n', 0);
		struct slice line = slice_sub(rest, 0, MIN_OF(end, rest.len));

		if (line.len > 0)
			log_error(NULL, "event=config %.*s", SLICE_FMT(line));
		rest = end == SIZE_MAX ? SLICE_NONE : slice_from(rest, end + 1);
	}
}

/* Reads and checks the file; on success it is the one in force. */
static int
supervisor_load_config(struct supervisor *s)
{
	struct config *c;
	struct buf messages;
	struct err e;
	char *text = NULL;
	size_t len = 0;

	if (config_read(s->config_path, &text, &len, &e) < 0) {
		log_error(NULL, "event=config error=\"%s\"", e.text);
		return -EINVAL;
	}
	buf_init(&messages, 256 * 1024);
	c = config_parse(s->config_path, slice_of(text, len), &messages);
	log_messages(&messages);
	buf_done(&messages);
	if (c == NULL) {
		free(text);
		return -EINVAL;
	}
	config_unref(&s->config);
	free(s->config_text);
	s->config = c;
	s->config_text = text;
	s->config_len = len;
	return 0;
}

static struct sup_listener *
listener_find(struct supervisor *s, const char *address)
{
	for (struct sup_listener *l = s->listeners; l != NULL; l = l->next) {
		if (strcmp(l->address, address) == 0)
			return l;
	}
	return NULL;
}

static int
listener_want(struct supervisor *s, const char *name, const char *protocol, const char *address,
    unsigned mode, const char *group)
{
	struct sup_listener *l = listener_find(s, address);
	struct err e;

	if (l == NULL) {
		l = mem_new(sizeof(*l));
		snprintf(l->address, sizeof(l->address), "%s", address);
		l->fd = listen_take_inherited(name);
		l->inherited = l->fd >= 0;
		if (l->fd < 0)
			l->fd = listen_open(address, mode, group, &e);
		if (l->fd < 0) {
			log_error(NULL, "event=listen_failed listener=%s error=\"%s\"", name, e.text);
			free(l);
			return -EINVAL;
		}
		l->next = s->listeners;
		s->listeners = l;
	}
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->protocol, sizeof(l->protocol), "%s", protocol);
	l->wanted = true;
	return 0;
}

/* Courier asks every socket that it finds in a folder: without one it would take mail unscanned, so
 * the file stays when we stop, and Courier defers mail. Out of the configuration is out of use. */
static bool
listener_outlives_us(const struct sup_listener *l, bool stopping)
{
	return l->inherited || (stopping && strcmp(l->protocol, "courier") == 0);
}

static void
listeners_drop_unwanted(struct supervisor *s, bool stopping)
{
	struct sup_listener **place = &s->listeners;

	while (*place != NULL) {
		struct sup_listener *l = *place;

		if (l->wanted) {
			place = &l->next;
			continue;
		}
		*place = l->next;
		fd_close(&l->fd);
		if (!listener_outlives_us(l, stopping))
			listen_remove(l->address);
		free(l);
	}
}

/* Sockets with the same address are kept: nobody is refused by a reload. */
static int
listeners_open(struct supervisor *s)
{
	const struct config *c = s->config;
	char address[300];
	int r = 0;

	for (struct sup_listener *l = s->listeners; l != NULL; l = l->next)
		l->wanted = false;
	for (size_t i = 0; i < c->listener_count; i++)
		r |= listener_want(s, c->listeners[i].name,
		    config_protocol_get_name((enum config_protocol)c->listeners[i].protocol),
		    c->listeners[i].address, c->listeners[i].mode, c->listeners[i].group);
	snprintf(address, sizeof(address), "unix:%s", c->control_socket);
	if (c->control_socket[0] != '\0')
		r |= listener_want(s, "control", "control", address, c->control_mode, c->group);
	listeners_drop_unwanted(s, false);
	return r;
}

void
supervisor_tell_gate(struct supervisor *s, enum frame_type type, const struct buf *body,
    int failed, const int *fds, size_t fd_count)
{
	if (s->gate_fd < 0)
		return;
	if (failed == 0)
		failed = frame_send(s->gate_fd, type, buf_get(body), fds, fd_count);
	if (failed < 0 && s->gate_pid > 0)
		kill(s->gate_pid, SIGKILL); /* half told it would never serve: the next hears all */
}

static void
listeners_send(struct supervisor *s)
{
	int fds[FRAME_FDS_MAX], failed;
	struct buf b;
	uint32_t n = 0;

	for (struct sup_listener *l = s->listeners; l != NULL && n < FRAME_FDS_MAX; l = l->next)
		fds[n++] = l->fd;
	buf_init(&b, FRAME_MAX_BYTES);
	failed = wire_put_u32(&b, n);
	for (struct sup_listener *l = s->listeners; l != NULL && n-- > 0; l = l->next)
		failed |= wire_put_str(&b, l->name) | wire_put_str(&b, l->protocol);
	n = 0;
	for (struct sup_listener *l = s->listeners; l != NULL && n < FRAME_FDS_MAX; l = l->next)
		n++;
	supervisor_tell_gate(s, FRAME_LISTENERS, &b, failed, fds, n);
	buf_done(&b);
}

/* Folders of the sockets and the work folder, when they are missing and we may make them. */
static void
folders_make(const struct supervisor *s)
{
	if (mkdir(s->config->work_dir, 0755) < 0 && errno != EEXIST)
		log_warn(NULL, "event=work_dir error=\"cannot make '%s': %s\"", s->config->work_dir,
		    strerror(errno));
	(void)process_own_folder(s->config->work_dir, s->config->user, s->config->group);
}

void
supervisor_give_up(struct supervisor *s, const char *why)
{
	log_error(NULL, "event=stop error=\"%s\"", why);
	s->exit_status = 1;
	loop_stop(s->loop);
}

void
supervisor_check_ready(struct supervisor *s)
{
	if (s->ready || s->stopping || !sup_trees_are_settled(s) || s->gate_fd < 0)
		return;
	/* Mail is let in once somebody can look at it. */
	listeners_send(s);
}

static void
gate_readable(void *ctx, unsigned events UNUSED);

static pid_t
child_start(struct supervisor *s, const char *role, int *ret_control, const int *extra)
{
	char program[4096];
	struct err e = { 0 };
	int pair[2];
	pid_t pid;

	if (!role_find_program("cordond", "", program, sizeof(program))) {
		ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

		program[MAX_OF(n, (ssize_t)0)] = '\0';
	}
	if (frame_pair(pair) < 0)
		return -1;
	pid = role_spawn(&(struct role_start){ .program = program, .role = role,
	    .control_fd = pair[1], .config_text = slice_of(s->config_text, s->config_len),
	    .config_name = s->config_path, .extra_fds = extra, .extra_count = 2 }, &e);
	close(pair[1]);
	if (pid <= 0) {
		log_error(NULL, "event=start_failed role=%s error=\"%s\"", role, e.text);
		close(pair[0]);
		return -1;
	}
	*ret_control = pair[0];
	return pid;
}

static void
gate_start(void *ctx)
{
	struct supervisor *s = ctx;
	int extra[2] = { s->records[0], s->counters_fd };

	if (s->stopping)
		return;
	s->gate_born_ms = clock_now_ms();
	s->gate_pid = child_start(s, "gate", &s->gate_fd, extra);
	if (s->gate_pid <= 0) {
		loop_timer_set_ms(s->gate_restart, backoff_next(&s->gate_backoff_ms, s->gate_born_ms,
		    s->config->restart_backoff_max_ms));
		return;
	}
	s->gate_watch = loop_watch_new(s->loop, s->gate_fd, LOOP_READ, gate_readable, s);
	sup_trees_connect(s);
	if (sup_trees_are_settled(s))
		listeners_send(s);
}

static void
recorder_start(void *ctx)
{
	struct supervisor *s = ctx;
	int extra[2] = { s->records[1], s->counters_fd };

	s->recorder_born_ms = clock_now_ms();
	s->recorder_pid = child_start(s, "recorder", &s->recorder_fd, extra);
	if (s->recorder_pid <= 0)
		loop_timer_set_ms(s->recorder_restart, backoff_next(&s->recorder_backoff_ms,
		    s->recorder_born_ms, s->config->restart_backoff_max_ms));
}

/* Who cannot be told is started again, with the new configuration. */
static void
config_send(struct supervisor *s, int fd, pid_t pid)
{
	int text_fd = role_text_fd(slice_of(s->config_text, s->config_len), NULL);

	if (fd >= 0 && pid > 0 &&
	    (text_fd < 0 || frame_send(fd, FRAME_CONFIG, SLICE_NONE, &text_fd, 1) < 0))
		kill(pid, SIGKILL);
	fd_close(&text_fd);
}

static void
reload(struct supervisor *s)
{
	if (s->stopping)
		return;
	notify_manager("RELOADING=1");
	log_info(NULL, "event=reload path=%s", s->config_path);
	if (supervisor_load_config(s) < 0) {
		log_error(NULL, "event=reload_failed: the configuration in force stays");
		notify_manager("READY=1");
		return;
	}
	if (listeners_open(s) < 0)
		log_error(NULL, "event=reload_incomplete: a listener could not be opened, the others work");
	folders_make(s);
	config_send(s, s->gate_fd, s->gate_pid);
	config_send(s, s->recorder_fd, s->recorder_pid);
	if (s->gate_fd >= 0)
		listeners_send(s);
	sup_trees_reload(s);
	loop_timer_set_ms(s->database_timer, s->config->clamav.reload_check_s * 1000);
	notify_manager("READY=1");
}

static void
gate_readable(void *ctx, unsigned events UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct supervisor *s = ctx;
	struct frame f;
	int r = frame_recv(s->gate_fd, buffer, &f);

	if (r != 1) {
		loop_watch_free(&s->gate_watch); /* SIGCHLD tells the rest */
		if (r < 0 && s->gate_pid > 0)
			kill(s->gate_pid, SIGKILL);
		return;
	}
	if (f.type == FRAME_RELOAD) {
		reload(s);
	} else if (f.type == FRAME_READY && !s->ready) {
		s->ready = true;
		log_info(NULL, "event=ready version=%s config=%s pid=%d", CORDON_VERSION, s->config_path,
		    (int)getpid());
		notify_manager("READY=1\nSTATUS=Checking mail");
	}
	frame_close_fds(&f);
}

static void
stop_end(struct supervisor *s)
{
	if (s->gate_pid <= 0 && s->recorder_pid <= 0)
		loop_stop(s->loop);
}

static void
gate_ended(struct supervisor *s, int status)
{
	s->gate_pid = 0;
	loop_watch_free(&s->gate_watch);
	fd_close(&s->gate_fd);
	if (s->stopping) {
		fd_close(&s->recorder_fd); /* it writes what waits, then ends */
		stop_end(s);
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2 && !s->ready) {
		supervisor_give_up(s, "the gate cannot start");
		return;
	}
	log_warn(NULL, "event=gate_died status=%d: sessions are lost, their mails are tried again by "
	    "the MTA; a new gate is started", status);
	loop_timer_set_ms(s->gate_restart, backoff_next(&s->gate_backoff_ms, s->gate_born_ms,
	    s->config->restart_backoff_max_ms));
}

static void
recorder_ended(struct supervisor *s)
{
	s->recorder_pid = 0;
	fd_close(&s->recorder_fd);
	if (s->stopping) {
		stop_end(s);
		return;
	}
	log_warn(NULL, "event=recorder_died: a new one is started, records wait for it");
	loop_timer_set_ms(s->recorder_restart, backoff_next(&s->recorder_backoff_ms,
	    s->recorder_born_ms, s->config->restart_backoff_max_ms));
}

static void
on_child(void *ctx, int number UNUSED)
{
	struct supervisor *s = ctx;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->gate_pid)
			gate_ended(s, status);
		else if (pid == s->recorder_pid)
			recorder_ended(s);
		else
			(void)sup_tree_reap(s, pid);
	}
}

static void
stop_overdue(void *ctx)
{
	struct supervisor *s = ctx;

	log_warn(NULL, "event=stop_overdue: ending the rest at once");
	if (s->gate_pid > 0)
		kill(s->gate_pid, SIGKILL);
	if (s->recorder_pid > 0)
		kill(s->recorder_pid, SIGKILL);
	loop_stop(s->loop);
}

static void
on_stop(void *ctx, int number)
{
	struct supervisor *s = ctx;

	if (s->stopping)
		return;
	s->stopping = true;
	notify_manager("STOPPING=1");
	log_info(NULL, "event=stopping signal=%d: finishing the mails that are open", number);
	loop_timer_set_ms(s->stop_timer, s->config->drain_timeout_ms + STOP_SLACK_MS);
	if (s->gate_fd >= 0)
		(void)frame_send(s->gate_fd, FRAME_DRAIN, SLICE_NONE, NULL, 0);
	else
		fd_close(&s->recorder_fd);
	stop_end(s);
}

static void
on_reload(void *ctx, int number UNUSED)
{
	reload(ctx);
}

static int
counters_make(void)
{
	struct counters started = { .started = (uint64_t)clock_wall_s() };
	int fd = memfd_create("cordon-counters", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof(struct counters)) < 0 ||
	    pwrite(fd, &started.started, sizeof(started.started), 0) < 0)
		fd_close(&fd);
	return fd;
}

static void
supervisor_init(struct supervisor *s)
{
	s->loop = loop_new();
	sup_kinds_init(s);
	s->gate_restart = loop_timer_new(s->loop, gate_start, s);
	s->recorder_restart = loop_timer_new(s->loop, recorder_start, s);
	s->database_timer = loop_timer_new(s->loop, sup_database_tick, s);
	s->stop_timer = loop_timer_new(s->loop, stop_overdue, s);
	loop_signal(s->loop, SIGCHLD, on_child, s);
	loop_signal(s->loop, SIGHUP, on_reload, s);
	loop_signal(s->loop, SIGTERM, on_stop, s);
	loop_signal(s->loop, SIGINT, on_stop, s);
	(void)signal(SIGPIPE, SIG_IGN);
	loop_timer_set_ms(s->database_timer, s->config->clamav.reload_check_s * 1000);
}

static void
supervisor_done(struct supervisor *s)
{
	for (struct sup_listener *l = s->listeners; l != NULL; l = l->next)
		l->wanted = false;
	listeners_drop_unwanted(s, true);
	sup_trees_stop(s);
	loop_timer_free(&s->gate_restart);
	loop_timer_free(&s->recorder_restart);
	loop_timer_free(&s->database_timer);
	loop_timer_free(&s->stop_timer);
	for (int i = 0; i < TREE_KIND_COUNT; i++)
		loop_timer_free(&s->kinds[i].restart);
	loop_watch_free(&s->gate_watch);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	loop_free(&s->loop);
	config_unref(&s->config);
	free(s->config_text);
}

static void
pid_file_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		log_warn(NULL, "event=pid_file error=\"cannot write '%s': %s\"", path, strerror(errno));
	fd_close(&fd);
}

int
supervisor_run(const char *config_path, const char *pid_file)
{
	static struct supervisor s = { .gate_fd = -1, .recorder_fd = -1 };
	struct err e;

	s.config_path = config_path;
	if (supervisor_load_config(&s) < 0)
		return 1;
	if (log_open("cordond", s.config->log, &e) < 0) {
		log_error(NULL, "event=log error=\"%s\"", e.text);
		return 1;
	}
	process_allow_step_back();
	folders_make(&s);
	s.counters_fd = counters_make();
	if (s.counters_fd < 0 || frame_pair(s.records) < 0) {
		log_error(NULL, "event=start_failed error=\"no shared memory or sockets\"");
		return 1;
	}
	supervisor_init(&s);
	if (listeners_open(&s) < 0) {
		supervisor_done(&s);
		return 1;
	}
	if (pid_file != NULL)
		pid_file_write(pid_file);
	recorder_start(&s);
	sup_trees_reload(&s);
	gate_start(&s);
	loop_run(s.loop);
	supervisor_done(&s);
	if (pid_file != NULL)
		(void)unlink(pid_file);
	log_info(NULL, "event=stopped");
	return s.exit_status;
}
