/* ole_message.h: Outlook messages (.msg, MS-OXMSG): which stream is the data of an attachment,
 * its names, the bodies of the message. */
#ifndef CORDON_DECOMPOSE_OLE_MESSAGE_H
#define CORDON_DECOMPOSE_OLE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct object;
struct ole_storage;

/* True when entry index is a property of a message that has a meaning here; it is emitted as a
 * child of o then (attachment with its names, body as text) or left out (names).
 * bytes     of the stream
 * scratch   for further streams; not the one that holds bytes */
bool ole_message_take(struct ole_storage *s, struct object *o, uint32_t index,
    struct slice bytes, struct buf *scratch);

#endif
