/* SPDX-License-Identifier: GPL-2.0-only
 * engine_clamav.c: cordon-engine-clamav. Loads a ClamAV database once and forks caged workers
 * that share it. Each answers for one object at a time, from memory; its temporary files stay
 * in a folder of its own, the only one it can reach. */
#include <clamav.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "config/config.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/region.h"
#include "proc/role.h"
#include "proc/tree.h"
#include "proc/wire.h"
#include "scan/database_fingerprint.h"
#include "scan/finding.h"
#include "scan/report.h"

#define NO_DATABASE "no-database" /* the supervisor looks for this word */
#define FOLDER_PREFIX "engine-"
#define FILE_MAX_BYTES (UINT64_C(4) << 30)

struct engine {
	const struct config *config;
	struct cl_engine *cl;
	char folder[512]; /* holds one folder per worker */
	struct region_views views;
	struct buf answer;
};

struct answer {
	enum verdict verdict;
	enum cause cause;
	const char *name;
};

/* What libclamav alerts on when it gave up is not a virus: it was not looked at. */
static struct answer
answer_from_alert(const char *name)
{
	static const char limits[] = "Heuristics.Limits.Exceeded";
	static const char encrypted[] = "Heuristics.Encrypted";

	if (strncmp(name, limits, sizeof(limits) - 1) == 0)
		return (struct answer){ VERDICT_UNKNOWN, CAUSE_EXPANSION, name };
	if (strncmp(name, encrypted, sizeof(encrypted) - 1) == 0)
		return (struct answer){ VERDICT_UNKNOWN, CAUSE_ENCRYPTED, name };
	return (struct answer){ VERDICT_INFECTED, CAUSE_NONE, name };
}

static struct answer
answer_from_result(cl_error_t result, const char *name)
{
	switch (result) {
	case CL_CLEAN:
		return (struct answer){ VERDICT_CLEAN, CAUSE_NONE, "" };
	case CL_VIRUS:
		return answer_from_alert(name == NULL ? "unnamed" : name);
	case CL_ETIMEOUT:
		return (struct answer){ VERDICT_UNKNOWN, CAUSE_TIMEOUT, "" };
	case CL_EMAXSIZE:
	case CL_EMAXFILES:
	case CL_EMAXREC:
		return (struct answer){ VERDICT_UNKNOWN, CAUSE_EXPANSION, "" };
	default:
		return (struct answer){ VERDICT_UNKNOWN, CAUSE_ERROR, cl_strerror(result) };
	}
}

static struct answer
scan(const struct engine *en, struct slice bytes, bool opened)
{
	struct cl_scan_options options = { .parse = ~0u, .heuristic =
	    CL_SCAN_HEURISTIC_EXCEEDS_MAX | CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE |
	    CL_SCAN_HEURISTIC_ENCRYPTED_DOC, .general = CL_SCAN_GENERAL_HEURISTICS };
	const char *name = NULL;
	unsigned long scanned = 0;
	cl_fmap_t *map;
	cl_error_t result;

	if (opened)
		options.parse &= ~(uint32_t)CL_SCAN_PARSE_ARCHIVE;
	map = cl_fmap_open_memory(bytes.ptr, bytes.len);
	if (map == NULL)
		return (struct answer){ VERDICT_UNKNOWN, CAUSE_ERROR, "no memory" };
	result = cl_scanmap_callback(map, NULL, &name, &scanned, en->cl, &options, NULL);
	cl_fmap_close(map);
	return answer_from_result(result, name);
}

static bool
serve(struct engine *en, int sock, struct frame *f)
{
	struct wire_reader r = wire_read(f->body);
	uint64_t job = wire_get_u64(&r), size, offset, len;
	uint32_t id = wire_get_u32(&r), flags;
	int64_t begun = clock_now_us();
	const uint8_t *region;
	struct answer a;

	size = wire_get_u64(&r);
	offset = wire_get_u64(&r);
	len = wire_get_u64(&r);
	flags = wire_get_u32(&r);
	if (f->type != FRAME_SCAN || !wire_is_done(&r) || f->fd_count != 1 || len == 0 ||
	    offset > size || len > size - offset)
		return false;
	region = region_views_get(&en->views, id, f->fds[0], size, false);
	frame_close_fds(f);
	if (region == NULL)
		return false;
	a = scan(en, slice_of(region + offset, len), (flags & REPORT_OPENED) != 0);
	buf_clear(&en->answer);
	(void)wire_put_u64(&en->answer, job);
	(void)wire_put_u8(&en->answer, (uint8_t)a.verdict);
	(void)wire_put_u8(&en->answer, (uint8_t)a.cause);
	(void)wire_put_u32(&en->answer, (uint32_t)(clock_now_us() - begun));
	(void)wire_put_slice(&en->answer, slice_sub(slice_of_str(a.name), 0, 256));
	return frame_send(sock, FRAME_SCANNED, buf_get(&en->answer), NULL, 0) == 0;
}

static int
remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED,
    struct FTW *ftw UNUSED)
{
	(void)remove(path);
	return 0;
}

/* Folders of engines that are gone (killed: they could not clean up). As the engine's own user:
 * nothing else can be reached through what lies there. */
static void
folders_clear(const char *work_dir)
{
	struct dirent **entries;
	int n = scandir(work_dir, &entries, NULL, NULL);

	for (int i = 0; i < n; i++) {
		struct slice name = slice_of_str(entries[i]->d_name);
		struct slice pid = slice_from(name, sizeof(FOLDER_PREFIX) - 1);
		size_t end = slice_find_byte(pid, '-', 0);
		char path[4096];
		uint64_t number;

		if (slice_starts_with(name, SLICE_LIT(FOLDER_PREFIX)) && end != SIZE_MAX &&
		    slice_parse_uint(slice_sub(pid, 0, end), INT32_MAX, &number) && number > 0 &&
		    kill((pid_t)number, 0) < 0 && errno == ESRCH) {
			snprintf(path, sizeof(path), "%s/%s", work_dir, entries[i]->d_name);
			(void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

_Noreturn static void
worker_main(void *ctx, int sock, unsigned index)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct engine *en = ctx;
	char folder[sizeof(en->folder) + 32];
	struct cage_limits limits = { .file_bytes = FILE_MAX_BYTES, .folder = folder };
	struct err e;
	struct frame f;

	snprintf(folder, sizeof(folder), "%s/%u", en->folder, index);
	(void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* of the one before us */
	if ((mkdir(folder, 0700) < 0 && errno != EEXIST) ||
	    cl_engine_set_str(en->cl, CL_ENGINE_TMPDIR, folder) != CL_SUCCESS) {
		log_error(NULL, "event=cage_failed error=\"cannot make '%s'\"", folder);
		_exit(2);
	}
	if (chdir(folder) < 0 || cage_enter(CAGE_ENGINE, &limits, &e) < 0) {
		log_error(NULL, "event=cage_failed error=\"%s\"", e.text);
		_exit(2);
	}
	buf_init(&en->answer, FRAME_MAX_BYTES);
	while (frame_recv(sock, buffer, &f) == 1) {
		bool ok = serve(en, sock, &f);

		frame_close_fds(&f);
		if (!ok)
			break;
	}
	_exit(0);
}

static int
set_number(struct engine *en, enum cl_engine_field field, long long value, struct err *e)
{
	cl_error_t r = cl_engine_set_num(en->cl, field, value);

	return r == CL_SUCCESS ? 0 : err_set(e, EINVAL, "libclamav: %s", cl_strerror(r));
}

static int
engine_limits(struct engine *en, struct err *e)
{
	const struct config *c = en->config;
	int r = set_number(en, CL_ENGINE_MAX_SCANSIZE, (long long)c->limits.output_bytes, e);

	if (r == 0)
		r = set_number(en, CL_ENGINE_MAX_FILESIZE, (long long)c->clamav.max_object, e);
	if (r == 0)
		r = set_number(en, CL_ENGINE_MAX_SCANTIME, c->clamav.timeout_ms, e);
	if (r == 0)
		r = set_number(en, CL_ENGINE_MAX_FILES, c->limits.objects, e);
	return r;
}

static int
engine_load(struct engine *en, unsigned *ret_signatures, struct err *e)
{
	cl_error_t r = cl_init(CL_INIT_DEFAULT);
	unsigned signatures = 0;

	if (r == CL_SUCCESS)
		en->cl = cl_engine_new();
	if (en->cl == NULL)
		return err_set(e, EINVAL, "libclamav does not start: %s", cl_strerror(r));
	if (engine_limits(en, e) < 0)
		return -EINVAL;
	r = cl_load(en->config->clamav.database, en->cl, &signatures, CL_DB_STDOPT);
	if (r == CL_SUCCESS)
		r = cl_engine_compile(en->cl);
	if (r != CL_SUCCESS)
		return err_set(e, EINVAL, "cannot load ClamAV database '%s': %s", en->config->clamav.database,
		    cl_strerror(r));
	*ret_signatures = signatures;
	return 0;
}

static int
engine_start(struct engine *en, struct tree *t, char version[FINGERPRINT_SIZE], struct err *e)
{
	unsigned signatures = 0;
	int n = database_fingerprint(en->config->clamav.database, version, &t->built, e);

	if (n == 0 || n == -ENOENT || n == -ENOTDIR)
		return err_set(e, EINVAL, NO_DATABASE ": no ClamAV database in '%s'",
		    en->config->clamav.database);
	if (n < 0)
		return n;
	folders_clear(en->config->work_dir);
	snprintf(en->folder, sizeof(en->folder), "%s/" FOLDER_PREFIX "%d-XXXXXX",
	    en->config->work_dir, (int)getpid());
	if (mkdtemp(en->folder) == NULL)
		return err_set(e, errno, "cannot make a folder in work_dir '%s'", en->config->work_dir);
	n = engine_load(en, &signatures, e);
	t->signatures = signatures;
	return n;
}

int
main(int argc, char **argv)
{
	static struct engine en;
	char version[FINGERPRINT_SIZE];
	struct role role;
	struct tree t = { .worker_name = "cordon-engine", .worker_main = worker_main, .ctx = &en,
		.version = version };
	struct err e = { 0 };
	int status;

	if (role_enter(argc, argv, "cordon-engine", &role, &e) < 0) {
		log_error(NULL, "event=start_failed error=\"%s\"", e.text);
		return 2;
	}
	en.config = role.config;
	if (engine_start(&en, &t, version, &e) < 0) {
		tree_report_failure(ROLE_FD_CONTROL, e.text);
		status = 1;
	} else {
		t.workers = en.config->clamav.workers > 0 ? en.config->clamav.workers :
		    (unsigned)MAX_OF(sysconf(_SC_NPROCESSORS_ONLN), 1L);
		t.backoff_max_ms = en.config->restart_backoff_max_ms;
		status = tree_run(&t, ROLE_FD_CONTROL);
	}
	if (en.folder[0] != '\0')
		(void)nftw(en.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return status;
}
