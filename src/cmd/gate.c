/* gate.c: set-up of the gate: what the supervisor sends, listeners, draining. */
#include "cmd/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "config/config.h"
#include "intake/next_hop.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/role.h"
#include "proc/tree.h"
#include "proc/wire.h"
#include "record/counters.h"
#include "scan/pipeline.h"

#define PROGRESS_MS      5000u
#define IDLE_TRIM_MS     10000u
#define ACCEPTS_PER_TURN 64u
#define REFUSED_LOG_MS   10000
#define ACCEPT_AGAIN_MS  100u

struct gate_listener {
	struct gate *gate;
	struct gate_listener *next;
	char name[64];
	const struct intake_protocol *protocol; /* NULL: the control socket */
	int fd;
	struct loop_watch *watch;
	struct loop_timer *again; /* while there is no descriptor for a connection */
};

void
gate_end_if_drained(struct gate *g)
{
	if (g->draining && g->session_count == 0)
		loop_stop(g->loop);
}

bool
gate_is_full(const struct gate *g)
{
	return g->session_count >= g->config->max_sessions;
}

/* One word that fits any socket buffer; a peer that does not take it learns from the end. */
static void
session_refuse(struct gate *g, const struct intake_protocol *p, int *fd)
{
	int64_t now = clock_now_ms();

	g->sessions_refused++;
	(void)!write(*fd, p->full_reply, strlen(p->full_reply));
	fd_close(fd);
	if (now - g->refused_logged_ms <= REFUSED_LOG_MS)
		return;
	log_warn(NULL,
	    "event=full sessions=%u: a connection was closed, the MTA tries again; raise "
	    "max_sessions when this goes on",
	    g->session_count);
	g->refused_logged_ms = now;
}

void
gate_add_session(struct gate *g, struct intake_session *s)
{
	s->prev = NULL;
	s->next = g->sessions;
	if (g->sessions != NULL)
		g->sessions->prev = s;
	g->sessions = s;
	g->session_count++;
	g->sessions_total++;
}

void
gate_begin_session(struct gate *g, const struct intake_protocol *p,
    const struct intake_place *place, int *fd)
{
	struct intake_session *s;
	int on = 1;

	if (gate_is_full(g)) {
		session_refuse(g, p, fd);
		return;
	}
	(void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s = p->start(&g->env, fd, place);
	if (s != NULL)
		gate_add_session(g, s);
}

static void
listener_readable(void *ctx, unsigned events UNUSED)
{
	struct gate_listener *l = ctx;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		CLEANUP(fd_close)
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && errno == EINTR)
			continue;
		if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED) {
			/* No descriptor: the backlog waits, and must not wake us all the while. */
			loop_watch_set(l->watch, 0);
			loop_timer_set_ms(l->again, ACCEPT_AGAIN_MS);
		}
		if (fd < 0)
			return;
		if (l->protocol == NULL)
			gate_control_accept(l->gate, &fd);
		else
			gate_begin_session(l->gate, l->protocol,
			    &(struct intake_place){ .listener = l->name,
				.config = l->gate->config,
				.options = config_find_listener(l->gate->config, l->name) },
			    &fd);
	}
}

static void
listener_again(void *ctx)
{
	struct gate_listener *l = ctx;

	loop_watch_set(l->watch, LOOP_READ);
}

static void
listeners_drop(struct gate *g)
{
	while (g->listeners != NULL) {
		struct gate_listener *l = g->listeners;

		g->listeners = l->next;
		loop_watch_free(&l->watch);
		loop_timer_free(&l->again);
		fd_close(&l->fd);
		free(l);
	}
}

static void
listener_add(struct gate *g, struct slice name, struct slice protocol, int fd)
{
	struct gate_listener *l;
	char text[32];

	snprintf(text, sizeof(text), "%.*s", SLICE_FMT(protocol));
	if (strcmp(text, "control") != 0 && intake_protocol_find(text) == NULL) {
		log_error(NULL, "event=protocol_unknown listener=%.*s protocol=%s: not served",
		    SLICE_FMT(name), text);
		fd_close(&fd);
		return;
	}
	l = mem_new(sizeof(*l));
	snprintf(l->name, sizeof(l->name), "%.*s", SLICE_FMT(name));
	l->gate = g;
	l->fd = fd;
	l->protocol = intake_protocol_find(text);
	l->next = g->listeners;
	g->listeners = l;
	l->watch = loop_watch_new(g->loop, fd, LOOP_READ, listener_readable, l);
	l->again = loop_timer_new(g->loop, listener_again, l);
}

/* The whole list each time: sockets that stay are the same, so nobody is refused. */
static void
take_listeners(struct gate *g, struct frame *f)
{
	struct wire_reader r = wire_read(f->body);
	uint32_t n = wire_get_u32(&r);

	if (n != f->fd_count)
		return;
	listeners_drop(g);
	for (uint32_t i = 0; i < n; i++) {
		struct slice name = wire_get_slice(&r), protocol = wire_get_slice(&r);

		if (!r.failed)
			listener_add(g, name, protocol, frame_take_fd(f, i));
	}
	(void)frame_send(g->supervisor_fd, FRAME_READY, SLICE_NONE, NULL, 0);
}

static void
settings_take(struct gate *g, struct config *c)
{
	config_unref(&g->config);
	g->config = c;
	g->env.idle_timeout_ms = c->idle_timeout_ms;
	g->env.io_timeout_ms = c->io_timeout_ms;
	g->env.progress_ms = PROGRESS_MS;
	if (c->policy.hostname[0] != '\0')
		snprintf(g->hostname, sizeof(g->hostname), "%s", c->policy.hostname);
	else if (gethostname(g->hostname, sizeof(g->hostname) - 1) < 0)
		snprintf(g->hostname, sizeof(g->hostname), "localhost");
}

static void
take_config(struct gate *g, struct frame *f)
{
	CLEANUP(fd_close) int fd = frame_take_fd(f, 0);
	struct buf messages;
	struct config *c;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	buf_init(&messages, 4096);
	c = fd < 0 ? NULL : config_load(path, &messages, NULL);
	buf_done(&messages);
	if (c == NULL) {
		log_error(NULL,
		    "event=reload_failed: the gate goes on with the configuration it had");
		return;
	}
	settings_take(g, c);
	spool_pool_set_budget(g->spools, c->memory_budget);
	pipeline_set_config(g->pipeline, c);
}

static void
take_tree(struct gate *g, struct frame *f)
{
	struct wire_reader r = wire_read(f->body);
	uint8_t kind = wire_get_u8(&r);
	uint64_t generation = wire_get_u64(&r), signatures, built;
	struct slice version = wire_get_slice(&r);
	int fd = frame_take_fd(f, 0);

	signatures = wire_get_u64(&r);
	built = wire_get_u64(&r);
	if (r.failed || fd < 0 || kind >= TREE_KIND_COUNT) {
		fd_close(&fd);
		return;
	}
	worker_pool_set_tree(kind == TREE_INSPECTOR ? pipeline_get_inspectors(g->pipeline)
						    : pipeline_get_engines(g->pipeline),
	    &fd, generation, version, signatures, built);
}

/* There is no tree of this kind: "absent" when nothing is installed, else it failed. */
static void
take_tree_gone(struct gate *g, struct frame *f)
{
	struct wire_reader r = wire_read(f->body);
	uint8_t kind = wire_get_u8(&r);
	struct slice why = wire_get_slice(&r);
	struct worker_pool *p = kind == TREE_INSPECTOR ? pipeline_get_inspectors(g->pipeline)
						       : pipeline_get_engines(g->pipeline);

	worker_pool_set_absent(p, slice_eq_str(why, "absent"));
	worker_pool_set_gone(p);
}

static void
drain_over(void *ctx)
{
	struct gate *g = ctx;

	log_warn(NULL,
	    "event=drain_timeout sessions=%u: they are closed, their mails are tried "
	    "again by the MTA",
	    g->session_count);
	loop_stop(g->loop);
}

static void
take_drain(struct gate *g)
{
	struct intake_session *s, *next;

	g->draining = true;
	listeners_drop(g);
	gate_control_drain(g);
	loop_timer_set_ms(g->drain_timer, MAX_OF(g->config->drain_timeout_ms, 1u));
	for (s = g->sessions; s != NULL; s = next) {
		next = s->next;
		s->ops->drain(s);
	}
	gate_end_if_drained(g);
}

static void
control_readable(void *ctx, unsigned events UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct gate *g = ctx;
	struct frame f;

	int r = frame_recv_fds(g->supervisor_fd, buffer, &f);

	if (r == -EAGAIN)
		return;
	if (r != 1)
		_exit(1); /* without a supervisor nothing is restarted: let the MTA try again */
	switch (f.type) {
	case FRAME_CONFIG:
		take_config(g, &f);
		break;
	case FRAME_LISTENERS:
		take_listeners(g, &f);
		break;
	case FRAME_TREE:
		take_tree(g, &f);
		break;
	case FRAME_TREE_GONE:
		take_tree_gone(g, &f);
		break;
	case FRAME_DRAIN:
		take_drain(g);
		break;
	default:
		break;
	}
	frame_close_fds(&f);
}

void
gate_ask_reload(struct gate *g)
{
	if (g->supervisor_fd >= 0)
		(void)frame_send(g->supervisor_fd, FRAME_RELOAD, SLICE_NONE, NULL, 0);
}

static void
idle_trim(void *ctx)
{
	struct gate *g = ctx;

	if (g->mail_count == 0) {
		spool_pool_trim(g->spools);
		pipeline_trim(g->pipeline);
		(void)malloc_trim(0);
	}
	loop_timer_set_ms(g->idle_timer, IDLE_TRIM_MS);
}

static void
raise_descriptor_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static void
ask_reload(void *ctx)
{
	gate_ask_reload(ctx);
}

void
gate_init(struct gate *g, struct config *c, const struct counters *counters)
{
	g->supervisor_fd = g->records_fd = -1;
	g->counters = counters;
	g->loop = loop_new();
	g->env = (struct intake_env){ .loop = g->loop,
		.sink = &gate_sink,
		.ctx = g,
		.hostname = g->hostname,
		.ask_reload = ask_reload,
		.get_version = gate_get_version,
		.get_load = gate_get_load };
	buf_init(&g->frame, FRAME_MAX_BYTES);
	buf_init(&g->text, 16 * 1024);
	settings_take(g, c);
	g->spools = spool_pool_new(c->memory_budget);
	g->pipeline = pipeline_new(g->loop, c);
	g->pause_timer = loop_timer_new(g->loop, gate_pause_tick, g);
	g->idle_timer = loop_timer_new(g->loop, idle_trim, g);
	g->drain_timer = loop_timer_new(g->loop, drain_over, g);
	loop_timer_set_ms(g->idle_timer, IDLE_TRIM_MS);
}

void
gate_done(struct gate *g)
{
	gate_control_close_all(g);
	while (g->sessions != NULL)
		g->sessions->ops->close(g->sessions);
	next_hop_places_free();
	listeners_drop(g);
	gate_drop_orphans(g);
	pipeline_free(&g->pipeline);
	spool_pool_free(&g->spools);
	loop_timer_free(&g->pause_timer);
	loop_timer_free(&g->idle_timer);
	loop_timer_free(&g->drain_timer);
	loop_free(&g->loop);
	config_unref(&g->config);
	buf_done(&g->frame);
	buf_done(&g->text);
}

int
gate_main(int argc, char **argv)
{
	static struct gate g;
	struct loop_watch *control;
	const struct counters *counters;
	struct role role;
	struct err e;

	if (role_enter(argc, argv, "cordon-gate", &role, &e) < 0) {
		log_error(NULL, "event=start_failed error=\"%s\"", e.text);
		return 2;
	}
	(void)signal(SIGTERM, SIG_IGN);
	raise_descriptor_limit();
	frame_keep_spare();
	counters = mmap(NULL, sizeof(*counters), PROT_READ, MAP_SHARED, GATE_FD_COUNTERS, 0);
	ASSERT(counters != MAP_FAILED);
	gate_init(&g, role.config, counters);
	g.supervisor_fd = ROLE_FD_CONTROL;
	g.records_fd = GATE_FD_RECORDS;
	(void)fcntl(g.records_fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(g.supervisor_fd, F_SETFL, O_NONBLOCK);
	control = loop_watch_new(g.loop, g.supervisor_fd, LOOP_READ, control_readable, &g);
	loop_run(g.loop);
	loop_watch_free(&control);
	gate_done(&g);
	free(role.config_text);
	return 0;
}
