/* bench_data.h: the material of the benchmark corpora: seeded random numbers, growing buffers,
 * text and attachments that look like those of real mail. A program that runs out of memory
 * here ends; nothing but the bench_* programs uses this. */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that grow. Owned; end with buf_done(). */
struct buf {
	unsigned char *data;
	size_t len;
	size_t cap;
};

/* xoshiro256**: the same seed gives the same corpus on every machine. */
struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* An even choice out of low..high, both included. */
uint64_t rng_range(struct rng *r, uint64_t low, uint64_t high);
/* Like rng_range(), even on the logarithm: small sizes are more frequent, as in real mail. */
uint64_t rng_range_log(struct rng *r, uint64_t low, uint64_t high);

void buf_done(struct buf *b);
void buf_clear(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_string(struct buf *b, const char *text);
__attribute__((format(printf, 2, 3))) void buf_addf(struct buf *b, const char *format, ...);
void buf_add_random(struct buf *b, struct rng *r, size_t len);
/* Base64 in lines of 76 characters that end in CRLF. */
void buf_add_base64(struct buf *b, const struct buf *in);

void text_add_word(struct buf *b, struct rng *r);
/* About len bytes of sentences. eol stands between lines of at most 72 characters. */
void text_add_prose(struct buf *b, struct rng *r, size_t len, const char *eol);
/* The same as an HTML document, with markup and inline styles. Lines end in CRLF. */
void text_add_html(struct buf *b, struct rng *r, size_t len);
void text_add_csv(struct buf *b, struct rng *r, size_t len);

/* Each appends one whole file of about len bytes. */
void data_add_jpeg(struct buf *b, struct rng *r, size_t len);
void data_add_pdf(struct buf *b, struct rng *r, size_t len);
void data_add_docx(struct buf *b, struct rng *r, size_t len);
void data_add_xlsx(struct buf *b, struct rng *r, size_t len);
void data_add_zip(struct buf *b, struct rng *r, size_t len);

/* The 68 bytes of the EICAR test file, put together here so that no file holds them. */
void data_add_eicar(struct buf *b);
/* A zip of eicar.com and of that many bytes that nobody can compress. */
void data_add_eicar_zip(struct buf *b, struct rng *r, size_t filler_len);
/* A zip that holds such a zip. */
void data_add_eicar_zip_in_zip(struct buf *b, struct rng *r);

#endif
