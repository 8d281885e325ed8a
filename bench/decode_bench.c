/* decode_bench.c: how fast the decoders are, in GB/s of what they read, each over 16 MB of its
 * own kind. Beside them copying memory, and the passes that text and pages go through when
 * nothing hides in them. Usage: decode_bench [seconds per row, default 0.3] */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "decompose/decode_base64.h"
#include "decompose/decode_binhex.h"
#include "decompose/decode_qp.h"
#include "decompose/decode_sink.h"
#include "decompose/decode_uu.h"
#include "decompose/decode_yenc.h"
#include "decompose/html_scan.h"
#include "decompose/inline_scan.h"

#define INPUT_BYTES ((size_t)16 << 20)

struct input {
	struct slice bytes;
	uint8_t *out;
};

static uint64_t
random_next(void)
{
	static uint64_t s = UINT64_C(0x9e3779b97f4a7c15);

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

static size_t
run_memcpy(const struct input *in)
{
	memcpy(in->out, in->bytes.ptr, in->bytes.len);
	return in->bytes.len;
}

static size_t
run_sha256(const struct input *in)
{
	return sha256_of(in->bytes).bytes[0];
}

static size_t
base64_run(const struct input *in, bool scalar)
{
	struct base64_state s;
	struct base64_facts facts;
	size_t n;

	base64_init(&s, BASE64_QUANTA, false);
	n = scalar ? base64_feed_scalar(&s, in->bytes, in->out)
		   : base64_feed(&s, in->bytes, in->out);
	return n + base64_finish(&s, in->out + n, &facts);
}

static size_t
run_base64(const struct input *in)
{
	return base64_run(in, false);
}

static size_t
run_base64_scalar(const struct input *in)
{
	return base64_run(in, true);
}

static size_t
run_qp(const struct input *in)
{
	struct qp_state s;
	struct qp_facts facts;
	size_t n;

	qp_init(&s, false);
	n = qp_feed(&s, in->bytes, in->out);
	return n + qp_finish(&s, in->out + n, &facts);
}

static size_t
run_uu(const struct input *in)
{
	size_t pos = 0, n = 0;
	struct slice line;

	while (text_next_line(in->bytes, &pos, &line)) {
		if (uu_line_judge(line) >= UU_LOOSE)
			n += uu_line_decode(line, in->out + n);
	}
	return n;
}

static size_t
run_yenc(const struct input *in)
{
	bool escaped = false;

	return yenc_decode(in->bytes, &escaped, in->out);
}

static size_t
run_binhex(const struct input *in)
{
	struct binhex_state s = { 0 };
	struct slice rest = in->bytes;

	return binhex_decode(&s, &rest, in->out, INPUT_BYTES);
}

static size_t
run_inline_scan(const struct input *in)
{
	return inline_scan(in->bytes, 0);
}

static size_t
run_html_scan(const struct input *in)
{
	return html_scan(in->bytes, 0);
}

/* ---- inputs ---- */

static void
fill_base64(struct buf *b, size_t width)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	while (b->len < INPUT_BYTES - 100) {
		for (size_t i = 0; i < width; i++)
			b->data[b->len++] = (uint8_t)letters[random_next() & 63];
		b->data[b->len++] = '\r';
		b->data[b->len++] = '\n';
	}
}

static void
fill_base64_76(struct buf *b)
{
	fill_base64(b, 76);
}

static void
fill_base64_75(struct buf *b)
{
	fill_base64(b, 75);
}

static void
fill_base64_junk(struct buf *b)
{
	fill_base64(b, 76);
	for (size_t i = 0; i < b->len; i += 40 + random_next() % 40)
		b->data[i] = '!';
}

static void
fill_words(struct buf *b, unsigned escape_every)
{
	static const char *const words[] = { "the", "mail", "of", "been", "Monday", "is",
		"data", "about", "everything", "else", "and", "a", "believe", "information" };
	size_t column = 0;

	while (b->len < INPUT_BYTES - 100) {
		const char *w = words[random_next() % ARRAY_LEN(words)];
		size_t len = strlen(w);

		memcpy(b->data + b->len, w, len);
		b->len += len;
		column += len + 1;
		b->data[b->len++] = ' ';
		if (escape_every > 0 && random_next() % escape_every == 0) {
			memcpy(b->data + b->len, "=C3=A9", 6);
			b->len += 6;
		}
		if (column > 68) {
			memcpy(b->data + b->len, escape_every > 0 ? "=\r\n" : "x\r\n", 3);
			b->len += 3;
			column = 0;
		}
	}
}

static void
fill_text(struct buf *b)
{
	fill_words(b, 0);
}

static void
fill_qp(struct buf *b)
{
	fill_words(b, 8);
}

static void
fill_html(struct buf *b)
{
	static const char row[] =
	    "<tr style=\"color:#223344; padding:0 4px\"><td class=\"a b\">A cell of "
	    "a table &amp; its text&nbsp;</td><td><a "
	    "href=\"https://www.example.org/a/b?c=d&e=f\">"
	    "link</a></td></tr>\r\n";

	while (b->len < INPUT_BYTES - sizeof(row)) {
		memcpy(b->data + b->len, row, sizeof(row) - 1);
		b->len += sizeof(row) - 1;
	}
}

static void
fill_uu(struct buf *b)
{
	while (b->len < INPUT_BYTES - 100) {
		b->data[b->len++] = 'M';
		for (size_t i = 0; i < 60; i++)
			b->data[b->len++] = (uint8_t)(0x21 + (random_next() & 63));
		b->data[b->len++] = '\r';
		b->data[b->len++] = '\n';
	}
}

static void
fill_yenc(struct buf *b)
{
	while (b->len < INPUT_BYTES - 300) {
		for (size_t i = 0; i < 128; i++) {
			uint8_t c = (uint8_t)random_next();

			if (c == 0 || c == '\r' || c == '\n' || c == '=') {
				b->data[b->len++] = '=';
				c = (uint8_t)(c + 64);
			}
			b->data[b->len++] = c;
		}
		b->data[b->len++] = '\r';
		b->data[b->len++] = '\n';
	}
}

static void
fill_binhex(struct buf *b)
{
	static const char letters[] =
	    "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

	while (b->len < INPUT_BYTES - 100) {
		for (size_t i = 0; i < 64; i++)
			b->data[b->len++] = (uint8_t)letters[random_next() & 63];
		b->data[b->len++] = '\r';
		b->data[b->len++] = '\n';
	}
}

static const struct {
	const char *name;
	void (*fill)(struct buf *b);
	size_t (*run)(const struct input *in);
} rows[] = {
	{ "memcpy", fill_text, run_memcpy },
	{ "sha256", fill_text, run_sha256 },
	{ "base64, lines of 76", fill_base64_76, run_base64 },
	{ "base64, lines of 75", fill_base64_75, run_base64 },
	{ "base64, with junk", fill_base64_junk, run_base64 },
	{ "base64, scalar", fill_base64_76, run_base64_scalar },
	{ "quoted-printable", fill_qp, run_qp },
	{ "quoted-printable, plain text", fill_text, run_qp },
	{ "uuencode", fill_uu, run_uu },
	{ "yenc", fill_yenc, run_yenc },
	{ "binhex", fill_binhex, run_binhex },
	{ "scan text for inline files", fill_text, run_inline_scan },
	{ "scan base64 for inline files", fill_base64_75, run_inline_scan },
	{ "scan a page", fill_html, run_html_scan },
};

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;
	uint8_t *out = malloc(INPUT_BYTES * 2);
	volatile size_t keep = 0;

	if (out == NULL)
		return 2;
	memset(out, 0, INPUT_BYTES * 2);
	printf("%-32s %8s\n", "", "GB/s");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_done) struct buf b = { .max = INPUT_BYTES };
		struct input in = { .out = out };
		double start, took;
		size_t runs = 0;

		if (buf_reserve(&b, INPUT_BYTES) < 0)
			return 2;
		rows[i].fill(&b);
		in.bytes = buf_get(&b);
		keep += rows[i].run(&in);
		start = now_s();
		do {
			keep += rows[i].run(&in);
			runs++;
			took = now_s() - start;
		} while (took < seconds);
		printf("%-32s %8.2f\n", rows[i].name,
		    (double)in.bytes.len * (double)runs / took / 1e9);
	}
	(void)keep;
	free(out);
	return 0;
}
