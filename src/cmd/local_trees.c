/* local_trees.c: see local_trees.h. */
#include "cmd/local_trees.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "config/config.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/role.h"
#include "proc/wire.h"
#include "scan/pipeline.h"

#define LOAD_TIMEOUT_MS 300000

/* A user that is there, a folder that is ours, one worker of each kind. */
int
local_trees_prepare(struct local_trees *t, struct config *c, struct err *e)
{
	*t = (struct local_trees){ 0 };
	for (int i = 0; i < TREE_KIND_COUNT; i++)
		t->trees[i].control_fd = -1;
	if (geteuid() == 0 && c->user[0] != '\0' && getpwnam(c->user) == NULL) {
		c->user = "nobody";
		c->group = "";
	}
	snprintf(t->folder, sizeof(t->folder), "/tmp/cordon-XXXXXX");
	if (mkdtemp(t->folder) == NULL)
		return err_set(e, errno, "cannot make a folder in /tmp");
	(void)process_own_folder(t->folder, c->user, c->group);
	c->work_dir = t->folder;
	c->inspectors = 1;
	c->clamav.workers = 1;
	return 0;
}

static int
tree_start(struct local_tree *t, const struct config *c, const char *program_name,
    struct slice text, struct err *e)
{
	char program[4096];
	int pair[2];

	if (!role_find_program(program_name, c->engine_path, program, sizeof(program)))
		return err_set(e, EINVAL, "program '%s' is not installed", program_name);
	if (frame_pair(pair) < 0)
		return err_set(e, errno, "cannot make a socket");
	t->pid = role_spawn(&(struct role_start){ .program = program,
				.role = program_name,
				.control_fd = pair[1],
				.config_text = text,
				.config_name = "configuration" },
	    e);
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
tree_connect(struct local_tree *t, enum tree_kind kind, struct pipeline *p)
{
	int pair[2];

	if (frame_pair(pair) < 0)
		return;
	(void)frame_send(t->control_fd, FRAME_GATE, SLICE_NONE, &pair[0], 1);
	close(pair[0]);
	worker_pool_set_tree(
	    kind == TREE_INSPECTOR ? pipeline_get_inspectors(p) : pipeline_get_engines(p),
	    &pair[1], 1, slice_of_str(t->version), t->signatures, t->built);
}

int
local_trees_start(
    struct local_trees *t, const struct config *c, struct pipeline *p, struct err *e)
{
	struct local_tree *inspector = &t->trees[TREE_INSPECTOR],
			  *engine = &t->trees[TREE_ENGINE];
	bool engine_started = false;
	char program[4096];
	struct buf text;
	struct err why = { 0 };
	int r;

	buf_init(&text, 4u << 20);
	r = config_format(c, &text);
	if (r == 0)
		r = tree_start(inspector, c, "cordon-inspector", buf_get(&text), e);
	if (r == 0 && c->clamav.enabled)
		engine_started =
		    tree_start(engine, c, "cordon-engine-clamav", buf_get(&text), &why) == 0;
	buf_done(&text);
	if (r == 0)
		r = tree_wait(inspector, e);
	if (r < 0)
		return r;
	tree_connect(inspector, TREE_INSPECTOR, p);
	if (engine_started && tree_wait(engine, &why) == 0) {
		tree_connect(engine, TREE_ENGINE, p);
	} else if (c->clamav.enabled) {
		/* Only what is not installed is nobody's loss; what failed leaves files
		 * unscanned. */
		bool absent = !role_find_program("cordon-engine-clamav", c->engine_path,
				  program, sizeof(program)) ||
			      strncmp(engine->why, "no-database", 11) == 0;

		snprintf(t->warning, sizeof(t->warning), "%s", why.text);
		worker_pool_set_absent(pipeline_get_engines(p), absent);
		worker_pool_set_gone(pipeline_get_engines(p));
	}
	return 0;
}

void
local_trees_done(struct local_trees *t)
{
	for (int i = 0; i < TREE_KIND_COUNT; i++) {
		fd_close(&t->trees[i].control_fd);
		if (t->trees[i].pid > 0)
			(void)waitpid(t->trees[i].pid, NULL, 0);
	}
	if (t->folder[0] != '\0')
		(void)rmdir(t->folder);
}
