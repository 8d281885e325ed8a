/* lookup_local.c: the stages without a daemon: one inspector and one engine of our own, caged
 * as the daemon's are. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/macros.h"
#include "cmd/lookup.h"
#include "config/config.h"
#include "decide/policy.h"
#include "message/spool.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/role.h"
#include "proc/tree.h"
#include "proc/wire.h"
#include "record/result_json.h"
#include "scan/pipeline.h"

#define LOAD_TIMEOUT_MS 300000
#define READ_CHUNK (1u << 20)

struct local_tree {
	int control_fd;
	pid_t pid;
	bool ready;
	uint64_t signatures, built;
	char version[128], why[512];
};

struct lookup_local {
	struct lookup base;
	struct config *config;
	struct loop *loop;
	struct pipeline *pipeline;
	struct spool_pool *spools;
	struct local_tree trees[TREE_KIND_COUNT];
	char folder[64];
	char hostname[256];
	bool done;
};

/* A user that is there, a folder that is ours, one worker of each kind. */
static int
config_adapt(struct lookup_local *l, struct err *e)
{
	struct config *c = l->config;

	if (geteuid() == 0 && c->user[0] != '\0' && getpwnam(c->user) == NULL) {
		c->user = "nobody";
		c->group = "";
	}
	snprintf(l->folder, sizeof(l->folder), "/tmp/cordon-XXXXXX");
	if (mkdtemp(l->folder) == NULL)
		return err_set(e, errno, "cannot make a folder in /tmp");
	(void)process_own_folder(l->folder, c->user, c->group);
	c->work_dir = l->folder;
	c->inspectors = 1;
	c->clamav.workers = 1;
	return 0;
}

static int
tree_start(struct lookup_local *l, enum tree_kind kind, const char *program_name,
    struct slice text, struct err *e)
{
	struct local_tree *t = &l->trees[kind];
	char program[4096];
	int pair[2];

	if (!role_find_program(program_name, l->config->engine_path, program, sizeof(program)))
		return err_set(e, EINVAL, "program '%s' is not installed", program_name);
	if (frame_pair(pair) < 0)
		return err_set(e, errno, "cannot make a socket");
	t->pid = role_spawn(&(struct role_start){ .program = program, .role = program_name,
	    .control_fd = pair[1], .config_text = text, .config_name = "configuration" }, e);
	close(pair[1]);
	t->control_fd = pair[0];
	return t->pid > 0 ? 0 : -EIO;
}

static int
tree_wait(struct local_tree *t, struct err *e)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct pollfd p = { t->control_fd, POLLIN, 0 };
	struct wire_reader r;
	struct slice text;
	struct frame f;

	if (poll(&p, 1, LOAD_TIMEOUT_MS) <= 0)
		return err_set(e, ETIMEDOUT, "a worker does not start");
	if (frame_recv(t->control_fd, buffer, &f) != 1)
		return err_set(e, EINVAL, "a worker ended while starting");
	r = wire_read(f.body);
	text = wire_get_slice(&r);
	frame_close_fds(&f);
	if (f.type != FRAME_TREE_READY) {
		snprintf(t->why, sizeof(t->why), "%.*s", SLICE_FMT(text));
		return err_set(e, EINVAL, "%s", t->why);
	}
	snprintf(t->version, sizeof(t->version), "%.*s", SLICE_FMT(text));
	t->signatures = wire_get_u64(&r);
	t->built = wire_get_u64(&r);
	t->ready = true;
	return 0;
}

static void
tree_connect(struct lookup_local *l, enum tree_kind kind)
{
	struct local_tree *t = &l->trees[kind];
	int pair[2];

	if (frame_pair(pair) < 0)
		return;
	(void)frame_send(t->control_fd, FRAME_GATE, SLICE_NONE, &pair[0], 1);
	close(pair[0]);
	worker_pool_set_tree(kind == TREE_INSPECTOR ? pipeline_get_inspectors(l->pipeline) :
	    pipeline_get_engines(l->pipeline), &pair[1], 1, slice_of_str(t->version),
	    t->signatures, t->built);
}

static int
trees_start(struct lookup_local *l, struct err *e)
{
	struct local_tree *engine = &l->trees[TREE_ENGINE];
	bool engine_started = false;
	char program[4096];
	struct buf text;
	struct err why = { 0 };
	int r;

	buf_init(&text, 4u << 20);
	r = config_format(l->config, &text);
	if (r == 0)
		r = tree_start(l, TREE_INSPECTOR, "cordon-inspector", buf_get(&text), e);
	if (r == 0 && l->config->clamav.enabled)
		engine_started = tree_start(l, TREE_ENGINE, "cordon-engine-clamav", buf_get(&text),
		    &why) == 0;
	buf_done(&text);
	if (r == 0)
		r = tree_wait(&l->trees[TREE_INSPECTOR], e);
	if (r < 0)
		return r;
	tree_connect(l, TREE_INSPECTOR);
	if (engine_started && tree_wait(engine, &why) == 0) {
		tree_connect(l, TREE_ENGINE);
	} else if (l->config->clamav.enabled) {
		/* Only what is not installed is nobody's loss; what failed leaves files unscanned. */
		bool absent = !role_find_program("cordon-engine-clamav", l->config->engine_path,
		    program, sizeof(program)) || strncmp(engine->why, "no-database", 11) == 0;

		fprintf(stderr, "cordon: warning: ClamAV's engine is not used: %s\n", why.text);
		worker_pool_set_absent(pipeline_get_engines(l->pipeline), absent);
		worker_pool_set_gone(pipeline_get_engines(l->pipeline));
	}
	return 0;
}

static void
local_free(struct lookup *base)
{
	struct lookup_local *l = (struct lookup_local *)base;

	pipeline_free(&l->pipeline);
	for (int i = 0; i < TREE_KIND_COUNT; i++) {
		fd_close(&l->trees[i].control_fd);
		if (l->trees[i].pid > 0)
			(void)waitpid(l->trees[i].pid, NULL, 0);
	}
	spool_pool_free(&l->spools);
	loop_free(&l->loop);
	config_unref(&l->config);
	if (l->folder[0] != '\0')
		(void)rmdir(l->folder);
	free(l);
}

static void
on_done(struct scan_job *j)
{
	((struct lookup_local *)j->owner)->done = true;
}

static int
spool_read(struct spool *s, int fd, struct err *e)
{
	for (off_t at = 0;;) {
		size_t room;
		int error = 0;
		uint8_t *to = spool_reserve(s, READ_CHUNK, &room, &error);
		ssize_t n;

		if (to == NULL)
			return err_set(e, ENOMEM, "no memory for the file");
		n = pread(fd, to, room, at);
		if (n < 0)
			return err_set(e, errno, "cannot read");
		if (n == 0)
			return 0;
		spool_commit(s, (size_t)n);
		at += n;
	}
}

static int
local_look(struct lookup *base, struct slice path, int fd, uint32_t roles,
    enum lookup_extent extent, struct buf *out, struct err *e)
{
	struct lookup_local *l = (struct lookup_local *)base;
	CLEANUP(spool_done) struct spool spool;
	struct scan_job job = { .roles = roles,
		.name = path_get_base(path),
		.full = extent != LOOKUP_SHORT,
		.list_only = extent == LOOKUP_LIST,
		.timeout_ms = l->config->message_timeout_ms,
		.done = on_done,
		.owner = l };
	struct decision d = { 0 };
	struct evidence ev;
	struct stat st;
	int r;

	spool_init(&spool, l->spools);
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size > l->config->max_message_size)
		return result_json_format_error(path, "too_big", "larger than max_message_size", out);
	r = spool_read(&spool, fd, e);
	if (r < 0)
		return r;
	job.input = spool.region;
	job.input_len = spool.len;
	l->done = false;
	pipeline_start(l->pipeline, &job);
	while (!l->done)
		loop_run_once(l->loop);
	evidence_from_job("scan", &job, &ev);
	if (!job.list_only)
		policy_decide(l->config, l->hostname, &ev, &d);
	r = result_json_format(path, &job, &d, out);
	scan_job_done(&job);
	return r < 0 ? err_set(e, ENOBUFS, "the result is too long to be told") : 0;
}

static const struct lookup_ops local_ops = { local_look, local_free };

struct lookup *
lookup_local_new(struct config *c, struct err *e)
{
	struct lookup_local *l = mem_new(sizeof(*l));
	struct lookup *base = &l->base;

	base->ops = &local_ops;
	l->config = config_ref(c);
	l->loop = loop_new();
	for (int i = 0; i < TREE_KIND_COUNT; i++)
		l->trees[i].control_fd = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	if (gethostname(l->hostname, sizeof(l->hostname) - 1) < 0)
		snprintf(l->hostname, sizeof(l->hostname), "localhost");
	if (config_adapt(l, e) == 0) {
		l->spools = spool_pool_new(c->memory_budget);
		l->pipeline = pipeline_new(l->loop, c);
		if (trees_start(l, e) == 0)
			return base;
	}
	lookup_free(&base);
	return NULL;
}
