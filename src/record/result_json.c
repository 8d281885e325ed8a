/* result_json.c: see result_json.h. */
#include "record/result_json.h"

#include <inttypes.h>

#include "base/macros.h"
#include "config/config.h"
#include "decide/policy.h"
#include "record/json_text.h"
#include "scan/pipeline.h"

#define NUMBER_MAX                                                                             \
	((uint64_t)INT64_MAX) /* what readers of JSON take; containers lie at will             \
			       */

static int
put_key(struct buf *out, const char *key, struct slice value)
{
	int s = buf_printf(out, ",\"%s\":", key);

	return s | json_text_append(out, value);
}

static int
put_findings(struct buf *out, const struct scan_job *j)
{
	int s = buf_append_str(out, ",\"findings\":[");

	for (uint32_t i = 0; i < j->finding_count; i++) {
		const struct finding *f = &j->findings[i];

		s |= buf_printf(out, "%s{\"class\":\"%s\"", i > 0 ? "," : "",
		    finding_class_get_text(f->class));
		s |= put_key(out, "scanner", f->scanner) | put_key(out, "name", f->name);
		s |= buf_printf(out, ",\"object\":%" PRIu32 ",\"ms\":%.3f%s}", f->object,
		    f->cost_us / 1000.0, f->cached ? ",\"cached\":true" : "");
	}
	return s | buf_append_byte(out, ']');
}

static int
put_unscanned(struct buf *out, const struct scan_job *j)
{
	int s = buf_append_str(out, ",\"unscanned\":[");

	for (uint32_t i = 0; i < j->unscanned_count; i++) {
		const struct unscanned *u = &j->unscanned[i];

		s |= buf_printf(out, "%s{\"object\":%" PRIu32 ",\"cause\":\"%s\"", i > 0 ? "," : "",
		    u->object, cause_get_text(u->cause));
		if (u->scanner.len > 0)
			s |= put_key(out, "scanner", u->scanner);
		s |= buf_append_byte(out, '}');
	}
	return s | buf_append_byte(out, ']');
}

static int
put_facts(struct buf *out, const char *key, uint64_t facts, uint64_t ambiguities, uint64_t notes)
{
	int s = buf_printf(out, ",\"%s\":[", key);
	bool first = true;

	for (int f = 0; f < FACT_COUNT; f++) {
		if ((facts & FACT_BIT(f)) == 0)
			continue;
		s |= buf_printf(out, "%s\"%s\"", first ? "" : ",", fact_get_text((enum fact)f));
		first = false;
	}
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		if (((ambiguities | notes) & AMBIGUITY_BIT(n)) == 0)
			continue;
		s |= buf_printf(out, "%s\"%s:A%02u\"", first ? "" : ",",
		    (ambiguities & AMBIGUITY_BIT(n)) != 0 ? "ambiguous" : "note", n);
		first = false;
	}
	return s | buf_append_byte(out, ']');
}

static int
put_views(struct buf *out, uint64_t views)
{
	int s = buf_append_str(out, ",\"views\":[");
	bool first = true;

	for (int v = 0; v < VIEW_COUNT; v++) {
		if ((views & VIEW_BIT(v)) == 0)
			continue;
		s |= buf_printf(out, "%s\"%s\"", first ? "" : ",", view_get_text((enum view)v));
		first = false;
	}
	return s | buf_append_byte(out, ']');
}

/* What the container tells of a member, where it does. */
static int
put_packing(struct buf *out, const struct report_object *o)
{
	int s = 0;

	if (o->packing.method.len > 0)
		s |= put_key(out, "method", o->packing.method);
	if (o->packing.packed_bytes > 0)
		s |= buf_printf(
		    out, ",\"packed\":%" PRIu64, MIN_OF(o->packing.packed_bytes, NUMBER_MAX));
	if (o->packing.plain_bytes > 0)
		s |= buf_printf(
		    out, ",\"told_size\":%" PRIu64, MIN_OF(o->packing.plain_bytes, NUMBER_MAX));
	if ((o->flags & REPORT_UNOPENED) != 0)
		s |= buf_append_str(out, ",\"unopened\":true");
	return s;
}

static int
put_object(struct buf *out, const struct report_object *o)
{
	char hash[SHA256_HEX_SIZE] = "";
	int s = buf_printf(out, "%s{\"id\":%" PRIu32 ",\"parent\":%" PRIu32, o->id > 1 ? "," : "",
	    o->id, o->parent);

	s |= put_key(out, "trail", o->trail) | buf_append_str(out, ",\"names\":[");
	for (uint32_t i = 0; i < o->name_count; i++) {
		s |= i > 0 ? buf_append_byte(out, ',') : 0;
		s |= json_text_append(out, o->names[i]);
	}
	s |= buf_append_byte(out, ']');
	s |= put_key(out, "declared", o->declared) | put_key(out, "detected", o->detected);
	if ((o->flags & REPORT_HASHED) != 0)
		sha256_format(&o->hash, hash);
	s |= buf_printf(out, ",\"size\":%" PRIu64 ",\"sha256\":\"%s\"", o->size, hash);
	s |= put_packing(out, o) | put_views(out, o->views);
	s |= put_facts(out, "facts", o->facts, o->ambiguities, o->notes);
	return s | buf_append_byte(out, '}');
}

static int
put_doubles(struct buf *out, const struct report *r)
{
	int s = buf_append_str(out, ",\"doubles\":[");

	for (uint32_t i = 0; i < r->double_count && s == 0; i++) {
		s |= buf_printf(out, "%s{\"object\":%" PRIu32 ",\"parent\":%" PRIu32,
		    i > 0 ? "," : "", r->doubles[i].object, r->doubles[i].parent);
		s |= put_key(out, "trail", r->doubles[i].trail) | buf_append_byte(out, '}');
	}
	return s | buf_append_byte(out, ']');
}

static int
put_reply(struct buf *out, const struct decision *d)
{
	struct buf reply;
	int s;

	buf_init(&reply, DECISION_TEXT_SIZE + 64);
	s = buf_printf(&reply, "%u %s %s", d->code, d->enhanced, d->text);
	s |= put_key(out, "reply", buf_get(&reply));
	buf_done(&reply);
	return s;
}

int
result_json_format(struct slice path, const struct scan_job *j, const struct decision *d,
    struct buf *out)
{
	uint64_t facts = j->report.facts, ambiguities = 0;
	int s = buf_append_str(out, "{\"path\":");

	s |= json_text_append(out, path);
	s |= buf_printf(out, ",\"verdict\":\"%s\",\"action\":\"%s\"",
	    mail_verdict_get_text(d->verdict), action_get_name(d->action));
	s |= put_reply(out, d) | put_key(out, "reason", slice_of_str(d->reason));
	s |= put_findings(out, j) | put_unscanned(out, j);
	for (uint32_t i = 0; i < j->report.object_count; i++) {
		facts |= j->report.objects[i].facts;
		ambiguities |= j->report.objects[i].ambiguities;
	}
	s |= put_facts(out, "facts", facts, ambiguities, 0) | buf_append_str(out, ",\"objects\":[");
	for (uint32_t i = 0; i < j->report.object_count && s == 0; i++)
		s |= put_object(out, &j->report.objects[i]);
	s |= buf_append_byte(out, ']');
	if (j->report.double_count > 0)
		s |= put_doubles(out, &j->report);
	s |= buf_printf(out,
	    ",\"times\":{\"wait\":%.3f,\"decompose\":%.3f,\"match\":%.3f,"
	    "\"engines\":%.3f,\"cpu\":%.3f}}",
	    j->wait_us / 1000.0, j->report.decompose_us / 1000.0, j->report.match_us / 1000.0,
	    j->engines_us / 1000.0, j->report.cpu_us / 1000.0);
	return s < 0 ? -1 : 0;
}

int
result_json_format_error(struct slice path, const char *cause, const char *error,
    struct buf *out)
{
	int s = buf_append_str(out, "{\"path\":");

	s |= json_text_append(out, path);
	s |= buf_append_str(out, ",\"verdict\":\"unscanned\",\"action\":\"tempfail\",\"reply\":\"\"");
	s |= put_key(out, "error", slice_of_str(error));
	s |= buf_printf(out, ",\"findings\":[],\"unscanned\":[{\"object\":0,\"cause\":\"%s\"}],"
	    "\"facts\":[],\"objects\":[]}", cause);
	return s < 0 ? -1 : 0;
}
