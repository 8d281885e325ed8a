/* shortcut_opener.h: shortcuts: .lnk, .url, .library-ms, .searchConnector-ms. */
#ifndef CORDON_DECOMPOSE_SHORTCUT_OPENER_H
#define CORDON_DECOMPOSE_SHORTCUT_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool shortcut_opener_claims(const struct object *o);
/* .lnk (MS-SHLLINK): emits target, arguments and names as text, and what is behind its end.
 * Facts: EXECUTABLE for .lnk; SUSPICIOUS_CALL when it starts an interpreter; EXTERNAL_LINK
 * where a shortcut leads to another machine's files. */
void shortcut_opener_open(struct decompose *d, struct object *o);

#endif
