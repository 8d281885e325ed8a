/* report.c: encoding and, distrustfully, decoding reports. */
#include "scan/report.h"

#include <errno.h>

#include "base/arena.h"
#include "base/macros.h"
#include "proc/wire.h"

#define REPORT_VERSION 2u

const char *
finding_class_get_text(enum finding_class c)
{
	return c == FINDING_VIRUS ? "virus" : "unknown";
}

static int
put_object(struct buf *b, const struct report_object *o)
{
	int r = 0;

	r |= wire_put_u32(b, o->id) | wire_put_u32(b, o->parent) | wire_put_u32(b, o->flags);
	r |= wire_put_u8(b, (uint8_t)o->place) | wire_put_u64(b, o->offset);
	r |= wire_put_u64(b, o->size) | buf_append(b, o->hash.bytes, SHA256_BYTES);
	r |= wire_put_u64(b, o->facts) | wire_put_u64(b, o->views);
	r |= wire_put_u64(b, o->ambiguities) | wire_put_u64(b, o->notes);
	r |= wire_put_u64(b, o->packing.packed_bytes) | wire_put_u64(b, o->packing.plain_bytes);
	r |= wire_put_slice(b, o->packing.method);
	r |= wire_put_slice(b, o->trail) | wire_put_slice(b, o->declared);
	r |= wire_put_slice(b, o->detected) | wire_put_u32(b, o->cost_us);
	r |= wire_put_u32(b, o->name_count);
	for (uint32_t i = 0; i < o->name_count; i++)
		r |= wire_put_slice(b, o->names[i]);
	return r < 0 ? -ENOBUFS : 0;
}

static int
put_finding(struct buf *b, const struct finding *f)
{
	int r = wire_put_u32(b, (uint32_t)f->class) | wire_put_u32(b, f->object);

	r |= wire_put_slice(b, f->scanner) | wire_put_slice(b, f->name);
	r |= wire_put_u32(b, f->cost_us) | wire_put_u8(b, f->cached);
	return r < 0 ? -ENOBUFS : 0;
}

int
report_encode(const struct report *r, struct buf *b)
{
	int status = wire_put_u32(b, REPORT_VERSION);

	status |= wire_put_u32(b, r->object_count) | wire_put_u32(b, r->finding_count);
	status |= wire_put_u32(b, r->double_count);
	status |= wire_put_u32(b, r->not_matched) | wire_put_u64(b, r->facts);
	status |= wire_put_u32(b, r->decompose_us) | wire_put_u32(b, r->match_us);
	status |= wire_put_u32(b, r->cpu_us);
	for (uint32_t i = 0; i < r->object_count && status == 0; i++)
		status |= put_object(b, &r->objects[i]);
	for (uint32_t i = 0; i < r->finding_count && status == 0; i++)
		status |= put_finding(b, &r->findings[i]);
	for (uint32_t i = 0; i < r->double_count && status == 0; i++)
		status |= wire_put_u32(b, r->doubles[i].object) |
			  wire_put_u32(b, r->doubles[i].parent) |
			  wire_put_slice(b, r->doubles[i].trail);
	return status < 0 ? -ENOBUFS : 0;
}

static struct slice
get_copy(struct wire_reader *r, struct arena *a)
{
	struct slice s = wire_get_slice(r);
	struct slice copy = arena_copy(a, s);

	if (copy.ptr == NULL)
		r->failed = true;
	return copy;
}

static bool
place_is_valid(const struct report_object *o, uint64_t input_size, uint64_t hold_size)
{
	uint64_t room = o->place == REPORT_IN_INPUT ? input_size : hold_size;

	if (o->place == REPORT_NOWHERE)
		return true;
	return o->place <= REPORT_IN_HOLD && o->offset <= room && o->size <= room - o->offset;
}

static bool
get_object(struct wire_reader *r, struct arena *a, uint32_t id, struct report_object *o)
{
	struct slice hash;

	o->id = wire_get_u32(r);
	o->parent = wire_get_u32(r);
	o->flags = wire_get_u32(r);
	o->place = (enum report_place)wire_get_u8(r);
	o->offset = wire_get_u64(r);
	o->size = wire_get_u64(r);
	hash = wire_get_bytes(r, SHA256_BYTES);
	for (size_t i = 0; i < hash.len; i++)
		o->hash.bytes[i] = hash.ptr[i];
	o->facts = wire_get_u64(r) & (FACT_BIT(FACT_COUNT) - 1);
	o->views = wire_get_u64(r) & (VIEW_BIT(VIEW_COUNT) - 1);
	o->ambiguities = wire_get_u64(r) & (AMBIGUITY_BIT(AMBIGUITY_MAX + 1) - 2);
	o->notes = wire_get_u64(r) & (AMBIGUITY_BIT(AMBIGUITY_MAX + 1) - 2);
	o->packing.packed_bytes = wire_get_u64(r);
	o->packing.plain_bytes = wire_get_u64(r);
	o->packing.method = get_copy(r, a);
	o->trail = get_copy(r, a);
	o->declared = get_copy(r, a);
	o->detected = get_copy(r, a);
	o->cost_us = wire_get_u32(r);
	o->name_count = wire_get_u32(r);
	if (r->failed || o->name_count > OBJECT_NAMES_MAX || o->id != id || o->parent >= id ||
	    (id > 1 && o->parent == 0))
		return false;
	o->names = arena_alloc(a, (o->name_count + 1) * sizeof(*o->names));
	for (uint32_t i = 0; i < o->name_count && o->names != NULL; i++)
		o->names[i] = get_copy(r, a);
	return !r->failed && o->names != NULL;
}

static bool
get_finding(struct wire_reader *r, struct arena *a, uint32_t objects, struct finding *f)
{
	f->class = (enum finding_class)wire_get_u32(r);
	f->object = wire_get_u32(r);
	f->scanner = get_copy(r, a);
	f->name = get_copy(r, a);
	f->cost_us = wire_get_u32(r);
	f->cached = wire_get_u8(r);
	return !r->failed && f->class < FINDING_CLASS_COUNT && f->object >= 1 &&
	    f->object <= objects;
}

static bool
get_double(struct wire_reader *r, struct arena *a, uint32_t objects, struct report_double *x)
{
	x->object = wire_get_u32(r);
	x->parent = wire_get_u32(r);
	x->trail = get_copy(r, a);
	return !r->failed && x->object >= 1 && x->object <= objects && x->parent >= 1 &&
	       x->parent <= objects;
}

bool
report_decode(struct slice body, uint64_t input_size, uint64_t hold_size, struct arena *a,
    struct report *ret_report)
{
	struct wire_reader r = wire_read(body);
	struct report out = { 0 };
	bool version = wire_get_u32(&r) == REPORT_VERSION;

	out.object_count = wire_get_u32(&r);
	out.finding_count = wire_get_u32(&r);
	out.double_count = wire_get_u32(&r);
	out.not_matched = wire_get_u32(&r);
	out.facts = wire_get_u64(&r) & (FACT_BIT(FACT_COUNT) - 1);
	out.decompose_us = wire_get_u32(&r);
	out.match_us = wire_get_u32(&r);
	out.cpu_us = wire_get_u32(&r);
	/* Each object and finding takes more than 16 bytes, a double 12: bounds the allocation.
	 */
	if (r.failed || !version || out.object_count == 0 || out.object_count > body.len / 16 ||
	    out.finding_count > body.len / 16 || out.double_count > body.len / 12)
		return false;
	out.objects = arena_alloc(a, out.object_count * sizeof(*out.objects));
	out.findings = arena_alloc(a, (out.finding_count + 1) * sizeof(*out.findings));
	out.doubles = arena_alloc(a, (out.double_count + 1) * sizeof(*out.doubles));
	if (out.objects == NULL || out.findings == NULL || out.doubles == NULL)
		return false;
	for (uint32_t i = 0; i < out.object_count; i++) {
		if (!get_object(&r, a, i + 1, &out.objects[i]) ||
		    !place_is_valid(&out.objects[i], input_size, hold_size))
			return false;
	}
	for (uint32_t i = 0; i < out.finding_count; i++) {
		if (!get_finding(&r, a, out.object_count, &out.findings[i]))
			return false;
	}
	for (uint32_t i = 0; i < out.double_count; i++) {
		if (!get_double(&r, a, out.object_count, &out.doubles[i]))
			return false;
	}
	if (!wire_is_done(&r))
		return false;
	*ret_report = out;
	return true;
}
