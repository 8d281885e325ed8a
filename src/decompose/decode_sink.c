/* decode_sink.c: see decode_sink.h. */
#include "decompose/decode_sink.h"

#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decompose.h"

#define CHUNK_BYTES       ((size_t)256 << 10)
#define FIRST_CHUNK_BYTES ((size_t)16 << 10)
#define STEP_NAME_MAX     200

void
sink_begin(struct sink *s, struct decompose *d, struct object *parent, uint64_t input_bytes)
{
	s->d = d;
	s->at = NULL;
	s->room = s->used = 0;
	s->total = 0;
	s->bounced = s->full = false;
	decompose_output_begin(d, parent, input_bytes);
}

static void
sink_commit(struct sink *s)
{
	if (s->used > 0 && !decompose_output_commit(s->d, s->used))
		s->full = true;
	s->at = NULL;
	s->room = s->used = 0;
}

static void
sink_reserve(struct sink *s, size_t want)
{
	sink_commit(s);
	if (s->full)
		return;
	s->at = decompose_output_reserve(s->d, want, &s->room);
	if (s->at == NULL) {
		s->full = true;
		s->room = 0;
	}
}

uint8_t *
sink_get(struct sink *s, size_t want)
{
	ASSERT(want <= SINK_STEP_MAX);
	if (s->room - s->used < want && !s->full)
		sink_reserve(s, s->total == 0 ? FIRST_CHUNK_BYTES : CHUNK_BYTES);
	s->bounced = s->room - s->used < want;
	return s->bounced ? s->bounce : s->at + s->used;
}

void
sink_put(struct sink *s, size_t n)
{
	if (!s->bounced) {
		ASSERT(n <= s->room - s->used);
		s->used += n;
		s->total += n;
		return;
	}
	sink_commit(s);
	if (!s->full && !decompose_output_write(s->d, slice_of(s->bounce, n)))
		s->full = true;
	s->total += n;
}

void
sink_write(struct sink *s, struct slice bytes)
{
	sink_commit(s);
	if (!s->full && !decompose_output_write(s->d, bytes))
		s->full = true;
	s->total += bytes.len;
}

void
sink_write_base64(struct sink *s, struct slice in, enum base64_mode mode, bool map_urlsafe,
    struct base64_facts *ret_facts)
{
	struct base64_state state;
	size_t done = 0;

	base64_init(&state, mode, map_urlsafe);
	sink_commit(s);
	while (done < in.len && !s->full) {
		size_t n, fit;

		sink_reserve(s, base64_bound(MIN_OF(in.len - done, CHUNK_BYTES)));
		fit = MIN_OF(base64_fit(s->room), in.len - done);
		if (fit == 0) { /* close to a limit: by way of the bounce */
			fit = MIN_OF((size_t)1024, in.len - done);
			n = base64_feed(&state, slice_sub(in, done, fit), s->bounce);
			s->bounced = true;
			sink_put(s, n);
		} else {
			s->used = base64_feed(&state, slice_sub(in, done, fit), s->at);
			s->total += s->used;
			sink_commit(s);
		}
		done += fit;
	}
	(void)sink_get(s, base64_bound(0));
	sink_put(s, base64_finish(&state, s->bounced ? s->bounce : s->at + s->used, ret_facts));
}

struct slice
sink_flush(struct sink *s)
{
	sink_commit(s);
	return decompose_output_get(s->d);
}

struct object *
sink_emit(struct sink *s, const struct child *c)
{
	sink_commit(s);
	return decompose_output_finish(s->d, c);
}

void
sink_drop(struct sink *s)
{
	s->at = NULL;
	s->room = s->used = 0;
	decompose_output_drop(s->d);
}

/* "step > name" in the arena; step or name alone when the other is empty. */
static struct slice
step_join(struct arena *a, struct slice step, struct slice name)
{
	static const char arrow[] = " > ";
	size_t arrow_len = step.len > 0 && name.len > 0 ? sizeof(arrow) - 1 : 0;
	uint8_t *to;

	name = slice_sub(name, 0, STEP_NAME_MAX);
	step = slice_sub(step, 0, STEP_NAME_MAX);
	to = arena_alloc(a, step.len + arrow_len + name.len + 1);
	if (to == NULL)
		return name;
	if (step.len > 0)
		memcpy(to, step.ptr, step.len);
	memcpy(to + step.len, arrow, arrow_len);
	if (name.len > 0)
		memcpy(to + step.len + arrow_len, name.ptr, name.len);
	return slice_of(to, step.len + arrow_len + name.len);
}

struct child
child_of(struct decompose *d, const struct child *base, const char *label, struct slice name,
    struct slice *names)
{
	struct child c = base != NULL ? *base : (struct child){ .roles = ROLE_LEAF };
	struct slice step = c.step.len > 0 ? c.step : slice_of_str(label);
	size_t n = 0;

	if (name.len > 0)
		names[n++] = name;
	for (size_t i = 0; i < c.name_count && n < SINK_NAMES_MAX; i++)
		names[n++] = c.names[i];
	c.names = names;
	c.name_count = n;
	c.step = step_join(decompose_get_arena(d), step, name);
	return c;
}

/* Offset of the first CR or LF, or len. One pass for both: text whose lines all end with CR
 * must not cost a search for LF per line. */
static size_t
line_end_find(const uint8_t *p, size_t len)
{
	size_t i = 0;

#if defined(__x86_64__)
	const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');

	for (; len - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(p + i));
		unsigned mask = (unsigned)_mm_movemask_epi8(
		    _mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));

		if (mask != 0)
			return i + (size_t)__builtin_ctz(mask);
	}
#endif
	while (i < len && p[i] != '\r' && p[i] != '\n')
		i++;
	return i;
}

bool
text_next_line(struct slice text, size_t *pos, struct slice *ret_line)
{
	struct slice rest = slice_from(text, *pos);
	size_t len;

	if (rest.len == 0)
		return false;
	len = line_end_find(rest.ptr, rest.len);
	*ret_line = slice_of(rest.ptr, len);
	*pos += MIN_OF(len + 1, rest.len);
	if (len + 1 < rest.len && rest.ptr[len] == '\r' && rest.ptr[len + 1] == '\n')
		*pos += 1;
	return true;
}
