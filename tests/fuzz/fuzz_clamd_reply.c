/* fuzz_clamd_reply.c: any bytes as clamd's answer. Promises: clean only for the two exact
 * texts, a name is printable and bounded, one end mark, the other subject is garbage. */
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "scan/scan_clamd_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool
is_clean_text(struct slice s, bool by_fildes)
{
	struct slice tail = by_fildes ? SLICE_LIT("]: OK") : SLICE_LIT("stream: OK");
	uint64_t fd;

	if (s.len == 0 || (s.ptr[s.len - 1] != '\0' && s.ptr[s.len - 1] != '\n'))
		return false;
	s = slice_sub(s, 0, s.len - 1);
	if (!by_fildes)
		return slice_eq(s, tail);
	return slice_starts_with(s, SLICE_LIT("fd[")) && slice_ends_with_nocase(s, tail) &&
	       slice_parse_uint(slice_sub(s, 3, s.len - 3 - tail.len), UINT64_MAX, &fd);
}

static void
check_reply(const struct clamd_reply *r, struct slice in, bool by_fildes)
{
	ASSERT((r->kind == CLAMD_REPLY_CLEAN) == is_clean_text(in, by_fildes) ||
	       r->kind != CLAMD_REPLY_CLEAN); /* more than ten digits are garbage */
	ASSERT(r->text_len <= CLAMD_TEXT_MAX_BYTES);
	for (size_t i = 0; i < r->text_len; i++)
		ASSERT(r->text[i] >= 0x20 && r->text[i] <= 0x7e);
	ASSERT((r->kind == CLAMD_REPLY_UNSCANNED || r->kind == CLAMD_REPLY_NO_FD) ==
	       (r->cause != CAUSE_NONE));
	ASSERT(r->kind != CLAMD_REPLY_INFECTED || r->text_len > 0);
	ASSERT(r->kind != CLAMD_REPLY_NO_FD || by_fildes);
	if (r->kind == CLAMD_REPLY_GARBAGE)
		return;
	ASSERT(in.len <= CLAMD_REPLY_MAX_BYTES);
	for (size_t i = 0; i + 1 < in.len; i++)
		ASSERT(in.ptr[i] != '\0' && in.ptr[i] != '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice in = slice_of(data, len), version;
	struct clamd_reply stream = clamd_reply_parse(in, false);
	struct clamd_reply fd = clamd_reply_parse(in, true);

	check_reply(&stream, in, false);
	check_reply(&fd, in, true);
	/* What has a subject is an answer to one of the two questions only. */
	if (stream.kind == CLAMD_REPLY_CLEAN || stream.kind == CLAMD_REPLY_INFECTED)
		ASSERT(fd.kind == CLAMD_REPLY_GARBAGE);
	if (fd.kind == CLAMD_REPLY_CLEAN || fd.kind == CLAMD_REPLY_INFECTED)
		ASSERT(stream.kind == CLAMD_REPLY_GARBAGE);
	if (clamd_reply_parse_version(in, &version)) {
		ASSERT(version.len >= 1 && version.len <= CLAMD_VERSION_MAX_BYTES);
		for (size_t i = 0; i < version.len; i++)
			ASSERT(version.ptr[i] >= 0x20 && version.ptr[i] <= 0x7e);
	}
	return 0;
}
