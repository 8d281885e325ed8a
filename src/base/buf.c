/* buf.c: growing by doubling, never past max. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_done(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

/* One byte more than asked for is always kept, for buf_get_str(). */
int
buf_reserve(struct buf *b, size_t want)
{
	size_t cap;
	uint8_t *data;

	if (want > b->max - MIN_OF(b->len, b->max))
		return -ENOBUFS;
	if (b->len + want < b->cap)
		return 0;
	cap = MAX_OF(b->cap * 2, b->len + want + 1);
	cap = MAX_OF(cap, (size_t)64);
	if (cap > b->max + 1)
		cap = b->max + 1;
	data = realloc(b->data, cap);
	if (data == NULL)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int
buf_append(struct buf *b, const void *data, size_t len)
{
	int r = buf_reserve(b, len);

	if (r < 0)
		return r;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int
buf_append_slice(struct buf *b, struct slice s)
{
	return buf_append(b, s.ptr, s.len);
}

int
buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int
buf_append_byte(struct buf *b, uint8_t byte)
{
	return buf_append(b, &byte, 1);
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int need, r;

	va_start(ap, fmt);
	need = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (need < 0)
		return -EINVAL;
	r = buf_reserve(b, (size_t)need);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)need + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)need;
	return 0;
}

void
buf_consume(struct buf *b, size_t n)
{
	ASSERT(n <= b->len);
	if (n > 0 && n < b->len)
		memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

struct slice
buf_get(const struct buf *b)
{
	return slice_of(b->data, b->len);
}

const char *
buf_get_str(struct buf *b)
{
	if (b->data == NULL && buf_reserve(b, 0) < 0)
		return "";
	b->data[b->len] = '\0';
	return (const char *)b->data;
}
