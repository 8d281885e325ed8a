/* fuzz_report.c: any bytes as the report of an inspector. Promises: what decodes is whole and in
 * bounds, and is the same report when it is written and read again. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "scan/report.h"

#define INPUT_SIZE 4096u
#define HOLD_SIZE 1000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_object(const struct report_object *o, uint32_t id)
{
	uint64_t room = o->place == REPORT_IN_INPUT ? INPUT_SIZE : HOLD_SIZE;

	ASSERT(o->id == id && o->parent < id && (id == 1 || o->parent >= 1));
	ASSERT(o->place <= REPORT_IN_HOLD);
	ASSERT(o->place == REPORT_NOWHERE || (o->offset <= room && o->size <= room - o->offset));
	ASSERT(o->facts >> FACT_COUNT == 0 && o->views >> VIEW_COUNT == 0);
	ASSERT((o->ambiguities | o->notes) >> (AMBIGUITY_MAX + 1) == 0);
	ASSERT(o->name_count <= OBJECT_NAMES_MAX);
	for (uint32_t i = 0; i < o->name_count; i++)
		ASSERT(o->names[i].ptr[o->names[i].len] == '\0'); /* a copy, in the arena */
	ASSERT(o->packing.method.ptr != NULL);
	ASSERT(o->trail.ptr != NULL && o->declared.ptr != NULL && o->detected.ptr != NULL);
}

/* Unknown bits of the input's sets are dropped: then a byte may differ, but only once. */
static bool
has_unknown_bits(struct slice body, struct slice again)
{
	bool some = false;

	ASSERT(body.len == again.len);
	for (size_t i = 0; i < body.len; i++) {
		ASSERT((again.ptr[i] & ~body.ptr[i]) == 0); /* bits go, none comes */
		some = some || again.ptr[i] != body.ptr[i];
	}
	return some;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_new(8 << 20);
	struct buf once, twice;
	struct report r, second;

	buf_init(&once, REPORT_MAX_BYTES);
	buf_init(&twice, REPORT_MAX_BYTES);
	if (report_decode(slice_of(data, len), INPUT_SIZE, HOLD_SIZE, a, &r)) {
		ASSERT(r.object_count >= 1 && r.facts >> FACT_COUNT == 0);
		for (uint32_t i = 0; i < r.object_count; i++)
			check_object(&r.objects[i], i + 1);
		for (uint32_t i = 0; i < r.finding_count; i++) {
			ASSERT(r.findings[i].object >= 1 && r.findings[i].object <= r.object_count);
			ASSERT(r.findings[i].class < FINDING_CLASS_COUNT);
		}
		for (uint32_t i = 0; i < r.double_count; i++) {
			ASSERT(
			    r.doubles[i].object >= 1 && r.doubles[i].object <= r.object_count);
			ASSERT(
			    r.doubles[i].parent >= 1 && r.doubles[i].parent <= r.object_count);
			ASSERT(r.doubles[i].trail.ptr != NULL);
		}
		ASSERT(report_encode(&r, &once) == 0);
		(void)has_unknown_bits(slice_of(data, len), buf_get(&once));
		ASSERT(report_decode(buf_get(&once), INPUT_SIZE, HOLD_SIZE, a, &second));
		ASSERT(report_encode(&second, &twice) == 0);
		ASSERT(slice_eq(buf_get(&once), buf_get(&twice)));
	}
	buf_done(&once);
	buf_done(&twice);
	arena_free(&a);
	return 0;
}
