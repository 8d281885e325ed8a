/* tnef_mapi.c: see tnef_mapi.h. */
#include "decompose/tnef_mapi.h"

#include "base/macros.h"

#define MULTI_VALUE 0x1000
#define NAMED_FIRST 0x8000

static uint32_t
le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool
u32_next(struct slice *s, uint32_t *ret)
{
	if (s->len < 4)
		return false;
	*ret = le32(s->ptr);
	*s = slice_from(*s, 4);
	return true;
}

/* Bytes of a value of fixed size in the list; 0: its length stands before it; -1: unknown. */
static int
fixed_bytes(uint16_t type)
{
	switch (type) {
	case 0x0001:
		return 4; /* null */
	case 0x0002:      /* 16 bits, padded */
	case 0x0003:
	case 0x0004:
	case 0x000a:
	case 0x000b:
		return 4;
	case 0x0005:
	case 0x0006:
	case 0x0007:
	case 0x0014:
	case 0x0040:
		return 8;
	case 0x0048:
		return 16;
	case MAPI_STRING8:
	case MAPI_UNICODE:
	case MAPI_OBJECT:
	case MAPI_BINARY:
		return 0;
	default:
		return -1;
	}
}

void
mapi_walk_init(struct mapi_walk *w, struct slice list)
{
	*w = (struct mapi_walk){ .rest = list };
	w->broken = !u32_next(&w->rest, &w->properties);
}

/* A named property: set, then a number or a name. */
static bool
name_skip(struct slice *s)
{
	uint32_t kind, len;

	*s = slice_from(*s, 16);
	if (!u32_next(s, &kind) || !u32_next(s, &len))
		return false;
	if (kind == 1)
		*s = slice_from(*s, ((size_t)len + 3) & ~(size_t)3);
	return kind <= 1;
}

static bool
property_begin(struct mapi_walk *w)
{
	uint32_t tag;

	if (!u32_next(&w->rest, &tag))
		return false;
	w->type = (uint16_t)(tag & 0xffff & ~(uint32_t)MULTI_VALUE);
	w->id = (uint16_t)(tag >> 16);
	if (w->id >= NAMED_FIRST && !name_skip(&w->rest))
		return false;
	w->values = 1;
	/* variable types have a count even when there is one */
	if (((tag & MULTI_VALUE) != 0 || fixed_bytes(w->type) == 0) &&
	    !u32_next(&w->rest, &w->values))
		return false;
	return fixed_bytes(w->type) >= 0;
}

bool
mapi_walk_next(struct mapi_walk *w, struct mapi_value *ret_value)
{
	uint32_t len;
	int fixed;

	while (w->values == 0 && !w->broken) {
		if (w->properties == 0)
			return false;
		w->properties--;
		w->broken = !property_begin(w);
	}
	if (w->broken)
		return false;
	w->values--;
	fixed = fixed_bytes(w->type);
	len = (uint32_t)fixed;
	w->broken = fixed == 0 ? !u32_next(&w->rest, &len) : w->rest.len == 0;
	if (w->broken)
		return false;
	*ret_value = (struct mapi_value){
		.type = w->type,
		.id = w->id,
		.bytes = slice_sub(w->rest, 0, len),
	};
	w->rest = slice_from(w->rest, ((size_t)len + 3) & ~(size_t)3);
	return true;
}
