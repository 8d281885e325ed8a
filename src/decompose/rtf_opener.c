/* rtf_opener.c: see rtf_opener.h. Word reads hex through any noise: blanks, control words,
 * groups it does not know, raw runs (\bin). */
#include "decompose/rtf_opener.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"
#include "decompose/magic.h"
#include "decompose/ole_package.h"

#define OBJECTS_MAX     4096
#define TICK_BYTES      1024
#define TEMPLATE_REACH  64
#define NAME_BYTES_MAX  1024

struct hex_reader {
	struct decompose *d;
	struct slice in;
	size_t at;
	struct buf *out;
	int high; /* the first digit of a pair, or -1 */
	unsigned depth;
};

bool
rtf_opener_claims(const struct object *o)
{
	return (o->roles & ROLE_LEAF) != 0 && (magic_is(o->detected, "rtf") ||
	    slice_starts_with(slice_sub(o->bytes, 0, 16), SLICE_LIT("{\\rt")));
}

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_letter(uint8_t c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

/* At a letter behind a backslash: takes word, number and the blank that ends them. */
static struct slice
control_take(struct slice in, size_t *at, uint32_t *ret_number)
{
	size_t start = *at, end;
	uint64_t number = 0;

	while (*at < in.len && is_letter(in.ptr[*at]) && *at - start < 32)
		(*at)++;
	end = *at;
	if (*at < in.len && in.ptr[*at] == '-')
		(*at)++;
	while (*at < in.len && in.ptr[*at] >= '0' && in.ptr[*at] <= '9') {
		number = MIN_OF(number * 10 + (in.ptr[*at] - '0'), (uint64_t)UINT32_MAX);
		(*at)++;
	}
	if (*at < in.len && in.ptr[*at] == ' ')
		(*at)++;
	*ret_number = (uint32_t)number;
	return slice_sub(in, start, end - start);
}

/* Behind a backslash. */
static void
escape_take(struct hex_reader *r)
{
	uint32_t number;
	struct slice word, raw;

	if (r->at >= r->in.len)
		return;
	if (!is_letter(r->in.ptr[r->at])) {
		r->at += r->in.ptr[r->at] == '\'' ? 3 : 1;
		r->at = MIN_OF(r->at, r->in.len);
		return;
	}
	word = control_take(r->in, &r->at, &number);
	if (!slice_eq_str(word, "bin"))
		return;
	raw = slice_sub(r->in, r->at, number);
	(void)buf_append_slice(r->out, raw);
	r->at += raw.len;
	r->high = -1;
}

/* "{\*" behind the bracket: Word passes over groups it does not know. */
static void
group_skip(struct hex_reader *r)
{
	unsigned depth = 1;

	for (; r->at < r->in.len && depth > 0; r->at++) {
		uint8_t c = r->in.ptr[r->at];

		if (c == '\\')
			r->at++;
		else if (c == '{')
			depth++;
		else if (c == '}')
			depth--;
	}
	r->at = MIN_OF(r->at, r->in.len);
}

/* False at the end of the group in which the object stands. */
static bool
character_take(struct hex_reader *r)
{
	uint8_t c = r->in.ptr[r->at++];
	int v;

	switch (c) {
	case '\\':
		escape_take(r);
		return true;
	case '{':
		if (slice_starts_with(slice_from(r->in, r->at), SLICE_LIT("\\*")))
			group_skip(r);
		else
			r->depth++;
		return true;
	case '}':
		return r->depth-- > 0;
	default:
		break;
	}
	v = hex_value(c);
	if (v < 0)
		return true;
	if (r->high < 0) {
		r->high = v;
		return true;
	}
	v |= r->high << 4;
	r->high = -1;
	return buf_append_byte(r->out, (uint8_t)v) == 0;
}

static void
bytes_emit(struct decompose *d, struct object *o, const struct child *c, struct slice bytes)
{
	decompose_output_begin(d, o, o->bytes.len);
	(void)decompose_output_write(d, bytes);
	(void)decompose_output_finish(d, c);
}

static void
package_emit(struct decompose *d, struct object *o, struct ole_package *p)
{
	struct child c = { .names = p->names, .name_count = p->name_count };

	for (size_t i = 0; i < p->name_count; i++) {
		CLEANUP(buf_done) struct buf name;

		buf_init(&name, NAME_BYTES_MAX * 3);
		if (!utf8_is_valid(p->names[i]) &&
		    charset_to_utf8(SLICE_LIT("CP1252"), p->names[i], &name) >= 0)
			p->names[i] = arena_copy(decompose_get_arena(d), buf_get(&name));
	}
	c.step = p->name_count > 0 ? p->names[0] : SLICE_LIT("package");
	bytes_emit(d, o, &c, p->data);
}

static void
object_emit(struct decompose *d, struct object *o, struct slice bytes)
{
	struct child c = { .step = SLICE_LIT("objdata") };
	struct ole_object object;
	struct ole_package package;
	size_t at;

	object_add_facts(o, FACT_BIT(FACT_EMBEDDED_FILE));
	if (ole_object_parse(bytes, &object)) {
		if (object.link) {
			object_add_facts(o, FACT_BIT(FACT_EXTERNAL_LINK));
		} else if (ole_package_parse(object.native, &package)) {
			package_emit(d, o, &package);
			return;
		} else if (object.native.len > 0) {
			c.step = object.class_name.len > 0 ? object.class_name : c.step;
			bytes_emit(d, o, &c, object.native);
			return;
		}
	}
	at = slice_find(bytes, SLICE_LIT("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), 0);
	bytes_emit(d, o, &c, at == SIZE_MAX ? bytes : slice_from(bytes, at));
}

static bool
has_remote_template(struct slice in)
{
	size_t at = slice_find(in, SLICE_LIT("\\*\\template"), 0);
	struct slice target;

	if (at == SIZE_MAX)
		return false;
	target = slice_trim(slice_sub(in, at + 11, TEMPLATE_REACH));
	return slice_starts_with_nocase(target, SLICE_LIT("http")) ||
	    slice_starts_with_nocase(target, SLICE_LIT("ftp")) ||
	    slice_starts_with(target, SLICE_LIT("\\\\\\\\"));
}

void
rtf_opener_open(struct decompose *d, struct object *o)
{
	CLEANUP(buf_done) struct buf bytes;
	struct slice in = o->bytes;
	size_t at = 0;

	buf_init(&bytes, in.len + 1);
	for (unsigned n = 0; n < OBJECTS_MAX; n++) {
		struct hex_reader r = { .d = d, .in = in, .out = &bytes, .high = -1 };

		at = slice_find_nocase(in, SLICE_LIT("\\objdata"), at);
		if (at == SIZE_MAX)
			break;
		r.at = at + 8;
		buf_clear(&bytes);
		for (size_t ticks = 0; r.at < in.len; ticks++) {
			if (ticks % TICK_BYTES == 0 &&
			    !budget_has_time(decompose_get_budget(d))) {
				object_add_facts(
				    o, budget_get_time_facts(decompose_get_budget(d)));
				return;
			}
			if (!character_take(&r))
				break;
		}
		if (bytes.len > 0)
			object_emit(d, o, buf_get(&bytes));
		at = r.at;
	}
	if (slice_find(in, SLICE_LIT("\\objupdate"), 0) != SIZE_MAX)
		object_add_facts(o, FACT_BIT(FACT_ACTIVE_CONTENT));
	if (slice_find(in, SLICE_LIT("\\objautlink"), 0) != SIZE_MAX || has_remote_template(in))
		object_add_facts(o, FACT_BIT(FACT_EXTERNAL_LINK));
}
