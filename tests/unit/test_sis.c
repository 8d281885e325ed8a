/* test_sis.c: SIS files made here: packed and plain, in several languages, cut, and such as are not
 * opened. */
#include "test_opener.h"

#include <zlib.h>

static struct bench bench;

#define RECORDS_AT 100u
#define DATA_AT    400u

struct sis_made {
	uint32_t uid2;
	uint16_t languages, files, options;
	uint32_t kind;      /* of the record */
	uint32_t told_size; /* 0: the right one */
};

static void
pad_to(struct buf *b, size_t at)
{
	while (b->len < at)
		put_le(b, 0, 1);
}

/* One record; the file once for each language, with a digit behind it. */
static void
sis_make(struct buf *b, const struct sis_made *m)
{
	unsigned copies = m->kind == 1 ? m->languages : 1;
	uint8_t packed[4][200];
	uLongf lens[4];
	size_t at = DATA_AT;

	buf_init(b, 65536);
	put_le(b, 0x01000000, 4);
	put_le(b, m->uid2, 4);
	put_le(b, 0x10000419, 4);
	pad_to(b, 18);
	put_le(b, m->languages, 2);
	put_le(b, m->files, 2);
	pad_to(b, 36);
	put_le(b, m->options, 2);
	pad_to(b, 52);
	put_le(b, RECORDS_AT, 4);
	pad_to(b, RECORDS_AT);
	put_le(b, m->kind, 4);
	put_le(b, 0, 8);
	put_le(b, 10, 4); /* names: in the tree of the packer, on the telephone */
	put_le(b, 300, 4);
	put_le(b, 14, 4);
	put_le(b, 320, 4);
	for (unsigned i = 0; i < copies; i++) {
		char plain[100];
		size_t n = (size_t)snprintf(plain, sizeof(plain), "%.*s%u", (int)eicar().len,
		    (const char *)eicar().ptr, i);

		lens[i] = sizeof(packed[i]);
		if ((m->options & 8) != 0) {
			memcpy(packed[i], plain, n);
			lens[i] = n;
		} else {
			assert_int_equal(
			    compress(packed[i], &lens[i], (const Bytef *)plain, n), Z_OK);
		}
		put_le(b, lens[i], 4);
	}
	for (unsigned i = 0; i < copies; i++) {
		put_le(b, at, 4);
		at += lens[i];
	}
	for (unsigned i = 0; i < copies; i++)
		put_le(b, m->told_size != 0 ? m->told_size : eicar().len + 1, 4);
	put_le(b, 0, 8);
	pad_to(b, 300);
	buf_append(b, "a\0.\0e\0x\0e\0", 10);
	pad_to(b, 320);
	buf_append(b, "!\0:\0b\0.\0e\0x\0e\0", 14);
	pad_to(b, DATA_AT);
	for (unsigned i = 0; i < copies; i++)
		buf_append(b, packed[i], lens[i]);
}

static void
test_table(void **state)
{
	static const struct {
		const char *name;
		struct sis_made made;
		uint64_t facts;
		uint32_t objects, eicars;
	} rows[] = {
		{ "release 6", { 0x10003a12, 1, 1, 1, 0, 0 }, 0, 2, 1 },
		{ "three languages", { 0x10003a12, 3, 1, 1, 1, 0 }, 0, 4, 3 },
		{ "not packed", { 0x10003a12, 1, 1, 9, 0, 0 }, 0, 2, 1 },
		{ "a size that is not true", { 0x10003a12, 1, 1, 1, 0, 9999 },
		    FACT_BIT(FACT_CORRUPT), 2, 1 },
		{ "a condition", { 0x10003a12, 1, 1, 1, 3, 0 }, FACT_BIT(FACT_UNSUPPORTED), 1,
		    0 },
		{ "too many languages", { 0x10003a12, 101, 1, 1, 0, 0 },
		    FACT_BIT(FACT_UNSUPPORTED), 1, 0 },
		{ "no files", { 0x10003a12, 1, 0, 1, 0, 0 }, 0, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		struct object *o;

		sis_make(&b, &rows[i].made);
		o = bench_run(&bench, buf_get(&b), "a.sis");
		assert_string_equal(o->detected->format, "sis");
		if (o->facts != rows[i].facts)
			fail_msg("%s: facts %llx", rows[i].name, (unsigned long long)o->facts);
		if (decompose_get_object_count(bench.d) < rows[i].objects ||
		    bench.eicars < rows[i].eicars)
			fail_msg("%s: %u objects, %u viruses", rows[i].name,
			    decompose_get_object_count(bench.d), bench.eicars);
		if (rows[i].eicars > 0) {
			assert_non_null(bench_named(&bench, "!:b.exe"));
			assert_non_null(bench_named(&bench, "a.exe"));
		}
	}
}

/* Cut anywhere: never called whole, but for what stands behind the last byte that counts. */
static void
test_cut(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	sis_make(&b, &(struct sis_made){ 0x10003a12, 1, 1, 1, 0, 0 });
	for (size_t len = 20; len < b.len; len++) {
		struct object *o = bench_run(&bench, slice_sub(buf_get(&b), 0, len), "a.sis");

		if (len >= 22 && o->facts == 0)
			fail_msg("whole at %zu bytes", len);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_cut),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
