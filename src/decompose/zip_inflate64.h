/* zip_inflate64.h: ZIP's own methods that no library here has. */
#ifndef CORDON_DECOMPOSE_ZIP_INFLATE64_H
#define CORDON_DECOMPOSE_ZIP_INFLATE64_H

#include "decompose/stream_decode.h"

/* Deflate64 (method 9): deflate with a window of 64 KB, two more distance codes and length code
 * 285 with 16 bits more. Results as stream_decode.h says. */
enum stream_status zip_inflate64(struct slice in, struct stream_sink *out, size_t *ret_used);

/* Implode (method 6): flag 1 tells a window of 8 KB instead of 4, flag 2 a tree for literals.
 * plain_bytes: where to stop; the format has no end mark. */
enum stream_status zip_explode(struct slice in, bool big_window, bool literal_tree,
    uint64_t plain_bytes, struct stream_sink *out, size_t *ret_used);

#endif
