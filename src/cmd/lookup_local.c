/* lookup_local.c: the stages without a daemon: one inspector and one engine of our own, caged
 * as the daemon's are. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/macros.h"
#include "cmd/local_trees.h"
#include "cmd/lookup.h"
#include "config/config.h"
#include "decide/policy.h"
#include "message/spool.h"
#include "record/result_json.h"
#include "scan/pipeline.h"

#define READ_CHUNK (1u << 20)

struct lookup_local {
	struct lookup base;
	struct config *config;
	struct loop *loop;
	struct pipeline *pipeline;
	struct spool_pool *spools;
	struct local_trees trees;
	char hostname[256];
	bool done;
};

static void
local_free(struct lookup *base)
{
	struct lookup_local *l = (struct lookup_local *)base;

	pipeline_free(&l->pipeline);
	local_trees_done(&l->trees);
	spool_pool_free(&l->spools);
	loop_free(&l->loop);
	config_unref(&l->config);
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
local_look(struct lookup *base, struct slice path, int fd, uint32_t roles, bool full,
    struct buf *out, struct err *e)
{
	struct lookup_local *l = (struct lookup_local *)base;
	CLEANUP(spool_done) struct spool spool;
	struct scan_job job = { .roles = roles, .name = path_get_base(path), .full = full,
		.timeout_ms = l->config->message_timeout_ms, .done = on_done, .owner = l };
	struct decision d;
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
	(void)signal(SIGPIPE, SIG_IGN);
	if (gethostname(l->hostname, sizeof(l->hostname) - 1) < 0)
		snprintf(l->hostname, sizeof(l->hostname), "localhost");
	if (local_trees_prepare(&l->trees, c, e) == 0) {
		l->spools = spool_pool_new(c->memory_budget);
		l->pipeline = pipeline_new(l->loop, c);
		if (local_trees_start(&l->trees, c, l->pipeline, e) == 0) {
			if (l->trees.warning[0] != '\0')
				fprintf(stderr, "cordon: warning: ClamAV's engine is not used: %s\n",
				    l->trees.warning);
			return base;
		}
	}
	lookup_free(&base);
	return NULL;
}
