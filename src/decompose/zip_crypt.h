/* zip_crypt.h: the two ways in which ZIP members are encrypted: PKWARE's old cipher and WinZip's
 * AES. Each takes one candidate password. */
#ifndef CORDON_DECOMPOSE_ZIP_CRYPT_H
#define CORDON_DECOMPOSE_ZIP_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* PKWARE (APPNOTE 6.1). check: the byte that the twelfth decrypted byte must be.
 * True: the password fits that byte (one wrong one in 256 does too) and out holds the plain
 * bytes, packed.len - 12 of them. */
bool zip_crypt_old(struct slice packed, struct slice password, uint8_t check, uint8_t *out);

/* WinZip AES (AE-1, AE-2). strength: 1 to 3 for 128 to 256 bits.
 * True: the password fits its two check bytes and the code over the data; out then holds
 * *ret_len plain bytes (room for packed.len). */
bool zip_crypt_aes(struct slice packed, struct slice password, unsigned strength, uint8_t *out,
    size_t *ret_len);

#endif
