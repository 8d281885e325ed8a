/* supervisor_tree.c: starting worker trees, replacing them when ready, restarting them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "cmd/supervisor.h"
#include "config/config.h"
#include "proc/frame.h"
#include "proc/role.h"
#include "proc/wire.h"
#include "scan/database_fingerprint.h"

#define NO_DATABASE "no-database"

static const struct {
	const char *program, *name;
} kinds[] = {
	[TREE_INSPECTOR] = { "cordon-inspector", "inspector" },
	[TREE_ENGINE] = { "cordon-engine-clamav", "engine" },
};

static bool
kind_is_wanted(const struct supervisor *s, enum tree_kind kind)
{
	return kind == TREE_INSPECTOR || s->config->clamav.enabled;
}

static void
tell_gate_gone(struct supervisor *s, enum tree_kind kind, const char *why)
{
	struct buf b;
	int failed;

	buf_init(&b, 256);
	failed = wire_put_u8(&b, (uint8_t)kind) | wire_put_str(&b, why);
	supervisor_tell_gate(s, FRAME_TREE_GONE, &b, failed, NULL, 0);
	buf_done(&b);
}

static void
tree_kill(const struct sup_tree *t)
{
	if (t->pid > 0)
		kill(t->pid, SIGKILL);
}

/* A channel between a tree and the gate. */
static void
tree_connect(struct supervisor *s, struct sup_tree *t)
{
	int pair[2];
	struct buf b;

	if (s->gate_fd < 0 || t->control_fd < 0)
		return;
	if (frame_pair(pair) < 0) {
		tree_kill(t); /* no gate would ever ask it: another one is started */
		return;
	}
	buf_init(&b, 1024);
	(void)wire_put_u8(&b, (uint8_t)t->kind);
	(void)wire_put_u64(&b, t->generation);
	(void)wire_put_str(&b, t->version);
	(void)wire_put_u64(&b, t->signatures);
	(void)wire_put_u64(&b, t->built);
	if (frame_send(t->control_fd, FRAME_GATE, SLICE_NONE, &pair[0], 1) < 0)
		tree_kill(t);
	else /* refused: the tree sees its end closed, and asks for another channel */
		(void)frame_send(s->gate_fd, FRAME_TREE, buf_get(&b), &pair[1], 1);
	buf_done(&b);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

void
sup_trees_connect(struct supervisor *s)
{
	for (int i = 0; i < TREE_KIND_COUNT; i++) {
		struct sup_kind *k = &s->kinds[i];

		if (k->current != NULL)
			tree_connect(s, k->current);
		else if (k->absent)
			tell_gate_gone(s, (enum tree_kind)i, "absent");
		else if (k->failed)
			tell_gate_gone(s, (enum tree_kind)i, "failed");
	}
}

/* It serves the gate until that lets go, then ends by itself. */
static void
tree_let_go(struct sup_tree *t)
{
	loop_watch_free(&t->watch);
	fd_close(&t->control_fd);
	t->replaced = true;
}

static void
tree_take_ready(struct sup_tree *t, struct slice body)
{
	struct supervisor *s = t->supervisor;
	struct sup_kind *k = &s->kinds[t->kind];
	struct wire_reader r = wire_read(body);
	struct slice version = wire_get_slice(&r);
	struct sup_tree *old = k->current;

	snprintf(t->version, sizeof(t->version), "%.*s", SLICE_FMT(version));
	t->signatures = wire_get_u64(&r);
	t->built = wire_get_u64(&r);
	t->ready = true;
	k->settled = true;
	k->absent = k->failed = false;
	k->current = t;
	log_info(NULL, "event=tree_ready kind=%s pid=%d version=%s signatures=%llu load_ms=%lld",
	    kinds[t->kind].name, (int)t->pid, t->version, (unsigned long long)t->signatures,
	    (long long)(clock_now_ms() - t->born_ms));
	tree_connect(s, t);
	if (old != NULL)
		tree_let_go(old);
	supervisor_check_ready(s);
}

static void
tree_take_absent(struct supervisor *s, struct sup_kind *k, enum tree_kind kind)
{
	k->absent = true;
	if (!k->absent_logged)
		log_error(NULL, "event=no_database path=%s: NO CLAMAV DATABASE IS INSTALLED there; mail "
		    "is checked with signatures and other scanners only until one appears (freshclam "
		    "fetches it; `clamav { enabled = false }` ends this message)",
		    s->config->clamav.database);
	k->absent_logged = true;
	tell_gate_gone(s, kind, "absent");
}

static void
tree_take_failed(struct sup_tree *t, struct slice body)
{
	struct supervisor *s = t->supervisor;
	struct sup_kind *k = &s->kinds[t->kind];
	struct wire_reader r = wire_read(body);
	struct slice why = wire_get_slice(&r);
	char text[LOG_QUOTE_SIZE(1000)];
	bool first = !k->settled;

	log_quote(why, 1000, text, sizeof(text));
	t->replaced = true; /* its end is no surprise */
	k->settled = true;
	if (slice_starts_with(why, SLICE_LIT(NO_DATABASE)) && k->current == NULL) {
		tree_take_absent(s, k, t->kind);
	} else if (k->current != NULL) {
		log_error(NULL, "event=load_failed kind=%s error=%s: what was loaded before stays in "
		    "force", kinds[t->kind].name, text);
	} else {
		k->failed = true;
		log_error(NULL, "event=load_failed kind=%s error=%s", kinds[t->kind].name, text);
		tell_gate_gone(s, t->kind, "failed");
		if (first && t->kind == TREE_INSPECTOR) {
			supervisor_give_up(s, "signatures cannot be loaded");
			return;
		}
	}
	supervisor_check_ready(s);
}

static void
tree_readable(void *ctx, unsigned events UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct sup_tree *t = ctx;
	struct frame f;
	int r = frame_recv(t->control_fd, buffer, &f);

	if (r != 1) {
		loop_watch_free(&t->watch); /* SIGCHLD tells the rest */
		if (r < 0)
			tree_kill(t);
		return;
	}
	if (f.type == FRAME_TREE_READY)
		tree_take_ready(t, f.body);
	else if (f.type == FRAME_TREE_FAILED)
		tree_take_failed(t, f.body);
	else if (f.type == FRAME_GATE && t->supervisor->kinds[t->kind].current == t &&
	    t->supervisor->gate_watch != NULL)
		tree_connect(t->supervisor, t);
	frame_close_fds(&f);
}

static void
kind_restart_later(struct supervisor *s, enum tree_kind kind, int64_t born_ms)
{
	struct sup_kind *k = &s->kinds[kind];

	loop_timer_set_ms(k->restart, backoff_next(&k->backoff_ms, born_ms,
	    s->config->restart_backoff_max_ms));
}

void
sup_tree_start(struct supervisor *s, enum tree_kind kind)
{
	struct sup_tree *t = mem_new(sizeof(*t));
	struct sup_kind *k = &s->kinds[kind];
	char program[4096];
	struct err e = { 0 };
	int pair[2] = { -1, -1 };
	uint64_t newest;

	if (kind == TREE_ENGINE && database_fingerprint(s->config->clamav.database, k->fingerprint,
	    &newest, NULL) < 0)
		snprintf(k->fingerprint, sizeof(k->fingerprint), "none");
	*t = (struct sup_tree){ .supervisor = s, .kind = kind, .control_fd = -1,
		.generation = ++s->generation, .born_ms = clock_now_ms(), .pid = -1 };
	if (!role_find_program(kinds[kind].program, s->config->engine_path, program,
	    sizeof(program)))
		(void)err_set(&e, EINVAL, "program '%s' is not installed", kinds[kind].program);
	else if (frame_pair(pair) < 0)
		(void)err_set(&e, EMFILE, "cannot make a socket");
	else
		t->pid = role_spawn(&(struct role_start){ .program = program,
		    .role = kinds[kind].name, .control_fd = pair[1],
		    .config_text = slice_of(s->config_text, s->config_len),
		    .config_name = s->config_path }, &e);
	fd_close(&pair[1]);
	if (t->pid <= 0) {
		log_error(NULL, "event=start_failed kind=%s error=\"%s\"", kinds[kind].name, e.text);
		fd_close(&pair[0]);
		free(t);
		k->failed = k->current == NULL;
		k->settled = true;
		kind_restart_later(s, kind, clock_now_ms());
		return;
	}
	t->control_fd = pair[0];
	t->watch = loop_watch_new(s->loop, t->control_fd, LOOP_READ, tree_readable, t);
	t->next = s->trees;
	s->trees = t;
}

static void
tree_remove(struct supervisor *s, struct sup_tree *t)
{
	struct sup_tree **place = &s->trees;

	while (*place != t)
		place = &(*place)->next;
	*place = t->next;
	loop_watch_free(&t->watch);
	fd_close(&t->control_fd);
	free(t);
}

/* What a tree said last may still wait in its socket when its end is told. */
static void
tree_read_rest(struct sup_tree *t)
{
	if (t->watch != NULL && !t->ready && !t->replaced)
		tree_readable(t, LOOP_READ);
}

bool
sup_tree_reap(struct supervisor *s, pid_t pid)
{
	struct sup_tree *t = s->trees;
	enum tree_kind kind;
	int64_t born_ms;
	bool expected;

	while (t != NULL && t->pid != pid)
		t = t->next;
	if (t == NULL)
		return false;
	t->pid = 0; /* reaped: the number is not ours any more */
	tree_read_rest(t);
	kind = t->kind;
	expected = t->replaced || s->stopping;
	born_ms = t->born_ms;
	if (s->kinds[kind].current == t)
		s->kinds[kind].current = NULL;
	tree_remove(s, t);
	if (expected)
		return true;
	log_warn(NULL, "event=tree_died kind=%s pid=%d: mails in it get an unscanned verdict; it is "
	    "started again", kinds[kind].name, (int)pid);
	if (!s->kinds[kind].settled) {
		s->kinds[kind].settled = true;
		s->kinds[kind].failed = true;
	}
	kind_restart_later(s, kind, born_ms);
	return true;
}

void
sup_trees_stop(struct supervisor *s)
{
	for (struct sup_tree *t = s->trees; t != NULL; t = t->next) {
		t->replaced = true;
		loop_watch_free(&t->watch);
		fd_close(&t->control_fd);
	}
}

void
sup_trees_reload(struct supervisor *s)
{
	for (int i = 0; i < TREE_KIND_COUNT; i++) {
		struct sup_kind *k = &s->kinds[i];

		if (kind_is_wanted(s, (enum tree_kind)i)) {
			sup_tree_start(s, (enum tree_kind)i);
			continue;
		}
		k->settled = k->absent = true;
		if (k->current != NULL)
			tree_let_go(k->current);
		k->current = NULL;
		tell_gate_gone(s, (enum tree_kind)i, "absent");
	}
}

static bool
kind_is_starting(const struct supervisor *s, enum tree_kind kind)
{
	for (const struct sup_tree *t = s->trees; t != NULL; t = t->next) {
		if (t->kind == kind && !t->ready && !t->replaced)
			return true;
	}
	return false;
}

static void
restart_inspector(void *ctx)
{
	struct supervisor *s = ctx;

	if (!s->stopping && !kind_is_starting(s, TREE_INSPECTOR))
		sup_tree_start(s, TREE_INSPECTOR);
}

static void
restart_engine(void *ctx)
{
	struct supervisor *s = ctx;

	if (!s->stopping && s->config->clamav.enabled && !kind_is_starting(s, TREE_ENGINE))
		sup_tree_start(s, TREE_ENGINE);
}

void
sup_kinds_init(struct supervisor *s)
{
	s->kinds[TREE_INSPECTOR].restart = loop_timer_new(s->loop, restart_inspector, s);
	s->kinds[TREE_ENGINE].restart = loop_timer_new(s->loop, restart_engine, s);
}

/* A changed database gets a new tree beside the old one. */
void
sup_database_tick(void *ctx)
{
	struct supervisor *s = ctx;
	struct sup_kind *k = &s->kinds[TREE_ENGINE];
	char now[FINGERPRINT_SIZE];
	uint64_t newest;

	loop_timer_set_ms(s->database_timer, s->config->clamav.reload_check_s * 1000);
	if (!s->config->clamav.enabled || s->stopping || kind_is_starting(s, TREE_ENGINE))
		return;
	if (database_fingerprint(s->config->clamav.database, now, &newest, NULL) < 0)
		snprintf(now, sizeof(now), "none");
	if (strcmp(now, k->fingerprint) == 0)
		return;
	log_info(NULL, "event=database_changed path=%s: loading it beside the one in use",
	    s->config->clamav.database);
	sup_tree_start(s, TREE_ENGINE);
}

bool
sup_trees_are_settled(const struct supervisor *s)
{
	for (int i = 0; i < TREE_KIND_COUNT; i++) {
		if (!s->kinds[i].settled)
			return false;
	}
	return true;
}
