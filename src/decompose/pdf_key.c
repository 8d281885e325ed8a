/* pdf_key.c: see pdf_key.h. The numbers of algorithms are those of ISO 32000-2. */
#include "decompose/pdf_key.h"

#include <string.h>

#include "base/cipher.h"
#include "base/macros.h"
#include "decompose/charset.h"

#define PAD_BYTES    32
#define OLD_KEY_MAX  16
#define PASSWORD_MAX 127 /* bytes; V 5 cuts there */
#define SALT_BYTES   8
#define HASH_BYTES   32
#define SECRET_BYTES 48 /* hash, salt of the check, salt of the key */
#define ROUNDS_MIN   64
#define ROUNDS_MAX   (ROUNDS_MIN + 256) /* the last byte of a round ends it sooner */
#define REPEATS      64

static const uint8_t pad[PAD_BYTES] = { 0x28, 0xbf, 0x4e, 0x5e, 0x4e, 0x75, 0x8a, 0x41, 0x64,
	0x00, 0x4e, 0x56, 0xff, 0xfa, 0x01, 0x08, 0x2e, 0x2e, 0x00, 0xb6, 0xd0, 0x68, 0x3e,
	0x80, 0x2f, 0x0c, 0xa9, 0xfe, 0x64, 0x53, 0x69, 0x7a };

static void
password_pad(struct slice password, uint8_t out[PAD_BYTES])
{
	size_t len = MIN_OF(password.len, (size_t)PAD_BYTES);

	if (len > 0)
		memcpy(out, password.ptr, len);
	memcpy(out + len, pad, PAD_BYTES - len);
}

/* MD5 of the first n bytes of itself, fifty times. */
static bool
md5_repeat(uint8_t digest[CIPHER_DIGEST_MAX], size_t n)
{
	for (unsigned i = 0; i < 50; i++) {
		struct slice part = slice_of(digest, n);

		if (cipher_digest(CIPHER_MD5, &part, 1, digest) == 0)
			return false;
	}
	return true;
}

/* RC4 twenty times, with the key xor 0 to 19, or 19 to 0. */
static void
rc4_repeat(const uint8_t *key, size_t n, bool down, uint8_t *data, size_t len)
{
	uint8_t turned[OLD_KEY_MAX];

	for (unsigned i = 0; i < 20; i++) {
		for (size_t k = 0; k < n; k++)
			turned[k] = (uint8_t)(key[k] ^ (down ? 19 - i : i));
		cipher_rc4(slice_of(turned, n), slice_of(data, len), data);
	}
}

/* Algorithms 2, 4, 5 and 6: a key of n bytes from a padded password, checked against U. */
static bool
old_key_find(struct pdf_crypt *c, struct slice id, const uint8_t padded[PAD_BYTES], size_t n)
{
	uint8_t p[4] = { (uint8_t)c->permissions, (uint8_t)(c->permissions >> 8),
		(uint8_t)(c->permissions >> 16), (uint8_t)(c->permissions >> 24) };
	struct slice parts[] = { slice_of(padded, PAD_BYTES),
		slice_of(c->owner.bytes, PAD_BYTES), slice_of(p, sizeof(p)), id,
		SLICE_LIT("\xff\xff\xff\xff") };
	struct slice check[] = { slice_of(pad, PAD_BYTES), id };
	uint8_t key[CIPHER_DIGEST_MAX], got[CIPHER_DIGEST_MAX];

	if (cipher_digest(
		CIPHER_MD5, parts, c->revision >= 4 && c->metadata_is_plain ? 5 : 4, key) == 0)
		return false;
	if (c->revision == 2) {
		cipher_rc4(slice_of(key, n), check[0], got);
		if (memcmp(got, c->user.bytes, PAD_BYTES) != 0)
			return false;
	} else {
		if (!md5_repeat(key, n) || cipher_digest(CIPHER_MD5, check, 2, got) == 0)
			return false;
		rc4_repeat(key, n, false, got, CIPHER_MD5_BYTES);
		if (memcmp(got, c->user.bytes, CIPHER_MD5_BYTES) != 0)
			return false;
	}
	memcpy(c->key, key, n);
	c->key_len = n;
	return true;
}

/* Algorithm 7: the owner's password gives the user's. */
static bool
owner_get_user(const struct pdf_crypt *c, const uint8_t owner[PAD_BYTES], size_t n,
    uint8_t ret_user[PAD_BYTES])
{
	struct slice part = slice_of(owner, PAD_BYTES);
	uint8_t key[CIPHER_DIGEST_MAX];

	if (cipher_digest(CIPHER_MD5, &part, 1, key) == 0 ||
	    (c->revision >= 3 && !md5_repeat(key, n)))
		return false;
	memcpy(ret_user, c->owner.bytes, PAD_BYTES);
	if (c->revision == 2)
		cipher_rc4(slice_of(key, n), slice_of(ret_user, PAD_BYTES), ret_user);
	else
		rc4_repeat(key, n, true, ret_user, PAD_BYTES);
	return true;
}

/* Writers differ in where they tell the length of the key, and some tell none. */
static size_t
key_lengths_get(const struct pdf_crypt *c, size_t ret_lengths[3])
{
	size_t told =
	    c->length % 8 == 0 && c->length >= 40 && c->length <= 128 ? c->length / 8 : 5;
	size_t n = 0;

	if (c->version == 1 || c->revision == 2)
		told = 5;
	ret_lengths[n++] = told;
	if (told != 16 && c->revision > 2)
		ret_lengths[n++] = 16;
	if (told != 5)
		ret_lengths[n++] = 5;
	return n;
}

static bool
old_password_fits(struct pdf_crypt *c, struct slice id, struct slice password)
{
	uint8_t padded[PAD_BYTES], user[PAD_BYTES];
	size_t lengths[3], count = key_lengths_get(c, lengths);

	password_pad(password, padded);
	for (size_t i = 0; i < count; i++) {
		if (old_key_find(c, id, padded, lengths[i]))
			return true;
		if (password.len > 0 && owner_get_user(c, padded, lengths[i], user) &&
		    old_key_find(c, id, user, lengths[i]))
			return true;
	}
	return false;
}

/* Algorithm 2.B: SHA-256 alone (R 5), or hardened by rounds of AES and SHA-2 (R 6). */
static bool
hash_make(const struct pdf_crypt *c, struct slice password, const uint8_t *salt,
    struct slice user, uint8_t ret_hash[CIPHER_DIGEST_MAX])
{
	static uint8_t block[REPEATS * (PASSWORD_MAX + CIPHER_DIGEST_MAX + SECRET_BYTES)];
	struct slice parts[] = { password, slice_of(salt, SALT_BYTES), user };
	size_t len = cipher_digest(CIPHER_SHA256, parts, 3, ret_hash);

	for (unsigned i = 0; len > 0 && c->revision >= 6 && i < ROUNDS_MAX; i++) {
		struct slice round[] = { password, slice_of(ret_hash, len), user }, all;
		size_t n = 0;
		unsigned sum = 0;

		for (unsigned k = 0; k < REPEATS * 3; k++) {
			if (round[k % 3].len > 0)
				memcpy(block + n, round[k % 3].ptr, round[k % 3].len);
			n += round[k % 3].len;
		}
		all = slice_of(block, n); /* a multiple of 64 bytes */
		if (!cipher_aes_cbc_encrypt(slice_of(ret_hash, 16), ret_hash + 16, all, block))
			return false;
		for (unsigned k = 0; k < 16; k++) /* 256 is 1 modulo 3 */
			sum += block[k];
		len = cipher_digest(
		    (enum cipher_digest)(CIPHER_SHA256 + sum % 3), &all, 1, ret_hash);
		if (i >= ROUNDS_MIN - 1 && block[n - 1] + (unsigned)ROUNDS_MIN / 2 <= i + 1)
			break;
	}
	return len > 0;
}

/* Algorithms 2.A, 11 and 12. secret: U or O; sealed: UE or OE. */
static bool
new_key_find(struct pdf_crypt *c, struct slice password, const struct pdf_secret *secret,
    struct slice user, const struct pdf_secret *sealed)
{
	static const uint8_t iv[CIPHER_BLOCK_BYTES];
	uint8_t hash[CIPHER_DIGEST_MAX];

	if (!hash_make(c, password, secret->bytes + HASH_BYTES, user, hash) ||
	    memcmp(hash, secret->bytes, HASH_BYTES) != 0 ||
	    !hash_make(c, password, secret->bytes + HASH_BYTES + SALT_BYTES, user, hash) ||
	    !cipher_aes_cbc_decrypt(
		slice_of(hash, HASH_BYTES), iv, slice_of(sealed->bytes, PDF_KEY_MAX), c->key))
		return false;
	c->key_len = PDF_KEY_MAX;
	return true;
}

/* The characters of UTF-8 as single bytes; false: some have none, or all are ASCII. */
static bool
latin1_make(struct slice utf8, uint8_t room[PASSWORD_MAX], struct slice *ret)
{
	bool ascii = true;
	size_t n = 0;

	while (utf8.len > 0 && n < PASSWORD_MAX) {
		uint32_t code;
		size_t len = utf8_decode(utf8, &code);

		if (len == 0 || code > 0xff)
			return false;
		ascii &= code < 0x80;
		room[n++] = (uint8_t)code;
		utf8 = slice_from(utf8, len);
	}
	*ret = slice_of(room, n);
	return !ascii;
}

bool
pdf_key_find(struct pdf_crypt *c, struct slice id, struct slice password)
{
	uint8_t room[PASSWORD_MAX];
	struct slice latin1;

	password = slice_sub(password, 0, PASSWORD_MAX);
	if (c->version == 5)
		return new_key_find(c, password, &c->user, SLICE_NONE, &c->user_key) ||
		       (password.len > 0 &&
			   new_key_find(c, password, &c->owner,
			       slice_of(c->user.bytes, SECRET_BYTES), &c->owner_key));
	return old_password_fits(c, id, password) ||
	       (latin1_make(password, room, &latin1) && old_password_fits(c, id, latin1));
}
