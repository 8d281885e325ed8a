/* counters.c: adding up records. */
#include "record/counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "config/config.h"
#include "decide/policy.h"
#include "record/json_text.h"
#include "record/record.h"

static void
name_count(struct counters *c, struct slice name)
{
	name = slice_sub(name, 0, COUNTERS_NAME_SIZE - 1);
	if (name.len == 0)
		return; /* "" marks a free place */
	for (size_t i = 0; i < COUNTERS_NAMES_MAX; i++) {
		struct counters_name *n = &c->names[i];

		if (n->name[0] == '\0') {
			memcpy(n->name, name.ptr, name.len);
			n->name[name.len] = '\0';
		} else if (!slice_eq_str(name, n->name)) {
			continue;
		}
		n->total++;
		n->recent++;
		return;
	}
	c->names_other++;
}

static void
causes_count(struct counters *c, struct slice causes)
{
	while (causes.len > 0) {
		size_t comma = slice_find_byte(causes, ',', 0);
		struct slice one = slice_sub(causes, 0, MIN_OF(comma, causes.len));

		for (int i = 0; i < CAUSE_COUNT; i++)
			c->causes[i] += slice_eq_str(one, cause_get_text((enum cause)i));
		causes = comma == SIZE_MAX ? SLICE_NONE : slice_from(causes, comma + 1);
	}
}

/* "A07,A12" */
static void
classes_count(struct counters *c, struct slice classes)
{
	while (classes.len > 0) {
		size_t comma = slice_find_byte(classes, ',', 0);
		struct slice one = slice_sub(classes, 0, MIN_OF(comma, classes.len));
		uint64_t n;

		if (one.len > 0 && one.ptr[0] == 'A' &&
		    slice_parse_uint(slice_from(one, 1), AMBIGUITY_MAX, &n))
			c->classes[n]++;
		classes = comma == SIZE_MAX ? SLICE_NONE : slice_from(classes, comma + 1);
	}
}

void
counters_add(struct counters *c, const struct record *r)
{
	struct slice names = r->names;

	c->mails++;
	c->bytes += r->size_bytes;
	c->objects += r->objects;
	c->recipients += r->recipient_count;
	c->lost += !r->delivered;
	c->verdicts[r->verdict]++;
	c->actions[r->action]++;
	c->refused_behind += r->action == ACTION_ACCEPT && r->code / 100 == 5;
	c->deferred_behind += r->action == ACTION_ACCEPT && r->code / 100 == 4;
	causes_count(c, r->causes);
	classes_count(c, r->classes);
	c->cache_hits += r->cache_hits;
	c->cache_misses += r->cache_misses;
	c->us_receive += r->receive_us;
	c->us_wait += r->wait_us;
	c->us_decompose += r->decompose_us;
	c->us_match += r->match_us;
	c->us_engines += r->engines_us;
	c->us_total += r->total_us;
	while (names.len > 0) {
		size_t comma = slice_find_byte(names, ',', 0);

		name_count(c, slice_sub(names, 0, MIN_OF(comma, names.len)));
		names = comma == SIZE_MAX ? SLICE_NONE : slice_from(names, comma + 1);
	}
}

int
counters_format_summary(struct counters *c, struct counters *before, struct buf *out)
{
	int s = buf_printf(out, "event=summary mails=%" PRIu64 " bytes=%" PRIu64,
	    c->mails - before->mails, c->bytes - before->bytes);

	for (int i = 0; i < MAIL_VERDICT_COUNT; i++)
		s |= buf_printf(out, " %s=%" PRIu64, mail_verdict_get_text((enum mail_verdict)i),
		    c->verdicts[i] - before->verdicts[i]);
	for (int i = 0; i < ACTION_COUNT; i++)
		s |= buf_printf(out, " %s=%" PRIu64, action_get_name((enum action)i),
		    c->actions[i] - before->actions[i]);
	if (c->refused_behind > before->refused_behind)
		s |= buf_printf(out, " refused_behind=%" PRIu64,
		    c->refused_behind - before->refused_behind);
	if (c->deferred_behind > before->deferred_behind)
		s |= buf_printf(out, " deferred_behind=%" PRIu64,
		    c->deferred_behind - before->deferred_behind);
	for (int i = 0; i < CAUSE_COUNT; i++) {
		if (c->causes[i] > before->causes[i])
			s |= buf_printf(out, " cause=%s:%" PRIu64,
			    cause_get_text((enum cause)i), c->causes[i] - before->causes[i]);
	}
	for (size_t i = 0; i < COUNTERS_NAMES_MAX && c->names[i].name[0] != '\0'; i++) {
		char quoted[LOG_QUOTE_SIZE(COUNTERS_NAME_SIZE)];

		if (c->names[i].recent == 0)
			continue;
		s |= buf_printf(out, " virus=%s:%" PRIu64, log_quote(slice_of_str(c->names[i].name),
		    COUNTERS_NAME_SIZE, quoted, sizeof(quoted)), c->names[i].recent);
		c->names[i].recent = 0;
	}
	*before = *c;
	return s < 0 ? -1 : 0;
}

/* {"A02":3}: the classes that were met. */
static int
put_classes(const struct counters *c, struct buf *out)
{
	int s = buf_append_str(out, ",\"ambiguities\":{");
	bool first = true;

	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		if (c->classes[n] == 0)
			continue;
		s |= buf_printf(out, "%s\"A%02u\":%" PRIu64, first ? "" : ",", n, c->classes[n]);
		first = false;
	}
	return s | buf_append_byte(out, '}');
}

int
counters_format_json(const struct counters *c, struct buf *out)
{
	int s = buf_printf(out, "\"started\":%" PRIu64 ",\"mails\":%" PRIu64 ",\"bytes\":%" PRIu64
	    ",\"objects\":%" PRIu64 ",\"recipients\":%" PRIu64 ",\"answers_lost\":%" PRIu64
	    ",\"behind\":{\"refused\":%" PRIu64 ",\"deferred\":%" PRIu64 "}",
	    c->started, c->mails, c->bytes, c->objects, c->recipients, c->lost,
	    c->refused_behind, c->deferred_behind);
	bool first = true;

	s |= buf_append_str(out, ",\"verdicts\":{");
	for (int i = 0; i < MAIL_VERDICT_COUNT; i++)
		s |= buf_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "",
		    mail_verdict_get_text((enum mail_verdict)i), c->verdicts[i]);
	s |= buf_append_str(out, "},\"actions\":{");
	for (int i = 0; i < ACTION_COUNT; i++)
		s |= buf_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "",
		    action_get_name((enum action)i), c->actions[i]);
	s |= buf_append_str(out, "},\"causes\":{");
	for (int i = 0; i < CAUSE_COUNT; i++) {
		if (c->causes[i] > 0) {
			s |= buf_printf(out, "%s\"%s\":%" PRIu64, first ? "" : ",",
			    cause_get_text((enum cause)i), c->causes[i]);
			first = false;
		}
	}
	s |= buf_append_byte(out, '}') | put_classes(c, out);
	s |= buf_printf(out, ",\"stage_ms\":{\"receive\":%" PRIu64 ",\"wait\":%" PRIu64
	    ",\"decompose\":%" PRIu64 ",\"match\":%" PRIu64 ",\"engines\":%" PRIu64
	    ",\"total\":%" PRIu64 "},\"viruses\":{", c->us_receive / 1000, c->us_wait / 1000,
	    c->us_decompose / 1000, c->us_match / 1000, c->us_engines / 1000, c->us_total / 1000);
	for (size_t i = 0; i < COUNTERS_NAMES_MAX && c->names[i].name[0] != '\0'; i++) {
		s |= i > 0 ? buf_append_byte(out, ',') : 0;
		s |= json_text_append(out, slice_of_str(c->names[i].name));
		s |= buf_printf(out, ":%" PRIu64, c->names[i].total);
	}
	s |= buf_append_byte(out, '}');
	return s < 0 ? -1 : 0;
}
