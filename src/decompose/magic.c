/* magic.c: a table of marks (offset, bytes) and a few rules that a table cannot say. Own
 * table instead of libmagic: libmagic reads its database from a file, looks at up to 7 MB and
 * has had its own share of parser bugs. Opening what was recognised is left to the openers. */
#include "decompose/magic.h"

#include <string.h>

#include "base/macros.h"

#define TEXT_LOOK_BYTES 1024

enum type_id {
#define TYPE(id, mime, format, kind) T_##id,
#include "decompose/magic_type.def"
#undef TYPE
};

static const struct magic_type types[] = {
#define TYPE(id, mime, format, kind) { mime, format, kind },
#include "decompose/magic_type.def"
#undef TYPE
};

struct mark {
	uint16_t offset;
	uint16_t len;
	const char *bytes;
	enum type_id type;
};

/* In the order in which they are asked. */
static const struct mark marks[] = {
#define MARK(offset, bytes, id) { offset, sizeof(bytes) - 1, bytes, T_##id },
#include "decompose/magic_mark.def"
#undef MARK
};

static uint32_t
read_le32(struct slice b, size_t at)
{
	return (uint32_t)b.ptr[at] | (uint32_t)b.ptr[at + 1] << 8 |
	    (uint32_t)b.ptr[at + 2] << 16 | (uint32_t)b.ptr[at + 3] << 24;
}

static bool
has_at(struct slice b, size_t offset, const char *bytes, size_t len)
{
	return offset <= b.len && b.len - offset >= len &&
	    memcmp(b.ptr + offset, bytes, len) == 0;
}
#define HAS_AT(b, offset, lit) has_at(b, offset, lit, sizeof(lit) - 1)

static bool
is_printable(struct slice b)
{
	for (size_t i = 0; i < b.len; i++) {
		if ((b.ptr[i] < 0x20 && b.ptr[i] != '\t' && b.ptr[i] != '\n' &&
		    b.ptr[i] != '\r' && b.ptr[i] != '\f') || b.ptr[i] == 0x7f)
			return false;
	}
	return true;
}

/* The header's checksum: the one mark that tars older than POSIX have. */
static bool
is_old_tar(struct slice b)
{
	uint32_t sum = 0, want = 0;

	if (b.len < 512 || b.ptr[0] == '\0')
		return false;
	for (size_t i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : b.ptr[i];
	for (size_t i = 148; i < 156; i++) {
		if (b.ptr[i] >= '0' && b.ptr[i] <= '7')
			want = want * 8 + (uint32_t)(b.ptr[i] - '0');
		else if (b.ptr[i] != ' ' || want != 0)
			break;
	}
	return want != 0 && want == sum;
}

static bool
is_lha(struct slice b)
{
	return b.len >= 21 && b.ptr[2] == '-' && b.ptr[3] == 'l' && b.ptr[6] == '-' &&
	    (b.ptr[4] == 'h' || b.ptr[4] == 'z') && b.ptr[20] <= 3;
}

/* SEA ARC: 0x1a, method, name of at most 12 letters ended by NUL, sizes that fit. */
static bool
is_arc(struct slice b)
{
	struct slice name;
	size_t end;

	if (b.len < 29 || b.ptr[0] != 0x1a || b.ptr[1] == 0 || b.ptr[1] > 0x1f)
		return false;
	name = slice_sub(b, 2, 13);
	end = slice_find_byte(name, 0, 0);
	return end != SIZE_MAX && end > 0 && is_printable(slice_sub(name, 0, end)) &&
	    read_le32(b, 15) <= b.len;
}

static enum type_id
detect_mz(struct slice b)
{
	uint32_t at = b.len >= 64 ? read_le32(b, 60) : 0;

	if (at != 0 && HAS_AT(b, at, "PE\0\0"))
		return T_PE;
	if (b.len >= 28 && !is_printable(slice_sub(b, 0, 28)))
		return T_MZ;
	return T_NONE;
}

/* 0xcafebabe is a Java class or a Mach-O of several processors; versions are above 44. */
static enum type_id
detect_cafebabe(struct slice b)
{
	return b.len >= 8 && b.ptr[6] == 0 && b.ptr[7] < 0x20 && b.ptr[7] > 0 ? T_MACHO
	                                                                    : T_CLASS;
}

static enum type_id
detect_zip(struct slice b)
{
	struct slice head = slice_sub(b, 0, 4096);

	if (HAS_AT(b, 30, "mimetype")) {
		if (slice_find(head, SLICE_LIT("vnd.oasis.opendocument"), 38) < 80)
			return T_ODF;
		if (slice_find(head, SLICE_LIT("epub+zip"), 38) < 80)
			return T_EPUB;
	}
	if (slice_find(head, SLICE_LIT("META-INF/MANIFEST.MF"), 30) != SIZE_MAX)
		return slice_find(head, SLICE_LIT("AndroidManifest"), 30) != SIZE_MAX ? T_APK
		                                                                      : T_JAR;
	if (HAS_AT(b, 30, "AndroidManifest.xml"))
		return T_APK;
	if (slice_find(head, SLICE_LIT("[Content_Types].xml"), 30) == SIZE_MAX &&
	    slice_find(head, SLICE_LIT("_rels/.rels"), 30) == SIZE_MAX)
		return T_ZIP;
	if (slice_find(head, SLICE_LIT("word/"), 30) != SIZE_MAX)
		return T_DOCX;
	if (slice_find(head, SLICE_LIT("xl/"), 30) != SIZE_MAX)
		return T_XLSX;
	if (slice_find(head, SLICE_LIT("ppt/"), 30) != SIZE_MAX)
		return T_PPTX;
	return T_OOXML;
}

/* lzma_alone has no mark: properties byte of a usual encoder, dictionary of 2^n or 2^n+2^(n-1),
 * size unknown or below 256 GB, first coded byte 0. */
static bool
is_lzma(struct slice b)
{
	uint32_t dict;

	if (b.len < 14 || b.ptr[0] != 0x5d || b.ptr[13] != 0)
		return false;
	dict = read_le32(b, 1);
	if (dict < 4096 && dict != 0)
		return false;
	while (dict != 0 && (dict & 1) == 0)
		dict >>= 1;
	if (dict > 3)
		return false;
	return (read_le32(b, 5) == UINT32_MAX && read_le32(b, 9) == UINT32_MAX) ||
	    read_le32(b, 9) < 64;
}

static enum type_id
detect_riff(struct slice b)
{
	return HAS_AT(b, 8, "WEBP") ? T_WEBP : T_RIFF;
}

static enum type_id
detect_ftyp(struct slice b)
{
	if (HAS_AT(b, 8, "heic") || HAS_AT(b, 8, "heix") || HAS_AT(b, 8, "mif1") ||
	    HAS_AT(b, 8, "avif"))
		return T_HEIF;
	return T_MP4;
}

static enum type_id
detect_by_rule(struct slice b)
{
	if (b.len < 4)
		return T_NONE;
	if (b.ptr[0] == 'M' && b.ptr[1] == 'Z')
		return detect_mz(b);
	if (HAS_AT(b, 0, "PK\003\004"))
		return detect_zip(b);
	if (HAS_AT(b, 0, "\xca\xfe\xba\xbe"))
		return detect_cafebabe(b);
	if (HAS_AT(b, 0, "RIFF"))
		return detect_riff(b);
	if (HAS_AT(b, 4, "ftyp"))
		return detect_ftyp(b);
	if (HAS_AT(b, 0, "!<arch>\n"))
		return HAS_AT(b, 8, "debian-binary") ? T_DEB : T_AR;
	if (HAS_AT(b, 0, "BZh") && b.len >= 10 && b.ptr[3] >= '1' && b.ptr[3] <= '9' &&
	    (HAS_AT(b, 4, "1AY&SY") || HAS_AT(b, 4, "\x17\x72\x45\x38\x50\x90")))
		return T_BZIP2;
	if (b.len >= 30 && b.ptr[0] == 0x60 && b.ptr[1] == 0xea && b.ptr[10] <= 2 &&
	    b.ptr[3] < 0x0b)
		return T_ARJ;
	if (HAS_AT(b, 0, "BM") && b.len >= 26 && read_le32(b, 6) == 0)
		return T_BMP;
	if (HAS_AT(b, 0, "\0\0\1\0") && b.len >= 22 && b.ptr[4] != 0 && b.ptr[5] == 0 &&
	    b.ptr[9] == 0)
		return T_ICO;
	if ((read_le32(b, 0) & 0xfffffff0) == 0x184d2a50) /* skippable frame of lz4 and zstd */
		return T_ZSTD;
	if (is_lha(b))
		return T_LHA;
	return T_NONE;
}

/* The partition table of a master boot record: the mark alone, two bytes, would not do. */
static bool
is_mbr(struct slice b)
{
	unsigned used = 0;

	for (size_t at = 446; at < 510; at += 16) {
		uint32_t first = read_le32(b, at + 8), count = read_le32(b, at + 12);

		if ((b.ptr[at] & 0x7f) != 0)
			return false;
		if (b.ptr[at + 4] == 0)
			continue;
		if (first == 0 || count == 0 || (uint64_t)first * 512 >= b.len)
			return false;
		used++;
	}
	return used > 0;
}

/* Raw images of disks and of file systems. */
static enum type_id
detect_disk(struct slice b)
{
	if (HAS_AT(b, 3, "NTFS    "))
		return T_NTFS;
	if (HAS_AT(b, 512, "EFI PART"))
		return T_GPT;
	if (HAS_AT(b, 510, "\x55\xaa") && (HAS_AT(b, 54, "FAT1") || HAS_AT(b, 82, "FAT32")))
		return T_FAT;
	if (HAS_AT(b, 32, "NXSB"))
		return T_APFS;
	if (HAS_AT(b, 1024, "H+\0\4") || HAS_AT(b, 1024, "HX\0\5"))
		return T_HFS;
	/* mark, then state (1 or 2) and what to do on errors (1 to 3) */
	if (HAS_AT(b, 1080, "\x53\xef") && b.len >= 2048 && b.ptr[1082] < 8 && b.ptr[1083] == 0 &&
	    b.ptr[1084] >= 1 && b.ptr[1084] <= 3 && b.ptr[1085] == 0)
		return T_EXT;
	if (HAS_AT(b, 16, "Compressed ROMFS"))
		return T_CRAMFS;
	if (HAS_AT(b, 64, "\x7f\x10\xda\xbe"))
		return T_VDI;
	if (HAS_AT(b, 510, "\x55\xaa") && is_mbr(b))
		return T_MBR;
	return T_NONE;
}

/* Marks that stand far from the start, and rules that could take something else. */
static enum type_id
detect_late(struct slice b)
{
	static const uint32_t iso_at[] = { 32769, 34817, 36865 };
	enum type_id id;

	for (size_t i = 0; i < ARRAY_LEN(iso_at); i++) {
		if (HAS_AT(b, iso_at[i], "CD001"))
			return T_ISO;
		if (HAS_AT(b, iso_at[i], "NSR0") || HAS_AT(b, iso_at[i], "BEA01"))
			return T_UDF;
	}
	if (is_old_tar(b))
		return T_TAR;
	if (b.len >= 512 && HAS_AT(b, b.len - 512, "koly\0\0\0\4"))
		return T_DMG;
	if (b.len >= 512 && HAS_AT(b, b.len - 512, "conectix"))
		return T_VHD;
	id = detect_disk(b);
	if (id != T_NONE)
		return id;
	if (is_arc(b))
		return T_ARC;
	if (is_lzma(b))
		return T_LZMA;
	if (slice_find(slice_sub(b, 0, 1024), SLICE_LIT("%PDF-"), 0) != SIZE_MAX)
		return T_PDF;
	return T_NONE;
}

static bool
is_html(struct slice head)
{
	static const char *const tags[] = { "<!doctype html", "<html", "<head", "<body",
		"<script", "<title", "<meta ", "<iframe", "<table", "<div", "<style", "<a href",
		"<p>", "<br", "<img ", "<form", "<font", "<h1", "<center", "<object",
		"<hta:application" };

	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		size_t at = slice_find_nocase(head, slice_of_str(tags[i]), 0);

		if (at != SIZE_MAX && (at < 256 || i < 4))
			return true;
	}
	return false;
}

static enum type_id
detect_text(struct slice b)
{
	struct slice head = slice_sub(b, 0, TEXT_LOOK_BYTES), start = slice_trim(head);

	if (HAS_AT(b, 0, "\xef\xbb\xbf"))
		start = slice_trim(slice_from(head, 3));
	if (HAS_AT(b, 0, "\xff\xfe") || HAS_AT(b, 0, "\xfe\xff"))
		return T_UTF16;
	if (!is_printable(head)) {
		/* Text with a stray control byte that is HTML all the same: browsers do not care. */
		return start.len > 0 && start.ptr[0] == '<' && is_html(head) ? T_HTML : T_NONE;
	}
	if (slice_starts_with(start, SLICE_LIT("#!")))
		return T_SHELL;
	if (slice_starts_with_nocase(start, SLICE_LIT("<?php")))
		return T_PHP;
	if (slice_find_nocase(head, SLICE_LIT("<svg"), 0) != SIZE_MAX && start.len > 0 &&
	    start.ptr[0] == '<')
		return T_SVG;
	if (is_html(head))
		return T_HTML;
	if (slice_starts_with_nocase(start, SLICE_LIT("<?xml")))
		return T_XML;
	if (slice_starts_with_nocase(start, SLICE_LIT("[InternetShortcut]")))
		return T_URL;
	if (slice_starts_with_nocase(start, SLICE_LIT("BEGIN:VCALENDAR")))
		return T_ICAL;
	if (slice_starts_with_nocase(start, SLICE_LIT("BEGIN:VCARD")))
		return T_VCARD;
	return T_PLAIN;
}

/* cpio's binary header: 26 bytes; the name behind it ends in NUL at the length it tells. */
static bool
is_binary_cpio(struct slice b)
{
	bool big = b.ptr[0] == 0x71;
	size_t name_len, mode;

	if (b.len < 27)
		return false;
	mode = big ? (size_t)b.ptr[6] << 8 | b.ptr[7] : (size_t)b.ptr[7] << 8 | b.ptr[6];
	name_len = big ? (size_t)b.ptr[20] << 8 | b.ptr[21] : (size_t)b.ptr[21] << 8 | b.ptr[20];
	return (mode & 0xf000) != 0 && name_len >= 1 && name_len <= 4096 &&
	    b.len >= 26 + name_len && b.ptr[26 + name_len - 1] == '\0';
}

/* Two bytes stand in front of one file of noise in 65,536: such a mark needs more. */
static bool
is_borne_out(enum type_id id, struct slice b)
{
	switch (id) {
	case T_GZIP:
		return b.len < 4 || (b.ptr[2] == 8 && (b.ptr[3] & 0xe0) == 0);
	case T_COMPRESS:
		return b.len < 3 || ((b.ptr[2] & 0x60) == 0 && (b.ptr[2] & 0x1f) >= 9 &&
		    (b.ptr[2] & 0x1f) <= 16);
	case T_CPIO:
		return b.ptr[0] == '0' || is_binary_cpio(b);
	default:
		return true;
	}
}

const struct magic_type *
magic_detect(struct slice b)
{
	enum type_id id;

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (has_at(b, marks[i].offset, marks[i].bytes, marks[i].len) &&
		    is_borne_out(marks[i].type, b))
			return &types[marks[i].type];
	}
	id = detect_by_rule(b);
	if (id == T_NONE)
		id = detect_late(b);
	if (id == T_NONE)
		id = detect_text(b);
	return &types[id];
}

bool
magic_is(const struct magic_type *t, const char *format)
{
	return t != NULL && strcmp(t->format, format) == 0;
}
