/* test_worklist.c: decompose.c alone, with openers of this file in place of the real table: what
 * is opened when and with which bytes, and that the hold is given back, never too early. */
#include "test_common.h"

#include "base/sha256.h"
#include "decompose/decompose.h"

#define HOLD_BYTES 65536u

static struct bench {
	struct decompose *d;
	uint8_t *hold;
	struct limits limits;
	unsigned wish;                /* for what the hook sees */
	bool keep_by_first_byte;      /* keeps what begins with 'K' */
	unsigned seen, opened, texts, boxes;
	char last_text[64];           /* what the text opener had */
	void (*script)(struct decompose *d, struct object *o);
} bench;

/* '@...': the script of the test opens it. '#...' is for readers of text only. A name that ends
 * in .box is enough for the third. */
static bool
script_claims(const struct object *o)
{
	return o->bytes.len > 0 && o->bytes.ptr[0] == '@';
}

static void
script_open(struct decompose *d, struct object *o)
{
	bench.opened++;
	bench.script(d, o);
}

static bool
text_claims(const struct object *o)
{
	return (o->roles & ROLE_TEXT) != 0 && o->bytes.len > 0 && o->bytes.ptr[0] == '#';
}

static void
text_open(struct decompose *d UNUSED, struct object *o)
{
	bench.texts++;
	(void)snprintf(bench.last_text, sizeof(bench.last_text), "%.*s", SLICE_FMT(o->bytes));
}

static bool
box_claims(const struct object *o)
{
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_ends_with_nocase(o->names[i], SLICE_LIT(".box")))
			return true;
	}
	return slice_eq_str(o->declared, "application/box");
}

static void
box_open(struct decompose *d UNUSED, struct object *o UNUSED)
{
	bench.boxes++;
}

const struct opener openers[] = {
	{ "script", script_claims, script_open },
	{ "text", text_claims, text_open },
	{ "box", box_claims, box_open },
};
const size_t opener_count = ARRAY_LEN(openers);

static unsigned
seen(void *ctx UNUSED, struct object *o)
{
	bench.seen++;
	if (bench.keep_by_first_byte && o->bytes.len > 0 && o->bytes.ptr[0] == 'K')
		return bench.wish | WISH_KEEP;
	return bench.wish;
}

static int
setup(void **state UNUSED)
{
	memset(&bench, 0, sizeof(bench));
	bench.hold = malloc(HOLD_BYTES);
	assert_non_null(bench.hold);
	bench.d = decompose_new(bench.hold, HOLD_BYTES);
	bench.limits = limits_get_default();
	bench.wish = WISH_OPEN;
	return 0;
}

static int
teardown(void **state UNUSED)
{
	decompose_free(&bench.d);
	free(bench.hold);
	return 0;
}

static void
run_with(const char *bytes, uint32_t role, bool hash_first)
{
	struct decompose_hook hook = { .seen = seen, .hash_first = hash_first };

	bench.seen = bench.opened = bench.texts = bench.boxes = 0;
	decompose_run(bench.d, slice_of_str(bytes), role, SLICE_LIT("first"), &bench.limits, &hook);
}

static void
run(void (*script)(struct decompose *d, struct object *o))
{
	bench.script = script;
	run_with("@", ROLE_LEAF, true);
}

static struct object *
get(uint32_t id)
{
	return decompose_get_object(bench.d, id);
}

static struct object *
emit(struct decompose *d, struct object *parent, uint32_t roles, const char *name,
    struct slice bytes)
{
	struct slice names[] = { slice_of_str(name) };
	struct child c = { .step = slice_of_str(name), .names = names, .name_count = 1,
		.roles = roles };

	return decompose_emit(d, parent, &c, bytes);
}

/* An output of that many bytes: the text, then filler that depends on it. */
static struct object *
output(struct decompose *d, struct object *parent, uint32_t roles, const char *name,
    const char *text, size_t size)
{
	struct slice names[] = { slice_of_str(name) };
	struct child c = { .step = slice_of_str(name), .names = names, .name_count = 1,
		.roles = roles };
	size_t len = strlen(text);

	decompose_output_begin(d, parent, 1000);
	if (!decompose_output_write(d, slice_of_str(text))) {
		decompose_output_drop(d);
		return NULL;
	}
	for (size_t i = len; i < size; i++) {
		uint8_t byte = (uint8_t)(i * 7 + (uint8_t)text[len - 1]);

		if (!decompose_output_write(d, slice_of(&byte, 1))) {
			decompose_output_drop(d);
			return NULL;
		}
	}
	return decompose_output_finish(d, &c);
}

static void
script_describe(struct decompose *d, struct object *o)
{
	char name[] = "name.bin";
	struct slice names[] = { slice_of_str(name), SLICE_NONE, slice_of_str("other"),
		slice_of_str(name) };
	struct child c = { .step = SLICE_LIT("a\nb"), .declared = SLICE_LIT("Text/PLAIN"),
		.names = names, .name_count = 4, .facts = FACT_BIT(FACT_MACRO),
		.views = VIEW_BIT(VIEW_STRICT), .ambiguities = AMBIGUITY_BIT(7),
		.notes = AMBIGUITY_BIT(9) };
	struct object *child;

	if (o->id != 1)
		return;
	child = decompose_emit(d, o, &c, SLICE_LIT("@child"));
	assert_non_null(child);
	memset(name, 'x', 8); /* all was copied */
}

static void
test_description(void **state UNUSED)
{
	struct object *o;

	bench.script = script_describe;
	run_with("@mail", ROLE_ENTITY, true);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_int_equal(bench.seen, 2);
	assert_int_equal(bench.opened, 2);
	o = get(1);
	assert_int_equal(o->parent, 0);
	assert_int_equal(o->depth, 0);
	assert_slice(o->names[0], "first");
	assert_slice(o->bytes, "@mail");
	o = get(2);
	assert_int_equal(o->id, 2);
	assert_int_equal(o->parent, 1);
	assert_int_equal(o->depth, 0); /* what a mail holds is not deeper, but in one more mail */
	assert_int_equal(o->mime_depth, 1);
	assert_int_equal(o->roles, ROLE_LEAF);
	assert_int_equal(o->size, 6);
	assert_true(o->borrowed);
	assert_true(o->hashed);
	assert_slice(o->declared, "text/plain");
	assert_slice(o->trail, "a?b");
	assert_int_equal(o->name_count, 2);
	assert_slice(o->names[0], "name.bin");
	assert_slice(o->names[1], "other");
	assert_true(o->facts == FACT_BIT(FACT_MACRO));
	assert_true(o->views == VIEW_BIT(VIEW_STRICT));
	assert_true(o->ambiguities == AMBIGUITY_BIT(7));
	assert_true(o->notes == AMBIGUITY_BIT(9));
	assert_non_null(o->detected);
}

static void
script_twice(struct decompose *d, struct object *o)
{
	struct object *a, *b;

	if (o->id != 1)
		return;
	a = emit(d, o, ROLE_LEAF, "one", SLICE_LIT("same"));
	b = output(d, o, ROLE_LEAF, "two", "same", 4);
	assert_non_null(a);
	assert_ptr_equal(a, b);
	a = emit(d, o, ROLE_LEAF, "whole", o->bytes);
	assert_ptr_equal(a, bench.seen == 2 ? o : get(3));
}

static void
test_equal_bytes_are_one_object(void **state UNUSED)
{
	run(script_twice);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_int_equal(bench.seen, 2);
	assert_int_equal(get(2)->name_count, 2);
	assert_slice(get(2)->names[1], "two");
	assert_slice(get(1)->names[1], "whole");
	assert_int_equal(bench.opened, 1);
}

static void
script_whole(struct decompose *d, struct object *o)
{
	if (o->id == 1)
		assert_non_null(emit(d, o, ROLE_LEAF, "whole", o->bytes));
}

static void
test_first_unhashed(void **state UNUSED)
{
	static const struct sha256 zero;

	bench.script = script_whole;
	run_with("@x", ROLE_LEAF, false);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_false(get(1)->hashed);
	assert_memory_equal(&get(1)->hash, &zero, sizeof(zero));
	assert_true(get(2)->hashed);
	assert_int_equal(bench.opened, 2);
}

/* First as a file that nobody opens, its bytes then overwritten; later as text. */
static void
script_role_later(struct decompose *d, struct object *o)
{
	if (o->id != 1)
		return;
	assert_non_null(output(d, o, ROLE_LEAF, "file", "#text", 5));
	assert_non_null(output(d, o, ROLE_LEAF, "over", "other", 500));
	assert_non_null(output(d, o, ROLE_TEXT, "text", "#text", 5));
	assert_non_null(output(d, o, ROLE_LEAF, "over", "third", 600));
	assert_non_null(output(d, o, ROLE_TEXT, "again", "#text", 5));
}

static void
test_role_met_again(void **state UNUSED)
{
	run(script_role_later);
	assert_int_equal(bench.texts, 1);
	assert_string_equal(bench.last_text, "#text");
	assert_int_equal(get(2)->roles, ROLE_LEAF | ROLE_TEXT);
	assert_int_equal(bench.seen, 4);
}

static void
script_name_later(struct decompose *d, struct object *o)
{
	if (o->id != 1)
		return;
	assert_non_null(emit(d, o, ROLE_LEAF, "data.bin", SLICE_LIT("data")));
	assert_non_null(emit(d, o, ROLE_LEAF, "data.box", SLICE_LIT("data")));
	assert_non_null(emit(d, o, ROLE_LEAF, "more.box", SLICE_LIT("data")));
}

/* The second name is what an opener claims it by. */
static void
test_name_met_again(void **state UNUSED)
{
	run(script_name_later);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_int_equal(bench.boxes, 1);
}

static void
script_type_later(struct decompose *d, struct object *o)
{
	static const char *const types[] = { "application/octet-stream", "text/plain",
		"Application/Box", "image/png" };

	for (size_t i = 0; o->id == 1 && i < ARRAY_LEN(types); i++) {
		struct child c = { .declared = slice_of_str(types[i]), .roles = ROLE_LEAF };

		assert_non_null(decompose_emit(d, o, &c, SLICE_LIT("data")));
	}
}

/* A later reading declares the type an opener claims it by; the first does not hide it. */
static void
test_type_met_again(void **state UNUSED)
{
	run(script_type_later);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_int_equal(bench.boxes, 1);
	assert_slice(get(2)->declared, "application/octet-stream");
	assert_int_equal(get(2)->declared_other_count, 3);
}

/* An object in its own opener's hand is met again in another role. */
static void
script_self(struct decompose *d, struct object *o)
{
	if (o->id != 1)
		return;
	assert_ptr_equal(emit(d, o, ROLE_LEAF, "self.box", o->bytes), o);
}

static void
test_self_met_again(void **state UNUSED)
{
	run(script_self);
	assert_int_equal(bench.opened, 1);
	assert_int_equal(bench.boxes, 1);
	assert_int_equal(decompose_get_object_count(bench.d), 1);
}

static void
script_much(struct decompose *d, struct object *o)
{
	char text[32];

	if (o->id != 1)
		return;
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(text, sizeof(text), "plain %u", i);
		assert_non_null(output(d, o, ROLE_LEAF, "n", text, 20000));
	}
}

static void
test_hold_of_the_unclaimed(void **state UNUSED)
{
	run(script_much);
	assert_int_equal(decompose_get_object_count(bench.d), 301);
	assert_true(decompose_get_facts(bench.d) == 0);
	assert_false(get(2)->kept);
}

/* Each claimed object makes the next: 12 deep, three times over, 20 KB each. */
static void
script_chain(struct decompose *d, struct object *o)
{
	char text[32];
	unsigned chain = 0, level = 0;

	if (o->id == 1) {
		for (unsigned i = 0; i < 3; i++) {
			(void)snprintf(text, sizeof(text), "@%u 0 ", i);
			assert_non_null(output(d, o, ROLE_LEAF, "chain", text, 5000));
		}
		return;
	}
	assert_int_equal(sscanf((const char *)o->bytes.ptr, "@%u %u ", &chain, &level), 2);
	if (level == 9)
		return;
	(void)snprintf(text, sizeof(text), "@%u %u ", chain, level + 1);
	assert_non_null(output(d, o, ROLE_LEAF, "link", text, 5000));
}

static void
test_hold_of_chains(void **state UNUSED)
{
	run(script_chain);
	assert_int_equal(decompose_get_object_count(bench.d), 31);
	assert_int_equal(bench.opened, 31);
	assert_true(decompose_get_facts(bench.d) == 0);
	for (uint32_t id = 2; id <= 31; id++)
		assert_false(get(id)->kept);
}

/* When the second is done its bytes are given back, so that the first has room for more. */
static void
script_room(struct decompose *d, struct object *o)
{
	if (o->id == 1) {
		assert_non_null(output(d, o, ROLE_LEAF, "a", "@a", 20000));
		assert_non_null(output(d, o, ROLE_LEAF, "b", "@b", 20000));
	} else if (o->bytes.ptr[1] == 'b') {
		assert_non_null(output(d, o, ROLE_LEAF, "c", "@c", 20000));
	} else if (o->bytes.ptr[1] == 'a') {
		assert_non_null(output(d, o, ROLE_LEAF, "d", "d", 45000));
	}
}

static void
test_hold_of_siblings(void **state UNUSED)
{
	run(script_room);
	assert_int_equal(decompose_get_object_count(bench.d), 5);
	assert_true(decompose_get_facts(bench.d) == 0);
}

static void
script_keep(struct decompose *d, struct object *o)
{
	char text[32];

	if (o->id != 1 && o->bytes.ptr[1] != '!')
		return;
	if (o->id == 1) /* its turn comes last, when all that may go is gone */
		assert_non_null(output(d, o, ROLE_LEAF, "deep", "@!", 1000));
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(text, sizeof(text), "%c %u %u.", i % 3 == 0 ? 'K' : '@', o->id, i);
		assert_non_null(output(d, o, ROLE_LEAF, "n", text, 1000));
	}
}

static void
test_kept_bytes_stay(void **state UNUSED)
{
	unsigned kept = 0;

	bench.keep_by_first_byte = true;
	run(script_keep);
	assert_int_equal(decompose_get_object_count(bench.d), 42);
	for (uint32_t id = 2; id <= 42; id++) {
		const struct object *o = get(id);
		struct sha256 hash;

		if (!o->kept)
			continue;
		kept++;
		assert_true(o->bytes.ptr >= bench.hold && o->bytes.ptr + o->bytes.len <= bench.hold +
		    HOLD_BYTES);
		hash = sha256_of(o->bytes);
		assert_memory_equal(&hash, &o->hash, sizeof(hash));
	}
	assert_int_equal(kept, 14);
}

/* Bytes first seen as an output are met again inside another output, before a sibling that is
 * still to be opened: the sibling's bytes must still be there when its turn comes. */
static void
script_inside(struct decompose *d, struct object *o)
{
	if (o->id == 1) {
		assert_non_null(output(d, o, ROLE_LEAF, "early", "#inner", 6));
		assert_non_null(output(d, o, ROLE_LEAF, "outer", "@outer #inner @sibling", 2000));
	} else if (slice_starts_with(o->bytes, SLICE_LIT("@outer"))) {
		assert_non_null(emit(d, o, ROLE_LEAF, "sibling", slice_from(o->bytes, 14)));
		assert_non_null(emit(d, o, ROLE_TEXT, "inner", slice_sub(o->bytes, 7, 6)));
	} else {
		struct sha256 hash;

		assert_true(slice_starts_with(o->bytes, SLICE_LIT("@sibling")));
		assert_non_null(output(d, o, ROLE_LEAF, "late", "late", 1500));
		hash = sha256_of(o->bytes);
		assert_memory_equal(&hash, &o->hash, sizeof(hash));
	}
}

static void
test_borrowed_again_gives_nothing_back(void **state UNUSED)
{
	run(script_inside);
	assert_int_equal(bench.texts, 1);
	assert_string_equal(bench.last_text, "#inner");
	assert_int_equal(bench.opened, 3);
}

static void
script_deeper(struct decompose *d, struct object *o)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "@%u", o->id);
	(void)output(d, o, bench.limits.mime_depth < 20 ? ROLE_ENTITY : ROLE_LEAF, "n", text, 10);
}

static void
test_depth(void **state UNUSED)
{
	bench.limits.depth = 5;
	run(script_deeper);
	assert_int_equal(decompose_get_object_count(bench.d), 6);
	assert_int_equal(bench.opened, 5);
	assert_true(get(6)->facts == FACT_BIT(FACT_LIMIT_DEPTH));
	assert_true(get(5)->facts == 0);
	assert_true(decompose_get_facts(bench.d) == FACT_BIT(FACT_LIMIT_DEPTH));
	bench.limits.depth = 3;
	bench.limits.mime_depth = 7;
	bench.script = script_deeper;
	run_with("@", ROLE_ENTITY, true);
	assert_int_equal(decompose_get_object_count(bench.d), 9);
	assert_int_equal(get(8)->facts, 0); /* inside seven mails: still opened */
	assert_int_equal(get(9)->depth, 0);
	assert_int_equal(get(9)->mime_depth, 8);
	assert_true(get(9)->facts == FACT_BIT(FACT_LIMIT_DEPTH));
}

static void
script_objects(struct decompose *d, struct object *o)
{
	char text[32];

	for (unsigned i = 0; i < 40; i++) {
		struct object *child;

		(void)snprintf(text, sizeof(text), "%u", i);
		child = output(d, o, ROLE_LEAF, "n", text, strlen(text));
		assert_true((child != NULL) == (i + 2 <= bench.limits.objects));
	}
	/* What is known costs nothing. */
	assert_non_null(output(d, o, ROLE_LEAF, "n", "0", 1));
}

static void
test_objects(void **state UNUSED)
{
	bench.limits.objects = 17;
	run(script_objects);
	assert_int_equal(decompose_get_object_count(bench.d), 17);
	assert_true(get(1)->facts == FACT_BIT(FACT_LIMIT_OBJECTS));
	assert_true(decompose_get_facts(bench.d) == FACT_BIT(FACT_LIMIT_OBJECTS));
	bench.limits.objects = 1000;
	run(script_objects); /* nothing of the run before is left */
	assert_int_equal(decompose_get_object_count(bench.d), 41);
	assert_true(get(1)->facts == 0);
	assert_true(decompose_get_facts(bench.d) == 0);
}

static void
script_bytes(struct decompose *d, struct object *o)
{
	if (o->id != 1)
		return;
	assert_non_null(output(d, o, ROLE_LEAF, "a", "a", 3000));
	assert_non_null(output(d, o, ROLE_LEAF, "b", "b", 3000));
	assert_null(output(d, o, ROLE_LEAF, "c", "c", 3000));
	assert_true((o->facts & FACT_BIT(FACT_LIMIT_BYTES)) != 0);
}

static void
test_bytes(void **state UNUSED)
{
	bench.limits.output_bytes = 8000;
	run(script_bytes);
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	assert_true(decompose_get_facts(bench.d) == FACT_BIT(FACT_LIMIT_BYTES));
}

static void
script_held(struct decompose *d, struct object *o)
{
	if (o->id != 1)
		return;
	assert_non_null(output(d, o, ROLE_LEAF, "a", "a", 4000));
	assert_null(output(d, o, ROLE_LEAF, "b", "b", 4001));
	assert_null(output(d, o, ROLE_LEAF, "c", "c", HOLD_BYTES));
}

static void
test_held_bytes(void **state UNUSED)
{
	bench.limits.held_bytes = 4000;
	run(script_held);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_true(get(1)->facts == FACT_BIT(FACT_LIMIT_HELD));
}

static void
script_full_hold(struct decompose *d, struct object *o)
{
	if (o->id != 1)
		return;
	assert_non_null(output(d, o, ROLE_LEAF, "a", "a", HOLD_BYTES));
	assert_null(output(d, o, ROLE_LEAF, "b", "b", HOLD_BYTES + 1));
	assert_non_null(output(d, o, ROLE_LEAF, "c", "c", 100));
}

static void
test_hold_is_full(void **state UNUSED)
{
	run(script_full_hold);
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	assert_true(get(1)->facts == FACT_BIT(FACT_LIMIT_HELD));
}

static void
script_ratio(struct decompose *d, struct object *o)
{
	struct child c = { .step = SLICE_LIT("bomb") };
	uint8_t block[100] = { 0 };
	unsigned written = 0;

	if (o->id != 1)
		return;
	decompose_output_begin(d, o, 10);
	while (decompose_output_write(d, slice_of(block, sizeof(block))))
		written++;
	assert_int_equal(written, 20); /* the floor; 10 bytes may give 500 */
	assert_int_equal(decompose_output_get(d).len, 2000);
	assert_non_null(decompose_output_finish(d, &c));
	decompose_output_begin(d, o, 1000); /* the same output out of more is fine */
	for (unsigned i = 0; i < 50; i++)
		assert_true(decompose_output_write(d, slice_of(block, sizeof(block))));
	decompose_output_drop(d);
}

static void
test_ratio(void **state UNUSED)
{
	bench.limits.ratio = 50;
	bench.limits.ratio_floor_bytes = 2000;
	run(script_ratio);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_int_equal(get(2)->size, 2000);
	assert_true(get(1)->facts == FACT_BIT(FACT_LIMIT_RATIO));
}

static void
script_time(struct decompose *d, struct object *o)
{
	char text[32];
	unsigned n = 0;

	do
		(void)snprintf(text, sizeof(text), "%u", n);
	while (n++ < 100000 && emit(d, o, ROLE_LEAF, "n", slice_of_str(text)) != NULL);
	assert_true(n < 200); /* the clock is read on one call in 64 */
	assert_null(emit(d, o, ROLE_LEAF, "n", SLICE_LIT("0")));
}

static void
test_time(void **state UNUSED)
{
	bench.limits.cpu_ms = 0;
	run(script_time);
	assert_true(get(1)->facts == FACT_BIT(FACT_LIMIT_CPU));
	assert_true(decompose_get_facts(bench.d) == FACT_BIT(FACT_LIMIT_CPU));
}

static void
script_output(struct decompose *d, struct object *o)
{
	struct child c = { .step = SLICE_LIT("out") };
	size_t room = 0;
	uint8_t *to;

	if (o->id != 1)
		return;
	decompose_output_begin(d, o, 1);
	assert_int_equal(decompose_output_get(d).len, 0);
	to = decompose_output_reserve(d, 10, &room);
	assert_non_null(to);
	assert_int_equal(room, 10);
	memcpy(to, "abcdefghij", 10);
	assert_true(decompose_output_commit(d, 3)); /* less than was reserved */
	assert_true(decompose_output_commit(d, 0));
	to = decompose_output_reserve(d, 2, &room);
	assert_non_null(to);
	memcpy(to, "DE", 2);
	assert_true(decompose_output_commit(d, 2));
	assert_true(decompose_output_write(d, SLICE_LIT("fg")));
	assert_slice(decompose_output_get(d), "abcDEfg");
	assert_slice(decompose_output_finish(d, &c)->bytes, "abcDEfg");
	decompose_output_begin(d, o, 1);
	assert_true(decompose_output_write(d, SLICE_LIT("dropped")));
	decompose_output_drop(d);
	decompose_output_begin(d, o, 1);
	assert_int_equal(decompose_output_get(d).len, 0);
	assert_int_equal(decompose_output_finish(d, &c)->size, 0); /* empty, but emitted */
	/* Near the end of the hold there is room for less than was asked for. */
	decompose_output_begin(d, o, 1000);
	assert_non_null(decompose_output_reserve(d, 2 * HOLD_BYTES, &room));
	assert_true(room > 0 && room <= HOLD_BYTES);
	assert_true(decompose_output_commit(d, room));
	assert_null(decompose_output_reserve(d, 1, &room));
	decompose_output_drop(d);
}

static void
test_output(void **state UNUSED)
{
	run(script_output);
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	assert_int_equal(get(2)->size, 7);
	assert_int_equal(get(3)->size, 0);
}

static void
script_many(struct decompose *d, struct object *o)
{
	for (unsigned i = 0; i < 12000 && o->id == 1; i++) {
		unsigned n = i % 6000;

		assert_non_null(emit(d, o, ROLE_LEAF, "n", slice_of(&n, sizeof(n))));
	}
}

static void
test_many_objects(void **state UNUSED)
{
	for (unsigned round = 0; round < 3; round++) {
		run(script_many);
		assert_int_equal(decompose_get_object_count(bench.d), 6001);
		assert_int_equal(bench.seen, 6001);
	}
}

static void
script_names(struct decompose *d, struct object *o)
{
	char name[16];

	for (unsigned i = 0; i < OBJECT_NAMES_MAX + 5 && o->id == 1; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		assert_non_null(emit(d, o, ROLE_LEAF, name, SLICE_LIT("x")));
	}
}

static void
test_too_many_names(void **state UNUSED)
{
	run(script_names);
	assert_int_equal(get(2)->name_count, OBJECT_NAMES_MAX);
	assert_true(get(2)->facts == FACT_BIT(FACT_LIMIT_VIEWS));
}

/* Not to be opened, says the hook. */
static void
test_unwanted(void **state UNUSED)
{
	bench.wish = 0;
	run(script_many);
	assert_int_equal(bench.seen, 1);
	assert_int_equal(bench.opened, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_description),
		TEST(test_equal_bytes_are_one_object), TEST(test_first_unhashed),
		TEST(test_role_met_again), TEST(test_name_met_again),
		TEST(test_type_met_again), TEST(test_self_met_again),
		TEST(test_hold_of_the_unclaimed), TEST(test_hold_of_chains), TEST(test_hold_of_siblings),
		TEST(test_kept_bytes_stay), TEST(test_borrowed_again_gives_nothing_back),
		TEST(test_depth), TEST(test_objects), TEST(test_bytes), TEST(test_held_bytes),
		TEST(test_hold_is_full), TEST(test_ratio), TEST(test_time), TEST(test_output),
		TEST(test_many_objects), TEST(test_too_many_names), TEST(test_unwanted) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
