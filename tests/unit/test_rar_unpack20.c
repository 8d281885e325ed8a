/* test_rar_unpack20.c: members of RAR 2 whose bits are put together here: each kind of symbol, new
 * tables, cut and senseless ones. A real archive is met by the corpus test. */
#include "test_opener.h"

#include <zlib.h>

static struct bench bench;

struct bits {
	uint8_t bytes[4096];
	size_t count;
};

static void
put(struct bits *b, unsigned value, unsigned n)
{
	while (n-- > 0) {
		if ((value >> n & 1) != 0)
			b->bytes[b->count / 8] |= (uint8_t)(0x80 >> b->count % 8);
		b->count++;
		assert_true(b->count / 8 < sizeof(b->bytes));
	}
}

/* The code of lengths: 0 and 18 (zeros) in three bits, 1 to 3 in two. */
static void
put_length(struct bits *b, unsigned length)
{
	if (length == 0)
		put(b, 6, 3);
	else
		put(b, length - 1, 2);
}

static void
put_zeros(struct bits *b, unsigned n)
{
	while (n >= 11) {
		unsigned run = n > 138 ? 138 : n;

		put(b, 7, 3);
		put(b, run - 11, 7);
		n -= run;
	}
	while (n-- > 0)
		put_length(b, 0);
}

/* Main code, 3 bits each: a 000, b 001, last 010, old 011, short 100, tables 101, copy 110 (length
 * 3) and 111 (length 4). Distances: number 0 is bit 0 (one back), 1 is bit 1 (two). Repeat: 0. */
static void
put_tables(struct bits *b, bool sound)
{
	put(b, sound, 1);
	put(b, 0, 1);
	for (unsigned i = 0; i < 19; i++)
		put(b, i == 0 || i == 18 ? 3 : i <= 3 ? 2 : 0, 4);
	put_zeros(b, 'a');
	put_length(b, 3);
	put_length(b, 3);
	put_zeros(b, 256 - 'b' - 1);
	put_length(b, 3); /* 256: the last copy again */
	put_length(b, 3); /* 257: an old distance */
	put_zeros(b, 3);
	put_length(b, 3); /* 261: short */
	put_zeros(b, 7);
	put_length(b, 3); /* 269: tables */
	put_length(b, 3); /* 270, 271: copy */
	put_length(b, 3);
	put_zeros(b, 26);
	put_length(b, 1);
	put_length(b, 1);
	put_zeros(b, 46);
	put_length(b, 1);
	put_zeros(b, 27);
}

enum { A, B, LAST, OLD, SHORT, TABLES, COPY3, COPY4 };

/* A RAR 4 file of one member of that version. */
static struct object *
run(const struct bits *bits, size_t cut, const char *plain, uint8_t version)
{
	static struct buf b;
	size_t len = (bits->count + 7) / 8;

	buf_done(&b);
	buf_init(&b, 65536);
	buf_append(&b, "Rar!\x1a\x07\x00\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0", 20);
	put_le(&b, 0, 2);
	put_le(&b, 0x74, 1);
	put_le(&b, 0x8000, 2);
	put_le(&b, 32 + 5, 2);
	put_le(&b, len, 4);
	put_le(&b, strlen(plain), 4);
	put_le(&b, 2, 1);
	put_le(&b, crc32_z(0, (const Bytef *)plain, strlen(plain)), 4);
	put_le(&b, 0, 4);
	put_le(&b, version, 1);
	put_le(&b, 0x33, 1);
	put_le(&b, 5, 2);
	put_le(&b, 0x20, 4);
	buf_append(&b, "a.txt", 5);
	buf_append(&b, bits->bytes, len - cut);
	return bench_run(&bench, buf_get(&b), "a.rar");
}

/* Everything once; ends in "plain". */
static void
put_all(struct bits *b)
{
	put_tables(b, false);
	put(b, A, 3);
	put(b, B, 3);     /* ab */
	put(b, COPY4, 3); /* length 4, two back: ab abab */
	put(b, 1, 1);
	put(b, A, 3);     /* ababab a */
	put(b, LAST, 3);  /* 4, two back: ababab a baba */
	put(b, SHORT, 3); /* two bytes, four back */
	put(b, 3, 2);     /* ababababaaba + ... */
	put(b, OLD, 3);   /* the distance before, 4: length 2 */
	put(b, 0, 1);
	put(b, TABLES, 3);
	put_tables(b, false);
	put(b, COPY3, 3); /* length 3, one back */
	put(b, 0, 1);
	put(b, B, 3);
}

/* The same by hand: what each step adds, from what stands before it. */
static void
plain_make(char *out)
{
	static const struct {
		unsigned distance, length;
		char letter;
	} steps[] = { { 0, 1, 'a' }, { 0, 1, 'b' }, { 2, 4, 0 }, { 0, 1, 'a' }, { 2, 4, 0 },
		{ 4, 2, 0 }, { 4, 2, 0 }, { 1, 3, 0 }, { 0, 1, 'b' } };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		for (unsigned k = 0; k < steps[i].length; k++, n++)
			out[n] =
			    steps[i].letter != 0 ? steps[i].letter : out[n - steps[i].distance];
	}
	out[n] = '\0';
}

static void
test_symbols(void **state)
{
	struct bits b = { .count = 0 };
	char plain[64];

	(void)state;
	put_all(&b);
	plain_make(plain);
	for (uint8_t version = 20; version <= 26; version = (uint8_t)(version + 6)) {
		assert_int_equal(run(&b, 0, plain, version)->facts, 0);
		assert_true(bench_has_bytes(&bench, slice_of_str(plain)));
		assert_int_equal(bench_named(&bench, "a.txt")->facts, 0);
		assert_false(bench_named(&bench, "a.txt")->unopened);
	}
	assert_int_equal(
	    run(&b, 0, plain, 15)->facts, FACT_BIT(FACT_UNSUPPORTED)); /* RAR 1.5 */
	plain[0] ^= 1;                                                 /* another checksum */
	assert_int_equal(run(&b, 0, plain, 20)->facts, FACT_BIT(FACT_CORRUPT));
}

static void
test_cut(void **state)
{
	struct bits b = { .count = 0 };
	char plain[64];

	(void)state;
	put_all(&b);
	plain_make(plain);
	for (size_t cut = 1; cut <= b.count / 8; cut++) {
		assert_true(has_fact(run(&b, cut, plain, 20), FACT_TRUNCATED));
		assert_non_null(bench_named(&bench, "a.txt"));
		assert_true(has_fact(bench_named(&bench, "a.txt"), FACT_TRUNCATED));
	}
}

static void
test_senseless(void **state)
{
	static const struct {
		const char *name;
		bool sound;
		unsigned value, bits; /* behind the tables and one letter */
		enum fact fact;
	} rows[] = {
		{ "prediction of sound", true, 0, 0, FACT_UNSUPPORTED },
		{ "further back than there is", false, COPY3 << 1 | 1, 4, FACT_CORRUPT },
		{ "the last copy, of none", false, LAST, 3, FACT_CORRUPT },
		{ "an old distance of none", false, OLD << 1, 4, FACT_CORRUPT },
		{ "a repeat code that is not there", false, OLD << 1 | 1, 4, FACT_CORRUPT },
		{ "tables of nothing", false, TABLES << 20, 23, FACT_CORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bits b = { .count = 0 };
		struct object *o;

		put_tables(&b, rows[i].sound);
		put(&b, A, 3);
		put(&b, rows[i].value, rows[i].bits);
		put(&b, 0, 800); /* zeros enough to read on */
		o = run(&b, 0, "a, and then some more that is not there", 20);
		if (o->facts != FACT_BIT(rows[i].fact))
			fail_msg("%s: %llx", rows[i].name, (unsigned long long)o->facts);
		assert_non_null(bench_named(&bench, "a.txt"));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_senseless),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
