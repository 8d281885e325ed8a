/* cipher.h: the digests and ciphers that document formats ask for, by OpenSSL's default
 * provider, and RC4, which that provider has no more. For reading what others wrote: nothing
 * here keeps a secret of ours. */
#ifndef CORDON_BASE_CIPHER_H
#define CORDON_BASE_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define CIPHER_DIGEST_MAX  64
#define CIPHER_BLOCK_BYTES 16
#define CIPHER_MD5_BYTES   16

enum cipher_digest {
	CIPHER_MD5,
	CIPHER_SHA256,
	CIPHER_SHA384,
	CIPHER_SHA512,
	CIPHER_DIGEST_COUNT
};

/* Must be called once before a cage is closed: it makes OpenSSL load what it needs. */
void cipher_preload(void);
/* The digest of the parts, one behind the other.
 * returns  its length in bytes; 0 when this OpenSSL refuses it (MD5 under FIPS) */
size_t cipher_digest(enum cipher_digest which, const struct slice *parts, size_t part_count,
    uint8_t ret_digest[CIPHER_DIGEST_MAX]);
/* AES in CBC mode over whole blocks, without padding; what is left behind the last whole block
 * is passed over.
 * key      16 or 32 bytes
 * out      room for in.len bytes; may be in.ptr
 * returns  false for a key of another length, or when OpenSSL refuses */
bool cipher_aes_cbc_decrypt(
    struct slice key, const uint8_t iv[CIPHER_BLOCK_BYTES], struct slice in, uint8_t *out);
bool cipher_aes_cbc_encrypt(
    struct slice key, const uint8_t iv[CIPHER_BLOCK_BYTES], struct slice in, uint8_t *out);
/* RC4, which is its own inverse. key: 1 to 256 bytes; out: room for in.len, may be in.ptr. */
void cipher_rc4(struct slice key, struct slice in, uint8_t *out);

#endif
