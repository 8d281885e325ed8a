/* buf.h: an owned, growing run of bytes with a largest size set at birth. */
#ifndef CORDON_BASE_BUF_H
#define CORDON_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/slice.h"

struct buf {
	uint8_t *data; /* owned; NULL until the first append */
	size_t len, cap;
	size_t max;    /* len never passes this */
};

/* An empty buffer that may grow to max bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);
/* Frees the bytes; the buffer may be used again. Accepts an all-zero struct. */
void buf_done(struct buf *b);
void buf_clear(struct buf *b);
/* All of these: 0, or -ENOBUFS (max reached) or -ENOMEM; b is unchanged then. */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_append_slice(struct buf *b, struct slice s);
int buf_append_str(struct buf *b, const char *s);
int buf_append_byte(struct buf *b, uint8_t byte);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Room for at least want more bytes behind data + len; the caller then adds to len. */
int buf_reserve(struct buf *b, size_t want);
/* Removes n bytes at the front; n is at most len. */
void buf_consume(struct buf *b, size_t n);
struct slice buf_get(const struct buf *b);
/* NUL-terminated view of the bytes ("" when empty or when memory is refused); borrowed. */
const char *buf_get_str(struct buf *b);

#endif
