/* test_zip.c: ZIP files put together by hand, also such as no packer makes: hidden entries,
 * several directories, none, lying headers, bombs. */
#include "test_opener.h"

#include <zlib.h>

static struct bench bench;

/* One member as both headers tell it; what is not set is as honest as can be. */
struct entry {
	const char *name;
	struct slice plain;
	uint16_t method;        /* 0 or 8 */
	uint16_t flags;
	bool no_local_sizes;    /* with flag 8: a descriptor follows */
	bool not_in_directory;
	const char *local_name; /* differing name */
	uint32_t lie_plain;     /* declared in both headers, if not 0 */
	uint32_t local_packed;  /* declared in the local header, if not 0 */
	/* results */
	size_t local_at, packed_len;
	uint32_t crc;
};

struct zip {
	struct buf out;
	size_t directory_at, directory_end;
	unsigned counted;
};

static void
zip_init(struct zip *z)
{
	memset(z, 0, sizeof(*z));
	buf_init(&z->out, (size_t)64 << 20);
}

static void
put_packed(struct zip *z, const struct entry *e)
{
	z_stream s = { 0 };
	uLong bound = compressBound(e->plain.len) + 64;

	if (e->method != 8) {
		assert_int_equal(buf_append_slice(&z->out, e->plain), 0);
		return;
	}
	assert_int_equal(deflateInit2(&s, 6, Z_DEFLATED, -15, 8, 0), Z_OK);
	assert_int_equal(buf_reserve(&z->out, bound), 0);
	s.next_in = (Bytef *)(uintptr_t)e->plain.ptr;
	s.avail_in = (uInt)e->plain.len;
	s.next_out = z->out.data + z->out.len;
	s.avail_out = (uInt)bound;
	assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
	z->out.len += bound - s.avail_out;
	assert_int_equal(deflateEnd(&s), Z_OK);
}

static void
zip_add(struct zip *z, struct entry *e)
{
	const char *name = e->local_name != NULL ? e->local_name : e->name;
	size_t sizes_at, data_at;

	e->local_at = z->out.len;
	e->crc = (uint32_t)crc32_z(0, e->plain.ptr, e->plain.len);
	put_le(&z->out, 0x04034b50, 4);
	put_le(&z->out, 20, 2);
	put_le(&z->out, e->flags, 2);
	put_le(&z->out, e->method, 2);
	put_le(&z->out, 0, 4);
	sizes_at = z->out.len;
	put_le(&z->out, 0, 8);
	put_le(&z->out, 0, 4);
	put_le(&z->out, strlen(name), 2);
	put_le(&z->out, 0, 2);
	assert_int_equal(buf_append_str(&z->out, name), 0);
	data_at = z->out.len;
	put_packed(z, e);
	e->packed_len = z->out.len - data_at;
	if (e->no_local_sizes) {
		put_le(&z->out, 0x08074b50, 4);
		put_le(&z->out, e->crc, 4);
		put_le(&z->out, e->packed_len, 4);
		put_le(&z->out, e->plain.len, 4);
	} else {
		uint64_t values[3] = { e->crc, e->local_packed != 0 ? e->local_packed : e->packed_len,
			e->lie_plain != 0 ? e->lie_plain : e->plain.len };

		for (unsigned i = 0; i < 12; i++)
			z->out.data[sizes_at + i] = (uint8_t)(values[i / 4] >> (8 * (i % 4)));
	}
}

static void
zip_add_central(struct zip *z, const struct entry *e, size_t base)
{
	put_le(&z->out, 0x02014b50, 4);
	put_le(&z->out, 20, 2);
	put_le(&z->out, 20, 2);
	put_le(&z->out, e->flags, 2);
	put_le(&z->out, e->method, 2);
	put_le(&z->out, 0, 4);
	put_le(&z->out, e->crc, 4);
	put_le(&z->out, e->packed_len, 4);
	put_le(&z->out, e->lie_plain != 0 ? e->lie_plain : e->plain.len, 4);
	put_le(&z->out, strlen(e->name), 2);
	put_le(&z->out, 0, 4);
	put_le(&z->out, 0, 4);
	put_le(&z->out, 0, 4);
	put_le(&z->out, e->local_at - base, 4);
	assert_int_equal(buf_append_str(&z->out, e->name), 0);
	z->counted++;
}

/* The directory of n entries and its end record; offsets count from base. */
static void
zip_end(struct zip *z, const struct entry *entries, size_t n, size_t base)
{
	z->directory_at = z->out.len;
	z->counted = 0;
	for (size_t i = 0; i < n; i++) {
		if (!entries[i].not_in_directory)
			zip_add_central(z, &entries[i], base);
	}
	z->directory_end = z->out.len;
	put_le(&z->out, 0x06054b50, 4);
	put_le(&z->out, 0, 4);
	put_le(&z->out, z->counted, 2);
	put_le(&z->out, z->counted, 2);
	put_le(&z->out, z->directory_end - z->directory_at, 4);
	put_le(&z->out, z->directory_at - base, 4);
	put_le(&z->out, 0, 2);
}

static void
zip_make(struct zip *z, struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		zip_add(z, &entries[i]);
	zip_end(z, entries, n, 0);
}

#define HARMLESS { .name = "a.txt", .plain = SLICE_LIT("harmless text of some length") }

static struct entry
virus(uint16_t method)
{
	struct entry e = { .name = "virus.com", .method = method };

	e.plain = eicar();
	return e;
}

static void
test_plain(void **state)
{
	struct entry entries[3] = { HARMLESS };
	struct buf text;
	struct zip z;
	struct object *o;

	(void)state;
	entries[1] = virus(8);
	entries[2] = (struct entry){ .name = "long.txt", .method = 8,
		.plain = sample_text(&text, 5000) };
	zip_init(&z);
	zip_make(&z, entries, 3);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 4);
	for (size_t i = 0; i < 3; i++) {
		struct object *child = bench_named(&bench, entries[i].name);

		assert_non_null(child);
		assert_true(slice_eq(child->bytes, entries[i].plain));
		assert_true(slice_eq_str(child->trail, entries[i].name));
		assert_true(slice_eq_str(child->packing.method, i == 0 ? "store" : "deflate"));
		assert_int_equal(child->packing.packed_bytes, entries[i].packed_len);
		assert_int_equal(child->packing.plain_bytes, entries[i].plain.len);
		assert_false(child->unopened);
	}
	buf_done(&z.out);
	buf_done(&text);
}

static void
test_descriptors(void **state)
{
	struct entry entries[2] = { HARMLESS };
	struct zip z;
	struct object *o;

	(void)state;
	for (int directory = 0; directory < 2; directory++) {
		for (uint16_t method = 0; method <= 8; method = (uint16_t)(method + 8)) {
			zip_init(&z);
			entries[1] = virus(method);
			entries[0].flags = entries[1].flags = 8;
			entries[0].no_local_sizes = entries[1].no_local_sizes = true;
			zip_add(&z, &entries[0]);
			zip_add(&z, &entries[1]);
			if (directory == 1)
				zip_end(&z, entries, 2, 0);
			o = bench_run(&bench, buf_get(&z.out), "a.zip");
			assert_int_equal(o->facts, directory == 1 ? 0 : FACT_BIT(FACT_TRUNCATED));
			assert_true(bench_has_bytes(&bench, eicar()));
			assert_true(bench_has_bytes(&bench, entries[0].plain));
			assert_int_equal(decompose_get_object_count(bench.d), 3);
			buf_done(&z.out);
		}
	}
}

static void
test_hidden_entry(void **state)
{
	struct entry entries[2] = { HARMLESS };
	struct zip z;
	struct object *o;

	(void)state;
	zip_init(&z);
	entries[1] = virus(8);
	entries[1].not_in_directory = true;
	zip_make(&z, entries, 2);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_true(has_fact(o, FACT_DISAGREEMENT));
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	buf_done(&z.out);
}

/* Local headers and nothing else: many readers open no such file. */
static void
test_no_directory(void **state)
{
	struct entry entries[2] = { HARMLESS };
	struct zip z;

	(void)state;
	zip_init(&z);
	entries[1] = virus(8);
	zip_add(&z, &entries[0]);
	zip_add(&z, &entries[1]);
	(void)bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_true(bench_has_bytes(&bench, entries[0].plain));
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	buf_done(&z.out);
}

/* Two archives one behind the other: some readers see the first, some the second. */
static void
test_concatenated(void **state)
{
	(void)state;
	for (int order = 0; order < 4; order++) {
		struct entry entries[2] = { HARMLESS };
		struct zip z;
		struct object *o;
		size_t second_at;

		zip_init(&z);
		entries[1] = virus(8);
		zip_add(&z, &entries[order % 2]);
		zip_end(&z, &entries[order % 2], 1, 0);
		second_at = z.out.len;
		zip_add(&z, &entries[1 - order % 2]);
		/* offsets that count from the second archive, or from the whole file */
		zip_end(&z, &entries[1 - order % 2], 1, order < 2 ? second_at : 0);
		o = bench_run(&bench, buf_get(&z.out), "a.zip");
		assert_true(has_fact(o, FACT_DISAGREEMENT));
		assert_int_equal(decompose_get_object_count(bench.d), 3);
		assert_true(bench_has_bytes(&bench, eicar()));
		assert_true(bench_has_bytes(&bench, entries[0].plain));
		buf_done(&z.out);
	}
}

static void
test_prefix_and_suffix(void **state)
{
	(void)state;
	for (int honest = 0; honest < 2; honest++) {
		struct entry entries[1];
		struct zip z;
		struct object *o;

		zip_init(&z);
		entries[0] = virus(8);
		assert_int_equal(buf_append(&z.out, "\x89PNG\r\n\x1a\n and then some", 22), 0);
		zip_add(&z, &entries[0]);
		zip_end(&z, entries, 1, honest ? 0 : 22);
		assert_int_equal(buf_append_str(&z.out, "junk behind the end"), 0);
		o = bench_run(&bench, buf_get(&z.out), "picture.png");
		assert_string_equal(o->detected->format, "png");
		assert_true(bench_has_bytes(&bench, eicar()));
		assert_false(has_fact(o, FACT_CORRUPT));
		buf_done(&z.out);
	}
}

static void
test_lying_sizes(void **state)
{
	struct entry e = virus(8);
	struct zip z;
	struct object *o;

	(void)state;
	zip_init(&z);
	e.lie_plain = 10;
	zip_make(&z, &e, 1);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_true(has_fact(o, FACT_DISAGREEMENT));
	assert_true(bench_has_bytes(&bench, eicar()));
	buf_done(&z.out);
	/* A stored member that the local header cuts short, and the directory does not. */
	zip_init(&z);
	e = virus(0);
	e.local_packed = 20;
	zip_make(&z, &e, 1);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_true(has_fact(o, FACT_DISAGREEMENT));
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_true(bench_has_bytes(&bench, slice_sub(eicar(), 0, 20)));
	buf_done(&z.out);
}

static void
test_differing_names(void **state)
{
	struct entry e = virus(8);
	struct zip z;
	struct object *o;

	(void)state;
	zip_init(&z);
	e.name = "letter.txt";
	e.local_name = "letter.exe";
	zip_make(&z, &e, 1);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_true(has_fact(o, FACT_DISAGREEMENT));
	assert_ptr_equal(bench_named(&bench, "letter.txt"), bench_named(&bench, "letter.exe"));
	assert_non_null(bench_named(&bench, "letter.txt"));
	buf_done(&z.out);
}

static void
test_encrypted_and_unsupported(void **state)
{
	struct entry entries[3] = { HARMLESS };
	struct zip z;
	struct object *o;

	(void)state;
	zip_init(&z);
	entries[1] = virus(0);
	entries[1].name = "secret.exe";
	entries[1].flags = 1;
	entries[2] = virus(0);
	entries[2].name = "old.exe";
	entries[2].method = 2;
	entries[2].plain = SLICE_LIT("reduced, who would have thought");
	zip_make(&z, entries, 3);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED) | FACT_BIT(FACT_UNSUPPORTED));
	assert_true(has_fact(bench_named(&bench, "secret.exe"), FACT_ENCRYPTED));
	assert_true(bench_named(&bench, "secret.exe")->unopened);
	assert_true(has_fact(bench_named(&bench, "old.exe"), FACT_UNSUPPORTED));
	assert_true(bench_named(&bench, "old.exe")->unopened);
	assert_true(slice_eq_str(bench_named(&bench, "old.exe")->packing.method, "reduce"));
	assert_int_equal(bench_named(&bench, "a.txt")->facts, 0);
	assert_false(bench_named(&bench, "a.txt")->unopened);
	buf_done(&z.out);
}

static void
test_corrupt(void **state)
{
	struct entry entries[2] = { HARMLESS };
	struct buf text;
	struct zip z;
	struct object *o;

	(void)state;
	zip_init(&z);
	entries[0] = (struct entry){ .name = "long.txt", .method = 8,
		.plain = sample_text(&text, 5000) };
	entries[1] = virus(8);
	zip_make(&z, entries, 2);
	for (size_t i = 0; i < 8; i++)
		z.out.data[entries[0].packed_len / 2 + i] ^= 0x5a;
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_true(has_fact(o, FACT_CORRUPT));
	assert_true(bench_has_bytes(&bench, eicar())); /* the one behind it is found all the same */
	o = bench_run(&bench, slice_sub(buf_get(&z.out), 0, entries[0].packed_len / 2), "a.zip");
	assert_true(has_fact(o, FACT_TRUNCATED));
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	buf_done(&z.out);
	buf_done(&text);
}

static void
test_folders(void **state)
{
	struct entry entries[2] = { { .name = "folder/", .plain = SLICE_LIT("") },
		{ .name = "empty.txt", .plain = SLICE_LIT("") } };
	struct zip z;
	struct object *o;

	(void)state;
	zip_init(&z);
	zip_make(&z, entries, 2);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 2); /* the file is a member */
	assert_int_equal(bench_named(&bench, "empty.txt")->size, 0);
	assert_false(bench_named(&bench, "empty.txt")->unopened);
	buf_done(&z.out);
}

/* However many there are, each is a member: they are not one object with a hundred names. */
static void
test_many_empty(void **state)
{
	static struct entry entries[200];
	static char names[200][16];
	struct zip z;
	struct object *o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "__init__%zu.py", i);
		entries[i] = (struct entry){ .name = names[i], .plain = SLICE_LIT("") };
	}
	zip_init(&z);
	zip_make(&z, entries, ARRAY_LEN(entries));
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 201);
	for (uint32_t id = 2; id <= 201; id++) {
		assert_int_equal(decompose_get_object(bench.d, id)->facts, 0);
		assert_int_equal(decompose_get_object(bench.d, id)->name_count, 1);
	}
	buf_done(&z.out);
}

/* Encrypted, corrupt, unsupported, truncated: each makes its own fact, of the archive and of
 * the member, and no other one; the member stands in the list all the same. */
static void
test_four_facts(void **state)
{
	static const struct {
		const char *name;
		enum fact fact;
		enum cause cause;
	} rows[] = {
		{ "encrypted", FACT_ENCRYPTED, CAUSE_ENCRYPTED },
		{ "corrupt", FACT_CORRUPT, CAUSE_CORRUPT },
		{ "unsupported", FACT_UNSUPPORTED, CAUSE_UNSUPPORTED },
		{ "truncated", FACT_TRUNCATED, CAUSE_TRUNCATED },
	};
	uint64_t all = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		all |= FACT_BIT(rows[i].fact);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct entry entries[2] = { HARMLESS };
		struct slice bytes;
		struct object *o, *member;
		struct zip z;

		zip_init(&z);
		entries[1] = virus(8);
		if (rows[i].fact == FACT_ENCRYPTED)
			entries[1].flags = 1;
		zip_add(&z, &entries[0]);
		zip_add(&z, &entries[1]);
		bytes = buf_get(&z.out);
		if (rows[i].fact == FACT_CORRUPT) /* a kind of block that there is not */
			z.out.data[z.out.len - entries[1].packed_len] = 0x07;
		if (rows[i].fact == FACT_UNSUPPORTED)
			z.out.data[entries[1].local_at + 8] = 97;
		if (rows[i].fact == FACT_UNSUPPORTED)
			entries[1].method = 97;
		if (rows[i].fact == FACT_TRUNCATED)
			bytes = slice_sub(bytes, 0, z.out.len - entries[1].packed_len + 4);
		else
			zip_end(&z, entries, 2, 0);
		if (rows[i].fact != FACT_TRUNCATED)
			bytes = buf_get(&z.out);
		o = bench_run(&bench, bytes, "a.zip");
		if ((o->facts & all) != FACT_BIT(rows[i].fact))
			fail_msg("%s: %llx", rows[i].name, (unsigned long long)o->facts);
		assert_int_equal(bench_named(&bench, "a.txt")->facts, 0);
		member = bench_named(&bench, "virus.com");
		assert_non_null(member);
		if ((member->facts & all) != FACT_BIT(rows[i].fact))
			fail_msg(
			    "member %s: %llx", rows[i].name, (unsigned long long)member->facts);
		assert_true(member->unopened || rows[i].fact == FACT_TRUNCATED);
		assert_int_equal(fact_get_cause(rows[i].fact), rows[i].cause);
		assert_string_equal(fact_get_text(rows[i].fact), cause_get_text(rows[i].cause));
		buf_done(&z.out);
	}
}

/* A limit is named, at the archive and at the member that met it, and what came before it is
 * there; members behind it stand in the list. */
static void
test_limits_are_named(void **state)
{
	static const struct {
		enum fact fact;
		struct limits l; /* zeros: the default */
	} rows[] = {
		{ FACT_LIMIT_BYTES, { .output_bytes = 100000 } },
		{ FACT_LIMIT_QUOTA, { .quota_max = 100000, .quota_max_factor = 100 } },
		{ FACT_LIMIT_HELD, { .held_bytes = 100000 } },
		{ FACT_LIMIT_RATIO, { .ratio = 2, .ratio_floor_bytes = 50000 } },
	};
	struct buf text;
	struct entry entries[3] = { HARMLESS, { .name = "long.txt", .method = 8 },
		{ .name = "more.txt", .method = 8 } };

	(void)state;
	entries[1].plain = sample_text(&text, 50000);
	entries[2].plain = slice_from(entries[1].plain, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object *o, *member;
		struct zip z;

		zip_init(&z);
		zip_make(&z, entries, 3);
		if (rows[i].l.output_bytes > 0)
			bench.limits.output_bytes = rows[i].l.output_bytes;
		if (rows[i].l.held_bytes > 0)
			bench.limits.held_bytes = rows[i].l.held_bytes;
		if (rows[i].l.ratio > 0)
			bench.limits.ratio = rows[i].l.ratio;
		if (rows[i].l.ratio_floor_bytes > 0)
			bench.limits.ratio_floor_bytes = rows[i].l.ratio_floor_bytes;
		bench.limits.quota_max = rows[i].l.quota_max;
		bench.limits.quota_max_factor = rows[i].l.quota_max_factor;
		o = bench_run(&bench, buf_get(&z.out), "a.zip");
		bench.limits = limits_get_default();
		if ((o->facts & FACTS_LIMITS) != FACT_BIT(rows[i].fact))
			fail_msg("%s: %llx", fact_get_text(rows[i].fact),
			    (unsigned long long)o->facts);
		assert_true((decompose_get_facts(bench.d) & FACT_BIT(rows[i].fact)) != 0);
		assert_int_equal(bench_named(&bench, "a.txt")->facts, 0);
		assert_true(bench_has_bytes(&bench, entries[0].plain));
		member = bench_named(&bench, "long.txt");
		assert_non_null(member);
		assert_true(has_fact(member, rows[i].fact));
		assert_true(member->size < entries[1].plain.len);
		assert_int_equal(member->packing.plain_bytes, entries[1].plain.len);
		assert_non_null(bench_named(&bench, "more.txt"));
		assert_true(has_fact(bench_named(&bench, "more.txt"), rows[i].fact));
		buf_done(&z.out);
	}
	buf_done(&text);
}

/* Equal members are one object, and two places. */
static void
test_equal_members(void **state)
{
	struct entry entries[3] = { HARMLESS };
	struct buf inner;
	struct zip z, outer;

	(void)state;
	entries[1] = virus(8);
	zip_init(&z);
	zip_make(&z, entries, 2);
	buf_init(&inner, 10000);
	assert_int_equal(buf_append_slice(&inner, buf_get(&z.out)), 0);
	buf_done(&z.out);
	entries[0] = (struct entry){ .name = "inner.zip", .plain = buf_get(&inner) };
	entries[1].name = "direct.com";
	entries[2] = (struct entry){ .name = "again.zip", .plain = buf_get(&inner) };
	zip_init(&outer);
	zip_make(&outer, entries, 3);
	assert_int_equal(bench_run(&bench, buf_get(&outer.out), "a.zip")->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 4);
	assert_int_equal(decompose_get_double_count(bench.d), 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct object_double *x = decompose_get_double(bench.d, i);
		const struct object *o = decompose_get_object(bench.d, x->object);

		if (slice_eq_str(x->trail, "again.zip")) {
			assert_int_equal(x->parent, 1);
			assert_true(slice_eq_str(o->trail, "inner.zip"));
		} else {
			assert_true(slice_eq_str(x->trail, "inner.zip > virus.com"));
			assert_true(slice_eq_str(o->trail, "direct.com"));
		}
	}
	buf_done(&outer.out);
	buf_done(&inner);
}

/* A member that the directory tells of and the file does not have. */
static void
test_missing_member(void **state)
{
	struct entry entries[2] = { HARMLESS };
	struct zip z;
	struct object *o;

	(void)state;
	zip_init(&z);
	zip_add(&z, &entries[0]);
	entries[1] = virus(8);
	entries[1].local_at = 5;
	entries[1].packed_len = 77;
	zip_end(&z, entries, 2, 0);
	o = bench_run(&bench, buf_get(&z.out), "a.zip");
	assert_true(has_fact(o, FACT_CORRUPT));
	o = bench_named(&bench, "virus.com");
	assert_non_null(o);
	assert_true(o->unopened && has_fact(o, FACT_CORRUPT));
	assert_int_equal(o->packing.packed_bytes, 77);
	buf_done(&z.out);
}

/* A thousand directory entries, one local header: inflated once, and called a bomb. */
static void
test_overlap_bomb(void **state)
{
	static struct entry entries[1000];
	static char names[1000][16];
	uint8_t *zeros = calloc(1, (size_t)10 << 20);
	struct zip z;
	struct object *o;

	(void)state;
	assert_non_null(zeros);
	zip_init(&z);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "f%u", i);
		entries[i] = (struct entry){ .name = names[i], .method = 8,
			.plain = slice_of(zeros, (size_t)10 << 20) };
	}
	zip_add(&z, &entries[0]);
	for (unsigned i = 1; i < 1000; i++) {
		entries[i].crc = entries[0].crc;
		entries[i].packed_len = entries[0].packed_len;
	}
	zip_end(&z, entries, 1000, 0);
	o = bench_run(&bench, buf_get(&z.out), "bomb.zip");
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_true(has_fact(o, FACT_LIMIT_RATIO));
	assert_true(bench.seen_bytes < (size_t)12 << 20);
	buf_done(&z.out);
	free(zeros);
}

static void
test_depth(void **state)
{
	struct slice inner = eicar();
	struct zip z[26];
	struct object *o;

	(void)state;
	for (int i = 0; i < 26; i++) {
		struct entry e = { .name = i == 0 ? "virus.com" : "next.zip", .method = 8 };

		e.plain = inner;
		zip_init(&z[i]);
		zip_make(&z[i], &e, 1);
		inner = buf_get(&z[i].out);
	}
	(void)bench_run(&bench, buf_get(&z[15].out), "deep.zip");
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_int_equal(decompose_get_facts(bench.d), 0);
	o = bench_run(&bench, buf_get(&z[25].out), "deep.zip");
	(void)o;
	assert_false(bench_has_bytes(&bench, eicar()));
	assert_int_equal(decompose_get_facts(bench.d), FACT_BIT(FACT_LIMIT_DEPTH));
	for (int i = 0; i < 26; i++)
		buf_done(&z[i].out);
}

/* Stored in a zip, a zip's own members are not members of the outer one. */
static void
test_stored_inner(void **state)
{
	struct entry e = virus(8), outer;
	struct zip z, w;
	struct object *o;

	(void)state;
	zip_init(&z);
	zip_make(&z, &e, 1);
	zip_init(&w);
	outer = (struct entry){ .name = "inner.zip", .plain = buf_get(&z.out) };
	zip_make(&w, &outer, 1);
	o = bench_run(&bench, buf_get(&w.out), "outer.zip");
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	assert_true(slice_eq_str(bench_named(&bench, "virus.com")->trail,
	    "inner.zip > virus.com"));
	buf_done(&z.out);
	buf_done(&w.out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_hidden_entry),
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_concatenated),
		cmocka_unit_test(test_prefix_and_suffix),
		cmocka_unit_test(test_lying_sizes),
		cmocka_unit_test(test_differing_names),
		cmocka_unit_test(test_encrypted_and_unsupported),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_many_empty),
		cmocka_unit_test(test_four_facts),
		cmocka_unit_test(test_limits_are_named),
		cmocka_unit_test(test_equal_members),
		cmocka_unit_test(test_missing_member),
		cmocka_unit_test(test_overlap_bomb),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_stored_inner),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
