/* test_rtf.c: RTF made here: objects in hex with noise and in raw runs, packages, links. */
#include "test_opener.h"

static struct bench bench;

/* An OLE 1 object of class "Package" that holds EICAR as x.com. */
static void
object_make(struct buf *b, const char *class_name)
{
	CLEANUP(buf_done) struct buf native = { 0 };

	buf_init(&native, 4096);
	put_le(&native, 2, 2);
	buf_append(&native, "x.com\0C:\\x.com\0", 15);
	put_le(&native, 0, 2);
	put_le(&native, 3, 2);
	put_le(&native, 6, 4);
	buf_append(&native, "x.com\0", 6);
	put_le(&native, eicar().len, 4);
	buf_append_slice(&native, eicar());
	buf_init(b, 8192);
	put_le(b, 0x501, 4);
	put_le(b, 2, 4);
	put_le(b, strlen(class_name) + 1, 4);
	buf_append(b, class_name, strlen(class_name) + 1);
	put_le(b, 0, 8);
	put_le(b, native.len, 4);
	buf_append_slice(b, buf_get(&native));
}

static void
test_noise(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf object = { 0 };
	struct object *o, *file;

	(void)state;
	object_make(&object, "Package");
	buf_init(&b, 65536);
	buf_append_str(&b, "{\\rt{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata\\foo12 ");
	for (size_t i = 0; i < object.len; i++) {
		buf_printf(&b, "%x%s%x", object.data[i] >> 4, i % 7 == 0 ? "\r\n{}" : "",
		    object.data[i] & 15);
		if (i % 11 == 0)
			buf_append_str(&b, "{\\*\\nothing 41414141}\\'ab{\\bar }");
	}
	buf_append_str(&b, "}}text 4142 }");
	o = bench_run(&bench, buf_get(&b), "a.rtf");
	assert_int_equal(o->facts, FACT_BIT(FACT_EMBEDDED_FILE));
	file = bench_named(&bench, "x.com");
	assert_non_null(file);
	assert_true(slice_eq(file->bytes, eicar()));
	assert_int_equal(decompose_get_object_count(bench.d), 2);
}

static void
test_raw(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf object = { 0 };

	(void)state;
	object_make(&object, "Equation.3"); /* no package: the data as they are */
	buf_init(&b, 65536);
	buf_printf(&b, "{\\rtf1{\\object\\objupdate{\\*\\objdata 0105\\bin%zu ", object.len - 2);
	buf_append_slice(&b, slice_from(buf_get(&object), 2));
	buf_append_str(&b, "}}}");
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.doc")->facts,
	    FACT_BIT(FACT_EMBEDDED_FILE) | FACT_BIT(FACT_ACTIVE_CONTENT));
	assert_int_equal(bench.eicars, 2);
}

static void
test_facts(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
		uint32_t objects;
	} cases[] = {
		{ "{\\rtf1 plain text}", 0, 1 },
		{ "{\\rtf1{\\*\\template C:\\\\Users\\\\a.dot}}", 0, 1 },
		{ "{\\rtf1{\\*\\template http://x/a.dot}}", FACT_BIT(FACT_EXTERNAL_LINK), 1 },
		{ "{\\rtf1{\\object\\objautlink}}", FACT_BIT(FACT_EXTERNAL_LINK), 1 },
		{ "{\\rtf1{\\*\\objdata 616263", FACT_BIT(FACT_EMBEDDED_FILE), 2 },
		{ "{\\rtf1{\\*\\objdata }", 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(bench_run(&bench, slice_of_str(cases[i].text), "a.rtf")->facts,
		    cases[i].want);
		assert_int_equal(decompose_get_object_count(bench.d), cases[i].objects);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_facts),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
