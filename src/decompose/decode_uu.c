/* decode_uu.c: see decode_uu.h. */
#include "decompose/decode_uu.h"

/* A line may be this much longer than its count says (check characters, stray blanks). */
#define EXTRA_MAX 3
/* ... and this much shorter, in percent of what it should have, before it counts as LOOSE. */
#define SHORT_PERCENT 50

static size_t
line_count(uint8_t first)
{
	return (first - 0x20u) & 63u;
}

enum uu_kind
uu_line_judge(struct slice line)
{
	size_t need, have;
	uint8_t high = 0, low = 0xff;

	if (line.len == 0 || line.ptr[0] < 0x20 || line.ptr[0] > 0x7e)
		return UU_NO;
	need = (line_count(line.ptr[0]) + 2) / 3 * 4;
	have = line.len - 1;
	if (need == 0)
		return have <= EXTRA_MAX ? UU_EMPTY : UU_NO;
	if (have > need + EXTRA_MAX) {
		/* more is legal only as blanks */
		for (size_t i = need + 1; i < line.len; i++) {
			if (line.ptr[i] != ' ' && line.ptr[i] != '\t')
				return UU_NO;
		}
		have = need;
	}
	for (size_t i = 0; i <= have; i++) {
		high = line.ptr[i] > high ? line.ptr[i] : high;
		low = line.ptr[i] < low ? line.ptr[i] : low;
	}
	if (low < 0x20 || high > 0x7e)
		return UU_NO;
	if (high > 0x60)
		return have >= need && have <= need + 1 ? UU_LOOSE : UU_NO;
	/* the last group may lack its unused characters: 4 less 2 at most */
	return (have + 3) * 100 >= need * SHORT_PERCENT ? UU_DATA : UU_LOOSE;
}

size_t
uu_line_decode(struct slice line, uint8_t *out)
{
	size_t count = line.len == 0 ? 0 : line_count(line.ptr[0]);
	const uint8_t *p = line.ptr + 1;
	size_t have = line.len == 0 ? 0 : line.len - 1, o = 0, i = 0;

	for (; o < count && have - i >= 4; i += 4, o += 3) {
		uint32_t bits = ((p[i] - 0x20u) & 63u) << 18 |
				((p[i + 1] - 0x20u) & 63u) << 12 |
				((p[i + 2] - 0x20u) & 63u) << 6 | ((p[i + 3] - 0x20u) & 63u);

		out[o] = (uint8_t)(bits >> 16);
		out[o + 1] = (uint8_t)(bits >> 8);
		out[o + 2] = (uint8_t)bits;
	}
	for (; o < count; i += 4, o += 3) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++)
			bits = bits << 6 | (i + k < have ? (p[i + k] - 0x20u) & 63u : 0);
		out[o] = (uint8_t)(bits >> 16);
		out[o + 1] = (uint8_t)(bits >> 8);
		out[o + 2] = (uint8_t)bits;
	}
	return count;
}
