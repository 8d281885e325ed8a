/* test_archive.c: archives that libarchive's own writers make, and what is wrong with them. */
#include "test_opener.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

static struct bench bench;

struct member {
	const char *name;
	struct slice data;
};

/* Packs members in a format of libarchive's; options may be NULL. */
static void
pack(int (*set_format)(struct archive *), const char *options, const struct member *members,
    size_t n, struct buf *out)
{
	struct archive *a = archive_write_new();
	size_t used = 0;

	assert_non_null(a);
	buf_init(out, (size_t)32 << 20);
	assert_int_equal(buf_reserve(out, (size_t)16 << 20), 0);
	assert_int_equal(set_format(a), ARCHIVE_OK);
	if (options != NULL)
		assert_int_equal(archive_write_set_options(a, options), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, out->data, (size_t)16 << 20, &used),
	    ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, members[i].name);
		archive_entry_set_size(e, (la_int64_t)members[i].data.len);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, members[i].data.ptr, members[i].data.len),
		    members[i].data.len);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	(void)archive_write_free(a);
	out->len = used;
}

static const struct {
	const char *label;
	int (*set_format)(struct archive *);
	const char *options, *type;
} formats[] = {
	{ "ustar",    archive_write_set_format_ustar,          NULL, "tar" },
	{ "pax",      archive_write_set_format_pax,            NULL, "tar" },
	{ "gnutar",   archive_write_set_format_gnutar,         NULL, "tar" },
	{ "v7",       archive_write_set_format_v7tar,          NULL, "tar" },
	{ "odc",      archive_write_set_format_cpio,           NULL, "cpio" },
	{ "newc",     archive_write_set_format_cpio_newc,      NULL, "cpio" },
	{ "ar",       archive_write_set_format_ar_svr4,        NULL, "ar" },
	{ "xar",      archive_write_set_format_xar,            NULL, "xar" },
	{ "iso",      archive_write_set_format_iso9660,        NULL, "iso9660" },
	{ "7z copy",  archive_write_set_format_7zip,           "compression=store", "7z" },
	{ "7z lzma1", archive_write_set_format_7zip,           "compression=lzma1", "7z" },
	{ "7z bzip2", archive_write_set_format_7zip,           "compression=bzip2", "7z" },
	{ "7z defl",  archive_write_set_format_7zip,           "compression=deflate", "7z" },
	{ "7z ppmd",  archive_write_set_format_7zip,           "compression=ppmd", "7z" },
	{ "warc",     archive_write_set_format_warc,           NULL, "warc" },
};

static void
test_formats(void **state)
{
	struct buf plain, packed;
	struct member members[2] = { { "letter.txt", SLICE_NONE }, { "virus.com", SLICE_NONE } };

	(void)state;
	members[0].data = sample_text(&plain, 20000);
	members[1].data = eicar();
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct object *o;

		pack(formats[i].set_format, formats[i].options, members, 2, &packed);
		o = bench_run(&bench, buf_get(&packed), "archive.bin");
		assert_string_equal(o->detected->format, formats[i].type);
		if (o->facts != 0)
			print_message("%s:\n", formats[i].label);
		assert_int_equal(o->facts, 0);
		assert_true(bench_has_bytes(&bench, members[0].data));
		assert_true(bench_has_bytes(&bench, eicar()));
		if (strcmp(formats[i].label, "warc") != 0) /* begins with a record of its own */
			assert_int_equal(decompose_get_object_count(bench.d), 3);
		assert_non_null(bench_named(&bench, "virus.com"));
		buf_done(&packed);
	}
	buf_done(&plain);
}

static void
test_truncated(void **state)
{
	struct buf plain, packed;
	struct member members[2] = { { "virus.com", SLICE_NONE }, { "letter.txt", SLICE_NONE } };

	(void)state;
	members[0].data = eicar();
	members[1].data = sample_text(&plain, 20000);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct object *o;

		pack(formats[i].set_format, formats[i].options, members, 2, &packed);
		o = bench_run(&bench, slice_sub(buf_get(&packed), 0, packed.len / 2), "archive.bin");
		assert_true((o->facts & (FACT_BIT(FACT_TRUNCATED) | FACT_BIT(FACT_CORRUPT))) != 0);
		if (strcmp(formats[i].type, "tar") == 0)
			assert_true(has_fact(o, FACT_TRUNCATED) && bench_has_bytes(&bench, eicar()));
		buf_done(&packed);
	}
	buf_done(&plain);
}

static void
test_nested(void **state)
{
	struct buf inner, outer;
	struct member member = { "virus.com", SLICE_NONE };

	(void)state;
	member.data = eicar();
	pack(archive_write_set_format_7zip, NULL, &member, 1, &inner);
	member = (struct member){ "inner.7z", buf_get(&inner) };
	pack(archive_write_set_format_pax, NULL, &member, 1, &outer);
	(void)bench_run(&bench, buf_get(&outer), "outer.tar");
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_true(slice_eq_str(bench_named(&bench, "virus.com")->trail,
	    "inner.7z > virus.com"));
	buf_done(&inner);
	buf_done(&outer);
}

static void
test_concatenated_tar(void **state)
{
	struct buf first, second;
	struct member member = { "a.txt", SLICE_LIT("harmless") };

	(void)state;
	pack(archive_write_set_format_ustar, NULL, &member, 1, &first);
	member = (struct member){ "virus.com", SLICE_NONE };
	member.data = eicar();
	pack(archive_write_set_format_ustar, NULL, &member, 1, &second);
	assert_int_equal(buf_append_slice(&first, buf_get(&second)), 0);
	(void)bench_run(&bench, buf_get(&first), "two.tar");
	assert_true(bench_has_bytes(&bench, eicar()));
	buf_done(&first);
	buf_done(&second);
}

/* What stands in the first 32 KB of a disk image is free: here, a program. */
static void
test_iso_behind_program(void **state)
{
	struct buf iso;
	struct member member = { "virus.com", SLICE_NONE };
	struct object *o;

	(void)state;
	member.data = eicar();
	pack(archive_write_set_format_iso9660, NULL, &member, 1, &iso);
	memcpy(iso.data, "MZ", 2);
	iso.data[60] = 128;
	memcpy(iso.data + 128, "PE\0\0", 4);
	o = bench_run(&bench, buf_get(&iso), "a.exe");
	assert_string_equal(o->detected->format, "pe");
	assert_true(bench_has_bytes(&bench, eicar()));
	buf_done(&iso);
}

static void
test_self_extracting(void **state)
{
	struct buf packed, program;
	struct member member = { "virus.com", SLICE_NONE };
	struct object *o;

	(void)state;
	member.data = eicar();
	pack(archive_write_set_format_7zip, NULL, &member, 1, &packed);
	buf_init(&program, (size_t)1 << 20);
	assert_int_equal(buf_append(&program, "MZ", 2), 0);
	put_le(&program, 0, 58);
	put_le(&program, 128, 4);
	while (program.len < 128)
		put_le(&program, 0, 1);
	assert_int_equal(buf_append(&program, "PE\0\0", 4), 0);
	while (program.len < 777)
		put_le(&program, 0x90, 1);
	assert_int_equal(buf_append_slice(&program, buf_get(&packed)), 0);
	o = bench_run(&bench, buf_get(&program), "setup.exe");
	assert_true(has_fact(o, FACT_SELF_EXTRACTING));
	assert_true(bench_has_bytes(&bench, eicar()));
	buf_done(&packed);
	buf_done(&program);
}

static void
test_many_members(void **state)
{
	struct member *members = calloc(300, sizeof(*members));
	char (*names)[16] = calloc(300, 16), (*texts)[16] = calloc(300, 16);
	struct buf packed;
	struct object *o;

	(void)state;
	assert_true(members != NULL && names != NULL && texts != NULL);
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(names[i], 16, "f%u", i);
		(void)snprintf(texts[i], 16, "text %u", i);
		members[i] = (struct member){ names[i], slice_of_str(texts[i]) };
	}
	pack(archive_write_set_format_ustar, NULL, members, 300, &packed);
	o = bench_run(&bench, buf_get(&packed), "many.tar");
	assert_int_equal(decompose_get_object_count(bench.d), 301);
	assert_int_equal(o->facts, 0);
	bench.limits.objects = 100;
	o = bench_run(&bench, buf_get(&packed), "many.tar");
	assert_int_equal(decompose_get_object_count(bench.d), 100);
	assert_true(has_fact(o, FACT_LIMIT_OBJECTS));
	bench.limits = limits_get_default();
	buf_done(&packed);
	free(members);
	free(names);
	free(texts);
}

static void
test_name_charset(void **state)
{
	struct buf packed;
	struct member member = { "r\xc3\xa9sum\xc3\xa9.exe", SLICE_LIT("x") };

	(void)state;
	pack(archive_write_set_format_gnutar, NULL, &member, 1, &packed);
	(void)bench_run(&bench, buf_get(&packed), "a.tar");
	assert_non_null(bench_named(&bench, "r\xc3\xa9sum\xc3\xa9.exe"));
	buf_done(&packed);
	member.name = "caf\xe9.exe"; /* Latin-1: kept as it is */
	pack(archive_write_set_format_gnutar, NULL, &member, 1, &packed);
	(void)bench_run(&bench, buf_get(&packed), "a.tar");
	assert_non_null(bench_named(&bench, "caf\xe9.exe"));
	buf_done(&packed);
}

/* ---- UDF, by hand: anchor, partition from sector 260, one folder, one file ---- */

#define UDF_SECTORS 280

static void
udf_put(uint8_t *image, size_t at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		image[at + i] = (uint8_t)(v >> (8 * i));
}

static uint8_t *
udf_tag(uint8_t *image, unsigned sector, size_t offset, unsigned tag)
{
	uint8_t *p = image + sector * 2048 + offset, sum = 0;

	udf_put(p, 0, tag, 2);
	p[4] = 0;
	for (int i = 0; i < 16; i++)
		sum = (uint8_t)(sum + p[i]);
	p[4] = sum;
	return p;
}

/* A file entry: type 4 folder, 5 file; its bytes in one piece at a block of the partition. */
static void
udf_put_file(uint8_t *image, unsigned block, unsigned type, uint64_t bytes, unsigned data_block)
{
	uint8_t *p = udf_tag(image, 260 + block, 0, 261);

	p[27] = (uint8_t)type;
	udf_put(p, 56, bytes, 8);
	udf_put(p, 172, 8, 4);
	udf_put(p, 176, bytes, 4);
	udf_put(p, 180, data_block, 4);
}

static void
udf_make(uint8_t *image)
{
	uint8_t *p;

	memcpy(image + 16 * 2048 + 1, "BEA01", 5);
	memcpy(image + 17 * 2048 + 1, "NSR02", 5);
	p = udf_tag(image, 256, 0, 2);
	udf_put(p, 16, 3 * 2048, 4);
	udf_put(p, 20, 257, 4);
	p = udf_tag(image, 257, 0, 5);
	udf_put(p, 188, 260, 4);
	p = udf_tag(image, 258, 0, 6);
	udf_put(p, 212, 2048, 4);
	udf_put(p, 268, 1, 4);
	udf_put(p, 440, 1, 1);
	(void)udf_tag(image, 259, 0, 8);
	p = udf_tag(image, 260, 0, 256);
	udf_put(p, 404, 1, 4);
	udf_put_file(image, 1, 4, 48, 2);
	p = udf_tag(image, 262, 0, 257); /* 38 bytes and a name of 10 */
	p[19] = 10;
	udf_put(p, 24, 3, 4);
	memcpy(p + 38, "\x08virus.com", 10);
	udf_put_file(image, 3, 5, eicar().len, 4);
	memcpy(image + 264 * 2048, eicar().ptr, eicar().len);
}

static void
test_udf(void **state)
{
	uint8_t *image = calloc(UDF_SECTORS, 2048);
	struct object *o;

	(void)state;
	assert_non_null(image);
	udf_make(image);
	o = bench_run(&bench, slice_of(image, UDF_SECTORS * 2048), "a.img");
	assert_string_equal(o->detected->format, "udf");
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_true(slice_eq(bench_named(&bench, "virus.com")->bytes, eicar()));
	/* a folder that holds itself; a file longer than the image */
	udf_put(image, 262 * 2048 + 24, 1, 4);
	o = bench_run(&bench, slice_of(image, UDF_SECTORS * 2048), "a.img");
	assert_int_equal(decompose_get_object_count(bench.d), 1);
	udf_put(image, 262 * 2048 + 24, 3, 4);
	udf_put_file(image, 3, 5, 1000000, 4);
	o = bench_run(&bench, slice_of(image, UDF_SECTORS * 2048), "a.img");
	assert_true(has_fact(o, FACT_TRUNCATED));
	udf_put(image, 258 * 2048 + 268, 2, 4);
	o = bench_run(&bench, slice_of(image, UDF_SECTORS * 2048), "a.img");
	assert_true(has_fact(o, FACT_UNSUPPORTED));
	image[256 * 2048] = 0;
	o = bench_run(&bench, slice_of(image, UDF_SECTORS * 2048), "a.img");
	assert_true(has_fact(o, FACT_CORRUPT));
	free(image);
}

/* ---- ARJ, by hand: a main header, stored members, the end mark ---- */

static void
arj_put(struct buf *b, const char *name, struct slice data, uint8_t flags, bool is_main)
{
	struct buf h = { .max = 1024 };

	put_le(&h, 30, 1);
	put_le(&h, 11, 1);
	put_le(&h, 1, 1);
	put_le(&h, 0, 1);
	put_le(&h, flags, 1);
	put_le(&h, 0, 1);
	put_le(&h, is_main ? 2 : 0, 1);
	put_le(&h, 0, 5);
	put_le(&h, data.len, 4);
	put_le(&h, data.len, 4);
	put_le(&h, crc32_z(0, data.ptr, data.len), 4);
	put_le(&h, 0, 6);
	assert_int_equal(buf_append(&h, name, strlen(name) + 1), 0);
	put_le(&h, 0, 1);
	put_le(b, 0xea60, 2);
	put_le(b, h.len, 2);
	assert_int_equal(buf_append_slice(b, buf_get(&h)), 0);
	put_le(b, crc32_z(0, h.data, h.len), 4);
	put_le(b, 0, 2);
	assert_int_equal(buf_append_slice(b, data), 0);
	buf_done(&h);
}

static void
test_arj(void **state)
{
	struct buf b;
	struct object *o;

	(void)state;
	buf_init(&b, 65536);
	arj_put(&b, "a.arj", SLICE_NONE, 0, true);
	arj_put(&b, "secret.txt", SLICE_LIT("garbled, so they say"), 1, false);
	arj_put(&b, "virus.com", eicar(), 0, false);
	put_le(&b, 0xea60, 4);
	o = bench_run(&bench, buf_get(&b), "a.arj");
	assert_string_equal(o->detected->format, "arj");
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED));
	assert_true(slice_eq(bench_named(&bench, "virus.com")->bytes, eicar()));
	assert_true(has_fact(bench_named(&bench, "secret.txt"), FACT_ENCRYPTED));
	o = bench_run(&bench, slice_sub(buf_get(&b), 0, b.len - 30), "a.arj");
	assert_true(has_fact(o, FACT_TRUNCATED));
	buf_done(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_concatenated_tar),
		cmocka_unit_test(test_iso_behind_program),
		cmocka_unit_test(test_self_extracting),
		cmocka_unit_test(test_many_members),
		cmocka_unit_test(test_name_charset),
		cmocka_unit_test(test_udf),
		cmocka_unit_test(test_arj),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
