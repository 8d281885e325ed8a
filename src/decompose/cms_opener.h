/* cms_opener.h: CMS (RFC 5652), the inside of S/MIME: unwraps signed, compressed and digested
 * content, marks encrypted content. Binary (BER), in PEM, or in bare base64. */
#ifndef CORDON_DECOMPOSE_CMS_OPENER_H
#define CORDON_DECOMPOSE_CMS_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool cms_claims(const struct object *o);
void cms_open(struct decompose *d, struct object *o);

#endif
