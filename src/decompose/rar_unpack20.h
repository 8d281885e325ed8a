/* rar_unpack20.h: data of RAR 2 (unpacker version 20), which libarchive does not know. */
#ifndef CORDON_DECOMPOSE_RAR_UNPACK20_H
#define CORDON_DECOMPOSE_RAR_UNPACK20_H

#include <stdint.h>

#include "base/slice.h"
#include "decompose/stream_decode.h"

/* Decodes one member that does not build on those before it, into the output that is open in
 * out->d (not into out->buf).
 * plain_bytes  where it ends; the format has no mark of its own
 * returns      STREAM_UNSUPPORTED for the mode that predicts sound, what came before stays */
enum stream_status rar_unpack20(struct slice in, uint64_t plain_bytes, struct stream_sink *out);

#endif
