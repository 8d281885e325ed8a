/* test_decode_qp.c: quoted-printable under both rules, fed in any pieces. */
#include "test_decode_helper.h"

#include "decompose/decode_qp.h"

static size_t
decode(struct slice in, bool keep, size_t step, uint8_t *out, struct qp_facts *ret_facts)
{
	struct qp_state s;
	size_t n = 0;

	qp_init(&s, keep);
	for (size_t at = 0; at < in.len; at += step == 0 ? in.len : step)
		n += qp_feed(&s, slice_sub(in, at, step == 0 ? in.len : step), out + n);
	return n + qp_finish(&s, out + n, ret_facts);
}

static const struct {
	const char *name, *in;
	bool keep;
	const char *want;
	uint64_t bad, after_soft, at_end;
} cases[] = {
	{ "plain", "Hello\r\nworld\n", false, "Hello\r\nworld\n", 0, 0, 0 },
	{ "escapes", "=48=65llo=2C =e2=82=aC", false, "Hello, \xe2\x82\xac", 0, 0, 0 },
	{ "soft breaks", "a=\r\nb=\nc=\rd", false, "abcd", 0, 0, 0 },
	{ "soft break at the end", "abc=", false, "abc", 0, 0, 0 },
	{ "blanks behind soft", "a= \t\r\nb", false, "ab", 0, 1, 0 },
	{ "blanks behind soft, kept", "a= \t\r\nb", true, "a= \t\r\nb", 1, 0, 0 },
	{ "blanks at line end", "a \t\r\nb  ", false, "a\r\nb", 0, 0, 2 },
	{ "blanks at line end, kept", "a \t\r\nb  ", true, "a \t\r\nb  ", 0, 0, 0 },
	{ "an encoded blank stays", "a=20\r\nb=09 \r\n", false, "a \r\nb\t\r\n", 0, 0, 1 },
	{ "bad escapes", "a=zz =4 =4g ==41 = x", false, "a=zz =4 =4g =A = x", 5, 0, 0 },
	{ "cut escape", "a=4", false, "a=4", 1, 0, 0 },
	{ "nothing", "", false, "", 0, 0, 0 },
};

static void
test_cases(void **state)
{
	uint8_t out[2 * QP_ROOM];
	struct qp_facts facts;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t step = 0; step < 8; step++) {
			size_t n =
			    decode(slice_of_str(cases[i].in), cases[i].keep, step, out, &facts);

			if (!slice_eq_str(slice_of(out, n), cases[i].want) ||
			    facts.bad_escapes != cases[i].bad ||
			    facts.blanks_after_soft != cases[i].after_soft ||
			    facts.blanks_at_end != cases[i].at_end)
				fail_msg("case '%s' step %zu: '%.*s' %u %u %u", cases[i].name,
				    step, (int)n, (const char *)out,
				    (unsigned)facts.bad_escapes,
				    (unsigned)facts.blanks_after_soft,
				    (unsigned)facts.blanks_at_end);
		}
	}
}

/* A run of blanks up to QP_BLANKS_MAX before a line end goes, a longer one stays, whatever the
 * pieces. */
static void
test_long_blanks(void **state)
{
	static const size_t lens[] = { QP_BLANKS_MAX - 1, QP_BLANKS_MAX, QP_BLANKS_MAX + 1,
		5000 };
	static uint8_t in[8192], out[8192 + 2 * QP_ROOM];
	struct qp_facts facts;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		static const size_t steps[] = { 0, 1, 7, 100, 1024, 1025 };
		size_t stays = lens[i] > QP_BLANKS_MAX ? lens[i] : 0;

		memset(in, ' ', sizeof(in));
		in[0] = 'x';
		in[lens[i] + 1] = '\n';
		for (size_t k = 0; k < ARRAY_LEN(steps); k++)
			assert_int_equal(
			    decode(slice_of(in, lens[i] + 2), false, steps[k], out, &facts),
			    stays + 2);
		in[0] = '=';
		for (size_t k = 0; k < ARRAY_LEN(steps); k++)
			assert_int_equal(
			    decode(slice_of(in, lens[i] + 2), false, steps[k], out, &facts),
			    stays > 0 ? stays + 2 : 0);
	}
}

static void
test_pieces_random(void **state)
{
	static const char letters[] = "ab=== \t\r\n4Fz";
	static uint8_t in[4096], whole[4096 + QP_ROOM * 2], pieces[4096 + QP_ROOM * 2];
	uint32_t seed = 7;

	(void)state;
	for (unsigned run = 0; run < 2000; run++) {
		struct qp_facts a, b;
		size_t n, m, len;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed = seed * 1103515245 + 12345;
			in[i] = (uint8_t)letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		len = seed % sizeof(in);
		n = decode(slice_of(in, len), run % 2 == 0, 0, whole, &a);
		m = decode(slice_of(in, len), run % 2 == 0, 1 + run % 37, pieces, &b);
		assert_int_equal(n, m);
		assert_memory_equal(whole, pieces, n);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_long_blanks),
		cmocka_unit_test(test_pieces_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
