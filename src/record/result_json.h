/* result_json.h: what was found in one file or mail, as the one line of JSON that scripts read
 * (doc/design/result.md names every member). */
#ifndef CORDON_RECORD_RESULT_JSON_H
#define CORDON_RECORD_RESULT_JSON_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct decision;
struct scan_job;

/* Most bytes of one line. */
#define RESULT_JSON_MAX_BYTES (64u << 20)

/* Appends the object, without a newline. path: shown as given. 0, or a negative code. */
int result_json_format(struct slice path, const struct scan_job *j, const struct decision *d,
    struct buf *out);
/* A file that could not be looked at: verdict "unscanned", error tells why. */
int result_json_format_error(struct slice path, const char *cause, const char *error,
    struct buf *out);

#endif
