/* charset.c: charsets through iconv, with descriptors opened before the cage closes. What every
 * mail uses (UTF-8, ASCII, Latin-1, UTF-16) is done here, without iconv. */
#include "decompose/charset.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/macros.h"

#define KEY_SIZE        32
#define CONVERSIONS_MAX 160
#define PIECE_BYTES     1024

static struct conversion {
	char key[KEY_SIZE];
	iconv_t cd;
} conversions[CONVERSIONS_MAX];
static size_t conversion_count;
static bool sealed;

/* Names as they stand in mail, and the name iconv knows for them (NULL: the same). */
static const struct {
	const char *name, *iconv;
} preloads[] = {
	{ "ISO-8859-2", NULL },
	{ "ISO-8859-3", NULL },
	{ "ISO-8859-4", NULL },
	{ "ISO-8859-5", NULL },
	{ "ISO-8859-6", NULL },
	{ "ISO-8859-7", NULL },
	{ "ISO-8859-8", NULL },
	{ "ISO-8859-8-I", "ISO-8859-8" },
	{ "ISO-8859-8-E", "ISO-8859-8" },
	{ "ISO-8859-6-I", "ISO-8859-6" },
	{ "ISO-8859-9", NULL },
	{ "ISO-8859-10", NULL },
	{ "ISO-8859-11", NULL },
	{ "ISO-8859-13", NULL },
	{ "ISO-8859-14", NULL },
	{ "ISO-8859-15", NULL },
	{ "ISO-8859-16", NULL },
	{ "LATIN2", "ISO-8859-2" },
	{ "LATIN5", "ISO-8859-9" },
	{ "LATIN9", "ISO-8859-15" },
	{ "TIS-620", "CP874" },
	{ "WINDOWS-874", "CP874" },
	{ "WINDOWS-1250", "CP1250" },
	{ "WINDOWS-1251", "CP1251" },
	{ "WINDOWS-1252", "CP1252" },
	{ "WINDOWS-1253", "CP1253" },
	{ "WINDOWS-1254", "CP1254" },
	{ "WINDOWS-1255", "CP1255" },
	{ "WINDOWS-1256", "CP1256" },
	{ "WINDOWS-1257", "CP1257" },
	{ "WINDOWS-1258", "CP1258" },
	{ "CP1250", NULL },
	{ "CP1251", NULL },
	{ "CP1252", NULL },
	{ "CP1253", NULL },
	{ "CP1254", NULL },
	{ "CP1255", NULL },
	{ "CP1256", NULL },
	{ "CP1257", NULL },
	{ "CP1258", NULL },
	{ "CP437", NULL },
	{ "IBM437", "CP437" },
	{ "CP850", NULL },
	{ "IBM850", "CP850" },
	{ "CP852", NULL },
	{ "CP855", NULL },
	{ "CP866", NULL },
	{ "IBM866", "CP866" },
	{ "CP037", "CP037" },
	{ "KOI8-R", NULL },
	{ "KOI8-U", NULL },
	{ "MACINTOSH", NULL },
	{ "MAC", "MACINTOSH" },
	{ "GB2312", "GB18030" },
	{ "GBK", "GB18030" },
	{ "GB18030", NULL },
	{ "CP936", "GB18030" },
	{ "X-GBK", "GB18030" },
	{ "EUC-CN", "GB18030" },
	{ "HZ-GB-2312", "GB2312" },
	{ "BIG5", "CP950" },
	{ "CP950", NULL },
	{ "BIG5-HKSCS", NULL },
	{ "X-BIG5", "CP950" },
	{ "EUC-TW", NULL },
	{ "SHIFT_JIS", "CP932" },
	{ "SJIS", "CP932" },
	{ "X-SJIS", "CP932" },
	{ "WINDOWS-31J", "CP932" },
	{ "CP932", NULL },
	{ "EUC-JP", NULL },
	{ "X-EUC-JP", "EUC-JP" },
	{ "ISO-2022-JP", "ISO-2022-JP-2" },
	{ "ISO-2022-JP-1", "ISO-2022-JP-2" },
	{ "ISO-2022-JP-2", NULL },
	{ "ISO-2022-KR", NULL },
	{ "ISO-2022-CN", NULL },
	{ "EUC-KR", "CP949" },
	{ "KS_C_5601-1987", "CP949" },
	{ "KSC5601", "CP949" },
	{ "CP949", NULL },
	{ "JOHAB", NULL },
	{ "UTF-7", NULL },
	{ "UNICODE-1-1-UTF-7", "UTF-7" },
	{ "X-UNICODE-2-0-UTF-7", "UTF-7" },
	{ "UTF-7-IMAP", NULL },
	{ "VISCII", NULL },
	{ "ARMSCII-8", NULL },
	{ "TCVN", NULL },
};

/* Upper case letters and digits of the name, nothing else. False: none, or too long. */
static bool
charset_key(struct slice name, char ret_key[KEY_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = ascii_lower(name.ptr[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			continue;
		if (n == KEY_SIZE - 1)
			return false;
		ret_key[n++] = (char)(c >= 'a' ? c - 'a' + 'A' : c);
	}
	ret_key[n] = '\0';
	return n > 0;
}

static struct conversion *
conversion_find(const char *key)
{
	for (size_t i = 0; i < conversion_count; i++) {
		if (strcmp(conversions[i].key, key) == 0)
			return &conversions[i];
	}
	return NULL;
}

static struct conversion *
conversion_open(const char *key, const char *iconv_name)
{
	struct conversion *c = &conversions[conversion_count];
	iconv_t cd;

	if (conversion_count == CONVERSIONS_MAX || sealed)
		return NULL;
	cd = iconv_open("UTF-8", iconv_name);
	if (cd == (iconv_t)-1)
		return NULL;
	memcpy(c->key, key, strlen(key) + 1);
	c->cd = cd;
	conversion_count++;
	return c;
}

void
charset_preload(void)
{
	char key[KEY_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(preloads); i++) {
		const char *name = preloads[i].name;

		if (charset_key(slice_of_str(name), key) && conversion_find(key) == NULL)
			(void)conversion_open(
			    key, preloads[i].iconv != NULL ? preloads[i].iconv : name);
	}
	sealed = true;
}

static struct conversion *
conversion_get(struct slice name, const char *key)
{
	struct conversion *c = conversion_find(key);
	char text[64];

	if (c != NULL || sealed)
		return c;
	for (size_t i = 0; i < ARRAY_LEN(preloads); i++) {
		char row_key[KEY_SIZE];

		if (charset_key(slice_of_str(preloads[i].name), row_key) &&
		    strcmp(row_key, key) == 0)
			return conversion_open(key,
			    preloads[i].iconv != NULL ? preloads[i].iconv : preloads[i].name);
	}
	if (name.len >= sizeof(text))
		return NULL;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c8 = ascii_lower(name.ptr[i]);

		/* No slashes: "//TRANSLIT" and paths are not for strangers. */
		if (!((c8 >= 'a' && c8 <= 'z') || (c8 >= '0' && c8 <= '9') || c8 == '-' ||
			c8 == '_' || c8 == '.' || c8 == ':'))
			return NULL;
		text[i] = (char)c8;
	}
	text[name.len] = '\0';
	return conversion_open(key, text);
}

size_t
utf8_decode(struct slice s, uint32_t *ret_code)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;
	uint32_t code;

	if (s.len == 0)
		return 0;
	if (s.ptr[0] < 0x80) {
		*ret_code = s.ptr[0];
		return 1;
	}
	if (s.ptr[0] < 0xc2 || s.ptr[0] > 0xf4)
		return 0;
	n = s.ptr[0] < 0xe0 ? 2 : s.ptr[0] < 0xf0 ? 3 : 4;
	if (s.len < n)
		return 0;
	code = s.ptr[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s.ptr[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s.ptr[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return n;
}

size_t
utf8_encode(uint32_t code, uint8_t ret_bytes[4])
{
	if (code < 0x80) {
		ret_bytes[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		ret_bytes[0] = (uint8_t)(0xc0 | code >> 6);
		ret_bytes[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		ret_bytes[0] = (uint8_t)(0xe0 | code >> 12);
		ret_bytes[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		ret_bytes[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	ret_bytes[0] = (uint8_t)(0xf0 | (code >> 18 & 7));
	ret_bytes[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	ret_bytes[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	ret_bytes[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

bool
utf8_is_valid(struct slice s)
{
	uint32_t code;

	while (s.len > 0) {
		size_t n = utf8_decode(s, &code);

		if (n == 0)
			return false;
		s = slice_from(s, n);
	}
	return true;
}

static int
append_code(struct buf *out, uint32_t code)
{
	uint8_t bytes[4];

	return buf_append(out, bytes, utf8_encode(code, bytes));
}

static int
from_utf8(struct slice in, struct buf *out)
{
	int broken = 0, r;
	uint32_t code;

	while (in.len > 0) {
		size_t n = utf8_decode(in, &code);

		r = n > 0 ? buf_append(out, in.ptr, n) : append_code(out, 0xfffd);
		if (r < 0)
			return r;
		broken |= n == 0;
		in = slice_from(in, n > 0 ? n : 1);
	}
	return broken;
}

static int
from_latin1(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		int r = append_code(out, in.ptr[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Zero bytes at even places: the high byte comes first. */
static bool
looks_big_endian(struct slice in, size_t width)
{
	size_t first = 0, last = 0;

	for (size_t i = 0; i + width <= in.len && i < 4096; i += width) {
		first += in.ptr[i] == 0;
		last += in.ptr[i + width - 1] == 0;
	}
	return first >= last;
}

static int
from_wide(struct slice in, size_t width, bool has_order, bool big, struct buf *out)
{
	int broken = in.len % width != 0, r;
	uint32_t pending = 0;

	if (!has_order)
		big = looks_big_endian(in, width);
	for (size_t i = 0; i + width <= in.len; i += width) {
		uint32_t code = 0;

		for (size_t k = 0; k < width; k++)
			code = code << 8 | in.ptr[i + (big ? k : width - 1 - k)];
		if (code == 0xfeff && i == 0)
			continue;
		if (i == 0 && code == (width == 2 ? 0xfffeu : 0xfffe0000u)) {
			big = !big;
			continue;
		}
		if (width == 2 && code >= 0xd800 && code < 0xdc00) {
			broken |= pending != 0;
			pending = code;
			continue;
		}
		if (pending != 0 && code >= 0xdc00 && code < 0xe000)
			code = 0x10000 + ((pending - 0xd800) << 10) + (code - 0xdc00);
		pending = 0;
		if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
			code = 0xfffd;
			broken = 1;
		}
		if ((r = append_code(out, code)) < 0)
			return r;
	}
	return broken | (pending != 0);
}

static int
from_iconv(iconv_t cd, struct slice in, struct buf *out)
{
	char *from = (char *)(uintptr_t)in.ptr;
	size_t left = in.len;
	int broken = 0, r;

	(void)iconv(cd, NULL, NULL, NULL, NULL);
	for (;;) {
		char piece[PIECE_BYTES];
		char *to = piece;
		size_t room = sizeof(piece);
		size_t n = left > 0 ? iconv(cd, &from, &left, &to, &room)
				    : iconv(cd, NULL, NULL, &to, &room);
		int why = errno;

		r = buf_append(out, piece, sizeof(piece) - room);
		if (r < 0)
			return r;
		if (n != (size_t)-1 && left == 0)
			return broken;
		if (n == (size_t)-1 && (why == EILSEQ || why == EINVAL) && left > 0) {
			broken = 1;
			if ((r = append_code(out, 0xfffd)) < 0)
				return r;
			from++;
			left--;
		} else if (n == (size_t)-1 && (why != E2BIG || room == sizeof(piece))) {
			return 1;
		}
		if (left == 0 && n == (size_t)-1 && why != E2BIG)
			return broken;
	}
}

int
charset_to_utf8(struct slice charset, struct slice in, struct buf *out)
{
	static const struct {
		const char *key;
		size_t width;
		bool has_order, big;
	} wide[] = {
		{ "UTF16", 2, false, true },
		{ "UTF16BE", 2, true, true },
		{ "UTF16LE", 2, true, false },
		{ "UCS2", 2, false, true },
		{ "ISO10646UCS2", 2, false, true },
		{ "UNICODE", 2, false, false },
		{ "UTF32", 4, false, true },
		{ "UTF32BE", 4, true, true },
		{ "UTF32LE", 4, true, false },
		{ "UCS4", 4, false, true },
	};
	static const char *const latin[] = { "ISO88591", "LATIN1", "L1", "ISO885911987" };
	static const char *const ascii[] = { "USASCII", "ASCII", "ANSIX341968", "UTF8",
		"UTF8MB4", "XUTF8", "646", "UNKNOWN8BIT", "XUNKNOWN", "UNKNOWN", "DEFAULT",
		"UNICODE11UTF8" };
	struct conversion *c;
	char key[KEY_SIZE];

	if (!charset_key(charset, key))
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_LEN(ascii); i++) {
		if (strcmp(key, ascii[i]) == 0)
			return from_utf8(in, out);
	}
	for (size_t i = 0; i < ARRAY_LEN(latin); i++) {
		if (strcmp(key, latin[i]) == 0)
			return from_latin1(in, out);
	}
	for (size_t i = 0; i < ARRAY_LEN(wide); i++) {
		if (strcmp(key, wide[i].key) == 0)
			return from_wide(
			    in, wide[i].width, wide[i].has_order, wide[i].big, out);
	}
	c = conversion_get(slice_trim(charset), key);
	return c == NULL ? -ENOENT : from_iconv(c->cd, in, out);
}
