/* mime_encoding.h: what a Content-Transfer-Encoding value may mean. */
#ifndef CORDON_DECOMPOSE_MIME_ENCODING_H
#define CORDON_DECOMPOSE_MIME_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena;

enum mime_decoder {
	DECODER_NONE, /* 7bit, 8bit, binary, unknown ones: the bytes as they are */
	DECODER_BASE64,
	DECODER_QP,
	DECODER_UU,
	DECODER_YENC,
	DECODER_BINHEX,
	DECODER_COUNT
};

/* Decoders that readers choose for one entity. order[0] is the proper reading. */
struct mime_encodings {
	enum mime_decoder order[DECODER_COUNT];
	size_t count;
	uint64_t views[DECODER_COUNT], classes[DECODER_COUNT]; /* by decoder */
	uint64_t notes;
};

void mime_encodings_add(
    struct mime_encodings *e, enum mime_decoder d, uint64_t views, uint64_t classes);
/* Adds what the value (folds included) may mean; views and classes are those of the field. */
void mime_encodings_read(struct arena *a, struct slice value, uint64_t views, uint64_t classes,
    struct mime_encodings *e);
/* "base64", "quoted-printable", "uuencode" ... or NULL for none. */
const char *mime_decoder_get_name(enum mime_decoder d);

#endif
