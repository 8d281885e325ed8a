/* test_mime.c: what the MIME opener tells about ordinary parts (trail, names, types), limits,
 * and that its cost is linear. */
#include "base/buf.h"
#include "base/clock.h"
#include "test_mime_helper.h"

#define TOP "From: a@example.org\r\nTo: b@example.net\r\nSubject: s\r\nMIME-Version: 1.0\r\n"

static void
test_trail_names_types(void **state)
{
	struct mime_bench b;
	struct object *o;

	(void)state;
	mime_bench_init(&b);
	mime_bench_run(&b,
	    SLICE_LIT(TOP
		"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
		"Content-Type: Text/Plain; charset=utf-8\r\n\r\nfirst\r\n--o\r\n"
		"Content-Type: multipart/related; boundary=i\r\n\r\n--i\r\n"
		"Content-Type: text/html\r\nContent-Transfer-Encoding: "
		"Quoted-Printable\r\n\r\n<b>=41</b>\r\n"
		"--i\r\nContent-Type: application/x-two; name=\"=?utf-8?Q?n=C3=A4me.txt?=\"\r\n"
		"Content-Disposition: attachment; filename=\"other.txt\"\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nc2Vjb25k\r\n--i--\r\n--o--\r\n"));
	assert_int_equal(decompose_get_object_count(b.d), 4);
	o = mime_bench_find(&b, SLICE_LIT("first"));
	assert_non_null(o);
	assert_true(slice_eq_str(o->trail, "1"));
	assert_true(slice_eq_str(o->declared, "text/plain"));
	assert_int_equal(o->roles, ROLE_LEAF | ROLE_TEXT);
	assert_true(o->borrowed);
	assert_int_equal(o->views, VIEW_BIT(VIEW_STRICT));
	o = mime_bench_find(&b, SLICE_LIT("<b>A</b>"));
	assert_non_null(o);
	assert_true(slice_eq_str(o->trail, "2.1 quoted-printable"));
	o = mime_bench_find(&b, SLICE_LIT("second"));
	assert_non_null(o);
	assert_true(slice_eq_str(o->trail, "2.2 base64 > other.txt"));
	assert_true(slice_eq_str(o->declared, "application/x-two"));
	assert_true(object_has_name(o, "other.txt"));
	assert_true(object_has_name(o, "n\xc3\xa4me.txt"));
	mime_bench_done(&b);
}

static void
test_nested_message(void **state)
{
	struct mime_bench b;
	struct object *o;

	(void)state;
	mime_bench_init(&b);
	mime_bench_run(
	    &b, SLICE_LIT(TOP "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
			      "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner "
			      "text\r\n--o--\r\n"));
	o = mime_bench_find(&b, SLICE_LIT("Subject: inner\r\n\r\ninner text"));
	assert_non_null(o);
	assert_int_equal(o->roles & (ROLE_LEAF | ROLE_ENTITY), ROLE_LEAF | ROLE_ENTITY);
	assert_true(slice_eq_str(o->declared, "message/rfc822"));
	o = mime_bench_find(&b, SLICE_LIT("inner text"));
	assert_non_null(o);
	assert_true(slice_eq_str(o->trail, "1 > 1"));
	assert_int_equal(b.ambiguities, 0);
	mime_bench_done(&b);
}

static void
test_partial_and_external(void **state)
{
	struct mime_bench b;

	(void)state;
	mime_bench_init(&b);
	mime_bench_run(
	    &b, SLICE_LIT(TOP "Content-Type: message/partial; id=x; number=2; total=3\r\n"
			      "\r\nabcdefgh\r\n"));
	assert_true((b.facts & FACT_BIT(FACT_PARTIAL)) != 0);
	assert_true((b.ambiguities & AMBIGUITY_BIT(25)) != 0);
	mime_bench_run(
	    &b, SLICE_LIT(TOP "Content-Type: message/external-body; access-type=url\r\n"
			      "\r\nContent-Type: a/b\r\n\r\nphantom\r\n"));
	assert_true((b.facts & FACT_BIT(FACT_EXTERNAL_BODY)) != 0);
	assert_true((b.ambiguities & AMBIGUITY_BIT(26)) != 0);
	assert_non_null(mime_bench_find(&b, SLICE_LIT("phantom\r\n")));
	mime_bench_done(&b);
}

/* count copies of piece (a printf format with up to two numbers) between head and tail. */
static struct slice
repeat(struct buf *out, const char *head, unsigned count, const char *piece, const char *tail)
{
	buf_init(out, (size_t)64 << 20);
	assert_int_equal(buf_append_str(out, head), 0);
	for (unsigned i = 0; i < count; i++) {
		for (const char *p = piece; *p != '\0'; p++) {
			if (*p == '#')
				assert_int_equal(buf_printf(out, "%u", i), 0);
			else
				assert_int_equal(buf_append_byte(out, (uint8_t)*p), 0);
		}
	}
	assert_int_equal(buf_append_str(out, tail), 0);
	return buf_get(out);
}

static void
test_many(void **state)
{
	static const struct {
		const char *name, *head, *piece, *tail;
		unsigned count;
		const char *found; /* NULL: must be beyond a limit */
	} cases[] = {
		{ "2,000 parts", TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		    "--b\r\n\r\npart #\r\n", "--b\r\n\r\nlast\r\n--b--\r\n", 2000, "last" },
		{ "20,000 parts", TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		    "--b\r\n\r\npart #\r\n", "--b--\r\n", 20000, NULL },
		{ "99 levels", TOP,
		    "Content-Type: multipart/mixed; boundary=b#-\r\n\r\n--b#-\r\n", "\r\nlast",
		    99, "last" },
		{ "3,000 levels", TOP,
		    "Content-Type: multipart/mixed; boundary=b#-\r\n\r\n--b#-\r\n", "\r\nlast",
		    3000, NULL },
		{ "100,000 fields", "", "X-#: y\r\n", "\r\nlast", 100000, "last" },
		{ "4,000 parameters", TOP "Content-Type: multipart/mixed", "; p#=v",
		    "; boundary=b\r\n\r\n--b\r\n\r\nlast\r\n--b--\r\n", 4000, "last" },
		{ "100 types", TOP, "Content-Type: multipart/mixed; boundary=b#\r\n",
		    "\r\n--b50\r\n\r\n"
		    "last\r\n",
		    100, NULL },
		{ "100 rfc822", "", "Subject: x\r\nContent-Type: message/rfc822\r\n\r\n",
		    "\r\nlast", 95, "last" },
	};
	struct mime_bench b;

	(void)state;
	mime_bench_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf mail;
		struct slice bytes =
		    repeat(&mail, cases[i].head, cases[i].count, cases[i].piece, cases[i].tail);
		const uint64_t limits =
		    FACT_BIT(FACT_LIMIT_VIEWS) | FACT_BIT(FACT_LIMIT_DEPTH) |
		    FACT_BIT(FACT_LIMIT_OBJECTS) | FACT_BIT(FACT_LIMIT_HEADER);
		int64_t before = clock_cpu_us();

		mime_bench_run(&b, bytes);
		if (cases[i].found == NULL) {
			if ((b.facts & limits) == 0)
				fail_msg("%s: passed in silence", cases[i].name);
		} else if (mime_bench_find(&b, slice_of_str(cases[i].found)) == NULL) {
			fail_msg("%s: not found", cases[i].name);
		}
		if (clock_cpu_us() - before > 3000000)
			fail_msg("%s: took too long", cases[i].name);
	}
	mime_bench_done(&b);
}

/* Twice as many ambiguous things may not cost much more than twice the time. */
static void
test_linear(void **state)
{
	static const struct {
		const char *name, *head, *piece, *tail;
		unsigned count;
	} cases[] = {
		{ "ambiguous parts", TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		    "--b\r\nContent-Type: text/plain\r\nContent-Type: multipart/mixed; "
		    "boundary=(x)q#\r\n"
		    "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: "
		    "7bit\r\n\r\n"
		    "--q#\r\n\r\nQUJDREVGRw #\r\n",
		    "", 700 },
		{ "repeated types", TOP, "Content-Type: multipart/mixed; boundary=b#\r\n",
		    "\r\n--b1\r\n\r\nx\r\n--b1--\r\n", 20000 },
		{ "undeclared delimiters", TOP "Content-Type: multipart/mixed\r\n\r\n",
		    "--#\r\n", "", 100000 },
		{ "one delimiter, other lines",
		    TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n",
		    "--c#\n", "", 100000 },
		{ "padded groups", TOP "Content-Transfer-Encoding: base64\r\n\r\n", "QQ==\r\n",
		    "", 200000 },
		{ "junk in base64", TOP "Content-Transfer-Encoding: base64\r\n\r\n",
		    "gIGC#gIGC\r\ngIGCgIGCgIGC"
		    "gIGCgIGCgIGCgIGCgIGCgIGCgIGCgIGCgIGC\r\n",
		    "", 20000 },
		{ "bare CR", TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		    "x\r--c\r", "", 100000 },
		{ "open comments", TOP "Content-Type: multipart/mixed; ", "(",
		    "boundary=b\r\n\r\n--b\r\n\r\nx\r\n", 50000 },
		{ "fields without a name", "", ":\r\n \r\nx\r\n", "\r\nbody", 20000 },
	};
	struct mime_bench b;

	(void)state;
	mime_bench_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t best[2] = { INT64_MAX, INT64_MAX };

		for (unsigned k = 0; k < 2; k++) {
			CLEANUP(buf_done) struct buf mail;
			struct slice bytes = repeat(&mail, cases[i].head, cases[i].count << k,
			    cases[i].piece, cases[i].tail);

			for (unsigned round = 0; round < 5; round++) {
				int64_t before = clock_cpu_us(), took;

				mime_bench_run(&b, bytes);
				took = clock_cpu_us() - before;
				best[k] = MIN_OF(best[k], took);
			}
		}
		print_message("%-28s %6lld us, doubled %6lld us\n", cases[i].name,
		    (long long)best[0], (long long)best[1]);
		if (best[1] > 3 * best[0] + 2000)
			fail_msg("%s: more than linear", cases[i].name);
	}
	mime_bench_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trail_names_types),
		cmocka_unit_test(test_nested_message),
		cmocka_unit_test(test_partial_and_external),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
