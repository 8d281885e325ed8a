/* wire.h: the bytes inside a frame: fixed-size integers and length-prefixed strings, in the
 * machine's own order (both ends are the same program on the same machine). */
#ifndef CORDON_PROC_WIRE_H
#define CORDON_PROC_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* Reading never passes the end: the first thing that does not fit sets failed, and everything
 * read from then on is 0 or empty. */
struct wire_reader {
	struct slice rest;
	bool failed;
};

struct wire_reader wire_read(struct slice body);
uint8_t wire_get_u8(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
struct slice wire_get_slice(struct wire_reader *r); /* borrowed from the body */
struct slice wire_get_bytes(struct wire_reader *r, size_t len);
/* Everything was read, and nothing failed. */
bool wire_is_done(const struct wire_reader *r);

/* Writing: failures stay in the buffer's owner's hands: 0 or what buf_append() says. */
int wire_put_u8(struct buf *b, uint8_t v);
int wire_put_u32(struct buf *b, uint32_t v);
int wire_put_u64(struct buf *b, uint64_t v);
int wire_put_slice(struct buf *b, struct slice s);
int wire_put_str(struct buf *b, const char *s);

#endif
