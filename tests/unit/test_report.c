/* test_report.c: what an inspector reports: round trip, and every lie a taken-over one may tell. */
#include "test_common.h"

#include "base/arena.h"
#include "proc/wire.h"
#include "scan/report.h"

#define INPUT_SIZE 1000u
#define HOLD_SIZE 5000u

struct sample {
	struct report report;
	struct report_object objects[3];
	struct slice names[2];
	struct finding findings[2];
	struct report_double doubles[1];
};

static void
sample_make(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->names[0] = SLICE_LIT("a.exe");
	s->names[1] = SLICE_LIT("\xff\0b");
	for (uint32_t i = 0; i < 3; i++)
		s->objects[i] = (struct report_object){ .id = i + 1, .parent = i, .size = 100 * i,
			.offset = 10 * i, .place = (enum report_place)i, .cost_us = 7 + i,
			.trail = SLICE_LIT("1 > a"), .declared = SLICE_LIT("x/y"),
			.detected = SLICE_LIT("text/plain") };
	s->objects[1].flags = REPORT_OPENED | REPORT_HASHED;
	memset(s->objects[1].hash.bytes, 0xa5, SHA256_BYTES);
	s->objects[1].facts = FACT_BIT(FACT_ENCRYPTED) | FACT_BIT(FACT_NAME_CHARSET);
	s->objects[1].views = VIEW_BIT(VIEW_STRICT) | VIEW_BIT(VIEW_FRAME_MBOX);
	s->objects[1].ambiguities = AMBIGUITY_BIT(1) | AMBIGUITY_BIT(AMBIGUITY_MAX);
	s->objects[1].notes = AMBIGUITY_BIT(2);
	s->objects[2].packing = (struct packing){ 12, UINT64_MAX, SLICE_LIT("deflate") };
	s->objects[2].flags = REPORT_UNOPENED;
	s->doubles[0] = (struct report_double){ 3, 1, SLICE_LIT("b > a.exe") };
	s->objects[2].names = s->names;
	s->objects[2].name_count = 2;
	s->findings[0] = (struct finding){ FINDING_VIRUS, 3, SLICE_LIT("signatures"),
		SLICE_LIT("Eicar"), 55, 0 };
	s->findings[1] =
	    (struct finding){ FINDING_VIRUS, 1, SLICE_LIT("blocklist"), SLICE_LIT("B"), 0, 1 };
	s->report = (struct report){ .objects = s->objects,
		.object_count = 3,
		.findings = s->findings,
		.finding_count = 2,
		.doubles = s->doubles,
		.double_count = 1,
		.not_matched = 4,
		.facts = FACT_BIT(FACT_LIMIT_BYTES),
		.decompose_us = 1,
		.match_us = 2,
		.cpu_us = 3 };
}

static bool
decode_bytes(struct slice bytes, struct arena *a, struct report *ret_report)
{
	uint8_t *copy = malloc(bytes.len + 1); /* its end is the end */
	bool ok;

	assert_non_null(copy);
	if (bytes.len > 0)
		memcpy(copy, bytes.ptr, bytes.len);
	ok = report_decode(slice_of(copy, bytes.len), INPUT_SIZE, HOLD_SIZE, a, ret_report);
	free(copy); /* what was decoded does not borrow from it */
	return ok;
}

static bool
decode_sample(const struct sample *s)
{
	struct arena *a = arena_new(1 << 20);
	struct report out;
	struct buf b;
	bool ok;

	buf_init(&b, REPORT_MAX_BYTES);
	assert_int_equal(report_encode(&s->report, &b), 0);
	ok = decode_bytes(buf_get(&b), a, &out);
	buf_done(&b);
	arena_free(&a);
	return ok;
}

static void
test_round_trip(void **state UNUSED)
{
	struct arena *a = arena_new(1 << 20);
	struct buf b, again;
	struct sample s;
	struct report out;

	sample_make(&s);
	buf_init(&b, REPORT_MAX_BYTES);
	buf_init(&again, REPORT_MAX_BYTES);
	assert_int_equal(report_encode(&s.report, &b), 0);
	assert_true(decode_bytes(buf_get(&b), a, &out));
	assert_int_equal(out.object_count, 3);
	assert_int_equal(out.finding_count, 2);
	assert_int_equal(out.not_matched, 4);
	assert_true(out.facts == FACT_BIT(FACT_LIMIT_BYTES));
	assert_int_equal(out.objects[1].id, 2);
	assert_int_equal(out.objects[1].parent, 1);
	assert_int_equal(out.objects[1].flags, REPORT_OPENED | REPORT_HASHED);
	assert_int_equal(out.objects[1].place, REPORT_IN_INPUT);
	assert_int_equal(out.objects[1].size, 100);
	assert_memory_equal(&out.objects[1].hash, &s.objects[1].hash, SHA256_BYTES);
	assert_slice(out.objects[1].trail, "1 > a");
	assert_slice(out.objects[1].declared, "x/y");
	assert_slice(out.objects[1].detected, "text/plain");
	assert_int_equal(out.objects[2].place, REPORT_IN_HOLD);
	assert_int_equal(out.objects[2].name_count, 2);
	assert_true(slice_eq(out.objects[2].names[1], SLICE_LIT("\xff\0b")));
	assert_int_equal(out.objects[1].packing.packed_bytes, 0);
	assert_slice(out.objects[1].packing.method, "");
	assert_int_equal(out.objects[2].flags, REPORT_UNOPENED);
	assert_int_equal(out.objects[2].packing.packed_bytes, 12);
	assert_true(out.objects[2].packing.plain_bytes == UINT64_MAX);
	assert_slice(out.objects[2].packing.method, "deflate");
	assert_int_equal(out.double_count, 1);
	assert_int_equal(out.doubles[0].object, 3);
	assert_int_equal(out.doubles[0].parent, 1);
	assert_slice(out.doubles[0].trail, "b > a.exe");
	assert_int_equal(out.findings[0].object, 3);
	assert_slice(out.findings[0].name, "Eicar");
	assert_slice(out.findings[0].scanner, "signatures");
	assert_int_equal(out.findings[0].cost_us, 55);
	assert_int_equal(out.findings[1].cached, 1);
	assert_int_equal(report_encode(&out, &again), 0);
	assert_true(slice_eq(buf_get(&b), buf_get(&again)));
	buf_done(&b);
	buf_done(&again);
	arena_free(&a);
}

static void
test_cut_and_longer(void **state UNUSED)
{
	struct arena *a = arena_new(1 << 20);
	struct sample s;
	struct report out;
	struct buf b;

	sample_make(&s);
	buf_init(&b, REPORT_MAX_BYTES);
	assert_int_equal(report_encode(&s.report, &b), 0);
	for (size_t len = 0; len < b.len; len++) {
		assert_false(decode_bytes(slice_of(b.data, len), a, &out));
		arena_clear(a);
	}
	assert_int_equal(buf_append_byte(&b, 0), 0);
	assert_false(decode_bytes(buf_get(&b), a, &out));
	buf_done(&b);
	arena_free(&a);
}

static void
test_lies(void **state UNUSED)
{
	static const struct {
		const char *name;
		bool want;
		uint32_t object;
		enum report_place place;
		uint64_t offset, size;
	} places[] = {
		{ "whole input", true, 0, REPORT_IN_INPUT, 0, INPUT_SIZE },
		{ "one past the input", false, 0, REPORT_IN_INPUT, 0, INPUT_SIZE + 1 },
		{ "end of the input", true, 1, REPORT_IN_INPUT, INPUT_SIZE, 0 },
		{ "behind the input", false, 1, REPORT_IN_INPUT, INPUT_SIZE + 1, 0 },
		{ "sum wraps around", false, 1, REPORT_IN_INPUT, 8, UINT64_MAX - 4 },
		{ "offset wraps around", false, 1, REPORT_IN_HOLD, UINT64_MAX, 2 },
		{ "whole hold", true, 2, REPORT_IN_HOLD, 0, HOLD_SIZE },
		{ "one past the hold", false, 2, REPORT_IN_HOLD, 1, HOLD_SIZE },
		{ "a size of the hold in the input", false, 2, REPORT_IN_INPUT, 0, HOLD_SIZE },
		{ "nowhere has no place", true, 2, REPORT_NOWHERE, UINT64_MAX, UINT64_MAX },
		{ "no such place", false, 2, (enum report_place)3, 0, 0 },
		{ "no such place", false, 2, (enum report_place)255, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct sample s;

		sample_make(&s);
		s.objects[places[i].object].place = places[i].place;
		s.objects[places[i].object].offset = places[i].offset;
		s.objects[places[i].object].size = places[i].size;
		if (decode_sample(&s) != places[i].want)
			fail_msg("%s", places[i].name);
	}
}

#define LIE(change) \
	do { \
		struct sample s; \
\
		sample_make(&s); \
		change; \
		if (decode_sample(&s)) \
			fail_msg("believed: %s", #change); \
	} while (0)

static void
test_numbers_that_lie(void **state UNUSED)
{
	LIE(s.report.object_count = 0; s.report.finding_count = 0);
	LIE(s.objects[0].id = 2);
	LIE(s.objects[2].id = 2);
	LIE(s.objects[0].parent = 1);
	LIE(s.objects[1].parent = 0);
	LIE(s.objects[1].parent = 2);
	LIE(s.objects[1].parent = 3);
	LIE(s.objects[2].parent = UINT32_MAX);
	LIE(s.findings[0].object = 0);
	LIE(s.findings[0].object = 4);
	LIE(s.doubles[0].object = 0);
	LIE(s.doubles[0].object = 4);
	LIE(s.doubles[0].parent = 0);
	LIE(s.doubles[0].parent = UINT32_MAX);
	LIE(s.findings[1].class = FINDING_CLASS_COUNT);
	LIE(s.findings[1].class = (enum finding_class)0x7fffffff);
}

/* Bits of facts, views and classes that do not exist are dropped. */
static void
test_unknown_bits(void **state UNUSED)
{
	struct arena *a = arena_new(1 << 20);
	struct sample s;
	struct report out;
	struct buf b;

	sample_make(&s);
	s.report.facts = s.objects[0].facts = s.objects[0].views = UINT64_MAX;
	s.objects[0].ambiguities = s.objects[0].notes = UINT64_MAX;
	buf_init(&b, REPORT_MAX_BYTES);
	assert_int_equal(report_encode(&s.report, &b), 0);
	assert_true(decode_bytes(buf_get(&b), a, &out));
	assert_true(out.facts >> FACT_COUNT == 0);
	assert_true(out.objects[0].facts >> FACT_COUNT == 0);
	assert_true(out.objects[0].views >> VIEW_COUNT == 0);
	assert_true(out.objects[0].ambiguities >> (AMBIGUITY_MAX + 1) == 0);
	assert_true((out.objects[0].notes & 1) == 0);
	buf_done(&b);
	arena_free(&a);
}

static void
test_counts_that_lie(void **state UNUSED)
{
	static const uint32_t counts[] = { 4, 1000, 0x10000000, 0xffffffff };
	struct arena *a = arena_new(1 << 20);
	struct report out;

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		for (size_t at = 4; at <= 12;
		     at += 4) { /* of objects, of findings, of doubles */
			struct sample s;
			struct buf b;

			sample_make(&s);
			buf_init(&b, REPORT_MAX_BYTES);
			assert_int_equal(report_encode(&s.report, &b), 0);
			memcpy(b.data + at, &counts[i], sizeof(counts[i]));
			assert_false(decode_bytes(buf_get(&b), a, &out));
			buf_done(&b);
			arena_clear(a);
		}
	}
	arena_free(&a);
}

static void
test_names_and_room(void **state UNUSED)
{
	struct slice names[OBJECT_NAMES_MAX + 1];
	struct arena *tiny = arena_new(300);
	struct sample s;
	struct report out;
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		names[i] = SLICE_LIT("n");
	sample_make(&s);
	s.objects[1].names = names;
	s.objects[1].name_count = OBJECT_NAMES_MAX;
	assert_true(decode_sample(&s));
	s.objects[1].name_count = OBJECT_NAMES_MAX + 1;
	assert_false(decode_sample(&s));
	sample_make(&s);
	buf_init(&b, 100);
	assert_int_equal(report_encode(&s.report, &b), -ENOBUFS);
	buf_done(&b);
	buf_init(&b, 10000);
	assert_int_equal(report_encode(&s.report, &b), 0);
	assert_false(report_decode(buf_get(&b), INPUT_SIZE, HOLD_SIZE, tiny, &out));
	b.data[0] ^= 1; /* another version */
	arena_clear(tiny);
	assert_false(decode_bytes(buf_get(&b), tiny, &out));
	buf_done(&b);
	arena_free(&tiny);
	assert_string_equal(finding_class_get_text(FINDING_VIRUS), "virus");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_and_longer), cmocka_unit_test(test_lies),
		cmocka_unit_test(test_numbers_that_lie), cmocka_unit_test(test_unknown_bits),
		cmocka_unit_test(test_counts_that_lie), cmocka_unit_test(test_names_and_room) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
