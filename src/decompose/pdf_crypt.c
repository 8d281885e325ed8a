/* pdf_crypt.c: see pdf_crypt.h. */
#include "decompose/pdf_crypt.h"

#include <string.h>

#include "base/cipher.h"
#include "base/macros.h"

#define LEVELS_MAX 3
#define TOKENS_MAX 2000

/* What a dictionary says once. */
enum entry {
	ENTRY_FILTER,
	ENTRY_V,
	ENTRY_R,
	ENTRY_LENGTH,
	ENTRY_P,
	ENTRY_O,
	ENTRY_U,
	ENTRY_OE,
	ENTRY_UE,
	ENTRY_METADATA,
	ENTRY_CF,
	ENTRY_STMF,
	ENTRY_STRF,
	ENTRY_EFF,
	ENTRY_COUNT
};

static const char *const entry_names[ENTRY_COUNT] = { "Filter", "V", "R", "Length", "P", "O",
	"U", "OE", "UE", "EncryptMetadata", "CF", "StmF", "StrF", "EFF" };

struct crypt_reader {
	struct pdf_crypt *c;
	char keys[LEVELS_MAX + 1][PDF_NAME_MAX + 1]; /* the open key of each level, from 1 */
	char names[3][PDF_NAME_MAX + 1];             /* StmF, StrF, EFF */
	unsigned level;
	uint32_t seen;          /* bit per entry */
	bool has_cfm, has_bits; /* of the crypt filter in hand */
	bool is_standard;
};

static void
name_copy(char to[PDF_NAME_MAX + 1], struct slice name)
{
	size_t len = MIN_OF(name.len, (size_t)PDF_NAME_MAX);

	if (len > 0)
		memcpy(to, name.ptr, len);
	to[len] = '\0';
}

static bool
secret_take(struct pdf_secret *s, const struct pdf_token *t)
{
	CLEANUP(buf_done) struct buf bytes = { 0 };

	if (t->kind != PDF_STRING && t->kind != PDF_HEX_STRING)
		return false;
	buf_init(&bytes, t->text.len + 1);
	pdf_string_get_bytes(t, &bytes);
	s->len = MIN_OF(bytes.len, sizeof(s->bytes));
	if (s->len > 0)
		memcpy(s->bytes, bytes.data, s->len);
	return true;
}

/* A number with a sign, in two's complement. */
static bool
permissions_take(struct pdf_crypt *c, const struct pdf_token *t)
{
	bool minus = t->text.len > 0 && t->text.ptr[0] == '-';
	uint64_t v;

	if (t->kind != PDF_NUMBER ||
	    !slice_parse_uint(slice_from(t->text, minus ? 1 : 0), UINT32_MAX, &v))
		return false;
	c->permissions = minus ? 0u - (uint32_t)v : (uint32_t)v;
	return true;
}

static bool
number_take(uint32_t *to, const struct pdf_token *t)
{
	*to = t->value;
	return t->kind == PDF_NUMBER;
}

static bool
entry_take(struct crypt_reader *r, enum entry e, const struct pdf_token *t)
{
	struct pdf_crypt *c = r->c;

	switch (e) {
	case ENTRY_FILTER:
		r->is_standard = t->kind == PDF_NAME && slice_eq_str(t->text, "Standard");
		return true;
	case ENTRY_V:
		return number_take(&c->version, t);
	case ENTRY_R:
		return number_take(&c->revision, t);
	case ENTRY_LENGTH:
		return number_take(&c->length, t);
	case ENTRY_P:
		return permissions_take(c, t);
	case ENTRY_O:
		return secret_take(&c->owner, t);
	case ENTRY_U:
		return secret_take(&c->user, t);
	case ENTRY_OE:
		return secret_take(&c->owner_key, t);
	case ENTRY_UE:
		return secret_take(&c->user_key, t);
	case ENTRY_METADATA:
		c->metadata_is_plain = slice_eq_str(t->text, "false");
		return t->kind == PDF_KEYWORD;
	case ENTRY_STMF:
	case ENTRY_STRF:
	case ENTRY_EFF:
		name_copy(r->names[e - ENTRY_STMF], t->text);
		return t->kind == PDF_NAME;
	case ENTRY_CF:
	case ENTRY_COUNT:
		break;
	}
	return false;
}

/* False: said before. */
static bool
entry_find(struct crypt_reader *r, enum entry *ret_entry)
{
	for (unsigned i = 0; i < ENTRY_COUNT; i++) {
		if (strcmp(r->keys[1], entry_names[i]) != 0)
			continue;
		*ret_entry = (enum entry)i;
		if ((r->seen & 1u << i) != 0)
			return false;
		r->seen |= 1u << i;
		return true;
	}
	*ret_entry = ENTRY_COUNT;
	return true;
}

/* An entry of a crypt filter. */
static bool
filter_take(struct crypt_reader *r, const struct pdf_token *t)
{
	static const struct {
		const char *name;
		enum pdf_method method;
	} methods[] = {
		{ "V2", PDF_METHOD_RC4 },
		{ "AESV2", PDF_METHOD_AES128 },
		{ "AESV3", PDF_METHOD_AES256 },
	};
	struct pdf_crypt_filter *f = &r->c->filters[r->c->filter_count - 1];

	if (strcmp(r->keys[3], "Length") == 0) {
		if (r->has_bits)
			return false;
		r->has_bits = true;
		return number_take(&f->length, t);
	}
	if (strcmp(r->keys[3], "CFM") != 0)
		return true;
	if (r->has_cfm || t->kind != PDF_NAME)
		return false;
	r->has_cfm = true;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (slice_eq_str(t->text, methods[i].name))
			f->method = methods[i].method;
	}
	return true;
}

static bool
value_take(struct crypt_reader *r, const struct pdf_token *t)
{
	enum entry e;

	if (r->level == 1) {
		if (!entry_find(r, &e))
			return false;
		return e == ENTRY_COUNT || entry_take(r, e, t);
	}
	return r->level != 3 || strcmp(r->keys[1], "CF") != 0 || filter_take(r, t);
}

static bool
dict_open(struct crypt_reader *r)
{
	struct pdf_crypt *c = r->c;
	enum entry e;

	if (r->level == LEVELS_MAX)
		return false;
	if (r->level == 1 && (!entry_find(r, &e) || (e != ENTRY_CF && e != ENTRY_COUNT)))
		return false;
	if (r->level == 2 && strcmp(r->keys[1], "CF") == 0) {
		if (c->filter_count == PDF_CRYPT_FILTERS_MAX ||
		    strcmp(r->keys[2], "Identity") == 0)
			return false;
		for (size_t i = 0; i < c->filter_count; i++) {
			if (strcmp(c->filters[i].name, r->keys[2]) == 0)
				return false;
		}
		name_copy(c->filters[c->filter_count++].name, slice_of_str(r->keys[2]));
		r->has_cfm = r->has_bits = false;
	}
	r->level++;
	return true;
}

/* The tokens of the dictionary, to its end. */
static bool
dict_read(struct crypt_reader *r, struct slice in)
{
	struct pdf_lexer lexer;
	struct pdf_token t;
	bool value = false;

	pdf_lexer_init(&lexer, in);
	t = pdf_lexer_next(&lexer);
	r->level = 1;
	for (unsigned n = 0; n < TOKENS_MAX; n++, t = pdf_lexer_next(&lexer)) {
		if (n == 0 && t.kind == PDF_DICT_OPEN)
			continue;
		if (t.kind == PDF_DICT_CLOSE && !value) {
			if (--r->level == 0)
				return true;
		} else if (!value) {
			if (t.kind != PDF_NAME)
				return false;
			name_copy(r->keys[r->level], t.text);
			value = true;
		} else {
			value = false;
			if (t.kind == PDF_END || t.kind == PDF_DICT_CLOSE ||
			    t.kind == PDF_ARRAY_OPEN ||
			    (t.kind == PDF_DICT_OPEN ? !dict_open(r) : !value_take(r, &t)))
				return false;
		}
	}
	return false;
}

enum pdf_method
pdf_crypt_find_method(const struct pdf_crypt *c, struct slice name)
{
	if (slice_eq_str(name, "Identity"))
		return PDF_METHOD_IDENTITY;
	for (size_t i = 0; i < c->filter_count; i++) {
		enum pdf_method m = c->filters[i].method;

		if (slice_eq_str(name, c->filters[i].name))
			return (m == PDF_METHOD_AES256) == (c->version == 5)
				   ? m
				   : PDF_METHOD_UNKNOWN;
	}
	return PDF_METHOD_UNKNOWN;
}

static enum pdf_method
named_method(const struct crypt_reader *r, enum entry e, enum pdf_method otherwise)
{
	return (r->seen & 1u << e) == 0
		   ? otherwise
		   : pdf_crypt_find_method(r->c, slice_of_str(r->names[e - ENTRY_STMF]));
}

bool
pdf_crypt_parse(struct pdf_crypt *c, struct slice in)
{
	struct crypt_reader r = { .c = c };
	const uint32_t needed =
	    1u << ENTRY_O | 1u << ENTRY_U | 1u << ENTRY_P | 1u << ENTRY_R | 1u << ENTRY_V;
	const uint32_t needed_by_5 = 1u << ENTRY_OE | 1u << ENTRY_UE;
	size_t secret;

	memset(c, 0, sizeof(*c));
	if (!dict_read(&r, in) || !r.is_standard || (r.seen & needed) != needed)
		return false;
	if (c->version == 1 || c->version == 2)
		c->streams = c->strings = c->files = PDF_METHOD_RC4;
	else if (c->version != 4 && c->version != 5)
		return false;
	if (c->version >= 4) {
		c->streams = named_method(&r, ENTRY_STMF, PDF_METHOD_IDENTITY);
		c->strings = named_method(&r, ENTRY_STRF, PDF_METHOD_IDENTITY);
		c->files = named_method(&r, ENTRY_EFF, c->streams);
	}
	if (c->streams == PDF_METHOD_UNKNOWN || c->strings == PDF_METHOD_UNKNOWN ||
	    c->files == PDF_METHOD_UNKNOWN)
		return false;
	if (c->version == 5 &&
	    ((r.seen & needed_by_5) != needed_by_5 || c->owner_key.len < 32 ||
		c->user_key.len < 32 || c->revision < 5 || c->revision > 6))
		return false;
	if (c->version < 5 && (c->revision < 2 || c->revision > 4))
		return false;
	secret = c->version == 5 ? 48 : 32;
	return c->owner.len >= secret && c->user.len >= secret;
}

/* Algorithm 1: the key of one object. */
static struct slice
object_key(const struct pdf_crypt *c, enum pdf_method method, uint32_t number,
    uint32_t generation, uint8_t room[CIPHER_DIGEST_MAX])
{
	uint8_t place[5] = { (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16),
		(uint8_t)generation, (uint8_t)(generation >> 8) };
	struct slice parts[] = { slice_of(c->key, c->key_len), slice_of(place, sizeof(place)),
		SLICE_LIT("sAlT") };

	if (method == PDF_METHOD_AES256)
		return parts[0];
	if (cipher_digest(CIPHER_MD5, parts, method == PDF_METHOD_AES128 ? 3 : 2, room) == 0)
		return SLICE_NONE;
	return slice_of(room, MIN_OF(c->key_len + 5, (size_t)CIPHER_MD5_BYTES));
}

/* An initialisation vector, blocks, and a padding that tells its length. */
static bool
aes_undo(struct slice key, struct slice in, struct buf *out)
{
	struct slice blocks = slice_from(in, CIPHER_BLOCK_BYTES);
	size_t len = blocks.len - blocks.len % CIPHER_BLOCK_BYTES;
	uint8_t *to, padding;

	if (len == 0)
		return in.len == 0 || in.len == CIPHER_BLOCK_BYTES;
	if (buf_reserve(out, len) < 0)
		return false;
	to = out->data + out->len;
	if (!cipher_aes_cbc_decrypt(key, in.ptr, slice_sub(blocks, 0, len), to))
		return false;
	padding = to[len - 1];
	if (padding < 1 || padding > CIPHER_BLOCK_BYTES) {
		out->len += len;
		return false;
	}
	out->len += len - padding;
	return blocks.len == len;
}

bool
pdf_crypt_undo(const struct pdf_crypt *c, enum pdf_method method, uint32_t number,
    uint32_t generation, struct slice in, struct buf *out)
{
	uint8_t room[CIPHER_DIGEST_MAX];
	struct slice key;

	if (method == PDF_METHOD_IDENTITY)
		return buf_append_slice(out, in) == 0;
	if (method == PDF_METHOD_UNKNOWN)
		return false;
	key = object_key(c, method, number, generation, room);
	if (key.len == 0)
		return false;
	if (method != PDF_METHOD_RC4)
		return aes_undo(key, in, out);
	if (buf_reserve(out, in.len) < 0)
		return false;
	if (in.len > 0)
		cipher_rc4(key, in, out->data + out->len);
	out->len += in.len;
	return true;
}
