/* sha256.c: one digest context per process, reused. Not for threads. */
#include "base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/macros.h"

static EVP_MD *digest;
static EVP_MD_CTX *context;

static void *
guarded_malloc(size_t size, const char *file UNUSED, int line UNUSED)
{
	void *p = size == 0 ? NULL : malloc(size);

	ASSERT(p != NULL || size == 0);
	return p;
}

static void
guarded_free(void *p, const char *file UNUSED, int line UNUSED)
{
	free(p);
}

static void *
guarded_realloc(void *old, size_t size, const char *file, int line)
{
	void *p;

	if (size == 0) {
		guarded_free(old, file, line);
		return NULL;
	}
	p = realloc(old, size);
	ASSERT(p != NULL);
	return p;
}

bool
sha256_guard_memory(void)
{
	return CRYPTO_set_mem_functions(guarded_malloc, guarded_realloc, guarded_free) == 1;
}

void
sha256_preload(void)
{
	if (context != NULL)
		return;
	digest = EVP_MD_fetch(NULL, "SHA256", NULL);
	context = EVP_MD_CTX_new();
	ASSERT(digest != NULL && context != NULL);
	(void)sha256_of(SLICE_NONE);
}

struct sha256
sha256_of(struct slice s)
{
	struct sha256 h;

	sha256_preload();
	ASSERT(EVP_DigestInit_ex2(context, digest, NULL) == 1);
	ASSERT(s.len == 0 || EVP_DigestUpdate(context, s.ptr, s.len) == 1);
	ASSERT(EVP_DigestFinal_ex(context, h.bytes, NULL) == 1);
	return h;
}

void
sha256_format(const struct sha256 *h, char ret_hex[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < SHA256_BYTES; i++) {
		ret_hex[2 * i] = digits[h->bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[h->bytes[i] & 15];
	}
	ret_hex[2 * SHA256_BYTES] = '\0';
}

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
sha256_parse(struct slice hex, struct sha256 *ret_hash)
{
	struct sha256 h;

	if (hex.len != 2 * SHA256_BYTES)
		return false;
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		int high = hex_value(hex.ptr[2 * i]), low = hex_value(hex.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		h.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret_hash = h;
	return true;
}
