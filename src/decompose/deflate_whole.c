/* deflate_whole.c: libdeflate; one decompressor per process. */
#include "decompose/deflate_whole.h"

#include <libdeflate.h>

static struct libdeflate_decompressor *decompressor;

static bool
decompressor_make(void)
{
	if (decompressor == NULL)
		decompressor = libdeflate_alloc_decompressor();
	return decompressor != NULL;
}

bool
deflate_whole_gzip(struct slice in, uint8_t *out, size_t out_len, size_t *ret_used)
{
	size_t used, made;

	if (!decompressor_make() ||
	    libdeflate_gzip_decompress_ex(decompressor, in.ptr, in.len, out, out_len, &used,
		&made) != LIBDEFLATE_SUCCESS ||
	    made != out_len)
		return false;
	*ret_used = used;
	return true;
}

bool
deflate_whole(struct slice in, uint8_t *out, size_t out_len, size_t *ret_used)
{
	size_t used, made;

	if (!decompressor_make() ||
	    libdeflate_deflate_decompress_ex(decompressor, in.ptr, in.len, out, out_len, &used,
		&made) != LIBDEFLATE_SUCCESS ||
	    made != out_len)
		return false;
	*ret_used = used;
	return true;
}

uint32_t
deflate_crc32(struct slice bytes)
{
	return libdeflate_crc32(0, bytes.ptr, bytes.len);
}
