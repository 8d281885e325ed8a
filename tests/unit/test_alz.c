/* test_alz.c: ALZ archives, made here: each method, damage in every place, locked members, what
 * stands behind the end. */
#include "test_opener.h"

#include <bzlib.h>
#include <zlib.h>

#include "base/macros.h"

#define TEXT "this text must be reached, whatever is around it\n"

static struct bench bench;

/* What a member says of itself, where it is not what is true. */
struct wrong {
	uint8_t method, descriptor_bits, attributes;
	uint32_t crc_xor, plain_add, packed_add;
};

struct alz {
	uint8_t bytes[8192];
	size_t len;
};

static void
put(struct alz *a, const void *bytes, size_t len)
{
	assert_true(len <= sizeof(a->bytes) - a->len);
	if (len > 0)
		memcpy(a->bytes + a->len, bytes, len);
	a->len += len;
}

static void
put_number(struct alz *a, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		put(a, &(uint8_t){ (uint8_t)(value >> (8 * i)) }, 1);
}

static void
begin(struct alz *a)
{
	a->len = 0;
	put(a, "ALZ\1\x0a\0\0\0", 8);
}

static void
end(struct alz *a)
{
	put(a, "CLZ\1\0\0\0\0\0\0\0\0CLZ\2", 16);
}

/* A member whose packed bytes are data, of size_bytes bytes a size. */
static void
add_packed(struct alz *a, const char *name, struct slice plain, struct slice data,
    unsigned size_bytes, struct wrong w)
{
	put(a, "BLZ\1", 4);
	put_number(a, strlen(name), 2);
	put_number(a, w.attributes | 0x20u, 1);
	put_number(a, 0, 4);
	put_number(a, size_bytes << 4 | w.descriptor_bits, 1);
	put_number(a, 0, 1);
	if (size_bytes > 0) {
		put_number(a, w.method, 2);
		put_number(a, crc32_z(0, plain.ptr, plain.len) ^ w.crc_xor, 4);
		put_number(a, data.len + w.packed_add, size_bytes);
		put_number(a, plain.len + w.plain_add, size_bytes);
	}
	put(a, name, strlen(name));
	if ((w.descriptor_bits & 1) != 0)
		put(a, "twelve bytes", 12);
	put(a, data.ptr, data.len);
}

static struct slice
pack(struct slice plain, uint8_t method, uint8_t *out, unsigned size)
{
	z_stream z = { 0 };

	if (method == 0)
		return plain;
	if (method == 1) {
		assert_int_equal(
		    BZ2_bzBuffToBuffCompress((char *)out, &size, (char *)(uintptr_t)plain.ptr,
			(unsigned)plain.len, 9, 0, 0),
		    BZ_OK);
		return slice_of(out, size);
	}
	z.next_in = (Bytef *)(uintptr_t)plain.ptr;
	z.avail_in = (uInt)plain.len;
	z.next_out = out;
	z.avail_out = size;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size = (unsigned)z.total_out;
	(void)deflateEnd(&z);
	return slice_of(out, size);
}

static void
add(struct alz *a, const char *name, const char *text, struct wrong w)
{
	uint8_t out[4096];
	struct slice plain = slice_of_str(text);

	add_packed(a, name, plain, pack(plain, w.method, out, sizeof(out)), 2, w);
}

static struct object *
run(const struct alz *a)
{
	return bench_run(&bench, slice_of(a->bytes, a->len), "a.alz");
}

static bool
has_text(void)
{
	return bench_has_bytes(&bench, SLICE_LIT(TEXT));
}

static void
test_methods(void **state)
{
	uint8_t out[4096];
	struct alz a;

	(void)state;
	for (uint8_t method = 0; method < 3; method++) {
		begin(&a);
		add(&a, "b.txt", "another\n", (struct wrong){ .method = 0 });
		add(&a, "folder/a.txt", TEXT, (struct wrong){ .method = method });
		add_packed(&a, "folder", SLICE_NONE, SLICE_NONE, 0,
		    (struct wrong){ .attributes = 0x10 });
		add_packed(&a, "empty", SLICE_NONE, SLICE_NONE, 0, (struct wrong){ 0 });
		end(&a);
		assert_true(magic_is(run(&a)->detected, "alz"));
		assert_int_equal(decompose_get_object(bench.d, 1)->facts, 0);
		assert_true(has_text());
		assert_true(
		    slice_eq_str(bench_named(&bench, "folder/a.txt")->trail, "folder/a.txt"));
		assert_non_null(bench_named(&bench, "empty"));
		assert_null(bench_named(&bench, "folder"));
	}
	for (unsigned size_bytes = 1; size_bytes <= 8; size_bytes++) {
		struct slice plain = SLICE_LIT(TEXT);

		begin(&a);
		add_packed(&a, "a", plain, pack(plain, 2, out, sizeof(out)), size_bytes,
		    (struct wrong){ .method = 2 });
		end(&a);
		assert_int_equal(run(&a)->facts, 0);
		assert_true(has_text());
	}
}

static const struct {
	struct wrong wrong;
	uint64_t facts;
	bool opened;
} rows[] = {
	{ { .method = 2, .crc_xor = 1 }, FACT_BIT(FACT_CORRUPT), true },
	{ { .method = 1, .crc_xor = 1 }, FACT_BIT(FACT_CORRUPT), true },
	{ { .method = 0, .crc_xor = 1 }, FACT_BIT(FACT_CORRUPT), true },
	{ { .method = 2, .plain_add = 1 }, FACT_BIT(FACT_CORRUPT), true },
	{ { .method = 1, .plain_add = 1 }, FACT_BIT(FACT_CORRUPT), true },
	{ { .method = 0, .plain_add = 1 }, FACT_BIT(FACT_CORRUPT), true },
	{ { .method = 2, .packed_add = 1 }, FACT_BIT(FACT_CORRUPT), true },
	{ { .method = 0, .packed_add = 60000 }, FACT_BIT(FACT_TRUNCATED), false },
	{ { .method = 2, .descriptor_bits = 1 }, FACT_BIT(FACT_ENCRYPTED), false },
	{ { .method = 0, .descriptor_bits = 1 }, FACT_BIT(FACT_ENCRYPTED), false },
	{ { .descriptor_bits = 0x90 }, FACT_BIT(FACT_CORRUPT), false },
};

static void
test_wrong_members(void **state)
{
	struct alz a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t facts;

		begin(&a);
		add(&a, "a.txt", TEXT, rows[i].wrong);
		end(&a);
		facts = run(&a)->facts;
		if ((facts & rows[i].facts) == 0)
			print_message("row %zu: facts %llx\n", i, (unsigned long long)facts);
		assert_true((facts & rows[i].facts) == rows[i].facts);
		assert_true(!rows[i].opened || has_text());
	}
	/* A method that is not known, and ALZip's own bzip2: the name is there, and why not
	 * more. */
	for (uint8_t method = 1; method < 4; method += 2) {
		begin(&a);
		add_packed(&a, "a.exe", SLICE_LIT(TEXT), SLICE_LIT("DLZ\1what is this"), 4,
		    (struct wrong){ .method = method });
		add(&a, "b.txt", TEXT, (struct wrong){ .method = 2 });
		end(&a);
		assert_int_equal(run(&a)->facts, FACT_BIT(FACT_UNSUPPORTED));
		assert_true(has_fact(bench_named(&bench, "a.exe"), FACT_UNSUPPORTED));
		assert_true(has_text());
	}
}

static void
test_every_cut(void **state)
{
	struct alz a;
	size_t whole;

	(void)state;
	for (uint8_t method = 0; method < 3; method++) {
		begin(&a);
		add(&a, "a.txt", TEXT, (struct wrong){ .method = method });
		add(&a, "b.txt", "another\n", (struct wrong){ .method = method });
		whole = a.len;
		end(&a);
		for (size_t len = 8; len < whole; len++) {
			struct alz cut = a;
			struct object *o;

			cut.len = len;
			o = run(&cut);
			if ((o->facts & (FACT_BIT(FACT_TRUNCATED) | FACT_BIT(FACT_CORRUPT))) ==
			    0)
				print_message("method %u cut at %zu\n", method, len);
			assert_true((o->facts & (FACT_BIT(FACT_TRUNCATED) |
						    FACT_BIT(FACT_CORRUPT))) != 0);
		}
		a.len = whole; /* no end mark at all */
		assert_int_equal(run(&a)->facts, FACT_BIT(FACT_TRUNCATED));
		assert_true(has_text());
	}
}

/* Nothing of what stands behind the end is lost. */
static void
test_behind_the_end(void **state)
{
	struct alz a;

	(void)state;
	begin(&a);
	add(&a, "a.txt", "another\n", (struct wrong){ .method = 0 });
	end(&a);
	add(&a, "b.txt", TEXT, (struct wrong){ .method = 2 });
	end(&a);
	put(&a, TEXT "!", sizeof(TEXT));
	assert_int_equal(run(&a)->facts, 0);
	assert_true(has_text());
	assert_true(bench_has_bytes(&bench, SLICE_LIT(TEXT "!")));
	/* no member, no end */
	begin(&a);
	put(&a, TEXT, sizeof(TEXT) - 1);
	assert_int_equal(run(&a)->facts, FACT_BIT(FACT_CORRUPT));
	assert_true(has_text());
}

/* More members than objects are allowed: told, and ended. */
static void
test_limits(void **state)
{
	struct alz a;
	char name[8];

	(void)state;
	bench.limits.objects = 10;
	begin(&a);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		add(&a, name, name, (struct wrong){ .method = 0 });
	}
	end(&a);
	assert_true(has_fact(run(&a), FACT_LIMIT_OBJECTS));
	bench.limits = limits_get_default();
}

static int
setup(void **state)
{
	(void)state;
	bench_init(&bench, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bench_done(&bench);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_wrong_members),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_behind_the_end),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
