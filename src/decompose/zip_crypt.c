/* zip_crypt.c: see zip_crypt.h. */
#include "decompose/zip_crypt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <zlib.h>

#include "base/macros.h"

#define OLD_HEADER_BYTES 12
#define AES_ROUNDS 1000 /* of PBKDF2; WinZip's choice of 2003 */
#define AES_CODE_BYTES 10
#define AES_CHUNK 4096

struct keys {
	uint32_t k[3];
};

static void
keys_update(struct keys *s, uint8_t c)
{
	const z_crc_t *table = get_crc_table();

	s->k[0] = (uint32_t)table[(s->k[0] ^ c) & 0xff] ^ s->k[0] >> 8;
	s->k[1] = (s->k[1] + (s->k[0] & 0xff)) * 134775813u + 1;
	s->k[2] = (uint32_t)table[(s->k[2] ^ s->k[1] >> 24) & 0xff] ^ s->k[2] >> 8;
}

static uint8_t
keys_decrypt(struct keys *s, uint8_t c)
{
	uint32_t t = (s->k[2] & 0xffff) | 2;

	c ^= (uint8_t)(t * (t ^ 1) >> 8);
	keys_update(s, c);
	return c;
}

bool
zip_crypt_old(struct slice packed, struct slice password, uint8_t check, uint8_t *out)
{
	struct keys s = { { 0x12345678, 0x23456789, 0x34567890 } };
	uint8_t last = 0;

	if (packed.len < OLD_HEADER_BYTES)
		return false;
	for (size_t i = 0; i < password.len; i++)
		keys_update(&s, password.ptr[i]);
	for (size_t i = 0; i < OLD_HEADER_BYTES; i++)
		last = keys_decrypt(&s, packed.ptr[i]);
	if (last != check)
		return false;
	for (size_t i = OLD_HEADER_BYTES; i < packed.len; i++)
		out[i - OLD_HEADER_BYTES] = keys_decrypt(&s, packed.ptr[i]);
	return true;
}

static void
cipher_done(EVP_CIPHER_CTX **c)
{
	EVP_CIPHER_CTX_free(*c);
}

/* Counter mode with a counter that is little-endian and begins at 1: made from single blocks. */
static bool
aes_apply(const uint8_t *key, unsigned strength, struct slice in, uint8_t *out)
{
	static const EVP_CIPHER *(*const ciphers[])(void) = { EVP_aes_128_ecb, EVP_aes_192_ecb,
		EVP_aes_256_ecb };
	CLEANUP(cipher_done) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t counters[AES_CHUNK], stream[AES_CHUNK + 32];
	uint64_t counter = 1;

	if (c == NULL || EVP_EncryptInit_ex(c, ciphers[strength - 1](), NULL, key, NULL) != 1)
		return false;
	for (size_t at = 0; at < in.len; at += AES_CHUNK) {
		size_t n = MIN_OF(in.len - at, (size_t)AES_CHUNK);
		int made;

		memset(counters, 0, sizeof(counters));
		for (size_t i = 0; i < AES_CHUNK; i += 16, counter++) {
			for (unsigned b = 0; b < 8; b++)
				counters[i + b] = (uint8_t)(counter >> (8 * b));
		}
		if (EVP_EncryptUpdate(c, stream, &made, counters, AES_CHUNK) != 1)
			return false;
		for (size_t i = 0; i < n; i++)
			out[at + i] = in.ptr[at + i] ^ stream[i];
	}
	return true;
}

bool
zip_crypt_aes(struct slice packed, struct slice password, unsigned strength, uint8_t *out,
    size_t *ret_len)
{
	size_t salt_len = 4 + 4 * (size_t)strength, key_len = 8 + 8 * (size_t)strength;
	uint8_t keys[2 * 32 + 2], code[EVP_MAX_MD_SIZE];
	unsigned code_len = 0;
	struct slice data;

	if (strength < 1 || strength > 3 || packed.len < salt_len + 2 + AES_CODE_BYTES)
		return false;
	if (PKCS5_PBKDF2_HMAC_SHA1((const char *)password.ptr, (int)password.len, packed.ptr,
	    (int)salt_len, AES_ROUNDS, (int)(2 * key_len + 2), keys) != 1 ||
	    memcmp(keys + 2 * key_len, packed.ptr + salt_len, 2) != 0)
		return false;
	data = slice_sub(packed, salt_len + 2, packed.len - salt_len - 2 - AES_CODE_BYTES);
	if (HMAC(EVP_sha1(), keys + key_len, (int)key_len, data.ptr, data.len, code,
	    &code_len) == NULL ||
	    memcmp(code, packed.ptr + packed.len - AES_CODE_BYTES, AES_CODE_BYTES) != 0)
		return false;
	*ret_len = data.len;
	return aes_apply(keys, strength, data, out);
}
