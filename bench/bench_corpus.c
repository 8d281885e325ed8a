/* bench_corpus.c: write a folder of mails for the benchmarks, N.eml and a file "list" that
 * names them in order (name, bytes, class, clean|infected). The same kind, count and seed give
 * the same bytes. Kinds: mixed     of every 20 mails 12 are text of 3 to 15 KB, 5 carry
 * attachments of 50 to 500 KB, 2 are of 1 to 3 MB and 1 is small and infected; no two parts are
 * alike outbreak  one infected attachment of 150 KB in mails that differ in all else
 * Attachments are made by bench_data.c; sending them is bench_milter_load.c's work. */
#include "bench_data.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OUTBREAK_FILLER_BYTES (150 * 1000)
#define BOUNDARY_MAX          64

enum mail_class {
	MAIL_TEXT,
	MAIL_ATTACHMENT,
	MAIL_LARGE,
	MAIL_INFECTED,
	MAIL_OUTBREAK,
};
static const char *const class_names[] = { "text", "attachment", "large", "infected",
	"outbreak" };

struct corpus {
	struct rng rng;
	const char *folder;
	bool outbreak;
	unsigned count;
	struct buf outbreak_attachment;
	unsigned char order[20]; /* classes of the current 20 mails, shuffled */
};

/* What a kind of attachment is called, and who makes it. */
static const struct attachment_kind {
	const char *suffix, *type;
	void (*add)(struct buf *b, struct rng *r, size_t len);
} attachment_kinds[] = {
	{ "pdf", "application/pdf", data_add_pdf },
	{ "jpg", "image/jpeg", data_add_jpeg },
	{ "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	    data_add_docx },
	{ "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	    data_add_xlsx },
	{ "zip", "application/zip", data_add_zip },
	{ "csv", "text/csv; charset=utf-8", text_add_csv },
	{ "bin", "application/octet-stream", buf_add_random },
};

static void
header_add_address(struct buf *m, struct rng *r)
{
	text_add_word(m, r);
	buf_add_string(m, ".");
	text_add_word(m, r);
	buf_addf(m, "@%s.example.%s", rng_next(r) & 1 ? "mail" : "dept",
	    rng_next(r) & 1 ? "com" : "net");
}

static void
header_add_received(struct buf *m, struct rng *r, unsigned number)
{
	buf_addf(m,
	    "Received: from mx%u.example.net (mx%u.example.net [192.0.2.%u])\r\n"
	    "\tby relay%u.example.org (Postfix) with ESMTPS id %llX\r\n\tfor <",
	    (unsigned)rng_range(r, 1, 99), (unsigned)rng_range(r, 1, 99),
	    (unsigned)rng_range(r, 1, 254), number, (unsigned long long)rng_next(r) >> 24);
	header_add_address(m, r);
	buf_addf(m, ">; Tue, %u Jan 2025 %02u:%02u:%02u +0000 (UTC)\r\n",
	    (unsigned)rng_range(r, 1, 28), (unsigned)rng_range(r, 0, 23),
	    (unsigned)rng_range(r, 0, 59), (unsigned)rng_range(r, 0, 59));
}

/* Everything up to the MIME headers. */
static void
mail_add_headers(struct buf *m, struct rng *r)
{
	struct buf signature = { 0 };
	unsigned hops = (unsigned)rng_range(r, 1, 4);

	buf_add_string(m, "Return-Path: <");
	header_add_address(m, r);
	buf_add_string(m, ">\r\n");
	for (unsigned i = 1; i <= hops; i++)
		header_add_received(m, r, i);
	buf_add_random(&signature, r, 150);
	buf_add_string(m,
	    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com;\r\n"
	    "\ts=sel; h=from:to:subject:date; b=\r\n\t");
	struct buf encoded = { 0 };
	buf_add_base64(&encoded, &signature);
	for (size_t i = 0; i + 2 < encoded.len; i++) {
		buf_add(m, encoded.data + i, 1);
		if (encoded.data[i] == '\n')
			buf_add_string(m, "\t");
	}
	buf_add_string(m, "\r\nFrom: \"");
	text_add_word(m, r);
	buf_add_string(m, "\" <");
	header_add_address(m, r);
	buf_add_string(m, ">\r\nTo: <");
	header_add_address(m, r);
	buf_add_string(m, ">\r\nSubject: ");
	for (uint64_t n = rng_range(r, 2, 8); n > 0; n--) {
		text_add_word(m, r);
		buf_add_string(m, n > 1 ? " " : "\r\n");
	}
	buf_addf(m,
	    "Date: Tue, %u Jan 2025 %02u:%02u:00 +0100\r\nMessage-ID: <%016llx@example.com>\r\n"
	    "X-Mailer: Corpus %u.%u\r\nMIME-Version: 1.0\r\n",
	    (unsigned)rng_range(r, 1, 28), (unsigned)rng_range(r, 0, 23),
	    (unsigned)rng_range(r, 0, 59), (unsigned long long)rng_next(r),
	    (unsigned)rng_range(r, 1, 9), (unsigned)rng_range(r, 0, 99));
	buf_done(&signature);
	buf_done(&encoded);
}

static void
boundary_make(char out[BOUNDARY_MAX], struct rng *r)
{
	snprintf(out, BOUNDARY_MAX, "=_%016llx_%08x", (unsigned long long)rng_next(r),
	    (unsigned)rng_next(r));
}

/* Prose in quoted-printable: some letters with accents, some soft line breaks. */
static void
body_add_quoted_printable(struct buf *m, struct rng *r, size_t len)
{
	static const char *const letters[] = { "=C3=A9", "=C3=BC", "=C3=9F", "=E2=82=AC",
		"=3D" };
	size_t start = m->len;

	while (m->len - start < len) {
		text_add_prose(m, r, 50, rng_next(r) & 1 ? "=\r\n" : "\r\n");
		buf_add_string(m, letters[rng_next(r) % 5]);
	}
	buf_add_string(m, "\r\n");
}

static void
part_add_text(struct buf *m, struct rng *r, size_t len)
{
	uint64_t encoding = rng_next(r) % 10;

	buf_add_string(m, "Content-Type: text/plain; charset=utf-8\r\n");
	if (encoding < 6) {
		buf_add_string(m, "Content-Transfer-Encoding: 7bit\r\n\r\n");
		text_add_prose(m, r, len, "\r\n");
	} else if (encoding < 9) {
		buf_add_string(m, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		body_add_quoted_printable(m, r, len);
	} else {
		struct buf text = { 0 };
		buf_add_string(m, "Content-Transfer-Encoding: base64\r\n\r\n");
		text_add_prose(&text, r, len * 3 / 4, "\r\n");
		buf_add_base64(m, &text);
		buf_done(&text);
	}
}

/* Text alone, or text and the same length of HTML as alternatives. */
static void
part_add_body(struct buf *m, struct rng *r, size_t len)
{
	char boundary[BOUNDARY_MAX];

	if (rng_next(r) % 3 == 0) {
		part_add_text(m, r, len);
		return;
	}
	boundary_make(boundary, r);
	buf_addf(m, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n--%s\r\n",
	    boundary, boundary);
	part_add_text(m, r, len / 3);
	buf_addf(m,
	    "\r\n--%s\r\nContent-Type: text/html; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n",
	    boundary);
	text_add_html(m, r, len / 2);
	buf_addf(m, "\r\n--%s--\r\n", boundary);
}

static void
part_add_attachment(
    struct buf *m, const char *type, const char *name, const struct buf *content)
{
	buf_addf(m,
	    "Content-Type: %s; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"%s\"\r\n\r\n",
	    type, name, name);
	buf_add_base64(m, content);
}

static void
part_add_made_attachment(struct buf *m, struct rng *r, size_t len)
{
	const struct attachment_kind *k =
	    &attachment_kinds[rng_next(r) %
			      (sizeof(attachment_kinds) / sizeof(*attachment_kinds))];
	struct buf content = { 0 }, name = { 0 };

	k->add(&content, r, len);
	text_add_word(&name, r);
	buf_addf(&name, "-%u.%s", (unsigned)rng_range(r, 1, 9999), k->suffix);
	buf_add(&name, "", 1);
	part_add_attachment(m, k->type, (const char *)name.data, &content);
	buf_done(&content);
	buf_done(&name);
}

static void
part_add_infected(struct buf *m, struct rng *r)
{
	struct buf content = { 0 };

	switch (rng_next(r) % 3) {
	case 0:
		data_add_eicar(&content);
		part_add_attachment(m, "application/octet-stream", "eicar.com", &content);
		break;
	case 1:
		data_add_eicar_zip(&content, r, (size_t)rng_range(r, 100, 4000));
		part_add_attachment(m, "application/zip", "invoice.zip", &content);
		break;
	default:
		data_add_eicar_zip_in_zip(&content, r);
		part_add_attachment(m, "application/zip", "documents.zip", &content);
	}
	buf_done(&content);
}

/* Text and one or more attachments. */
static void
mail_add_mixed(struct buf *m, struct corpus *c, enum mail_class class)
{
	char boundary[BOUNDARY_MAX];
	struct rng *r = &c->rng;
	size_t left =
	    (size_t)rng_range(r, 900000, 2100000); /* of a large mail, before base64 */

	boundary_make(boundary, r);
	buf_addf(m,
	    "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n"
	    "This is a multi-part message in MIME format.\r\n--%s\r\n",
	    boundary, boundary);
	part_add_body(m, r, (size_t)rng_range(r, 300, 3000));
	do {
		buf_addf(m, "\r\n--%s\r\n", boundary);
		if (class == MAIL_INFECTED) {
			part_add_infected(m, r);
		} else if (class == MAIL_OUTBREAK) {
			char name[32];
			snprintf(name, sizeof(name), "invoice-%05u.zip",
			    (unsigned)rng_range(r, 1, 99999));
			part_add_attachment(
			    m, "application/zip", name, &c->outbreak_attachment);
		} else if (class == MAIL_ATTACHMENT) {
			part_add_made_attachment(m, r, (size_t)rng_range_log(r, 50000, 500000));
		} else {
			size_t len =
			    rng_next(r) & 1 ? left : (size_t)rng_range(r, left / 4, left);
			part_add_made_attachment(m, r, len);
			left -= len;
		}
	} while (class == MAIL_LARGE && left > 100000);
	buf_addf(m, "\r\n--%s--\r\n", boundary);
}

static enum mail_class
corpus_next_class(struct corpus *c, unsigned number)
{
	static const unsigned char shares[20] = { MAIL_TEXT, MAIL_TEXT, MAIL_TEXT, MAIL_TEXT,
		MAIL_TEXT, MAIL_TEXT, MAIL_TEXT, MAIL_TEXT, MAIL_TEXT, MAIL_TEXT, MAIL_TEXT,
		MAIL_TEXT, MAIL_ATTACHMENT, MAIL_ATTACHMENT, MAIL_ATTACHMENT, MAIL_ATTACHMENT,
		MAIL_ATTACHMENT, MAIL_LARGE, MAIL_LARGE, MAIL_INFECTED };

	if (c->outbreak)
		return MAIL_OUTBREAK;
	if (number % 20 == 0) {
		memcpy(c->order, shares, sizeof(shares));
		for (size_t i = 19; i > 0; i--) {
			size_t j = (size_t)rng_range(&c->rng, 0, i);
			unsigned char t = c->order[i];
			c->order[i] = c->order[j];
			c->order[j] = t;
		}
	}
	return c->order[number % 20];
}

static void
corpus_write_mail(struct corpus *c, unsigned number, FILE *list)
{
	enum mail_class class = corpus_next_class(c, number);
	char path[4096];
	struct buf m = { 0 };

	mail_add_headers(&m, &c->rng);
	if (class == MAIL_TEXT)
		part_add_body(&m, &c->rng, (size_t)rng_range_log(&c->rng, 2600, 12500));
	else
		mail_add_mixed(&m, c, class);
	if ((size_t)snprintf(path, sizeof(path), "%s/%u.eml", c->folder, number + 1) >=
	    sizeof(path))
		errx(1, "path too long: %s", c->folder);
	FILE *f = fopen(path, "w");
	if (!f || fwrite(m.data, 1, m.len, f) != m.len || fclose(f) != 0)
		err(1, "cannot write '%s'", path);
	fprintf(list, "%u.eml %zu %s %s\n", number + 1, m.len, class_names[class],
	    class >= MAIL_INFECTED ? "infected" : "clean");
	buf_done(&m);
}

static void
corpus_write(struct corpus *c)
{
	char path[4096];

	if (mkdir(c->folder, 0755) == -1 && errno != EEXIST)
		err(1, "cannot make folder '%s'", c->folder);
	if ((size_t)snprintf(path, sizeof(path), "%s/list", c->folder) >= sizeof(path))
		errx(1, "path too long: %s", c->folder);
	FILE *list = fopen(path, "w");
	if (!list)
		err(1, "cannot write '%s'", path);
	if (c->outbreak)
		data_add_eicar_zip(&c->outbreak_attachment, &c->rng, OUTBREAK_FILLER_BYTES);
	for (unsigned i = 0; i < c->count; i++)
		corpus_write_mail(c, i, list);
	if (fclose(list) != 0)
		err(1, "cannot write '%s'", path);
	buf_done(&c->outbreak_attachment);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kind", required_argument, NULL, 'k' },
		{ "count", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "out", required_argument, NULL, 'o' },
		{ 0 },
	};
	struct corpus c = { .count = 1000 };
	unsigned long long seed = 1;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'k' &&
		    (strcmp(optarg, "mixed") == 0 || strcmp(optarg, "outbreak") == 0))
			c.outbreak = optarg[0] == 'o';
		else if (o == 'n')
			c.count = (unsigned)strtoul(optarg, NULL, 10);
		else if (o == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (o == 'o')
			c.folder = optarg;
		else
			errx(2, "usage: bench_corpus [--kind mixed|outbreak] [--count N] "
				"[--seed S] "
				"--out FOLDER");
	}
	if (!c.folder)
		errx(2, "--out FOLDER is missing");
	rng_init(&c.rng, seed);
	corpus_write(&c);
	return 0;
}
