/* inspector.c: cordon-inspector. The root of the tree loads signatures and block lists; its
 * workers, each in a cage, take mails apart, hash, match, and report. One mail at a time. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cipher.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "config/config.h"
#include "decompose/archive_read.h"
#include "decompose/charset.h"
#include "decompose/decompose.h"
#include "decompose/helper_opener.h"
#include "decompose/magic.h"
#include "decompose/mail_guess.h"
#include "decompose/password_list.h"
#include "decompose/zip_password.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/helper.h"
#include "proc/region.h"
#include "proc/role.h"
#include "proc/tree.h"
#include "proc/wire.h"
#include "scan/blocklist.h"
#include "scan/inspect_request.h"
#include "scan/known.h"
#include "scan/report.h"
#include "scan/signature_match.h"
#include "scan/signature_set.h"

#define ARENA_MAX_BYTES    (64u << 20)
#define FINDINGS_MAX       1000u
#define CPU_ALARM_SLACK_MS 2000u /* the budget ends a mail first; this ends a stuck process */

struct inspector {
	const struct config *config;
	struct signature_match *match;
	struct blocklist blocklist;
	struct password_list passwords;
	char programs[HELPER_PROGRAM_COUNT][4096]; /* empty: none */
	struct helper *helper; /* this worker's; NULL: none */
	struct limits limits;
	struct region_views views;
	struct arena *arena; /* of the mail in hand */
	struct buf answer;
};

/* One mail in hand. */
struct inspection {
	struct inspector *inspector;
	struct inspect_request request;
	struct slice input;
	uint8_t *hold;
	const struct known_table *known;
	struct decompose *decompose;
	struct report report;
	uint32_t finding_cap;
	struct object *object; /* being matched */
	int64_t match_us;
	bool infected;
};

static void
finding_add(struct inspection *in, uint32_t object, struct slice scanner, struct slice name,
    uint32_t cost_us, bool cached)
{
	struct report *r = &in->report;

	if (r->finding_count == in->finding_cap) {
		uint32_t cap = MIN_OF(MAX_OF(in->finding_cap * 2, 16u), FINDINGS_MAX);
		struct finding *bigger;

		if (cap == in->finding_cap)
			return;
		bigger = arena_alloc(in->inspector->arena, cap * sizeof(*bigger));
		if (bigger == NULL) {
			r->not_matched++; /* a mail with a finding that is lost must not count
					     as clean */
			return;
		}
		if (r->finding_count > 0)
			memcpy(bigger, r->findings, r->finding_count * sizeof(*bigger));
		r->findings = bigger;
		in->finding_cap = cap;
	}
	r->findings[r->finding_count++] = (struct finding){ .class = FINDING_VIRUS,
		.object = object,
		.scanner = scanner,
		.name = name,
		.cost_us = cost_us,
		.cached = cached };
}

static void
on_signature(void *ctx, const char *name)
{
	struct inspection *in = ctx;

	in->infected = true;
	finding_add(in, in->object->id, SLICE_LIT("signatures"), slice_of_str(name), 0, false);
}

/* Whether these bytes were matched already as part of what they stand in. Members of archives
 * are matched again, so that it is told which one it was. */
static bool
is_part_of_mail(const struct inspection *in, const struct object *o)
{
	return o->borrowed && o->parent != 0 &&
	       (decompose_get_object(in->decompose, o->parent)->roles & ROLE_ENTITY) != 0;
}

/* Signatures over bytes that were not part of something matched already. */
static void
object_match(struct inspection *in, struct object *o)
{
	uint32_t first = in->report.finding_count;
	int64_t begun;

	if (is_part_of_mail(in, o))
		return;
	begun = clock_now_us();
	in->object = o;
	if (signature_match_run(in->inspector->match, o->bytes, on_signature, in) < 0)
		in->report.not_matched++;
	begun = clock_now_us() - begun;
	in->match_us += begun;
	for (uint32_t i = first; i < in->report.finding_count; i++)
		in->report.findings[i].cost_us = (uint32_t)begun;
	o->user = (void *)(uintptr_t)begun;
}

static void
object_look_up(struct inspection *in, const struct object *o)
{
	const char *name = blocklist_find(&in->inspector->blocklist, &o->hash);
	struct known_entry known;

	if (name != NULL) {
		in->infected = true;
		finding_add(in, o->id, SLICE_LIT("blocklist"), slice_of_str(name), 0, false);
	}
	if ((in->request.flags & INSPECT_FULL) == 0 &&
	    known_find(in->known, in->request.epoch, &o->hash, &known)) {
		struct slice n = arena_copy(in->inspector->arena, slice_of_str(known.name));
		struct slice s = arena_copy(in->inspector->arena, slice_of_str(known.scanner));

		in->infected = true;
		finding_add(in, o->id, s, n, 0, true);
	}
}

/* The whole mail is not for the engines: its parts are. What is only called a mail inside it is
 * one of the parts: a program labelled message/rfc822 must not pass them by. */
static bool
is_for_engines(const struct inspection *in, const struct object *o)
{
	if ((in->request.flags & INSPECT_ENGINES) == 0 || o->size == 0)
		return false;
	return (o->roles & ROLE_ENTITY) == 0 || o->id != 1;
}

static unsigned
on_object(void *ctx, struct object *o)
{
	struct inspection *in = ctx;
	unsigned wish = WISH_OPEN;

	in->infected = false;
	if (o->hashed)
		object_look_up(in, o);
	object_match(in, o);
	if (in->infected && o->id != 1 && (in->request.flags & INSPECT_FULL) == 0)
		return 0; /* what is in it changes nothing any more */
	if (is_for_engines(in, o) && o->size <= in->request.max_object)
		wish |= WISH_KEEP;
	return wish;
}

static void
object_place(const struct inspection *in, const struct object *o, struct report_object *r)
{
	const uint8_t *at = o->bytes.ptr;

	if (!is_for_engines(in, o))
		return;
	r->flags |= REPORT_WANTED;
	if (!o->kept || o->bytes.len != o->size)
		return;
	if (at >= in->input.ptr && at < in->input.ptr + in->input.len) {
		r->place = REPORT_IN_INPUT;
		r->offset = (uint64_t)(at - in->input.ptr);
	} else if (at >= in->hold && at < in->hold + in->request.hold_size) {
		r->place = REPORT_IN_HOLD;
		r->offset = (uint64_t)(at - in->hold);
	}
}

#define FACTS_NOT_LISTED                                                                       \
	(FACT_BIT(FACT_ENCRYPTED) | FACT_BIT(FACT_CORRUPT) | FACT_BIT(FACT_TRUNCATED) |        \
	    FACT_BIT(FACT_UNSUPPORTED) | FACTS_LIMITS | FACT_BIT(FACT_MULTI_VOLUME) |          \
	    FACT_BIT(FACT_DISAGREEMENT))

static void
report_add_object(struct inspection *in, struct object *o, struct report_object *r)
{
	struct report_object *parent =
	    o->parent == 0 ? NULL : &in->report.objects[o->parent - 1];

	*r = (struct report_object){ .id = o->id,
		.parent = o->parent,
		.size = o->size,
		.hash = o->hash,
		.facts = o->facts,
		.views = o->views,
		.ambiguities = o->ambiguities,
		.notes = o->notes,
		.trail = o->trail,
		.packing = o->packing,
		.declared = o->declared,
		.detected = slice_of_str(o->detected->mime),
		.names = o->names,
		.name_count = o->name_count,
		.cost_us = (uint32_t)(uintptr_t)o->user };
	if (o->hashed)
		r->flags |= REPORT_HASHED;
	if (o->unopened)
		r->flags |= REPORT_UNOPENED;
	object_place(in, o, r);
	if (parent == NULL)
		return;
	o = decompose_get_object(in->decompose, parent->id);
	if ((o->detected->kind & (KIND_ARCHIVE | KIND_STREAM)) != 0 &&
	    (o->detected->kind & KIND_DOCUMENT) == 0 && (o->facts & FACTS_NOT_LISTED) == 0)
		parent->flags |= REPORT_OPENED;
}

static bool
report_fill(struct inspection *in)
{
	struct report *r = &in->report;

	r->object_count = decompose_get_object_count(in->decompose);
	r->facts = decompose_get_facts(in->decompose);
	r->objects = arena_alloc(in->inspector->arena, r->object_count * sizeof(*r->objects));
	if (r->object_count == 0 || r->objects == NULL)
		return false;
	for (uint32_t i = 0; i < r->object_count; i++)
		report_add_object(
		    in, decompose_get_object(in->decompose, i + 1), &r->objects[i]);
	r->double_count = decompose_get_double_count(in->decompose);
	r->doubles =
	    arena_alloc(in->inspector->arena, (r->double_count + 1) * sizeof(*r->doubles));
	if (r->doubles == NULL)
		return false;
	for (uint32_t i = 0; i < r->double_count; i++) {
		const struct object_double *x = decompose_get_double(in->decompose, i);

		r->doubles[i] = (struct report_double){ x->object, x->parent, x->trail };
	}
	return true;
}

/* The answer, inline when it fits, else behind what the hold is used for. */
static bool
report_send(struct inspection *in, int sock)
{
	struct buf report, *b = &in->inspector->answer;
	uint64_t offset = INSPECTED_INLINE;
	bool sent;

	buf_init(&report, REPORT_MAX_BYTES);
	buf_clear(b);
	if (!report_fill(in) || report_encode(&in->report, &report) < 0) {
		buf_clear(&report);
	} else if (report.len > FRAME_MAX_BYTES - 64) {
		if (report.len <= in->request.hold_size) {
			/* Engines read objects below; the report takes the very end. */
			offset = in->request.hold_size - report.len;
			memcpy(in->hold + offset, report.data, report.len);
		} else {
			buf_clear(&report);
		}
	}
	(void)wire_put_u64(b, in->request.job);
	(void)wire_put_u8(b, report.len > 0 ? INSPECTED_OK : INSPECTED_REPORT_TOO_LONG);
	(void)wire_put_u64(b, offset);
	(void)wire_put_u64(b, report.len);
	if (offset == INSPECTED_INLINE)
		(void)buf_append_slice(b, buf_get(&report));
	sent = frame_send(sock, FRAME_INSPECTED, buf_get(b), NULL, 0) == 0;
	buf_done(&report);
	return sent;
}

/* The end of the hold is left for a long report. */
static size_t
hold_for_objects(uint64_t hold_size)
{
	return (size_t)(hold_size > 2 * REPORT_MAX_BYTES ? hold_size - REPORT_MAX_BYTES
							 : hold_size);
}

static bool
inspect(struct inspector *ins, struct inspection *in, int sock)
{
	struct inspect_request *q = &in->request;
	struct decompose_hook hook = { on_object, in, (q->flags & INSPECT_FULL) != 0 };
	int64_t begun = clock_now_us(), cpu = clock_cpu_us();
	uint32_t roles = q->roles;
	bool sent;

	if ((q->flags & INSPECT_LARGE) != 0)
		process_step_back(true);
	if (roles == 0)
		roles = mail_guess_roles(in->input, q->name);
	hook.hash_first = hook.hash_first || (roles & ROLE_ENTITY) == 0;
	in->decompose = decompose_new(in->hold, hold_for_objects(q->hold_size));
	decompose_run(in->decompose, in->input, roles, q->name, &ins->limits, &hook);
	in->report.match_us = (uint32_t)in->match_us;
	in->report.decompose_us = (uint32_t)(clock_now_us() - begun - in->match_us);
	in->report.cpu_us = (uint32_t)(clock_cpu_us() - cpu);
	sent = report_send(in, sock);
	decompose_free(&in->decompose);
	if ((q->flags & INSPECT_LARGE) != 0)
		process_step_back(false);
	return sent;
}

static bool
inspect_frame(struct inspector *ins, int sock, struct frame *f)
{
	struct inspection in = { .inspector = ins };
	struct inspect_request *q = &in.request;
	const uint8_t *input;

	if (f->type != FRAME_INSPECT || f->fd_count != INSPECT_FD_COUNT ||
	    !inspect_request_decode(f->body, q) || q->known_size < sizeof(struct known_table))
		return false;
	input = region_views_get(
	    &ins->views, q->input_id, f->fds[INSPECT_FD_INPUT], q->input_size, false);
	in.hold = region_views_get(
	    &ins->views, q->hold_id, f->fds[INSPECT_FD_HOLD], q->hold_size, true);
	in.known = (const void *)region_views_get(
	    &ins->views, q->known_id, f->fds[INSPECT_FD_KNOWN], q->known_size, false);
	frame_close_fds(f);
	if (input == NULL || in.hold == NULL || in.known == NULL)
		return false;
	in.input = slice_of(input, q->input_len);
	return inspect(ins, &in, sock);
}

static void
log_no_program(enum helper_program program, const struct err *e)
{
	log_warn(NULL, "event=no_%s error=\"%s\": archives that need it are unsupported",
	    helper_program_get_name(program), e->text);
}

/* Before the cage is closed. Without it exotic archives are unsupported, and all else goes on.
 */
static void
worker_start_helper(struct inspector *ins)
{
	struct helper_paths paths = { 0 };
	bool any = false;
	struct err e;

	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++) {
		paths.of[i] = ins->programs[i];
		any = any || ins->programs[i][0] != '\0';
	}
	if (!any)
		return;
	ins->helper = helper_start(&paths, ins->config->limits.memory, ROLE_FD_LOG, &e);
	if (ins->helper == NULL)
		log_warn(NULL,
		    "event=no_helper error=\"%s\": archives that need another program are "
		    "unsupported",
		    e.text);
	for (size_t i = 0; ins->helper != NULL && i < HELPER_PROGRAM_COUNT; i++) {
		if (ins->programs[i][0] != '\0' && !helper_has(ins->helper, i))
			log_no_program(i, &e);
	}
	helper_opener_use(ins->helper);
}

_Noreturn static void
worker_main(void *ctx, int sock, unsigned index UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct inspector *ins = ctx;
	struct cage_limits limits = { .memory_bytes = ins->config->limits.memory };
	struct err e;
	struct frame f;

	process_step_back(false); /* looks the limit up, which the cage would not allow */
	worker_start_helper(ins);
	if (cage_enter(CAGE_INSPECTOR, &limits, &e) < 0) {
		log_error(NULL, "event=cage_failed error=\"%s\"", e.text);
		_exit(2);
	}
	buf_init(&ins->answer, FRAME_MAX_BYTES);
	for (;;) {
		bool ok;

		if (frame_recv(sock, buffer, &f) != 1)
			_exit(0); /* the gate is gone */

		ins->arena = arena_new(ARENA_MAX_BYTES);
		process_set_cpu_alarm_ms(ins->limits.cpu_ms + CPU_ALARM_SLACK_MS);
		ok = inspect_frame(ins, sock, &f);
		process_set_cpu_alarm_ms(0);
		frame_close_fds(&f);
		arena_free(&ins->arena);
		if (!ok)
			break;
		if (ins->helper != NULL && !helper_is_there(ins->helper)) {
			log_warn(NULL,
			    "event=helper_lost: this worker ends, another takes its place");
			_exit(0);
		}
	}
	log_warn(NULL, "event=bad_request: this worker ends, another takes its place");
	_exit(0);
}

static struct limits
limits_from_config(const struct config *c)
{
	return (struct limits){
		.depth = c->limits.depth,
		.mime_depth = c->limits.mime_depth,
		.objects = c->limits.objects,
		.output_bytes = c->limits.output_bytes,
		.held_bytes = c->limits.held_bytes,
		.ratio = c->limits.ratio,
		.ratio_floor_bytes = c->limits.ratio_floor,
		.quota_min = c->limits.quota_min,
		.quota_max = c->limits.quota_max,
		.quota_min_factor = c->limits.quota_min_factor,
		.quota_max_factor = c->limits.quota_max_factor,
		.cpu_ms = c->limits.cpu_ms,
		.wall_ms = c->limits.wall_ms,
		.entity_readings = c->limits.entity_readings,
		.helper_ms = c->archives.helper_ms,
		.helper_runs = c->archives.helper_runs,
		.helper_passwords = c->archives.seven_zip_passwords,
	};
}

/* 0, or a negative errno with *e. */
static int
archives_load(struct inspector *ins, struct err *e)
{
	const struct config *c = ins->config;
	const char *const settings[HELPER_PROGRAM_COUNT] = {
		[HELPER_PROGRAM_7ZZ] = c->archives.seven_zip,
		[HELPER_PROGRAM_NOMARCH] = c->archives.nomarch,
		[HELPER_PROGRAM_LZOP] = c->archives.lzop,
	};
	int r = 0;

	for (size_t i = 0; i < c->archives.passwords.count; i++)
		password_list_add(
		    &ins->passwords, slice_of_str(c->archives.passwords.items[i]));
	for (size_t i = 0; i < c->archives.password_files.count && r == 0; i++)
		r = password_list_load(&ins->passwords, c->archives.password_files.items[i], e);
	zip_password_set_list(ins->passwords.words, ins->passwords.count);
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++) {
		struct err why = { 0 };

		if (!helper_find_program(i, settings[i], ins->programs[i],
			sizeof(ins->programs[i]), &why) &&
		    why.code != 0)
			log_no_program(i, &why);
	}
	return r;
}

/* Everything the workers share. 0, or a negative errno with *e: then there is no tree. */
static int
inspector_load(struct inspector *ins, struct err *e)
{
	const struct config *c = ins->config;
	struct signature_set set;
	int r = 0;

	signature_set_init(&set);
	blocklist_init(&ins->blocklist);
	if (c->signatures.eicar)
		r = signature_set_add_eicar(&set);
	for (size_t i = 0; i < c->signatures.files.count && r == 0; i++)
		r = signature_set_load(&set, c->signatures.files.items[i], e);
	for (size_t i = 0; i < c->signatures.blocklists.count && r == 0; i++)
		r = blocklist_load(&ins->blocklist, c->signatures.blocklists.items[i], e);
	if (r == 0) {
		blocklist_sort(&ins->blocklist);
		ins->match = signature_match_new(&set, e);
		r = ins->match == NULL ? -EINVAL : 0;
	}
	signature_set_done(&set);
	return r < 0 ? r : archives_load(ins, e);
}

static unsigned
worker_count(const struct config *c)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->inspectors > 0)
		return c->inspectors;
	return (unsigned)MAX_OF(processors, 1L) + 1;
}

int
main(int argc, char **argv)
{
	static struct inspector ins;
	struct role role;
	struct tree tree;
	struct err e = { 0 };
	int status;

	if (role_enter(argc, argv, "cordon-inspect", &role, &e) < 0) {
		log_error(NULL, "event=start_failed error=\"%s\"", e.text);
		return 2;
	}
	ins.config = role.config;
	ins.limits = limits_from_config(role.config);
	if (inspector_load(&ins, &e) < 0) {
		tree_report_failure(ROLE_FD_CONTROL, e.text);
		return 1;
	}
	process_adopt_orphans(); /* the companion of a worker that died */
	sha256_preload();
	cipher_preload();
	charset_preload();
	archive_preload();
	tree = (struct tree){ .worker_name = "cordon-inspect",
		.workers = worker_count(ins.config),
		.backoff_max_ms = ins.config->restart_backoff_max_ms,
		.version = "signatures",
		.signatures = signature_match_get_count(ins.match) + ins.blocklist.count,
		.worker_main = worker_main,
		.ctx = &ins };
	status = tree_run(&tree, ROLE_FD_CONTROL);
	signature_match_free(&ins.match);
	blocklist_done(&ins.blocklist);
	password_list_done(&ins.passwords);
	config_unref(&role.config);
	free(role.config_text);
	return status;
}
