/* name_form.c: what a system makes of one file name. Names come from strangers; no form of them
 * is ever used as a path here or elsewhere. */
#include "decompose/name_form.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/object.h"

#define FORM_BYTES_MAX    8192
#define DISPLAY_BYTES_MAX 128
#define BLANKS_HIDING     4 /* so many blanks in a row push an extension out of sight */

/* Small letters of other scripts that look like Latin ones. */
static const struct {
	uint16_t code;
	uint8_t looks;
} lookalikes[] = {
	{ 0x0430, 'a' },
	{ 0x0435, 'e' },
	{ 0x043e, 'o' },
	{ 0x0440, 'p' },
	{ 0x0441, 'c' },
	{ 0x0443, 'y' },
	{ 0x0445, 'x' },
	{ 0x0455, 's' },
	{ 0x0456, 'i' },
	{ 0x0458, 'j' },
	{ 0x04bb, 'h' },
	{ 0x0501, 'd' },
	{ 0x051b, 'q' },
	{ 0x051d, 'w' },
	{ 0x0475, 'v' },
	{ 0x043a, 'k' },
	{ 0x043c, 'm' },
	{ 0x0442, 't' },
	{ 0x0432, 'b' },
	{ 0x043d, 'h' },
	{ 0x0410, 'a' },
	{ 0x0412, 'b' },
	{ 0x0415, 'e' },
	{ 0x041a, 'k' },
	{ 0x041c, 'm' },
	{ 0x041d, 'h' },
	{ 0x041e, 'o' },
	{ 0x0420, 'p' },
	{ 0x0421, 'c' },
	{ 0x0422, 't' },
	{ 0x0425, 'x' },
	{ 0x0405, 's' },
	{ 0x0406, 'i' },
	{ 0x0408, 'j' },
	{ 0x04c0, 'l' },
	{ 0x04cf, 'l' },
	{ 0x03bf, 'o' },
	{ 0x03b1, 'a' },
	{ 0x03b5, 'e' },
	{ 0x03b9, 'i' },
	{ 0x03ba, 'k' },
	{ 0x03bd, 'v' },
	{ 0x03c1, 'p' },
	{ 0x03c4, 't' },
	{ 0x03c5, 'u' },
	{ 0x03c7, 'x' },
	{ 0x0391, 'a' },
	{ 0x0392, 'b' },
	{ 0x0395, 'e' },
	{ 0x0396, 'z' },
	{ 0x0397, 'h' },
	{ 0x0399, 'i' },
	{ 0x039a, 'k' },
	{ 0x039c, 'm' },
	{ 0x039d, 'n' },
	{ 0x039f, 'o' },
	{ 0x03a1, 'p' },
	{ 0x03a4, 't' },
	{ 0x03a7, 'x' },
	{ 0x0131, 'i' },
	{ 0x0251, 'a' },
	{ 0x0261, 'g' },
	{ 0x0585, 'o' },
	{ 0x0578, 'n' },
	{ 0x057d, 'u' },
};

/* Extensions that run, behind one that does not: "invoice.pdf.exe". */
static const char *const running[] = { "exe", "com", "scr", "pif", "bat", "cmd", "js", "jse",
	"vbs", "vbe", "wsf", "wsh", "hta", "lnk", "cpl", "msi", "ps1", "jar", "dll", "reg",
	"chm", "msc", "ace", "iso", "img", "vhd", "scf", "url", "application", "gadget", "msp",
	"sct" };
static const char *const quiet[] = { "doc", "docx", "xls", "xlsx", "ppt", "pptx", "pdf", "txt",
	"rtf", "jpg", "jpeg", "gif", "png", "bmp", "htm", "html", "csv", "zip", "rar", "mp3",
	"mp4", "avi", "wav", "odt", "ods", "xml", "eml", "tif", "tiff" };

static bool
is_bidi(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
	       c == 0x200f || c == 0x061c;
}

/* Shown as nothing. */
static bool
is_hidden(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200d) || (c >= 0x2060 && c <= 0x2064) || c == 0xfeff ||
	       c == 0x00ad || c == 0x034f || c == 0x180e || (c >= 0xfe00 && c <= 0xfe0f) ||
	       (c >= 0xe0000 && c <= 0xe0fff) || c == 0x115f || c == 0x1160 || c == 0x3164 ||
	       c == 0xffa0;
}

/* Compatibility characters as ASCII (a part of NFKC: what names can be made of); 0: no. */
static uint32_t
fold_compatible(uint32_t c)
{
	if (c >= 0xff01 && c <= 0xff5e)
		return c - 0xff01 + '!';
	if (c == 0x2024 || c == 0xfe52 || c == 0x3002 || c == 0xff61)
		return '.';
	if (c == 0x00a0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f ||
	    c == 0x205f)
		return ' ';
	if (c == 0x2044 || c == 0x2215 || c == 0x29f8)
		return '/';
	if (c == 0xfe68 || c == 0x29f5 || c == 0x2216)
		return '\\';
	if (c >= 0x1d400 && c <= 0x1d6a3) /* mathematical letters: 13 alphabets of 52 */
		return (c - 0x1d400) % 52 < 26 ? 'A' + (c - 0x1d400) % 52
					       : 'a' + (c - 0x1d400) % 52 - 26;
	if (c >= 0x1d7ce && c <= 0x1d7ff)
		return '0' + (c - 0x1d7ce) % 10;
	if (c >= 0x24b6 && c <= 0x24cf)
		return c - 0x24b6 + 'A';
	if (c >= 0x24d0 && c <= 0x24e9)
		return c - 0x24d0 + 'a';
	return 0;
}

static uint32_t
fold_lookalike(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(lookalikes); i++) {
		if (lookalikes[i].code == c)
			return lookalikes[i].looks;
	}
	return 0;
}

static void
forms_add(struct name_forms *f, struct slice name, struct slice form)
{
	if (form.len == 0 || form.ptr == NULL || slice_eq(form, name) ||
	    f->count == NAME_FORMS_MAX)
		return;
	for (size_t i = 0; i < f->count; i++) {
		if (slice_eq(f->forms[i], form))
			return;
	}
	f->forms[f->count++] = form;
}

static struct slice
trim_end(struct slice s)
{
	while (s.len > 0 && (s.ptr[s.len - 1] == '.' || s.ptr[s.len - 1] <= ' '))
		s.len--;
	return s;
}

struct slice
name_form_get_extension(struct slice name)
{
	name = trim_end(name);
	for (size_t i = name.len; i > 0; i--) {
		uint8_t c = name.ptr[i - 1];

		if (c == '.')
			return slice_from(name, i);
		if (c == '/' || c == '\\' || c <= ' ' || name.len - i >= 12)
			break;
	}
	return SLICE_NONE;
}

static bool
is_one_of(struct slice s, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_eq_str_nocase(s, list[i]))
			return true;
	}
	return false;
}

static struct slice
without_controls(struct arena *a, struct slice name)
{
	uint8_t *to = arena_alloc(a, name.len + 1);
	size_t n = 0;

	if (to == NULL)
		return SLICE_NONE;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] >= ' ' && name.ptr[i] != 0x7f)
			to[n++] = name.ptr[i];
	}
	return slice_of(to, n);
}

static bool
has_control(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < ' ' || name.ptr[i] == 0x7f)
			return true;
	}
	return false;
}

/* Paths, streams, controls (A43). */
static void
make_paths(struct arena *a, struct slice name, struct name_forms *f)
{
	size_t base = 0, colon;
	bool control = has_control(name);

	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '/' || name.ptr[i] == '\\')
			base = i + 1;
	}
	colon = slice_find_byte(name, ':', 0);
	if (base > 0)
		forms_add(f, name, slice_from(name, base));
	if (colon != SIZE_MAX) {
		forms_add(f, name, slice_sub(name, 0, colon));
		forms_add(f, name, slice_from(name, colon + 1));
	}
	if (control) {
		size_t nul = slice_find_byte(name, 0, 0);

		if (nul != SIZE_MAX)
			forms_add(f, name, slice_sub(name, 0, nul));
		forms_add(f, name, without_controls(a, name));
	}
	if (slice_ends_with_nocase(name, SLICE_LIT("}")) &&
	    slice_find(name, SLICE_LIT(".{"), 0) != SIZE_MAX) {
		/* ".{CLSID}" decides the type and is not shown. */
		forms_add(f, name, slice_sub(name, 0, slice_find(name, SLICE_LIT(".{"), 0)));
		control = true;
	}
	if (base > 0 || colon != SIZE_MAX || control) {
		f->facts |= FACT_BIT(FACT_NAME_PATH);
		f->classes |= AMBIGUITY_BIT(43);
	}
}

/* Dots and blanks at the end, extensions out of sight, double extensions (A41). */
static void
make_deceptive(struct slice name, struct name_forms *f)
{
	struct slice trimmed = trim_end(name);
	struct slice last = name_form_get_extension(trimmed), before;
	size_t blanks = 0, most = 0;

	if (trimmed.len < name.len) {
		forms_add(f, name, trimmed);
		f->facts |= FACT_BIT(FACT_NAME_DOTS);
		f->classes |= AMBIGUITY_BIT(41);
	}
	for (size_t i = 0; i < trimmed.len; i++) {
		blanks = trimmed.ptr[i] <= ' ' ? blanks + 1 : 0;
		most = MAX_OF(most, blanks);
	}
	if (last.len == 0)
		return;
	before = trim_end(slice_sub(trimmed, 0, (size_t)(last.ptr - trimmed.ptr) - 1));
	if (most >= BLANKS_HIDING) {
		f->facts |= FACT_BIT(FACT_NAME_HIDDEN);
		f->classes |= AMBIGUITY_BIT(41);
	}
	if (is_one_of(last, running, ARRAY_LEN(running)) &&
	    is_one_of(name_form_get_extension(before), quiet, ARRAY_LEN(quiet)))
		f->classes |= AMBIGUITY_BIT(41);
}

/* One pass over the characters: folded, and with look-alikes turned (A42). */
static void
make_unicode(struct arena *a, struct slice name, struct name_forms *f)
{
	CLEANUP(buf_done) struct buf folded = { .len = 0 }, latin = { .len = 0 };
	struct slice rest = name, extension = name_form_get_extension(name);
	bool odd = false;

	buf_init(&folded, FORM_BYTES_MAX);
	buf_init(&latin, FORM_BYTES_MAX);
	while (rest.len > 0) {
		uint32_t c, to;
		size_t n = utf8_decode(rest, &c);
		bool in_extension = extension.len > 0 && rest.ptr >= extension.ptr;
		uint8_t bytes[4];

		if (n == 0) {
			rest = slice_from(rest, 1);
			continue;
		}
		rest = slice_from(rest, n);
		if (is_bidi(c)) {
			f->facts |= FACT_BIT(FACT_NAME_BIDI);
			odd = true;
			continue;
		}
		if (is_hidden(c)) {
			f->facts |= FACT_BIT(FACT_NAME_HIDDEN);
			odd |= in_extension;
			continue;
		}
		to = c >= 0x80 ? fold_compatible(c) : 0;
		odd |= to == '.' || to == '/' || to == '\\' || (to > ' ' && in_extension);
		c = to != 0 ? to : c;
		(void)buf_append(&folded, bytes, utf8_encode(c, bytes));
		to = c >= 0x80 ? fold_lookalike(c) : 0;
		odd |= to != 0 && in_extension;
		c = to != 0 ? to : c;
		(void)buf_append(&latin, bytes, utf8_encode(c, bytes));
	}
	if (odd)
		f->classes |= AMBIGUITY_BIT(42);
	forms_add(f, name,
	    slice_eq(buf_get(&folded), name) ? SLICE_NONE : arena_copy(a, buf_get(&folded)));
	forms_add(f, name,
	    slice_eq(buf_get(&latin), name) ? SLICE_NONE : arena_copy(a, buf_get(&latin)));
}

static bool
is_plain(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] >= 0x7f || name.ptr[i] < ' ')
			return false;
	}
	return true;
}

void
name_forms_make(struct arena *a, struct slice name, struct name_forms *ret)
{
	memset(ret, 0, sizeof(*ret));
	name = slice_sub(name, 0, FORM_BYTES_MAX / 2);
	make_paths(a, name, ret);
	make_deceptive(name, ret);
	if (!is_plain(name)) {
		make_unicode(a, name, ret);
		for (size_t i = 0, n = ret->count; i < n; i++) {
			struct name_forms inner = { .count = 0 };

			make_deceptive(ret->forms[i], &inner);
			ret->facts |= inner.facts;
			ret->classes |= inner.classes;
		}
	}
}

struct slice
name_form_get_display(struct arena *a, struct slice name)
{
	CLEANUP(buf_done) struct buf out = { .len = 0 };

	buf_init(&out, DISPLAY_BYTES_MAX);
	while (name.len > 0) {
		uint32_t c = 0xfffd;
		size_t n = utf8_decode(name, &c);
		uint8_t bytes[4];

		name = slice_from(name, n == 0 ? 1 : n);
		if (is_bidi(c) || is_hidden(c))
			continue;
		if (c < ' ' || (c >= 0x7f && c < 0xa0) || c == '/' || c == '\\' || c == ':')
			c = '_';
		if (buf_append(&out, bytes, utf8_encode(c, bytes)) < 0)
			break;
	}
	if (out.len == 0 || slice_eq_str(buf_get(&out), ".") ||
	    slice_eq_str(buf_get(&out), ".."))
		return SLICE_LIT("unnamed");
	return arena_copy(a, buf_get(&out));
}
