/* inline_binhex.c: finds BinHex 4 files in text: the banner, then data between two colons.
 * Checksums are not looked at: readers that mind them are not the ones to fear. */
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decode_binhex.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/inline_opener.h"

#define HEADER_MAX         512
#define COLON_DISTANCE_MAX 4096 /* from the banner to the data */
#define LETTERS_MIN        16   /* the data begins with at least that many of the alphabet */

struct hqx {
	struct decompose *d;
	struct object *parent;
	const struct child *base;
	struct slice data; /* between the colons */
	struct slice name;
	size_t header_bytes;
	uint64_t data_bytes, resource_bytes; /* as the header says */
	unsigned files;
};

static uint64_t
be32(const uint8_t *p)
{
	return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
}

/* RFC 1741: length and name, 0, type, creator, flags, two lengths, checksum. */
static bool
header_parse(struct hqx *h)
{
	struct binhex_state state = { 0 };
	struct slice in = h->data;
	uint8_t raw[HEADER_MAX];
	size_t n = binhex_decode(&state, &in, raw, sizeof(raw));
	size_t name_len = n > 0 ? raw[0] : 0;

	if (name_len == 0 || n < name_len + 22)
		return false;
	h->name = arena_copy(decompose_get_arena(h->d), slice_of(raw + 1, name_len));
	h->header_bytes = name_len + 22;
	h->data_bytes = be32(raw + name_len + 12);
	h->resource_bytes = be32(raw + name_len + 16);
	return true;
}

/* Emits what stands at [skip, skip + take) of the unfolded stream. Returns the bytes written.
 */
static uint64_t
fork_emit(struct hqx *h, uint64_t skip, uint64_t take, const char *label)
{
	struct slice names[SINK_NAMES_MAX], in = h->data;
	struct binhex_state state = { 0 };
	struct sink sink;
	struct child c;
	uint64_t place = 0, total;

	sink_begin(&sink, h->d, h->parent, h->data.len);
	while (!sink.full && sink.total < take) {
		uint64_t left = place < skip ? skip - place : take - sink.total;
		size_t want = (size_t)MIN_OF(left, (uint64_t)SINK_STEP_MAX);
		size_t n = binhex_decode(&state, &in, sink_get(&sink, want), want);

		sink_put(&sink, place < skip ? 0 : n);
		place += n;
		if (n < want || !budget_has_time(decompose_get_budget(h->d)))
			break;
	}
	total = sink.total;
	if (total == 0) {
		sink_drop(&sink);
		return 0;
	}
	c = child_of(h->d, h->base, label, h->name, names);
	c.views |= VIEW_BIT(VIEW_HQX);
	c.notes |= AMBIGUITY_BIT(38);
	if (sink_emit(&sink, &c) != NULL)
		h->files++;
	return total;
}

/* Both forks; when the lengths lie about what is there, all behind the header too. */
static void
file_emit(struct hqx *h)
{
	uint64_t got;
	bool lies;

	if (!header_parse(h))
		return;
	got = fork_emit(h, h->header_bytes, h->data_bytes, "binhex");
	lies = got < h->data_bytes;
	if (h->resource_bytes > 0) {
		got = fork_emit(h, h->header_bytes + h->data_bytes + 2, h->resource_bytes,
		    "binhex resource fork");
		lies = lies || got < h->resource_bytes;
	}
	if (lies || h->data_bytes == 0)
		fork_emit(h, h->header_bytes, UINT64_MAX, "binhex");
}

/* Where the data begins: behind the first colon at or after from that letters follow. */
static size_t
data_find(struct slice text, size_t from, size_t to)
{
	struct slice window = slice_sub(text, 0, to);
	size_t at = from;

	while ((at = slice_find_byte(window, ':', at)) < to) {
		size_t letters = 0, i = at + 1;

		while (i < text.len && letters < LETTERS_MIN &&
		       (binhex_is_letter(text.ptr[i]) || text.ptr[i] == '\r' ||
			   text.ptr[i] == '\n'))
			letters += binhex_is_letter(text.ptr[i++]);
		if (letters == LETTERS_MIN)
			return at + 1;
		at++;
	}
	return SIZE_MAX;
}

unsigned
binhex_emit(
    struct decompose *d, struct object *parent, const struct child *base, struct slice text)
{
	const struct slice banner = SLICE_LIT("BinHex");
	struct hqx h = { .d = d, .parent = parent, .base = base };
	size_t at = slice_find(text, banner, 0);

	if (at == SIZE_MAX) /* no banner: the caller knows by the type that it is one */
		at = 0;
	while (at < text.len && budget_has_time(decompose_get_budget(d))) {
		size_t next = slice_find(text, banner, at + 1);
		size_t start = data_find(text, at, MIN_OF(next, at + COLON_DISTANCE_MAX));
		size_t end;

		if (start != SIZE_MAX) {
			end = slice_find_byte(slice_sub(text, 0, next), ':', start);
			end = MIN_OF(MIN_OF(end, next), text.len);
			h.data = slice_sub(text, start, end - start);
			file_emit(&h);
		}
		at = next;
	}
	return h.files;
}
