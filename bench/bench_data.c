/* bench_data.c: random numbers, text and attachments for the benchmark corpora (bench_data.h).
 * Everything follows from the seed. What a mail is made of is bench_corpus.c's affair. */
#include "bench_data.h"

#include <archive.h>
#include <archive_entry.h>
#include <err.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ZIP_MTIME 1700000000 /* one date for all members: output depends on the seed only */

static uint64_t
rng_splitmix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
rng_init(struct rng *r, uint64_t seed)
{
	for (size_t i = 0; i < 4; i++)
		r->s[i] = rng_splitmix(&seed);
}

static uint64_t
rng_rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t
rng_next(struct rng *r)
{
	uint64_t result = rng_rotate(r->s[1] * 5, 7) * 9;
	uint64_t t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rng_rotate(r->s[3], 45);
	return result;
}

uint64_t
rng_range(struct rng *r, uint64_t low, uint64_t high)
{
	return low + rng_next(r) % (high - low + 1);
}

uint64_t
rng_range_log(struct rng *r, uint64_t low, uint64_t high)
{
	double unit = (double)(rng_next(r) >> 11) / 9007199254740992.0;

	return (uint64_t)((double)low * pow((double)high / (double)low, unit));
}

void
buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

static void
buf_reserve(struct buf *b, size_t more)
{
	if (b->cap - b->len >= more)
		return;
	while (b->cap - b->len < more)
		b->cap = b->cap ? b->cap * 2 : 4096;
	b->data = realloc(b->data, b->cap);
	if (!b->data)
		err(1, "cannot get %zu bytes", b->cap);
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
buf_add_string(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void
buf_addf(struct buf *b, const char *format, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		errx(1, "line too long for '%s'", format);
	buf_add(b, line, (size_t)n);
}

void
buf_add_random(struct buf *b, struct rng *r, size_t len)
{
	buf_reserve(b, len + 8);
	for (size_t done = 0; done < len; done += 8) {
		uint64_t x = rng_next(r);
		memcpy(b->data + b->len + done, &x, 8);
	}
	b->len += len;
}

void
buf_add_base64(struct buf *b, const struct buf *in)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i = 0;

	buf_reserve(b, in->len / 3 * 4 + in->len / 57 * 2 + 16);
	unsigned char *out = b->data + b->len;
	for (; i + 3 <= in->len; i += 3) {
		const unsigned char *p = in->data + i;
		*out++ = (unsigned char)digits[p[0] >> 2];
		*out++ = (unsigned char)digits[(p[0] & 3) << 4 | p[1] >> 4];
		*out++ = (unsigned char)digits[(p[1] & 15) << 2 | p[2] >> 6];
		*out++ = (unsigned char)digits[p[2] & 63];
		if ((i + 3) % 57 == 0) {
			*out++ = '\r';
			*out++ = '\n';
		}
	}
	if (i < in->len) {
		unsigned a = in->data[i], c = i + 1 < in->len ? in->data[i + 1] : 0;
		*out++ = (unsigned char)digits[a >> 2];
		*out++ = (unsigned char)digits[(a & 3) << 4 | c >> 4];
		*out++ = i + 1 < in->len ? (unsigned char)digits[(c & 15) << 2] : '=';
		*out++ = '=';
	}
	if (in->len % 57 != 0) {
		*out++ = '\r';
		*out++ = '\n';
	}
	b->len = (size_t)(out - b->data);
}

/* Half of the words come from here, the rest is put together from syllables. */
static const char *const words[] = { "the", "of", "and", "to", "in", "a", "is", "that", "for",
	"it", "as", "was", "with", "be", "by", "on", "not", "he", "this", "are", "or", "his",
	"from", "at", "which", "but", "have", "an", "had", "they", "you", "were", "their",
	"one", "all", "we", "can", "has", "there", "been", "if", "more", "when", "will",
	"would", "who", "so", "no", "meeting", "invoice", "order", "please", "attached",
	"report", "regards", "project", "customer", "delivery", "account", "payment", "week",
	"question", "offer", "contract", "schedule", "update", "server", "office", "number",
	"monday", "thursday", "request" };
static const char *const syllables[] = { "ba", "ter", "lin", "mo", "ve", "ra", "con", "tion",
	"sel", "per", "ti", "na", "gor", "est", "pla", "du", "wen", "kri", "hal", "os", "mer",
	"fi" };

void
text_add_word(struct buf *b, struct rng *r)
{
	if (rng_next(r) & 1) {
		buf_add_string(b, words[rng_next(r) % (sizeof(words) / sizeof(*words))]);
		return;
	}
	for (uint64_t n = rng_range(r, 2, 4); n > 0; n--)
		buf_add_string(
		    b, syllables[rng_next(r) % (sizeof(syllables) / sizeof(*syllables))]);
}

void
text_add_prose(struct buf *b, struct rng *r, size_t len, const char *eol)
{
	size_t start = b->len, line = b->len;
	unsigned left = 0;

	while (b->len - start < len) {
		size_t word = b->len;
		text_add_word(b, r);
		if (left == 0) {
			b->data[word] = (unsigned char)(b->data[word] - 'a' + 'A');
			left = (unsigned)rng_range(r, 5, 18);
		}
		if (--left == 0)
			buf_add_string(b, ".");
		if (b->len - line > 60) {
			buf_add_string(b, eol);
			line = b->len;
		} else {
			buf_add_string(b, " ");
		}
	}
	buf_add_string(b, eol);
}

void
text_add_html(struct buf *b, struct rng *r, size_t len)
{
	size_t start = b->len;

	buf_add_string(b,
	    "<!DOCTYPE html>\r\n<html><head><meta charset=\"utf-8\"><style>\r\n"
	    ".mail { font-family: Arial, sans-serif; font-size: 14px; color: #222; }\r\n"
	    "a { color: #0645ad; text-decoration: none; }\r\n</style></head>\r\n"
	    "<body class=\"mail\">\r\n");
	while (b->len - start < len) {
		buf_addf(b,
		    "<table width=\"%u\" cellpadding=\"0\"><tr>\r\n<td style=\"padding: "
		    "%upx\">\r\n",
		    (unsigned)rng_range(r, 400, 700), (unsigned)rng_range(r, 1, 20));
		buf_add_string(b, "<p>");
		text_add_prose(b, r, (size_t)rng_range(r, 150, 600), "\r\n");
		buf_addf(b, "</p>\r\n<a href=\"https://www.example.%s/r/%llx\">",
		    rng_next(r) & 1 ? "com" : "org", (unsigned long long)rng_next(r));
		text_add_word(b, r);
		buf_add_string(b, "</a></td></tr></table>\r\n");
	}
	buf_add_string(b, "</body></html>\r\n");
}

void
text_add_csv(struct buf *b, struct rng *r, size_t len)
{
	size_t start = b->len;

	buf_add_string(b, "id;date;customer;article;amount;price\r\n");
	while (b->len - start < len) {
		buf_addf(b, "%u;2025-%02u-%02u;", (unsigned)rng_range(r, 1000, 999999),
		    (unsigned)rng_range(r, 1, 12), (unsigned)rng_range(r, 1, 28));
		text_add_word(b, r);
		buf_add_string(b, ";");
		text_add_word(b, r);
		buf_addf(b, ";%u;%u.%02u\r\n", (unsigned)rng_range(r, 1, 50),
		    (unsigned)rng_range(r, 1, 4000), (unsigned)rng_range(r, 0, 99));
	}
}

/* Right markers, made-up picture. 0xff is followed by 0 in the picture's data (ITU T.81 B.1).
 */
void
data_add_jpeg(struct buf *b, struct rng *r, size_t len)
{
	static const unsigned char head[] = { 0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F',
		0, 1, 1, 0, 0, 72, 0, 72, 0, 0, 0xff, 0xdb, 0, 67, 0 };
	static const unsigned char frame[] = { 0xff, 0xc0, 0, 11, 8, 3, 0, 4, 0, 1, 1, 0x11, 0,
		0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0 };
	size_t start;

	buf_add(b, head, sizeof(head));
	for (unsigned i = 0; i < 64; i++)
		buf_add(b, &(unsigned char){ (unsigned char)rng_range(r, 1, 99) }, 1);
	buf_add(b, frame, sizeof(frame));
	start = b->len;
	buf_add_random(b, r, len);
	for (size_t i = start; i + 1 < b->len; i++)
		if (b->data[i] == 0xff)
			b->data[++i] = 0;
	buf_add(b, "\0\xff\xd9", 3);
}

static void
pdf_add_object(struct buf *b, size_t offsets[6], unsigned n, const char *dict,
    const void *stream, size_t stream_len)
{
	offsets[n] = b->len;
	buf_addf(b, "%u 0 obj\n<< %s", n, dict);
	if (stream) {
		buf_addf(b, " /Length %zu >>\nstream\n", stream_len);
		buf_add(b, stream, stream_len);
		buf_add_string(b, "\nendstream\nendobj\n");
	} else {
		buf_add_string(b, " >>\nendobj\n");
	}
}

/* One page: its text deflated, about a third of the file, and one picture. */
void
data_add_pdf(struct buf *b, struct rng *r, size_t len)
{
	struct buf text = { 0 }, picture = { 0 }, file = { 0 };
	size_t offsets[6] = { 0 };
	uLongf packed_len;

	buf_add_string(&text, "BT /F1 11 Tf 50 780 Td (");
	text_add_prose(&text, r, len, ") Tj 0 -14 Td (");
	buf_add_string(&text, ") Tj ET");
	packed_len = compressBound(text.len);
	unsigned char *packed = malloc(packed_len);
	if (!packed || compress2(packed, &packed_len, text.data, text.len, 6) != Z_OK)
		errx(1, "cannot deflate");
	data_add_jpeg(&picture, r, packed_len < len ? len - packed_len : 1000);
	buf_add_string(&file, "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n");
	pdf_add_object(&file, offsets, 1, "/Type /Catalog /Pages 2 0 R", NULL, 0);
	pdf_add_object(&file, offsets, 2, "/Type /Pages /Kids [3 0 R] /Count 1", NULL, 0);
	pdf_add_object(&file, offsets, 3,
	    "/Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
	    "/Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >>",
	    NULL, 0);
	pdf_add_object(&file, offsets, 4, "/Filter /FlateDecode", packed, packed_len);
	pdf_add_object(&file, offsets, 5,
	    "/Type /XObject /Subtype /Image /Width 1024 /Height 768 "
	    "/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode",
	    picture.data, picture.len);
	size_t xref = file.len;
	buf_add_string(&file, "xref\n0 6\n0000000000 65535 f \n");
	for (unsigned i = 1; i < 6; i++)
		buf_addf(&file, "%010zu 00000 n \n", offsets[i]);
	buf_addf(&file, "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n", xref);
	buf_add(b, file.data, file.len);
	free(packed);
	buf_done(&text);
	buf_done(&picture);
	buf_done(&file);
}

/* A zip being written into memory. */
struct zip {
	struct archive *archive;
	struct buf out;
};

static la_ssize_t
zip_on_write(struct archive *a, void *arg, const void *data, size_t len)
{
	struct zip *z = arg;

	(void)a;
	buf_add(&z->out, data, len);
	return (la_ssize_t)len;
}

static void
zip_init(struct zip *z)
{
	*z = (struct zip){ .archive = archive_write_new() };
	if (!z->archive || archive_write_set_format_zip(z->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(z->archive, 1) != ARCHIVE_OK ||
	    archive_write_open2(z->archive, z, NULL, zip_on_write, NULL, NULL) != ARCHIVE_OK)
		errx(1, "cannot start a zip");
}

static void
zip_add(struct zip *z, const char *name, const struct buf *content, bool deflate)
{
	struct archive_entry *e = archive_entry_new();

	if (!e)
		errx(1, "cannot get an archive entry");
	archive_entry_set_pathname(e, name);
	archive_entry_set_size(e, (la_int64_t)content->len);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_mtime(e, ZIP_MTIME, 0);
	if ((deflate ? archive_write_zip_set_compression_deflate(z->archive)
		     : archive_write_zip_set_compression_store(z->archive)) != ARCHIVE_OK ||
	    archive_write_header(z->archive, e) != ARCHIVE_OK ||
	    archive_write_data(z->archive, content->data, content->len) !=
		(la_ssize_t)content->len)
		errx(1, "cannot write a zip member: %s", archive_error_string(z->archive));
	archive_entry_free(e);
}

/* Append the finished zip to b. */
static void
zip_done(struct zip *z, struct buf *b)
{
	if (archive_write_close(z->archive) != ARCHIVE_OK)
		errx(1, "cannot end a zip: %s", archive_error_string(z->archive));
	archive_write_free(z->archive);
	buf_add(b, z->out.data, z->out.len);
	buf_done(&z->out);
}

static void
zip_add_string(struct zip *z, const char *name, const char *text)
{
	struct buf content = { 0 };

	buf_add_string(&content, text);
	zip_add(z, name, &content, true);
	buf_done(&content);
}

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"

static void
office_add_frame(struct zip *z, const char *part, const char *type)
{
	struct buf xml = { 0 };

	buf_addf(&xml,
	    XML_HEAD
	    "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/"
	    "content-types\"><Default Extension=\"xml\" "
	    "ContentType=\"application/xml\"/><Default "
	    "Extension=\"jpeg\" ContentType=\"image/jpeg\"/><Override PartName=\"/%s\" "
	    "ContentType=\"application/vnd.openxmlformats-officedocument.%s.main+xml\"/></"
	    "Types>",
	    part, type);
	zip_add(z, "[Content_Types].xml", &xml, true);
	buf_clear(&xml);
	buf_addf(&xml,
	    XML_HEAD "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/"
		     "2006/relationships\"><Relationship Id=\"rId1\" "
		     "Type=\"http://schemas.openxmlformats."
		     "org/officeDocument/2006/relationships/officeDocument\" Target=\"%s\"/>"
		     "</Relationships>",
	    part);
	zip_add(z, "_rels/.rels", &xml, true);
	buf_done(&xml);
}

/* A text document: half of its bytes are text, the rest a picture. */
void
data_add_docx(struct buf *b, struct rng *r, size_t len)
{
	struct buf xml = { 0 }, picture = { 0 };
	struct zip z;

	zip_init(&z);
	office_add_frame(&z, "word/document.xml", "wordprocessingml.document");
	buf_add_string(&xml, XML_HEAD "<w:document xmlns:w=\"http://schemas.openxmlformats.org/"
				      "wordprocessingml/2006/main\"><w:body>");
	while (xml.len < len * 5 / 4) {
		buf_add_string(&xml, "<w:p><w:r><w:t xml:space=\"preserve\">");
		text_add_prose(&xml, r, (size_t)rng_range(r, 100, 800), " ");
		buf_add_string(&xml, "</w:t></w:r></w:p>");
	}
	buf_add_string(&xml, "</w:body></w:document>");
	zip_add(&z, "word/document.xml", &xml, true);
	data_add_jpeg(&picture, r, len / 2);
	zip_add(&z, "word/media/image1.jpeg", &picture, false);
	zip_add_string(&z, "word/styles.xml",
	    XML_HEAD "<w:styles xmlns:w=\"http://schemas."
		     "openxmlformats.org/wordprocessingml/2006/main\"/>");
	zip_done(&z, b);
	buf_done(&xml);
	buf_done(&picture);
}

/* A table: nearly all of it is markup, so it unpacks to several times its size. */
void
data_add_xlsx(struct buf *b, struct rng *r, size_t len)
{
	struct buf xml = { 0 };
	struct zip z;

	zip_init(&z);
	office_add_frame(&z, "xl/workbook.xml", "spreadsheetml.sheet");
	zip_add_string(&z, "xl/workbook.xml",
	    XML_HEAD "<workbook xmlns=\"http://schemas."
		     "openxmlformats.org/spreadsheetml/2006/main\"><sheets><sheet name=\"1\" "
		     "sheetId=\"1\"/>"
		     "</sheets></workbook>");
	buf_add_string(&xml, XML_HEAD "<worksheet xmlns=\"http://schemas.openxmlformats.org/"
				      "spreadsheetml/2006/main\"><sheetData>\n");
	for (unsigned row = 1; xml.len < len * 4; row++) {
		buf_addf(&xml, "<row r=\"%u\">", row);
		for (unsigned column = 0; column < 8; column++)
			buf_addf(&xml, "<c r=\"%c%u\"><v>%llu</v></c>", (char)('A' + column),
			    row, (unsigned long long)rng_range_log(r, 1, 100000000));
		buf_add_string(&xml, "</row>\n");
	}
	buf_add_string(&xml, "</sheetData></worksheet>");
	zip_add(&z, "xl/worksheets/sheet1.xml", &xml, true);
	zip_done(&z, b);
	buf_done(&xml);
}

/* Some members of differing kinds that together take about len bytes packed. */
void
data_add_zip(struct buf *b, struct rng *r, size_t len)
{
	uint64_t members = rng_range(r, 1, 6);
	struct zip z;

	zip_init(&z);
	for (uint64_t i = 1; i <= members; i++) {
		struct buf content = { 0 }, name = { 0 };
		size_t part = len / members;

		text_add_word(&name, r);
		if (rng_next(r) % 3 == 0) {
			data_add_jpeg(&content, r, part);
			buf_addf(&name, "_%u.jpg", (unsigned)i);
		} else if (rng_next(r) & 1) {
			text_add_csv(&content, r, part * 5 / 2);
			buf_addf(&name, "_%u.csv", (unsigned)i);
		} else {
			data_add_pdf(&content, r, part);
			buf_addf(&name, "_%u.pdf", (unsigned)i);
		}
		buf_add(&name, "", 1);
		zip_add(&z, (const char *)name.data, &content, true);
		buf_done(&content);
		buf_done(&name);
	}
	zip_done(&z, b);
}

void
data_add_eicar(struct buf *b)
{
	buf_add_string(b, "X5O!P%@AP[4\\PZX54(P^)7CC)7}$");
	buf_add_string(b, "EICAR-STANDARD-");
	buf_add_string(b, "ANTIVIRUS-TEST-FILE!$H+H*");
}

void
data_add_eicar_zip(struct buf *b, struct rng *r, size_t filler_len)
{
	struct buf virus = { 0 }, filler = { 0 };
	struct zip z;

	zip_init(&z);
	data_add_eicar(&virus);
	zip_add(&z, "eicar.com", &virus, rng_next(r) & 1);
	buf_add_random(&filler, r, filler_len);
	zip_add(&z, "setup.dat", &filler, true);
	zip_done(&z, b);
	buf_done(&virus);
	buf_done(&filler);
}

void
data_add_eicar_zip_in_zip(struct buf *b, struct rng *r)
{
	struct buf inner = { 0 };
	struct zip z;

	data_add_eicar_zip(&inner, r, (size_t)rng_range(r, 100, 2000));
	zip_init(&z);
	zip_add(&z, "inner.zip", &inner, false);
	zip_done(&z, b);
	buf_done(&inner);
}
