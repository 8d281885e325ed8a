/* test_ole.c: OLE2 files made here: streams large and small, packages, messages, macros, flags
 * of encryption, circles and cuts in the tables. */
#include "test_opener.h"

#include "decompose/macro_text.h"
#include "decompose/ole_vba.h"

#define SECTOR 512
#define FREE   0xffffffffu
#define END    0xfffffffeu
#define ROOT   5
#define STORE  1
#define STREAM 2
#define ENTRIES_MAX 12

struct part {
	const char *name;
	unsigned type;
	uint32_t child, right; /* indices, or FREE */
	struct slice data;
};

static struct bench bench;

static void
pad(struct buf *b, size_t to)
{
	while (b->len % to != 0)
		put_le(b, 0, 1);
}

static void
set32(struct buf *b, size_t at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		b->data[at + i] = (uint8_t)(v >> (8 * i));
}

static void
entry_put(struct buf *b, const struct part *p, uint32_t start, size_t size)
{
	size_t from = b->len, letters = strlen(p->name);

	for (size_t i = 0; i < letters; i++)
		put_le(b, (uint8_t)p->name[i], 2);
	put_le(b, 0, (unsigned)(64 - letters * 2));
	put_le(b, (letters + 1) * 2, 2);
	put_le(b, p->type, 1);
	put_le(b, 1, 1);
	put_le(b, FREE, 4);
	put_le(b, p->right, 4);
	put_le(b, p->child, 4);
	put_le(b, 0, 36);
	put_le(b, start, 4);
	put_le(b, size, 8);
	assert_int_equal(b->len - from, 128);
}

/* One FAT sector, three of directory, one mini FAT; streams behind them: small ones in the mini
 * stream, others every second sector, so that they are in pieces. Sector 0 is the FAT. */
static struct slice
ole_make(struct buf *b, const struct part *parts, size_t count)
{
	uint32_t fat[128], mini_fat[128], mini_used = 0, next = 5;
	uint32_t starts[ENTRIES_MAX];
	struct buf mini, big;

	buf_init(b, 1 << 20);
	buf_init(&mini, 1 << 16);
	buf_init(&big, 1 << 17);
	for (size_t i = 0; i < 128; i++)
		fat[i] = mini_fat[i] = FREE;
	fat[0] = 0xfffffffd;
	fat[1] = 2;
	fat[2] = 3;
	fat[3] = fat[4] = END;
	for (size_t i = 0; i < count; i++) {
		struct slice d = parts[i].data;

		starts[i] = END;
		if (d.len == 0 || d.len >= 4096)
			continue;
		starts[i] = mini_used;
		for (size_t at = 0; at < d.len; at += 64, mini_used++)
			mini_fat[mini_used] = at + 64 < d.len ? mini_used + 1 : END;
		buf_append_slice(&mini, d);
		pad(&mini, 64);
	}
	starts[0] = next;
	pad(&mini, SECTOR);
	for (size_t at = 0; at < mini.len; at += SECTOR, next++)
		fat[next] = at + SECTOR < mini.len ? next + 1 : END;
	for (size_t i = 1; i < count; i++) {
		struct slice d = parts[i].data;

		if (d.len < 4096)
			continue;
		starts[i] = next;
		for (size_t at = 0; at < d.len; at += SECTOR, next += 2) {
			struct slice piece = slice_sub(d, at, SECTOR);

			fat[next] = at + SECTOR < d.len ? next + 2 : END;
			buf_append_slice(&big, piece);
			pad(&big, SECTOR);
			put_le(&big, 0, SECTOR);
		}
	}
	buf_append(b, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
	put_le(b, 0, 16);
	put_le(b, 0x3e, 2);
	put_le(b, 3, 2);
	put_le(b, 0xfffe, 2);
	put_le(b, 9, 2);
	put_le(b, 6, 2);
	put_le(b, 0, 10);
	put_le(b, 1, 4);
	put_le(b, 1, 4); /* first sector of the directory */
	put_le(b, 0, 4);
	put_le(b, 4096, 4);
	put_le(b, 4, 4);
	put_le(b, 1, 4);
	put_le(b, END, 4);
	put_le(b, 0, 4);
	put_le(b, 0, 4);
	while (b->len < SECTOR)
		put_le(b, 0xff, 1);
	for (size_t i = 0; i < 128; i++)
		put_le(b, fat[i], 4);
	for (size_t i = 0; i < ENTRIES_MAX; i++) {
		static const struct part none = { .name = "", .child = FREE, .right = FREE };
		const struct part *p = i < count ? &parts[i] : &none;

		entry_put(b, p, i < count ? starts[i] : 0, i == 0 ? mini.len : p->data.len);
	}
	for (size_t i = 0; i < 128; i++)
		put_le(b, mini_fat[i], 4);
	buf_append_slice(b, buf_get(&mini));
	buf_append_slice(b, buf_get(&big));
	buf_done(&mini);
	buf_done(&big);
	return buf_get(b);
}

/* MS-OVBA with nothing but literals. */
static void
vba_pack(struct buf *b, struct slice text)
{
	put_le(b, 1, 1);
	for (size_t at = 0; at < text.len; at += 3600) {
		struct slice chunk = slice_sub(text, at, 3600);

		put_le(b, 0xb000 | (chunk.len + (chunk.len + 7) / 8 - 1), 2);
		for (size_t i = 0; i < chunk.len; i += 8) {
			put_le(b, 0, 1);
			buf_append_slice(b, slice_sub(chunk, i, 8));
		}
	}
}

static void
record_put(struct buf *b, unsigned id, struct slice data)
{
	put_le(b, id, 2);
	put_le(b, data.len, 4);
	buf_append_slice(b, data);
}

static void
test_streams(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf text = { 0 };
	struct slice big = sample_text(&text, 200);
	struct part parts[] = { { "Root Entry", ROOT, 1, FREE, SLICE_NONE },
		{ "Store", STORE, 2, 3, SLICE_NONE }, { "small", STREAM, FREE, FREE, eicar() },
		{ "large", STREAM, FREE, FREE, big } };
	struct object *o;
	bool found = false;

	(void)state;
	assert_true(big.len >= 4096);
	o = bench_run(&bench, ole_make(&b, parts, 4), "a.doc");
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_true(bench_has_bytes(&bench, big));
	for (uint32_t id = 2; id <= 3; id++)
		found = found || slice_eq_str(decompose_get_object(bench.d, id)->trail, "Store/small");
	assert_true(found);
}

static void
package_make(struct buf *b)
{
	struct slice file = eicar();

	buf_init(b, 4096);
	put_le(b, 0, 4);
	put_le(b, 2, 2);
	buf_append(b, "label.com\0C:\\dir\\real.exe\0", 26);
	put_le(b, 0, 2);
	put_le(b, 3, 2);
	put_le(b, 15, 4);
	buf_append(b, "C:\\tmp\\tmp.scr\0", 15);
	put_le(b, file.len, 4);
	buf_append_slice(b, file);
	buf_append_str(b, "behind");
	set32(b, 0, (uint32_t)b->len - 4);
}

static void
test_package(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf package = { 0 };
	struct part parts[] = { { "Root Entry", ROOT, 1, FREE, SLICE_NONE },
		{ "\001Ole10Native", STREAM, FREE, FREE, SLICE_NONE } };
	struct object *o, *file;

	(void)state;
	package_make(&package);
	parts[1].data = buf_get(&package);
	o = bench_run(&bench, ole_make(&b, parts, 2), "a.doc");
	assert_int_equal(o->facts, FACT_BIT(FACT_EMBEDDED_FILE));
	file = bench_named(&bench, "real.exe");
	assert_non_null(file);
	assert_true(slice_eq(file->bytes, eicar()));
	assert_ptr_equal(bench_named(&bench, "label.com"), file);
	assert_ptr_equal(bench_named(&bench, "tmp.scr"), file);
}

static void
test_message(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	struct part parts[] = { { "Root Entry", ROOT, 1, FREE, SLICE_NONE },
		{ "__attach_version1.0_#00000000", STORE, 2, 6, SLICE_NONE },
		{ "__substg1.0_37010102", STREAM, FREE, 3, eicar() },
		{ "__substg1.0_3707001F", STREAM, FREE, 4, SLICE_LIT("\xe9\0.\0c\0o\0m\0") },
		{ "__substg1.0_3704001E", STREAM, FREE, 5, SLICE_LIT("E~1.COM") },
		{ "__substg1.0_370E001E", STREAM, FREE, FREE, SLICE_LIT("Image/PNG") },
		{ "__substg1.0_1000001F", STREAM, FREE, 7, SLICE_LIT("b\0o\0d\0y\0") },
		{ "__attach_version1.0_#00000001", STORE, 8, FREE, SLICE_NONE },
		{ "__substg1.0_3701000D", STORE, 9, FREE, SLICE_NONE },
		{ "__substg1.0_1000001F", STREAM, FREE, FREE, SLICE_LIT("i\0n\0n\0e\0r\0") } };
	struct object *o, *file;

	(void)state;
	o = bench_run(&bench, ole_make(&b, parts, 10), "a.msg");
	assert_int_equal(o->facts, FACT_BIT(FACT_EMBEDDED_FILE));
	file = bench_named(&bench, "\xc3\xa9.com");
	assert_non_null(file);
	assert_true(slice_eq(file->bytes, eicar()));
	assert_ptr_equal(bench_named(&bench, "E~1.COM"), file);
	assert_true(slice_eq_str(file->declared, "image/png"));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("body")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("inner")));
	assert_int_equal(decompose_get_object_count(bench.d), 4);
}

#define SOURCE "Attribute VB_Name = \"Mod\"\r\nSub AutoOpen()\r\n" \
	"CreateObject(\"WScript.Shell\").Run \"x\"\r\nEnd Sub\r\n"

static void
dir_make(struct buf *b)
{
	struct buf dir;

	buf_init(&dir, 4096);
	record_put(&dir, 0x0001, SLICE_LIT("\1\0\0\0"));
	put_le(&dir, 9, 2);
	put_le(&dir, 4, 4);
	put_le(&dir, 0, 6);
	record_put(&dir, 0x0019, SLICE_LIT("Mod"));
	record_put(&dir, 0x001a, SLICE_LIT("Mod"));
	record_put(&dir, 0x0032, SLICE_LIT("M\0o\0d\0"));
	record_put(&dir, 0x0031, SLICE_LIT("\6\0\0\0"));
	record_put(&dir, 0x002b, SLICE_NONE);
	buf_init(b, 4096);
	vba_pack(b, buf_get(&dir));
	buf_done(&dir);
}

/* By the list of modules, and with the list lost. */
static void
test_macro(void **state)
{
	static const uint64_t want = FACT_BIT(FACT_MACRO) | FACT_BIT(FACT_AUTO_MACRO) |
	    FACT_BIT(FACT_SUSPICIOUS_CALL);

	(void)state;
	for (int listed = 0; listed < 2; listed++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		CLEANUP(buf_done) struct buf module = { 0 };
		CLEANUP(buf_done) struct buf dir = { 0 };
		struct part parts[] = { { "Root Entry", ROOT, 1, FREE, SLICE_NONE },
			{ "VBA", STORE, 2, FREE, SLICE_NONE },
			{ listed ? "dir" : "dyr", STREAM, FREE, 3, SLICE_NONE },
			{ "Mod", STREAM, FREE, FREE, SLICE_NONE } };
		struct object *o;

		dir_make(&dir);
		buf_init(&module, 4096);
		buf_append_str(&module, "p-code");
		vba_pack(&module, SLICE_LIT(SOURCE));
		parts[2].data = buf_get(&dir);
		parts[3].data = buf_get(&module);
		o = bench_run(&bench, ole_make(&b, parts, 4), "a.doc");
		assert_int_equal(o->facts, want);
		assert_true(bench_has_bytes(&bench, SLICE_LIT(SOURCE)));
	}
}

/* MS-OVBA 3.2: its second and third examples. */
static void
test_decompress(void **state)
{
	static const uint8_t normal[] = { 0x01, 0x2f, 0xb0, 0x00, 0x23, 0x61, 0x61, 0x61, 0x62, 0x63,
		0x64, 0x65, 0x82, 0x66, 0x00, 0x70, 0x61, 0x67, 0x68, 0x69, 0x6a, 0x01, 0x38, 0x08,
		0x61, 0x6b, 0x6c, 0x00, 0x30, 0x6d, 0x6e, 0x6f, 0x70, 0x06, 0x71, 0x02, 0x70, 0x04,
		0x10, 0x72, 0x73, 0x74, 0x75, 0x76, 0x10, 0x77, 0x78, 0x79, 0x7a, 0x00, 0x3c };
	static const uint8_t most[] = { 0x01, 0x03, 0xb0, 0x02, 0x61, 0x45, 0x00 };
	CLEANUP(buf_done) struct buf out = { 0 };

	(void)state;
	(void)bench_run(&bench, SLICE_LIT("x"), "x");
	buf_init(&out, 8192);
	assert_true(ole_vba_decompress(bench.d, slice_of(normal, sizeof(normal)), &out));
	assert_true(slice_eq_str(buf_get(&out),
	    "#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"));
	buf_clear(&out);
	assert_true(ole_vba_decompress(bench.d, slice_of(most, sizeof(most)), &out));
	assert_int_equal(out.len, 73);
	assert_false(ole_vba_decompress(bench.d, SLICE_LIT("\2\0\0"), &out));
}

static void
test_words(void **state)
{
	static const struct {
		const char *source;
		uint64_t want;
	} cases[] = {
		{ "Attribute VB_Name = \"A\"\r\nOption Explicit\r\n' Shell\r\n", 0 },
		{ "Sub Foo()\nEnd Sub\n", FACT_BIT(FACT_MACRO) },
		{ "Private Sub Workbook_Open()\nEnd Sub\n",
		    FACT_BIT(FACT_MACRO) | FACT_BIT(FACT_AUTO_MACRO) },
		{ "Sub X_Layout(ByVal i As Object)\n", FACT_BIT(FACT_MACRO) | FACT_BIT(FACT_AUTO_MACRO) },
		{ "Call AutoOpen\n", FACT_BIT(FACT_MACRO) },
		{ "x = Shell(\"a\")\n", FACT_BIT(FACT_MACRO) | FACT_BIT(FACT_SUSPICIOUS_CALL) },
		{ "seashells = 1\nx = \"it's\" ' Shell\n", FACT_BIT(FACT_MACRO) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(macro_text_judge(slice_of_str(cases[i].source)), cases[i].want);
	assert_true(macro_text_is_command(SLICE_LIT("Target: C:\\x\\CMD.EXE\n")));
	assert_false(macro_text_is_command(SLICE_LIT("Target: C:\\cmdr\\notes.txt\n")));
}

static void
test_flags(void **state)
{
	static const struct {
		const char *name;
		struct slice data;
		uint64_t want;
	} cases[] = {
		{ "WordDocument", { (const uint8_t *)"\xec\xa5\1\1........\0\1..", 14 }, 0 },
		{ "WordDocument", { (const uint8_t *)"\xec\xa5\1\1......\0\1..", 14 },
		    FACT_BIT(FACT_ENCRYPTED) },
		{ "EncryptedPackage", { (const uint8_t *)"data", 4 }, FACT_BIT(FACT_ENCRYPTED) },
		{ "Current User", { (const uint8_t *)"........\x14\0\0\0\xdf\xc4\xd1\xf3", 16 },
		    FACT_BIT(FACT_ENCRYPTED) },
		{ "Workbook", { (const uint8_t *)"\x09\x08\2\0..\x2f\0\2\0..", 12 },
		    FACT_BIT(FACT_ENCRYPTED) },
		{ "Workbook", { (const uint8_t *)"\x09\x08\2\0..\x85\0\7\0....\0\0\0", 17 }, 0 },
		{ "Workbook", { (const uint8_t *)"\x09\x08\2\0..\x85\0\7\0....\0\1\0", 17 },
		    FACT_BIT(FACT_MACRO) },
		{ "Workbook", { (const uint8_t *)"\x09\x08\2\0..\x85\0\7\0....\0\1\0"
		    "\x18\0\x10\0\x20\0............\0\1", 37 },
		    FACT_BIT(FACT_MACRO) | FACT_BIT(FACT_AUTO_MACRO) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b = { 0 };
		struct part parts[] = { { "Root Entry", ROOT, 1, FREE, SLICE_NONE },
			{ cases[i].name, STREAM, FREE, FREE, cases[i].data } };

		assert_int_equal(bench_run(&bench, ole_make(&b, parts, 2), "a")->facts, cases[i].want);
	}
}

/* Circles in the tree and in the tables end, and cost no more than a few times the file. */
static void
test_circles(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf text = { 0 };
	struct part parts[] = { { "Root Entry", ROOT, 1, FREE, SLICE_NONE },
		{ "Store", STORE, 1, 2, SLICE_NONE },
		{ "large", STREAM, 0, 1, SLICE_NONE } };
	struct object *o;

	(void)state;
	parts[2].data = sample_text(&text, 200);
	(void)ole_make(&b, parts, 3);
	for (size_t i = 1; i < 128; i++)
		set32(&b, SECTOR + 4 * i, i > 4 ? 5 : 1);
	o = bench_run(&bench, buf_get(&b), "a.doc");
	assert_true(bench.seen_bytes <= 8 * b.len + (2 << 20));
	assert_false(has_fact(o, FACT_CORRUPT));
}

static void
test_cut(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	CLEANUP(buf_done) struct buf text = { 0 };
	struct part parts[] = { { "Root Entry", ROOT, 1, FREE, SLICE_NONE },
		{ "small", STREAM, FREE, 2, eicar() }, { "large", STREAM, FREE, FREE, SLICE_NONE } };
	struct object *o;

	(void)state;
	parts[2].data = sample_text(&text, 200);
	(void)ole_make(&b, parts, 3);
	o = bench_run(&bench, slice_sub(buf_get(&b), 0, b.len - 3 * SECTOR), "a.doc");
	assert_int_equal(o->facts, FACT_BIT(FACT_TRUNCATED));
	assert_int_equal(bench.eicars, 2);
	o = bench_run(&bench, slice_sub(buf_get(&b), 0, 100), "a.doc");
	assert_int_equal(o->facts, FACT_BIT(FACT_CORRUPT));
	/* The last sector need not be filled up: nothing is lost. */
	o = bench_run(&bench, slice_sub(buf_get(&b), 0, b.len - SECTOR), "a.doc");
	assert_int_equal(o->facts, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_package),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_macro),
		cmocka_unit_test(test_decompress),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_circles),
		cmocka_unit_test(test_cut),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
