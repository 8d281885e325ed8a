/* sha256.h: SHA-256 of whole buffers, by OpenSSL. */
#ifndef CORDON_BASE_SHA256_H
#define CORDON_BASE_SHA256_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define SHA256_BYTES 32
#define SHA256_HEX_SIZE 65 /* with the NUL */

struct sha256 {
	uint8_t bytes[SHA256_BYTES];
};

/* From now on the process ends when memory is refused to OpenSSL. Call it before anything uses
 * OpenSSL: false, and nothing changed, when that is too late. Without it libclamav 1.4 passes
 * over a file that it has no memory to hash, and calls it clean. */
bool sha256_guard_memory(void);
/* Must be called once before a cage is closed: it makes OpenSSL load what it needs. */
void sha256_preload(void);
struct sha256 sha256_of(struct slice s);
void sha256_format(const struct sha256 *h, char ret_hex[SHA256_HEX_SIZE]);
/* 64 hexadecimal digits of either case, nothing else. */
bool sha256_parse(struct slice hex, struct sha256 *ret_hash);

#endif
