/* test_decompose.c: the worklist with the real table of openers, over small mails made here:
 * trails, doubles, roles, limits, kept bytes. What each opener reads is tested with it. */
#include "test_common.h"

#include <zlib.h>

#include "base/sha256.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"

#define HOLD_BYTES ((size_t)32 << 20)

static struct bench {
	struct decompose *d;
	uint8_t *hold;
	struct limits limits;
	struct buf mail;
	unsigned seen;
	unsigned wish;
} bench;

static unsigned
seen(void *ctx UNUSED, struct object *o)
{
	bench.seen++;
	assert_int_equal(o->bytes.len, o->size);
	assert_int_equal(o->id, bench.seen);
	return bench.wish;
}

static int
setup(void **state UNUSED)
{
	memset(&bench, 0, sizeof(bench));
	archive_preload();
	bench.hold = malloc(HOLD_BYTES);
	assert_non_null(bench.hold);
	bench.d = decompose_new(bench.hold, HOLD_BYTES);
	bench.limits = limits_get_default();
	bench.wish = WISH_OPEN;
	buf_init(&bench.mail, 64 << 20);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	decompose_free(&bench.d);
	decompose_free(&bench.d);
	free(bench.hold);
	buf_done(&bench.mail);
	return 0;
}

static void
add(const char *text)
{
	assert_int_equal(buf_append_str(&bench.mail, text), 0);
}

static void
add_base64(struct slice s)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.len; i += 3) {
		uint32_t v = (uint32_t)s.ptr[i] << 16 | (i + 1 < s.len ? s.ptr[i + 1] : 0u) << 8 |
		    (i + 2 < s.len ? s.ptr[i + 2] : 0u);
		char four[5] = { digits[v >> 18], digits[v >> 12 & 63],
			i + 1 < s.len ? digits[v >> 6 & 63] : '=', i + 2 < s.len ? digits[v & 63] : '=', 0 };

		add(four);
		if (i % 57 == 54)
			add("\r\n");
	}
	add("\r\n");
}

static void
add_part(const char *type, const char *name, struct slice bytes)
{
	add("--b\r\nContent-Type: ");
	add(type);
	add("\r\nContent-Disposition: attachment; filename=\"");
	add(name);
	add("\"\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	add_base64(bytes);
}

static void
begin(void)
{
	buf_clear(&bench.mail);
	add("From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
	    "\r\n");
}

static struct slice
gzip_of(struct slice in, struct buf *out)
{
	z_stream z = { 0 };

	buf_init(out, 16 << 20);
	assert_int_equal(buf_reserve(out, in.len / 100 + 100000), 0);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)in.ptr;
	z.avail_in = (uInt)in.len;
	z.next_out = out->data;
	z.avail_out = (uInt)(in.len / 100 + 100000);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len = z.total_out;
	deflateEnd(&z);
	return buf_get(out);
}

static void
run(void)
{
	struct decompose_hook hook = { .seen = seen };

	bench.seen = 0;
	decompose_run(bench.d, buf_get(&bench.mail), ROLE_ENTITY, SLICE_NONE, &bench.limits, &hook);
	assert_int_equal(bench.seen, decompose_get_object_count(bench.d));
}

static struct object *
find(struct slice bytes)
{
	struct sha256 hash = sha256_of(bytes);

	for (uint32_t id = 1; id <= decompose_get_object_count(bench.d); id++) {
		struct object *o = decompose_get_object(bench.d, id);

		if (o->hashed && o->size == bytes.len && memcmp(&o->hash, &hash, sizeof(hash)) == 0)
			return o;
	}
	return NULL;
}

static void
test_mail(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf packed;
	struct object *o;

	begin();
	add("--b\r\n\r\nHello\r\n");
	add_part("application/gzip", "a.gz", gzip_of(eicar_text(), &packed));
	add("--b--\r\n");
	run();
	o = find(buf_get(&packed));
	assert_non_null(o);
	assert_slice(o->declared, "application/gzip");
	assert_string_equal(o->detected->format, "gzip");
	assert_slice(o->names[0], "a.gz");
	assert_int_equal(o->parent, 1);
	assert_int_equal(o->depth, 0);
	assert_int_equal(o->mime_depth, 1);
	assert_true(slice_has(o->trail, "base64"));
	o = find(eicar_text());
	assert_non_null(o);
	assert_int_equal(o->depth, 1);
	assert_true(slice_has(o->trail, "base64 > "));
	assert_slice(find(SLICE_LIT("Hello"))->bytes, "Hello");
	assert_true(decompose_get_facts(bench.d) == 0);
	assert_false(decompose_get_object(bench.d, 1)->hashed);
}

/* The same attachment three times under three names is opened once. */
static void
test_doubles(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf packed;
	uint32_t count;
	struct object *o;

	begin();
	(void)gzip_of(eicar_text(), &packed);
	add_part("application/gzip", "one.gz", buf_get(&packed));
	add("--b--\r\n");
	run();
	count = decompose_get_object_count(bench.d);
	begin();
	add_part("application/gzip", "one.gz", buf_get(&packed));
	add_part("application/gzip", "two.gz", buf_get(&packed));
	add_part("text/plain", "three.txt", buf_get(&packed));
	add("--b--\r\n");
	run();
	assert_int_equal(decompose_get_object_count(bench.d), count);
	o = find(buf_get(&packed));
	assert_non_null(o);
	assert_int_equal(o->name_count, 3);
	assert_slice(o->names[2], "three.txt");
	assert_non_null(find(eicar_text()));
}

/* The same bytes, first as a file that nobody opens, then as a mail. */
static void
test_role_later(void **state UNUSED)
{
	static const char inner[] = "Subject: x\r\nContent-Type: application/octet-stream\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=73=65=63=72=65=74 bytes";

	begin();
	add_part("application/octet-stream", "x.dat", slice_of_str(inner));
	add("--b\r\nContent-Type: message/rfc822\r\n\r\n");
	add(inner);
	add("\r\n--b--\r\n");
	run();
	assert_non_null(find(SLICE_LIT("secret bytes")));
	assert_true((find(slice_of_str(inner))->roles & (ROLE_ENTITY | ROLE_LEAF)) ==
	    (ROLE_ENTITY | ROLE_LEAF));
}

static void
nest(unsigned levels)
{
	buf_clear(&bench.mail);
	for (unsigned i = 0; i < levels; i++) {
		CLEANUP(buf_done) struct buf line = { .max = 100 };

		assert_int_equal(buf_printf(&line, "Subject: %u\r\nContent-Type: message/rfc822\r\n\r\n",
		    i), 0);
		add(buf_get_str(&line));
	}
	add("Subject: last\r\n\r\ninnermost");
}

static void
test_mime_depth(void **state UNUSED)
{
	bool said = false;

	bench.limits.mime_depth = 20;
	nest(15);
	run();
	assert_non_null(find(SLICE_LIT("innermost")));
	assert_true(decompose_get_facts(bench.d) == 0);
	nest(25);
	run();
	assert_null(find(SLICE_LIT("innermost")));
	assert_true((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_DEPTH)) != 0);
	for (uint32_t id = 1; id <= decompose_get_object_count(bench.d); id++) {
		const struct object *o = decompose_get_object(bench.d, id);

		assert_true(o->mime_depth <= 21);
		said = said || (o->facts & FACT_BIT(FACT_LIMIT_DEPTH)) != 0;
	}
	assert_true(said);
	nest(15); /* and the next mail is none the worse for it */
	run();
	assert_true(decompose_get_facts(bench.d) == 0);
}

static void
test_depth(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf a, b;
	struct slice s = gzip_of(eicar_text(), &a);

	buf_init(&b, 0);
	for (unsigned i = 0; i < 6; i++) { /* gzip in gzip, seven in all */
		struct buf next;

		(void)gzip_of(s, &next);
		buf_done(&b);
		b = next;
		s = buf_get(&b);
	}
	begin();
	add_part("application/gzip", "x.gz", s);
	bench.limits.depth = 7;
	run();
	assert_non_null(find(eicar_text()));
	assert_true(decompose_get_facts(bench.d) == 0);
	bench.limits.depth = 6;
	run();
	assert_null(find(eicar_text()));
	assert_non_null(find(buf_get(&a)));
	assert_true(find(buf_get(&a))->facts == FACT_BIT(FACT_LIMIT_DEPTH));
}

static void
test_objects(void **state UNUSED)
{
	uint32_t whole;

	begin();
	for (unsigned i = 0; i < 200; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "file number %u", i);
		add_part("application/octet-stream", text, slice_of_str(text));
	}
	add("--b--\r\n");
	run();
	whole = decompose_get_object_count(bench.d);
	assert_true(whole >= 201);
	assert_non_null(find(SLICE_LIT("file number 199")));
	bench.limits.objects = 50;
	run();
	assert_int_equal(decompose_get_object_count(bench.d), 50);
	assert_true((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_OBJECTS)) != 0);
	assert_true((decompose_get_object(bench.d, 1)->facts & FACT_BIT(FACT_LIMIT_OBJECTS)) != 0);
	bench.limits.objects = 10000;
	run();
	assert_int_equal(decompose_get_object_count(bench.d), whole);
}

static void
test_bytes_and_ratio(void **state UNUSED)
{
	size_t len = (size_t)8 << 20;
	uint8_t *zeros = calloc(1, len);
	CLEANUP(buf_done) struct buf packed;

	assert_non_null(zeros);
	begin();
	add_part("application/gzip", "bomb.gz", gzip_of(slice_of(zeros, len), &packed));
	add("--b--\r\n");
	run();
	assert_true(decompose_get_facts(bench.d) == 0);
	assert_non_null(find(slice_of(zeros, len)));
	bench.limits.output_bytes = 1 << 20;
	run();
	assert_true((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_BYTES)) != 0);
	assert_true((find(buf_get(&packed))->facts & FACT_BIT(FACT_LIMIT_BYTES)) != 0);
	assert_null(find(slice_of(zeros, len)));
	bench.limits = limits_get_default();
	bench.limits.ratio = 100;
	bench.limits.ratio_floor_bytes = 1 << 20;
	run();
	assert_true((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_RATIO)) != 0);
	assert_true((find(buf_get(&packed))->facts & FACT_BIT(FACT_LIMIT_RATIO)) != 0);
	bench.limits = limits_get_default();
	bench.limits.held_bytes = 4 << 20;
	run();
	assert_true((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_HELD)) != 0);
	assert_false((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_BYTES)) != 0);
	free(zeros);
}

/* What is to be kept is there at the end, byte for byte, and no two of them share a place unless
 * one was found inside the other. */
static void
test_kept(void **state UNUSED)
{
	unsigned in_hold = 0;

	bench.wish = WISH_OPEN | WISH_KEEP;
	begin();
	for (unsigned i = 0; i < 30; i++) {
		char text[64];
		CLEANUP(buf_done) struct buf packed;

		(void)snprintf(text, sizeof(text), "packed thing number %u", i);
		add_part("application/gzip", "a.gz", gzip_of(slice_of_str(text), &packed));
	}
	add("--b--\r\n");
	run();
	assert_true(decompose_get_object_count(bench.d) >= 61);
	for (uint32_t id = 2; id <= decompose_get_object_count(bench.d); id++) {
		const struct object *o = decompose_get_object(bench.d, id);
		struct sha256 hash;

		assert_true(o->kept);
		hash = sha256_of(o->bytes);
		assert_memory_equal(&hash, &o->hash, sizeof(hash));
		in_hold += o->bytes.ptr >= bench.hold && o->bytes.ptr < bench.hold + HOLD_BYTES;
	}
	assert_true(in_hold >= 60);
}

static void
test_time(void **state UNUSED)
{
	begin();
	for (unsigned i = 0; i < 2000; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "file %u", i);
		add_part("application/octet-stream", text, slice_of_str(text));
	}
	bench.limits.cpu_ms = 0;
	run();
	assert_true((decompose_get_facts(bench.d) & FACT_BIT(FACT_LIMIT_CPU)) != 0);
	assert_true(decompose_get_object_count(bench.d) < 2000);
}

static void
test_nothing(void **state UNUSED)
{
	buf_clear(&bench.mail);
	run();
	assert_int_equal(decompose_get_object_count(bench.d), 1);
	assert_int_equal(decompose_get_object(bench.d, 1)->size, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_mail), TEST(test_doubles),
		TEST(test_role_later), TEST(test_mime_depth), TEST(test_depth), TEST(test_objects),
		TEST(test_bytes_and_ratio), TEST(test_kept), TEST(test_time), TEST(test_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
