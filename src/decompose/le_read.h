/* le_read.h: little-endian numbers at a place in a slice; 0 where the slice has ended. */
#ifndef CORDON_DECOMPOSE_LE_READ_H
#define CORDON_DECOMPOSE_LE_READ_H

#include "base/slice.h"

static inline uint64_t
le_read(struct slice b, size_t at, unsigned bytes)
{
	uint64_t v = 0;

	if (at > b.len || b.len - at < bytes)
		return 0;
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)b.ptr[at + i] << (8 * i);
	return v;
}

static inline uint16_t
le16_read(struct slice b, size_t at)
{
	return (uint16_t)le_read(b, at, 2);
}

static inline uint32_t
le32_read(struct slice b, size_t at)
{
	return (uint32_t)le_read(b, at, 4);
}

#endif
