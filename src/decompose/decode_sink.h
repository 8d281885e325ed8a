/* decode_sink.h: what the decoders write to: the decomposer's output in small steps, so that a
 * decoder need not think about limits. And what their children have in common. */
#ifndef CORDON_DECOMPOSE_DECODE_SINK_H
#define CORDON_DECOMPOSE_DECODE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/decode_base64.h"

#define SINK_STEP_MAX  4096
#define SINK_NAMES_MAX 8

struct child;
struct decompose;
struct object;

struct sink {
	struct decompose *d;
	uint8_t *at;       /* reserved, not committed; NULL: nothing is reserved */
	size_t room, used; /* of it */
	uint64_t total;    /* written in all */
	bool bounced;      /* the room last given is the bounce */
	bool full;         /* a limit was met: what comes is dropped, the parent has the fact */
	uint8_t bounce[SINK_STEP_MAX];
};

void sink_begin(
    struct sink *s, struct decompose *d, struct object *parent, uint64_t input_bytes);
/* Room for want bytes, at most SINK_STEP_MAX; never NULL. The next call of the sink ends it. */
uint8_t *sink_get(struct sink *s, size_t want);
/* n bytes of the room were filled. */
void sink_put(struct sink *s, size_t n);
void sink_write(struct sink *s, struct slice bytes);
/* Decodes in as base64 into the sink. */
void sink_write_base64(struct sink *s, struct slice in, enum base64_mode mode, bool map_urlsafe,
    struct base64_facts *ret_facts);
/* What was written, contiguous. */
struct slice sink_flush(struct sink *s);
/* One of these ends it. Emit gives the object, or NULL when the budget is used up. */
struct object *sink_emit(struct sink *s, const struct child *c);
void sink_drop(struct sink *s);

/* A child as base (or NULL) says, with a further name and a step that ends with it.
 * label stands in the step when base has none. names has room for SINK_NAMES_MAX slices and
 * must live as long as the child. */
struct child child_of(struct decompose *d, const struct child *base, const char *label,
    struct slice name, struct slice *names);

/* The next line of text from *pos on, without its end (CR, LF or CR LF); false at the end. */
bool text_next_line(struct slice text, size_t *pos, struct slice *ret_line);

#endif
