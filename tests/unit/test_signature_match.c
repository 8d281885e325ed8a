/* test_signature_match.c: literal signatures over bytes: wherever they stand, whatever they hold. */
#include "test_common.h"

#include "scan/signature_match.h"
#include "scan/signature_set.h"

struct hits {
	unsigned count;
	char names[32][32];
};

static void
on_hit(void *ctx, const char *name)
{
	struct hits *h = ctx;

	assert_true(h->count < ARRAY_LEN(h->names));
	(void)snprintf(h->names[h->count++], sizeof(h->names[0]), "%s", name);
}

static struct signature_match *
match_of(const char *text)
{
	struct signature_match *m;
	struct signature_set s;
	struct err e;

	signature_set_init(&s);
	assert_int_equal(signature_set_parse(&s, "t", slice_of_str(text), &e), 0);
	m = signature_match_new(&s, &e);
	if (m == NULL)
		fail_msg("%s", e.text);
	assert_int_equal(s.count, 0); /* taken over */
	assert_null(s.items);
	return m;
}

/* All names that were hit, joined. */
static void
expect(struct signature_match *m, struct slice bytes, const char *want)
{
	struct hits h = { 0 };
	char got[1024] = "";

	assert_int_equal(signature_match_run(m, bytes, on_hit, &h), 0);
	for (unsigned i = 0; i < h.count; i++) {
		size_t n = strlen(got);

		(void)snprintf(got + n, sizeof(got) - n, "%s%s", n > 0 ? " " : "", h.names[i]);
	}
	if (strcmp(got, want) != 0)
		fail_msg("\"%.*s\": got \"%s\", want \"%s\"", (int)MIN_OF(bytes.len, (size_t)60),
		    (const char *)bytes.ptr, got, want);
}

static void
test_table(void **state UNUSED)
{
	struct signature_match *m = match_of("Plain = virus\nDots = a.*b\nNul = hex:00ff000a\n"
	    "Lead = hex:00000001\nBack = a\\x41\nClass = [abc]\n");
	static const struct {
		struct slice bytes;
		const char *want;
	} cases[] = {
		{ SLICE_LIT("virus"), "Plain" },
		{ SLICE_LIT("a virus here, a virus there"), "Plain" }, /* once each */
		{ SLICE_LIT("viru"), "" },
		{ SLICE_LIT("VIRUS"), "" },
		{ SLICE_LIT("vir\nus"), "" },
		{ SLICE_LIT(""), "" },
		{ SLICE_LIT("a.*b"), "Dots" }, /* no character means anything */
		{ SLICE_LIT("axxb"), "" },
		{ SLICE_LIT("x\x00\xff\x00\x0ay"), "Nul" },
		{ SLICE_LIT("x\x00\xff\x00y"), "" },
		{ SLICE_LIT("\0\0\0\0\0\1"), "Lead" },
		{ SLICE_LIT("a\\x41"), "Back" },
		{ SLICE_LIT("aA aA"), "" },
		{ SLICE_LIT("[abc]"), "Class" },
		{ SLICE_LIT("a.*b[abc]virus"), "Dots Class Plain" },
	};

	assert_int_equal(signature_match_get_count(m), 6);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(m, cases[i].bytes, cases[i].want);
	signature_match_free(&m);
	assert_null(m);
	signature_match_free(&m);
}

/* At every place of a run of bytes, also where vector code has its edges. */
static void
test_every_place(void **state UNUSED)
{
	struct signature_match *m = match_of("X = needle-in-hay\n");
	uint8_t bytes[300];

	for (size_t at = 0; at + 13 <= sizeof(bytes); at++) {
		uint8_t *copy = malloc(at + 13); /* its end is the end */

		assert_non_null(copy);
		memset(bytes, 'n', sizeof(bytes));
		memcpy(bytes + at, "needle-in-hay", 13);
		memcpy(copy, bytes, at + 13);
		expect(m, slice_of(bytes, sizeof(bytes)), "X");
		expect(m, slice_of(copy, at + 13), "X");
		expect(m, slice_of(copy, at + 12), "");
		free(copy);
	}
	signature_match_free(&m);
}

static void
test_nothing_to_match(void **state UNUSED)
{
	struct signature_match *m = match_of("# none\n");

	assert_int_equal(signature_match_get_count(m), 0);
	expect(m, SLICE_LIT("anything"), "");
	expect(m, SLICE_NONE, "");
	signature_match_free(&m);
}

static void
test_many_hits(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text, bytes;
	struct signature_match *m;
	struct hits h = { 0 };

	buf_init(&text, 100000);
	buf_init(&bytes, 100000);
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(buf_printf(&text, "N%u = sig%04u\n", i, i), 0);
		assert_int_equal(buf_printf(&bytes, "..sig%04u..", i), 0);
	}
	m = match_of(buf_get_str(&text));
	assert_int_equal(signature_match_run(m, buf_get(&bytes), on_hit, &h), 0);
	assert_int_equal(h.count, SIGNATURE_HITS_MAX);
	signature_match_free(&m);
}

static void
test_long_and_equal(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text, bytes;
	struct signature_match *m;

	buf_init(&text, 10000);
	buf_init(&bytes, 10000);
	for (unsigned i = 0; i < 1024; i++)
		assert_int_equal(buf_append_byte(&bytes, (uint8_t)('!' + i * 7 % 90)), 0);
	assert_int_equal(buf_printf(&text, "Long = %.*s\nA = same\nB = same\n",
	    SLICE_FMT(buf_get(&bytes))), 0);
	m = match_of(buf_get_str(&text));
	expect(m, buf_get(&bytes), "Long");
	expect(m, slice_sub(buf_get(&bytes), 0, 1023), "");
	expect(m, slice_from(buf_get(&bytes), 1), "");
	expect(m, SLICE_LIT("same"), "A B"); /* both names */
	signature_match_free(&m);
}

static void
test_eicar(void **state UNUSED)
{
	struct signature_match *m;
	struct signature_set s;
	struct err e;

	signature_set_init(&s);
	assert_int_equal(signature_set_add_eicar(&s), 0);
	m = signature_match_new(&s, &e);
	assert_non_null(m);
	expect(m, eicar_text(), "Eicar-Test-Signature");
	expect(m, slice_sub(eicar_text(), 0, 67), "");
	signature_match_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_place), cmocka_unit_test(test_nothing_to_match),
		cmocka_unit_test(test_many_hits), cmocka_unit_test(test_long_and_equal),
		cmocka_unit_test(test_eicar) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
