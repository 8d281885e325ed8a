/* zip_member.h: the data of one ZIP member, by its method, into one object. */
#ifndef CORDON_DECOMPOSE_ZIP_MEMBER_H
#define CORDON_DECOMPOSE_ZIP_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/object.h"

struct arena;
struct decompose;
struct zip_passwords;

/* One way to read a member: what a local or a central header says about the data at data_at. */
struct zip_reading {
	size_t header_at, data_at;
	uint64_t packed_bytes; /* UINT64_MAX: not known */
	uint64_t plain_bytes;  /* the same */
	uint32_t crc;
	bool has_crc;
	uint16_t method, flags, mod_time, aes_method;
	uint8_t aes_strength;
	bool quiet; /* what gives nothing is no member: a header by chance */
	struct zip_passwords *passwords; /* of the archive; NULL: none are tried */
	struct slice names[OBJECT_NAMES_MAX];
	size_t name_count;
};

struct zip_result {
	uint64_t facts;       /* for the archive */
	size_t end;           /* where the data ends, or data_at when that is not known */
	struct object *child; /* NULL: nothing was emitted */
	bool stop;            /* a limit that ends the whole archive */
};

/* "deflate"; "method 42" (made in a) for one that has no name. */
struct slice zip_method_get_name(struct arena *a, uint16_t method);
/* True for methods that end by themselves: packed_bytes is then not believed. */
bool zip_method_ends_itself(uint16_t method);

/* Decodes and emits. Encrypted members that no candidate password opens, those of methods that
 * are not known, and those that give nothing are emitted as unopened, so that their names
 * count, with that fact on the member too. One that was opened has the fact PASSWORD_FOUND. */
struct zip_result zip_member_extract(
    struct decompose *d, struct object *o, const struct zip_reading *r);

#endif
