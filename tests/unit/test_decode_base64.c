/* test_decode_base64.c: every mode against a plain reading of its rule, vectors against scalar
 * code, any cutting into pieces. */
#include "test_decode_helper.h"

#include "decompose/decode_base64.h"

struct result {
	uint8_t *bytes;
	size_t len;
	struct base64_facts facts;
};

static uint32_t seed = 12345;

static uint32_t
random_next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static struct result
decode(struct slice in, enum base64_mode mode, bool map, bool scalar, size_t step)
{
	struct result r = { 0 };
	struct base64_state s;

	r.bytes = malloc(base64_bound(in.len) + base64_bound(0));
	assert_non_null(r.bytes);
	base64_init(&s, mode, map);
	for (size_t at = 0; at < in.len || at == 0; at += step == 0 ? in.len + 1 : step) {
		struct slice piece = slice_sub(in, at, step == 0 ? in.len : step);

		r.len += scalar ? base64_feed_scalar(&s, piece, r.bytes + r.len)
				: base64_feed(&s, piece, r.bytes + r.len);
	}
	r.len += base64_finish(&s, r.bytes + r.len, &r.facts);
	return r;
}

static void
check_same(const struct result *a, const struct result *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->bytes, b->bytes, a->len);
	assert_int_equal(a->facts.foreign, b->facts.foreign);
	assert_int_equal(a->facts.white, b->facts.white);
	assert_int_equal(a->facts.padding_quanta, b->facts.padding_quanta);
	assert_int_equal(a->facts.urlsafe, b->facts.urlsafe);
	assert_int_equal(a->facts.tail, b->facts.tail);
	assert_int_equal(a->facts.used_bytes, b->facts.used_bytes);
}

static const struct {
	const char *name, *in;
	enum base64_mode mode;
	bool map;
	const char *want;
	uint64_t foreign, padding_quanta;
	bool tail;
} cases[] = {
	{ "plain", "SGVsbG8sIHdvcmxkISE=", BASE64_QUANTA, false, "Hello, world!!", 0, 0,
	    false },
	{ "no padding", "SGVsbG8", BASE64_QUANTA, false, "Hello", 0, 0, true },
	{ "one of two", "SGVsbG8sIQ=", BASE64_QUANTA, false, "Hello,!", 0, 0, true },
	{ "one of two, stop", "SGVsbG8sIQ=", BASE64_STOP, false, "Hello,!", 0, 0, true },
	{ "too much", "SGVsbG8=====", BASE64_QUANTA, false, "Hello", 0, 0, true },
	{ "too much, restart", "SGVsbG8====", BASE64_RESTART, false, "Hello", 0, 0, true },
	{ "a lone letter", "SGVsbG8sIHdvA", BASE64_QUANTA, false, "Hello, wo", 0, 0, true },
	{ "junk", "S!G~V\xffs#b G.8=", BASE64_QUANTA, false, "Hello", 5, 0, false },
	{ "line ends", "SGV\r\ns\r\r\nb\nG8=\r\n", BASE64_QUANTA, false, "Hello", 0, 0, false },
	{ "pieces, each", "SGU=bGw=bw==", BASE64_QUANTA, false, "Hello", 0, 2, false },
	{ "pieces, stop", "SGU=bGw=bw==", BASE64_STOP, false, "He", 0, 1, false },
	{ "pieces, anew", "SGU=bGw=bw==", BASE64_RESTART, false, "Hello", 0, 2, false },
	{ "short padding, anew", "SA=ZQ=bGxv", BASE64_RESTART, false, "Hello", 0, 2, false },
	{ "url-safe, skipped", "Pz8_Pz8-", BASE64_QUANTA, false, "\?\?\x0f\xcf", 2, 0, true },
	{ "url-safe, mapped", "Pz8_Pz8-", BASE64_QUANTA, true, "\?\?\?\?\?>", 0, 0, false },
	{ "all padding", "====", BASE64_QUANTA, false, "", 0, 0, true },
	{ "spare bits", "SGVsbG9=", BASE64_QUANTA, false, "Hello", 0, 0, true },
	{ "letter and three", "SGVsbG8sI===", BASE64_QUANTA, false, "Hello, ", 0, 0, true },
	{ "nothing", "", BASE64_QUANTA, false, "", 0, 0, false },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t step = 0; step < 5; step++) {
			struct result r = decode(slice_of_str(cases[i].in), cases[i].mode,
			    cases[i].map, step == 1, step);

			if (!slice_eq_str(slice_of(r.bytes, r.len), cases[i].want) ||
			    r.facts.foreign != cases[i].foreign ||
			    r.facts.padding_quanta != cases[i].padding_quanta ||
			    r.facts.tail != cases[i].tail)
				fail_msg(
				    "case '%s' step %zu: '%.*s' foreign %u padded %u tail %d",
				    cases[i].name, step, (int)r.len, (const char *)r.bytes,
				    (unsigned)r.facts.foreign, (unsigned)r.facts.padding_quanta,
				    r.facts.tail);
			free(r.bytes);
		}
	}
}

static void
test_used_bytes(void **state)
{
	struct result r =
	    decode(SLICE_LIT("SGVsbG8=\r\n-- \r\nfooter"), BASE64_STOP, false, false, 0);

	(void)state;
	assert_int_equal(r.facts.used_bytes, 8);
	assert_int_equal(r.len, 5);
	free(r.bytes);
	r = decode(SLICE_LIT("SGVsbG8=\r\n"), BASE64_QUANTA, false, false, 0);
	assert_int_equal(r.facts.used_bytes, 10);
	free(r.bytes);
}

/* Fills in with base64-like bytes; the less of odd, the longer the plain runs. */
static void
fill(uint8_t *in, size_t len, unsigned odd)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t width = 1 + random_next() % 100, column = 0;

	for (size_t i = 0; i < len; i++) {
		if (++column > width) {
			column = 0;
			in[i] = random_next() % 4 == 0 || i + 1 == len ? '\n' : '\r';
			if (in[i] == '\r')
				in[++i] = '\n';
			continue;
		}
		in[i] = (uint8_t)letters[random_next() & 63];
		if (odd > 0 && random_next() % odd == 0)
			in[i] = random_next() % 3 == 0 ? '=' : (uint8_t)random_next();
	}
}

static void
test_vectors_equal_scalar(void **state)
{
	static const unsigned odds[] = { 0, 3, 20, 200, 2000 };
	uint8_t in[3000];

	(void)state;
	for (unsigned run = 0; run < 3000; run++) {
		size_t len = random_next() % sizeof(in), step = 1 + random_next() % 200;
		enum base64_mode mode = (enum base64_mode)(run % 3);
		bool map = run % 2 == 0;
		struct result a, b, c;

		fill(in, len, odds[run % 5]);
		a = decode(slice_of(in, len), mode, map, true, 0);
		b = decode(slice_of(in, len), mode, map, false, 0);
		c = decode(slice_of(in, len), mode, map, false, step);
		check_same(&a, &b);
		check_same(&a, &c);
		free(a.bytes);
		free(b.bytes);
		free(c.bytes);
	}
}

/* feed never writes past base64_bound(), and base64_fit() is its inverse. */
static void
test_bound(void **state)
{
	(void)state;
	for (size_t room = 0; room < 2000; room++) {
		size_t fit = base64_fit(room);

		assert_true(fit == 0 || base64_bound(fit) <= room);
		assert_true(base64_bound(fit + 8) > room);
	}
	for (size_t len = 0; len < 400; len++) {
		uint8_t in[400], *out = malloc(base64_bound(len) + 64);
		struct base64_state s;

		assert_non_null(out);
		fill(in, len, 0);
		memset(out, 0xa5, base64_bound(len) + 64);
		base64_init(&s, BASE64_QUANTA, false);
		base64_feed(&s, slice_of(in, len), out);
		for (size_t i = 0; i < 64; i++)
			assert_int_equal(out[base64_bound(len) + i], 0xa5);
		free(out);
	}
}

static void
test_round_trip(void **state)
{
	CLEANUP(buf_done) struct buf text;
	uint8_t in[10000];
	struct result r;

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)random_next();
	for (size_t width = 0; width <= 80; width += 4) {
		buf_init(&text, sizeof(in) * 4);
		base64_encode(slice_of(in, sizeof(in)), width, &text);
		r = decode(buf_get(&text), BASE64_STOP, false, false, 0);
		assert_int_equal(r.len, sizeof(in));
		assert_memory_equal(r.bytes, in, sizeof(in));
		assert_false(r.facts.tail);
		free(r.bytes);
		buf_done(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_used_bytes),
		cmocka_unit_test(test_vectors_equal_scalar),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
