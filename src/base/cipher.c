/* cipher.c: see cipher.h. One context of each kind per process, reused. Not for threads. */
#include "base/cipher.h"

#include <openssl/evp.h>

#include "base/macros.h"

#define CHUNK_BYTES ((size_t)1 << 20)

static const char *const digest_names[CIPHER_DIGEST_COUNT] = { "MD5", "SHA256", "SHA384",
	"SHA512" };

static bool loaded;
static EVP_MD *digests[CIPHER_DIGEST_COUNT]; /* NULL: not to be had */
static EVP_MD_CTX *digest_context;
static EVP_CIPHER *aes128, *aes256;
static EVP_CIPHER_CTX *cipher_context;

void
cipher_preload(void)
{
	if (loaded)
		return;
	loaded = true;
	for (size_t i = 0; i < CIPHER_DIGEST_COUNT; i++)
		digests[i] = EVP_MD_fetch(NULL, digest_names[i], NULL);
	aes128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
	aes256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	digest_context = EVP_MD_CTX_new();
	cipher_context = EVP_CIPHER_CTX_new();
	ASSERT(digest_context != NULL && cipher_context != NULL);
}

size_t
cipher_digest(enum cipher_digest which, const struct slice *parts, size_t part_count,
    uint8_t ret_digest[CIPHER_DIGEST_MAX])
{
	unsigned len = 0;

	cipher_preload();
	ASSERT(which < CIPHER_DIGEST_COUNT);
	if (digests[which] == NULL ||
	    EVP_DigestInit_ex2(digest_context, digests[which], NULL) != 1)
		return 0;
	for (size_t i = 0; i < part_count; i++) {
		if (parts[i].len > 0 &&
		    EVP_DigestUpdate(digest_context, parts[i].ptr, parts[i].len) != 1)
			return 0;
	}
	return EVP_DigestFinal_ex(digest_context, ret_digest, &len) == 1 ? len : 0;
}

static bool
aes_cbc(bool encrypt, struct slice key, const uint8_t *iv, struct slice in, uint8_t *out)
{
	const EVP_CIPHER *cipher;
	size_t len = in.len - in.len % CIPHER_BLOCK_BYTES;

	cipher_preload();
	cipher = key.len == 16 ? aes128 : key.len == 32 ? aes256 : NULL;
	if (cipher == NULL ||
	    EVP_CipherInit_ex2(cipher_context, cipher, key.ptr, iv, encrypt ? 1 : 0, NULL) !=
		1 ||
	    EVP_CIPHER_CTX_set_padding(cipher_context, 0) != 1)
		return false;
	for (size_t at = 0; at < len; at += CHUNK_BYTES) {
		int n = (int)MIN_OF(len - at, CHUNK_BYTES), made;

		if (EVP_CipherUpdate(cipher_context, out + at, &made, in.ptr + at, n) != 1 ||
		    made != n)
			return false;
	}
	return true;
}

bool
cipher_aes_cbc_decrypt(
    struct slice key, const uint8_t iv[CIPHER_BLOCK_BYTES], struct slice in, uint8_t *out)
{
	return aes_cbc(false, key, iv, in, out);
}

bool
cipher_aes_cbc_encrypt(
    struct slice key, const uint8_t iv[CIPHER_BLOCK_BYTES], struct slice in, uint8_t *out)
{
	return aes_cbc(true, key, iv, in, out);
}

void
cipher_rc4(struct slice key, struct slice in, uint8_t *out)
{
	uint8_t s[256], i = 0, j = 0, t;

	ASSERT(key.len >= 1 && key.len <= sizeof(s));
	for (unsigned n = 0; n < sizeof(s); n++)
		s[n] = (uint8_t)n;
	for (unsigned n = 0; n < sizeof(s); n++) {
		j = (uint8_t)(j + s[n] + key.ptr[n % key.len]);
		t = s[n];
		s[n] = s[j];
		s[j] = t;
	}
	j = 0;
	for (size_t n = 0; n < in.len; n++) {
		j = (uint8_t)(j + s[++i]);
		t = s[i];
		s[i] = s[j];
		s[j] = t;
		out[n] = in.ptr[n] ^ s[(uint8_t)(s[i] + s[j])];
	}
}
