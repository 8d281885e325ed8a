/* helper_unpack.c: one archive through a program beside. Two runs in the usual case: the
 * listing, then the data of all members in one stream, which is cut at the sizes that were
 * listed. When the stream and the listing do not agree (order, sum, an error on the way), or
 * sizes are unknown, each member is asked for by itself, of programs that give one. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/helper_list.h"
#include "decompose/helper_opener.h"
#include "decompose/helper_tool.h"
#include "decompose/zip_password.h"
#include "proc/helper.h"

#define LISTING_MAX_BYTES  ((size_t)16 << 20)
#define MESSAGES_MAX_BYTES ((size_t)8 << 20)
#define SURPLUS_MAX_BYTES                                                                      \
	((uint64_t)64 << 10) /* behind the last member, before it is stopped */
#define FACTS_LIMIT                                                                            \
	(FACT_BIT(FACT_LIMIT_BYTES) | FACT_BIT(FACT_LIMIT_CPU) |                               \
	    FACT_BIT(FACT_LIMIT_OBJECTS) | FACT_BIT(FACT_LIMIT_RATIO))

static struct helper *helper;

/* One archive in hand. */
struct unpack {
	struct decompose *d;
	struct object *o;
	enum helper_type type;
	const struct helper_tool *tool;
	const char *format;
	struct helper_member *members; /* with content; owned */
	size_t member_count, member_cap;
	struct buf listing, messages;
	struct slice password; /* empty: none */
	uint64_t facts;
	/* the stream in progress */
	const struct helper_member *current, *end; /* end: behind the last that is expected */
	uint64_t left, got, surplus; /* of the current member; in all; behind the last */
	bool listing_full;
	bool open, discard, stop; /* stop: a limit was met, nothing more is to be read */
};

void
helper_opener_use(struct helper *h)
{
	helper = h;
}

bool
helper_opener_reads(enum helper_type type)
{
	return helper_has(helper, helper_type_get_program(type));
}

static bool
keep_listing(void *ctx, struct slice bytes)
{
	struct unpack *u = ctx;

	u->listing_full = buf_append_slice(&u->listing, bytes) < 0;
	return !u->listing_full;
}

static bool
keep_messages(void *ctx, struct slice bytes)
{
	return buf_append_slice(&((struct unpack *)ctx)->messages, bytes) == 0;
}

/* "wim: folder/a.exe", "7z: a.exe (password)" */
static struct slice
step_of(struct unpack *u, struct slice path)
{
	static const char note[] = " (password)";
	size_t len = strlen(u->format), note_len = u->password.len > 0 ? sizeof(note) - 1 : 0;
	uint8_t *out =
	    arena_alloc(decompose_get_arena(u->d), len + 2 + path.len + sizeof(note));

	if (out == NULL)
		return path;
	memcpy(out, u->format, len);
	memcpy(out + len, ": ", 2);
	if (path.len > 0)
		memcpy(out + len + 2, path.ptr, path.len);
	memcpy(out + len + 2 + path.len, note, note_len);
	return slice_of(out, len + 2 + path.len + note_len);
}

/* Emits what came of the current member. */
static void
member_finish(struct unpack *u)
{
	struct slice path = u->current->path;
	struct child c = { .step = step_of(u, path),
		.names = &path,
		.name_count = path.len > 0 ? 1 : 0,
		.facts = u->password.len > 0 && u->current->encrypted
			     ? FACT_BIT(FACT_PASSWORD_FOUND)
			     : 0 };

	u->open = false;
	if (u->discard)
		return;
	if (decompose_output_get(u->d).len == 0)
		decompose_output_drop(u->d);
	else if (decompose_output_finish(u->d, &c) == NULL)
		u->stop = true;
}

static void
member_begin(struct unpack *u)
{
	u->open = true;
	u->left = u->current->size;
	if (!u->discard)
		decompose_output_begin(u->d, u->o, u->o->bytes.len);
}

/* Data of the members in the order of the listing. False: enough. */
static bool
take_data(void *ctx, struct slice bytes)
{
	struct unpack *u = ctx;

	while (bytes.len > 0 && !u->stop) {
		struct slice now;

		if (u->current == u->end) {
			u->surplus += bytes.len;
			return u->surplus <= SURPLUS_MAX_BYTES;
		}
		if (!u->open)
			member_begin(u);
		now = slice_sub(bytes, 0, (size_t)MIN_OF((uint64_t)bytes.len, u->left));
		if (u->discard)
			u->stop = !budget_has_time(decompose_get_budget(u->d));
		else if (!decompose_output_write(u->d, now))
			u->stop = true;
		u->got += now.len;
		u->left -= u->left == UINT64_MAX ? 0 : now.len;
		bytes = slice_from(bytes, now.len);
		if (u->left == 0) {
			member_finish(u);
			u->current++;
		}
	}
	return !u->stop;
}

/* The program came to its end: statuses that tell of failure are among the facts. */
static uint64_t
facts_of_exit(const struct unpack *u, uint32_t status)
{
	const struct helper_tool *t = u->tool;
	uint64_t facts = t->get_facts(buf_get(&u->messages));

	if (status == 0)
		return facts;
	if (status == t->status_no_memory)
		return FACT_BIT(FACT_LIMIT_BYTES);
	if (status == t->status_usage)
		return FACT_BIT(FACT_UNSUPPORTED);
	if (facts == 0 && (status != t->status_warning || u->messages.len == 0))
		return FACT_BIT(FACT_CORRUPT);
	return facts;
}

static bool
went_through(const struct unpack *u, const struct helper_result *r)
{
	return r->end == HELPER_EXITED &&
	       (r->status == 0 || r->status == u->tool->status_warning);
}

/* One run, paid for. The facts are those of the run alone. */
static struct helper_result
run(struct unpack *u, struct helper_job *job, uint64_t *ret_facts)
{
	struct budget *b = decompose_get_budget(u->d);
	int64_t cpu_ms = (b->cpu_deadline_us - clock_cpu_us()) / 1000;
	struct helper_result r = { 0 };

	buf_clear(&u->messages);
	*ret_facts = FACT_BIT(FACT_LIMIT_CPU);
	if (b->left_helper_runs == 0 || b->left_helper_ms == 0 || cpu_ms <= 0 ||
	    !budget_has_time(b)) {
		b->facts |= FACT_BIT(FACT_LIMIT_CPU);
		return r;
	}
	b->left_helper_runs--;
	job->type = u->type;
	job->wall_ms = b->left_helper_ms;
	job->cpu_ms = (uint32_t)MIN_OF(cpu_ms, (int64_t)INT32_MAX);
	job->message = keep_messages;
	job->ctx = u;
	r = helper_run(helper, job);
	b->cpu_deadline_us -= (int64_t)MIN_OF(r.cpu_us, (uint64_t)INT32_MAX * 1000);
	b->left_helper_ms -= (uint32_t)MIN_OF(r.wall_us / 1000, (uint64_t)b->left_helper_ms);
	switch (r.end) {
	case HELPER_NOT_RUN:
	case HELPER_END_COUNT:
		*ret_facts = FACT_BIT(FACT_UNSUPPORTED);
		break;
	case HELPER_KILLED:
		*ret_facts = FACT_BIT(FACT_CORRUPT);
		break;
	case HELPER_TIMEOUT:
		b->facts |= FACT_BIT(FACT_LIMIT_CPU);
		break;
	case HELPER_STOPPED: /* a limit, which the object has already; or a flood of words */
		*ret_facts = FACT_BIT(u->stop ? FACT_LIMIT_BYTES : FACT_CORRUPT);
		break;
	case HELPER_EXITED:
		*ret_facts = facts_of_exit(u, r.status);
		break;
	}
	return r;
}

/* The listing, with the password in hand. True: it was made to its end. */
static bool
list(struct unpack *u, uint64_t *ret_facts)
{
	struct helper_job job = {
		.mode = HELPER_LIST, .password = u->password, .output = keep_listing
	};
	struct helper_result r;

	buf_clear(&u->listing);
	u->listing_full = false;
	r = run(u, &job, ret_facts);
	if (u->listing_full)
		*ret_facts =
		    FACT_BIT(FACT_LIMIT_OBJECTS); /* longer than any within the limits */
	return went_through(u, &r);
}

static bool
member_add(struct unpack *u, const struct helper_member *m)
{
	if (u->member_count == u->member_cap) {
		size_t cap = MAX_OF(u->member_cap * 2, (size_t)64);
		struct helper_member *bigger = realloc(u->members, cap * sizeof(*bigger));

		if (bigger == NULL)
			return false;
		u->members = bigger;
		u->member_cap = cap;
	}
	u->members[u->member_count++] = *m;
	return true;
}

/* The members that have content, as far as the limits go. */
static void
members_take(struct unpack *u)
{
	struct slice rest = buf_get(&u->listing);
	uint32_t most = decompose_get_budget(u->d)->limits.objects;
	struct helper_member m;
	bool any = false;

	while (u->tool->list_next(&rest, &m)) {
		if (m.damaged)
			u->facts |= FACT_BIT(FACT_CORRUPT);
		if (m.damaged && m.size == UINT64_MAX)
			continue;
		any = true;
		if (m.size == 0 || (m.folder && m.size == UINT64_MAX))
			continue;
		if (u->member_count >= most || !member_add(u, &m)) {
			u->facts |= FACT_BIT(FACT_LIMIT_OBJECTS);
			return;
		}
	}
	if (!any && u->facts == 0)
		u->facts = FACT_BIT(FACT_CORRUPT); /* it said nothing: not the same as empty */
	m = (struct helper_member){ .size = UINT64_MAX };
	if (!any && u->tool->one_stream &&
	    (u->facts & (FACTS_LIMIT | FACT_BIT(FACT_UNSUPPORTED))) == 0)
		(void)member_add(u, &m); /* what comes before the damage */
}

static bool
name_has_wildcard(const struct helper_tool *t, struct slice name)
{
	for (const char *c = t->wildcards; *c != '\0'; c++) {
		if (slice_find_byte(name, (uint8_t)*c, 0) != SIZE_MAX)
			return true;
	}
	return false;
}

/* One member by itself, emitted or thrown away. True: it came whole. All that comes is taken
 * for it, whatever its size was said to be: several members may have one name. */
static bool
member_get(struct unpack *u, const struct helper_member *m, bool discard, uint64_t *ret_facts)
{
	struct helper_member any_size = *m;
	struct helper_job job = { .mode = HELPER_EXTRACT,
		.password = u->password,
		.member = m->path,
		.output = take_data };
	struct helper_result r;

	u->got = 0;
	if (m->path.len == 0 || m->path.len > HELPER_TEXT_MAX ||
	    name_has_wildcard(u->tool, m->path)) {
		*ret_facts = FACT_BIT(FACT_UNSUPPORTED);
		return false;
	}
	any_size.size = UINT64_MAX;
	u->current = &any_size;
	u->end = u->current + 1;
	u->got = u->surplus = 0;
	u->discard = discard;
	r = run(u, &job, ret_facts);
	if (u->open)
		member_finish(u);
	u->current = u->end = NULL;
	u->discard = false;
	if (*ret_facts == 0 && m->size != UINT64_MAX && u->got != m->size)
		*ret_facts = FACT_BIT(FACT_CORRUPT);
	return r.end == HELPER_EXITED && r.status == 0 && u->got > 0 && *ret_facts == 0;
}

/* A member that stays closed: nothing of it but its name, which counts. */
static void
member_name_only(struct unpack *u, const struct helper_member *m, uint64_t facts)
{
	struct child c = { .step = step_of(u, m->path),
		.names = &m->path,
		.name_count = m->path.len > 0 ? 1 : 0,
		.facts = facts };

	decompose_output_begin(u->d, u->o, u->o->bytes.len);
	if (decompose_output_finish(u->d, &c) == NULL)
		u->stop = true;
}

/* Each member that can be read, one run for each. */
static void
members_get_each(struct unpack *u)
{
	for (size_t i = 0; i < u->member_count && !u->stop; i++) {
		const struct helper_member *m = &u->members[i];
		uint64_t facts;

		if (m->encrypted && u->password.len == 0) {
			member_name_only(u, m, FACT_BIT(FACT_ENCRYPTED));
			continue;
		}
		(void)member_get(u, m, false, &facts);
		u->facts |= facts;
		if ((facts & FACTS_LIMIT) != 0)
			return;
		if (u->got == 0 && !u->tool->says_names)
			member_name_only(u, m, facts != 0 ? facts : FACT_BIT(FACT_CORRUPT));
	}
}

/* True: the names that went with the data are those of the listing, in its order. */
static bool
order_is_listed(struct unpack *u)
{
	struct slice rest = buf_get(&u->messages), name;
	size_t at = 0;

	while (helper_list_next_name(&rest, &name)) {
		if (at < u->member_count && slice_eq(name, u->members[at].path))
			at++;
	}
	return at == u->member_count;
}

static bool
sizes_are_known(const struct unpack *u)
{
	for (size_t i = 0; i < u->member_count; i++) {
		if (u->members[i].size == UINT64_MAX)
			return u->member_count == 1;
	}
	return true;
}

static struct helper_result
run_for_all(struct unpack *u, bool discard, uint64_t *ret_facts)
{
	struct helper_job job = {
		.mode = HELPER_EXTRACT, .password = u->password, .output = take_data
	};
	struct helper_result r;

	u->current = u->members;
	u->end = u->members + u->member_count;
	u->got = u->surplus = 0;
	u->discard = discard;
	r = run(u, &job, ret_facts);
	if (u->open)
		member_finish(u);
	u->discard = false;
	return r;
}

/* All members in one run. False: they must be asked for one by one. */
static bool
members_get_all(struct unpack *u)
{
	uint64_t facts;
	struct helper_result r = run_for_all(u, false, &facts);
	bool whole;

	if (u->stop || r.end == HELPER_NOT_RUN || r.end == HELPER_TIMEOUT ||
	    (facts & FACTS_LIMIT) != 0) {
		u->facts |= facts;
		return true;
	}
	if (u->surplus > 0)
		u->facts |= FACT_BIT(FACT_CORRUPT); /* data of members that were not listed */
	whole =
	    u->surplus == 0 && (u->current == u->end ||
				   (u->member_count == 1 && u->members[0].size == UINT64_MAX));
	if (!u->tool->says_names && (whole || !u->tool->can_ask)) {
		/* The sum is all there is to go by. */
		u->facts |= whole || facts != 0 ? facts : FACT_BIT(FACT_CORRUPT);
		return true;
	}
	return r.end == HELPER_EXITED && facts == 0 && whole && order_is_listed(u);
}

/* A name in which 7zz may have put "_" for what it does not print cannot be asked for. */
static bool
can_be_asked_for(const struct helper_member *m)
{
	return m->path.len > 0 && m->path.len <= HELPER_TEXT_MAX &&
	       slice_find_byte(m->path, '_', 0) == SIZE_MAX;
}

/* True: the password in hand opens it. m: a member to try it on, NULL: the listing. */
static bool
password_fits(struct unpack *u, const struct helper_member *m, uint64_t *ret_facts)
{
	if (m == NULL)
		return list(u, ret_facts);
	if (can_be_asked_for(m))
		return member_get(u, m, true, ret_facts);
	return run_for_all(u, true, ret_facts).end == HELPER_EXITED && *ret_facts == 0 &&
	       u->got > 0;
}

/* True: u->password opens it. */
static bool
password_find(struct unpack *u, const struct helper_member *m)
{
	size_t tries = decompose_get_budget(u->d)->limits.helper_passwords;
	struct zip_passwords *p = malloc(sizeof(*p));
	bool found = false;

	if (p == NULL)
		return false;
	zip_passwords_init(p);
	zip_passwords_collect(p, u->d);
	tries = MIN_OF(tries, p->count);
	for (size_t n = 0; n < tries && !found; n++) {
		uint64_t facts;

		u->password = p->words[zip_passwords_get(p, n, tries)];
		found = password_fits(u, m, &facts);
		if ((facts & (FACTS_LIMIT | FACT_BIT(FACT_UNSUPPORTED))) != 0 && !found) {
			u->facts |= facts;
			break;
		}
	}
	if (!found)
		u->password = SLICE_NONE;
	free(p);
	return found;
}

static const struct helper_member *
member_smallest_encrypted(const struct unpack *u)
{
	const struct helper_member *best = NULL;

	for (size_t i = 0; i < u->member_count; i++) {
		const struct helper_member *m = &u->members[i];

		if (!m->encrypted)
			continue;
		if (best == NULL || (can_be_asked_for(m) && !can_be_asked_for(best)) ||
		    (can_be_asked_for(m) == can_be_asked_for(best) && m->size < best->size))
			best = m;
	}
	return best;
}

static void
unpack_run(struct unpack *u)
{
	const struct helper_member *locked;
	uint64_t facts;

	(void)list(u, &facts);
	if ((facts & FACT_BIT(FACT_ENCRYPTED)) != 0 && !password_find(u, NULL)) {
		u->facts |= FACT_BIT(FACT_ENCRYPTED); /* the names are encrypted too */
		return;
	}
	u->facts |= u->password.len > 0 ? 0 : facts;
	if ((facts & FACTS_LIMIT) == 0 || (facts & FACT_BIT(FACT_LIMIT_OBJECTS)) != 0)
		members_take(u);
	locked = u->password.len > 0 ? NULL : member_smallest_encrypted(u);
	if (locked != NULL && !password_find(u, locked)) {
		u->facts |= FACT_BIT(FACT_ENCRYPTED);
		members_get_each(u);
	} else if (u->member_count > 0 && (!sizes_are_known(u) || !members_get_all(u))) {
		members_get_each(u);
	}
}

uint64_t
helper_unpack(struct decompose *d, struct object *o, enum helper_type type, const char *format)
{
	struct unpack u = { .d = d,
		.o = o,
		.type = type,
		.tool = helper_tool_get(helper_type_get_program(type)),
		.format = format };

	if (!helper_opener_reads(type))
		return FACT_BIT(FACT_UNSUPPORTED);
	if (!helper_set_input(helper, o->bytes))
		return FACT_BIT(
		    o->bytes.len > HELPER_INPUT_MAX ? FACT_LIMIT_BYTES : FACT_UNSUPPORTED);
	buf_init(&u.listing, LISTING_MAX_BYTES);
	buf_init(&u.messages, MESSAGES_MAX_BYTES);
	unpack_run(&u);
	if (u.password.len > 0)
		u.facts |= FACT_BIT(FACT_PASSWORD_FOUND);
	free(u.members);
	buf_done(&u.listing);
	buf_done(&u.messages);
	return u.facts;
}
