/* test_magic.c: types by their marks, marks that need a rule, and what is no type at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/macros.h"
#include "decompose/magic.h"

#define BYTES(s) { s, sizeof(s) - 1 }

static const struct {
	struct {
		const char *ptr;
		size_t len;
	} in;
	const char *mime, *format;
} cases[] = {
	{ BYTES("PK\003\004\024\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0a"),
	    "application/zip", "zip" },
	{ BYTES("PK\005\006\0\0\0\0\0\0\0\0"), "application/zip", "zip" },
	{ BYTES("7z\xbc\xaf\x27\x1c\0\4"), "application/x-7z-compressed", "7z" },
	{ BYTES("Rar!\x1a\x07\x00\xcf"), "application/x-rar", "rar4" },
	{ BYTES("Rar!\x1a\x07\x01\x00"), "application/x-rar", "rar5" },
	{ BYTES("\x1f\x8b\x08\0"), "application/gzip", "gzip" },
	{ BYTES("BZh91AY&SY"), "application/x-bzip2", "bzip2" },
	{ BYTES("BZh is no magic by itself"), "text/plain", "text" },
	{ BYTES("\xfd" "7zXZ\0\0"), "application/x-xz", "xz" },
	{ BYTES("\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0\1"), "application/x-lzma",
	    "lzma" },
	{ BYTES("\x28\xb5\x2f\xfd\0"), "application/zstd", "zstd" },
	{ BYTES("\x04\x22\x4d\x18\0"), "application/x-lz4", "lz4" },
	{ BYTES("\x1f\x9d\x90"), "application/x-compress", "compress" },
	{ BYTES("MSCF\0\0\0\0"), "application/vnd.ms-cab-compressed", "cab" },
	{ BYTES("\x19\0-lh5-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "application/x-lzh-compressed",
	    "lha" },
	{ BYTES("070701000"), "application/x-cpio", "cpio" },
	{ BYTES("!<arch>\nfoo"), "application/x-archive", "ar" },
	{ BYTES("!<arch>\ndebian-binary"), "application/vnd.debian.binary-package", "ar" },
	{ BYTES("\x7f" "ELF\2\1\1"), "application/x-executable", "elf" },
	{ BYTES("%PDF-1.4"), "application/pdf", "pdf" },
	{ BYTES("\r\njunk %PDF-1.4"), "application/pdf", "pdf" },
	{ BYTES("{\\rtf1"), "application/rtf", "rtf" },
	{ BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "application/x-ole-storage", "ole" },
	{ BYTES("\x78\x9f\x3e\x22\1\0"), "application/vnd.ms-tnef", "tnef" },
	{ BYTES("\x89PNG\r\n\x1a\n"), "image/png", "png" },
	{ BYTES("\xff\xd8\xff\xe0"), "image/jpeg", "jpeg" },
	{ BYTES("GIF89a"), "image/gif", "gif" },
	{ BYTES("RIFF\4\0\0\0WEBP"), "image/webp", "webp" },
	{ BYTES("RIFF\4\0\0\0WAVE"), "application/x-riff", "riff" },
	{ BYTES("\xca\xfe\xba\xbe\0\0\0\x34"), "application/x-java-applet", "class" },
	{ BYTES("\xca\xfe\xba\xbe\0\0\0\2"), "application/x-mach-binary", "macho" },
	{ BYTES("L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"), "application/x-ms-shortcut",
	    "lnk" },
	{ BYTES("MZ is how this letter begins, and so it is text."), "text/plain", "text" },
	{ BYTES("MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0\x40\0\0\0"),
	    "application/x-dosexec", "mz" },
	{ BYTES("<!DOCTYPE html><p>"), "text/html", "html" },
	{ BYTES("  \r\n<HTML>"), "text/html", "html" },
	{ BYTES("\xef\xbb\xbf<html>"), "text/html", "html" },
	{ BYTES("<?xml version=\"1.0\"?><a/>"), "text/xml", "xml" },
	{ BYTES("<svg xmlns=\"x\"><script/></svg>"), "image/svg+xml", "svg" },
	{ BYTES("#!/bin/sh\n"), "text/x-shellscript", "shell" },
	{ BYTES("just a letter"), "text/plain", "text" },
	{ BYTES("caf\xe9 in Latin-1"), "text/plain", "text" },
	{ BYTES(""), "text/plain", "text" },
	{ BYTES("\0\1\2\3\4\5\6\7"), "application/octet-stream", "data" },
};

static void
test_marks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct magic_type *t = magic_detect(slice_of(cases[i].in.ptr,
		    cases[i].in.len));

		assert_string_equal(t->mime, cases[i].mime);
		assert_string_equal(t->format, cases[i].format);
		assert_true(t->kind != 0);
	}
}

/* Every prefix of every case, in memory of just that size: nothing is read behind. */
static void
test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t len = 0; len <= cases[i].in.len; len++) {
			uint8_t *copy = malloc(len == 0 ? 1 : len);

			assert_non_null(copy);
			memcpy(copy, cases[i].in.ptr, len);
			assert_non_null(magic_detect(slice_of(copy, len)));
			free(copy);
		}
	}
}

static void
test_far_marks(void **state)
{
	static uint8_t room[40000];

	(void)state;
	memcpy(room + 257, "ustar", 5);
	assert_string_equal(magic_detect(slice_of(room, 512))->format, "tar");
	assert_string_equal(magic_detect(slice_of(room, 261))->format, "data");
	memset(room, 0, 512);
	memcpy(room + 32769, "CD001", 5);
	assert_string_equal(magic_detect(slice_of(room, sizeof(room)))->format, "iso9660");
	memset(room, 0, sizeof(room));
	memcpy(room, "MZ", 2);
	room[60] = 128;
	memcpy(room + 128, "PE\0\0", 4);
	assert_string_equal(magic_detect(slice_of(room, 1024))->format, "pe");
	assert_string_equal(magic_detect(slice_of(room, 130))->format, "mz");
}

static void
test_old_tar(void **state)
{
	uint8_t header[512] = "name.txt";
	unsigned sum = 0;

	(void)state;
	memcpy(header + 100, "0000644", 7);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	for (int i = 5; i >= 0; i--, sum /= 8)
		header[148 + i] = (uint8_t)('0' + sum % 8);
	header[154] = 0;
	assert_string_equal(magic_detect(slice_of(header, 512))->format, "tar");
	header[0] ^= 1;
	assert_string_not_equal(magic_detect(slice_of(header, 512))->format, "tar");
}

static void
test_office_zip(void **state)
{
	static const char docx[] = "PK\003\004\024\0\6\0\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\x13\0\0\0[Content_Types].xml....PK\003\004.......word/document.xml";
	static const char odt[] = "PK\003\004\024\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\10\0\0\0mimetypeapplication/vnd.oasis.opendocument.text";

	(void)state;
	assert_string_equal(magic_detect(slice_of(docx, sizeof(docx) - 1))->mime,
	    "application/vnd.openxmlformats-officedocument.wordprocessingml.document");
	assert_true(magic_is(magic_detect(slice_of(docx, sizeof(docx) - 1)), "zip"));
	assert_string_equal(magic_detect(slice_of(odt, sizeof(odt) - 1))->mime,
	    "application/vnd.oasis.opendocument");
	assert_false(magic_is(NULL, "zip"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_far_marks),
		cmocka_unit_test(test_old_tar),
		cmocka_unit_test(test_office_zip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
