/* mime_leaf.c: the body of a part that is no tree: decoded under every transfer encoding that
 * some reader applies, and emitted. Divergence is judged here by the objects that come out:
 * equal bytes are one object. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decode_qp.h"
#include "decompose/inline_opener.h"
#include "decompose/mime_walk.h"

#define STEP_MAX        512
#define SAMPLE_BYTES    512
#define NODE_TEXT_MAX   512
#define HEADER_LINE_MAX 16384

/* One leaf on its way out. */
struct leaf_out {
	struct mime_walk *w;
	const struct mime_leaf *leaf;
	char node[NODE_TEXT_MAX];
	char step[STEP_MAX + NODE_TEXT_MAX];
	struct child base;
};

static bool
is_printable(struct slice s)
{
	size_t odd = 0;

	s = slice_sub(s, 0, SAMPLE_BYTES);
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.ptr[i];

		if (c == 0)
			return false;
		odd += c < ' ' && c != '\t' && c != '\r' && c != '\n' && c != '\f' && c != 0x1b;
	}
	return odd * 16 <= s.len;
}

static bool
type_is_text(struct slice declared)
{
	return declared.len == 0 || slice_starts_with(declared, SLICE_LIT("text"));
}

/* Media whose bytes are never searched for inline files, even when they look printable. */
static bool
type_is_media(struct slice declared)
{
	return slice_starts_with(declared, SLICE_LIT("image/")) ||
	       slice_starts_with(declared, SLICE_LIT("audio/")) ||
	       slice_starts_with(declared, SLICE_LIT("video/"));
}

void
mime_leaf_look_at(const struct mime_walk *w, struct slice bytes, struct child *c)
{
	if (type_is_text(c->declared) || (!type_is_media(c->declared) && is_printable(bytes)))
		c->roles |= ROLE_TEXT;
	c->roles |= ROLE_LEAF;
	/* A mail that was recognised only by its looks does not hold another one in its text.
	 */
	if ((c->roles & ROLE_ENTITY) != 0 || (w->o->views & VIEW_BIT(VIEW_MSG_SNIFF)) != 0 ||
	    !mime_header_is_mail(bytes))
		return;
	c->roles |= ROLE_ENTITY;
	c->views |= VIEW_BIT(VIEW_MSG_SNIFF);
}

/* "2.1 base64 > name" */
static void
leaf_set_step(struct leaf_out *out, enum mime_decoder d)
{
	const char *name = mime_decoder_get_name(d);
	const struct name_set *names = &out->leaf->content->names;
	int n = snprintf(out->step, NODE_TEXT_MAX, "%s%s%s", out->node, name == NULL ? "" : " ",
	    name == NULL ? "" : name);
	size_t len = n < 0 ? 0 : (size_t)n;

	if (names->count > 0) {
		struct slice first = slice_sub(names->names[0], 0, STEP_MAX - 64);

		memcpy(out->step + len, " > ", 3);
		memcpy(out->step + len + 3, first.ptr, first.len);
		len += 3 + first.len;
	}
	out->base.step = slice_of(out->step, len);
	out->base.packing = (struct packing){ .packed_bytes = out->leaf->body.len,
		.method = name == NULL ? SLICE_NONE : slice_of_str(name) };
}

static void
leaf_out_init(struct leaf_out *out, struct mime_walk *w, const struct mime_leaf *l)
{
	const struct name_set *names = &l->content->names;

	out->w = w;
	out->leaf = l;
	mime_walk_format_node(w, l->node, out->node, sizeof(out->node) - 32);
	out->base = (struct child){
		.declared = l->declared,
		.names = names->names,
		.name_count = names->count,
		.roles = l->roles | ROLE_LEAF,
		.facts = l->facts | names->facts,
		.views = l->views,
		.ambiguities = l->classes | names->ambiguities,
		.notes = l->notes | names->notes,
	};
}

static struct object *
emit_raw(struct leaf_out *out, enum view extra_view, bool has_extra)
{
	struct child c = out->base;
	struct slice body = out->leaf->body;

	if (body.len == 0 && c.name_count == 0)
		return NULL;
	leaf_set_step(out, DECODER_NONE);
	c.step = out->base.step;
	if (has_extra)
		c.views |= VIEW_BIT(extra_view);
	else if (c.views == 0)
		c.views = VIEW_BIT(VIEW_STRICT);
	mime_leaf_look_at(out->w, body, &c);
	return decompose_emit(out->w->d, out->w->o, &c, body);
}

/* Quoted-printable: the RFC's reading, and that of those who keep blanks before line ends
 * (Thunderbird, Python): when one of them undoes a soft break, or in a file, where a byte counts. */
static struct object *
emit_qp(struct leaf_out *out, bool *ret_plausible)
{
	struct mime_walk *w = out->w;
	struct slice body = out->leaf->body;
	struct child c = out->base;
	struct qp_facts f, unused;
	uint64_t bad;
	struct object *main;
	size_t len;
	bool twice;

	decompose_output_begin(w->d, w->o, body.len);
	(void)mime_qp_decode(w, body, false, &f);
	bad = f.bad_escapes;
	len = decompose_output_get(w->d).len;
	*ret_plausible = len < body.len || bad == 0;
	/* More broken escapes than sound ones: somebody reads them in another way. */
	if (bad * 3 > (body.len - MIN_OF(len, body.len)) / 2 + 8) {
		c.ambiguities |= AMBIGUITY_BIT(33);
		mime_walk_flag(w, AMBIGUITY_BIT(33));
	} else if (bad > 0) {
		c.notes |= AMBIGUITY_BIT(33);
	}
	if (len == 0 && c.name_count == 0) {
		decompose_output_drop(w->d);
		return NULL;
	}
	if (c.views == 0)
		c.views = VIEW_BIT(VIEW_STRICT);
	mime_leaf_look_at(w, decompose_output_get(w->d), &c);
	twice = mime_base64_is_likely(decompose_output_get(w->d));
	main = decompose_output_finish(w->d, &c);
	if (twice) {
		mime_walk_note(w, AMBIGUITY_BIT(35));
		mime_base64_emit_twice(w, body, &out->base, true, false);
	}
	if (f.blanks_after_soft > 0 || (f.blanks_at_end > 0 && !type_is_text(c.declared))) {
		c.views |= VIEW_BIT(VIEW_QP_BLANKS);
		decompose_output_begin(w->d, w->o, body.len);
		(void)mime_qp_decode(w, body, true, &unused);
		(void)decompose_output_finish(w->d, &c);
	}
	return main;
}

static struct object *
emit_base64(struct leaf_out *out, bool *ret_plausible)
{
	return mime_base64_emit(out->w, out->leaf->body, &out->base, ret_plausible);
}

/* Decodes under one encoding and emits. plausible: the bytes look encoded in that way. */
static struct object *
emit_decoded(struct leaf_out *out, enum mime_decoder d, bool *ret_plausible)
{
	struct mime_walk *w = out->w;
	struct slice body = out->leaf->body;
	struct child c;
	unsigned files = 0;

	*ret_plausible = true;
	leaf_set_step(out, d);
	if (d == DECODER_BASE64)
		return emit_base64(out, ret_plausible);
	if (d == DECODER_QP)
		return emit_qp(out, ret_plausible);
	c = out->base;
	if (d == DECODER_UU)
		files = uu_emit(w->d, w->o, &c, body, false);
	else if (d == DECODER_YENC)
		c.views |= VIEW_BIT(VIEW_CTE_YENC), files = yenc_emit(w->d, w->o, &c, body);
	else if (d == DECODER_BINHEX)
		c.views |= VIEW_BIT(VIEW_HQX), files = binhex_emit(w->d, w->o, &c, body);
	if (files > 0) {
		/* Several objects: they differ from whatever else there is. Readers that do not
		 * know the encoding show the bytes. */
		leaf_set_step(out, DECODER_NONE);
		c = out->base;
		c.views |= VIEW_BIT(VIEW_CTE_RAW);
		(void)decompose_emit(w->d, w->o, &c, body);
		return NULL;
	}
	*ret_plausible = d == DECODER_NONE;
	return emit_raw(out, VIEW_CTE_RAW, false);
}

/* The bytes look encoded although nothing says so (A35). */
static void
emit_sniffed(struct leaf_out *out, struct object *raw, bool base64_too)
{
	struct mime_walk *w = out->w;
	struct object *o;
	bool plausible, attachment = out->leaf->content->names.count > 0 ||
				     out->leaf->content->attachment ||
				     !type_is_text(out->leaf->declared);

	out->base.views |= VIEW_BIT(VIEW_CTE_SNIFF);
	if (base64_too && mime_base64_is_likely(out->leaf->body)) {
		leaf_set_step(out, DECODER_BASE64);
		o = emit_base64(out, &plausible);
	} else if (mime_qp_is_likely(out->leaf->body)) {
		leaf_set_step(out, DECODER_QP);
		o = emit_qp(out, &plausible);
	} else {
		return;
	}
	if (o == NULL || o == raw)
		return;
	if (attachment) {
		o->ambiguities |= AMBIGUITY_BIT(35);
		mime_walk_flag(w, AMBIGUITY_BIT(35));
	} else {
		o->notes |= AMBIGUITY_BIT(35);
		mime_walk_note(w, AMBIGUITY_BIT(35));
	}
}

static bool
leaf_pay(struct mime_walk *w, size_t len)
{
	if (len > w->left_leaf_bytes) {
		mime_walk_limit(w, FACT_LIMIT_VIEWS);
		return false;
	}
	w->left_leaf_bytes -= len;
	return true;
}

/* All decoders of the content; returns whether more than the raw bytes came out. */
static enum mime_outcome
emit_all_decoders(struct leaf_out *out)
{
	struct mime_walk *w = out->w;
	const struct mime_encodings *e = &out->leaf->content->encodings;
	struct slice body = out->leaf->body;
	struct object *objects[DECODER_COUNT] = { NULL }, *raw = NULL;
	bool plausible[DECODER_COUNT] = { false }, has[DECODER_COUNT] = { false };
	enum mime_outcome outcome = OUTCOME_RAW;
	uint64_t views = out->base.views;

	for (size_t i = 0; i < e->count; i++) {
		enum mime_decoder d = e->order[i];

		if (i > 0 && !leaf_pay(w, body.len))
			break;
		out->base.views = views | e->views[d];
		objects[i] = emit_decoded(out, d, &plausible[i]);
		if (d != DECODER_NONE && plausible[i])
			outcome = OUTCOME_DECODED;
		if (d == DECODER_NONE)
			raw = objects[i];
		has[d] = true;
	}
	for (size_t i = 1; i < e->count; i++) {
		uint64_t classes = e->classes[e->order[i]] | e->classes[e->order[0]];

		if (plausible[0] && plausible[i] &&
		    (objects[i] != objects[0] || objects[i] == NULL)) {
			mime_walk_flag(w, classes);
			if (objects[i] != NULL)
				objects[i]->ambiguities |= classes;
		}
	}
	out->base.views = views;
	if (!has[DECODER_NONE] &&
	    (!plausible[0] || (e->order[0] == DECODER_BASE64 && !mime_base64_is_clean(body))) &&
	    leaf_pay(w, body.len))
		raw = emit_raw(out, VIEW_CTE_RAW, true); /* raw bytes under a base64 label */
	if (!has[DECODER_QP])
		emit_sniffed(out, raw, !has[DECODER_BASE64]);
	else if (!has[DECODER_BASE64] && mime_base64_is_likely(body))
		emit_sniffed(out, raw, true);
	return outcome;
}

enum mime_outcome
mime_leaf_emit(struct mime_walk *w, const struct mime_leaf *l)
{
	struct leaf_out out;
	enum mime_decoder first = l->content->encodings.order[0];

	if (!mime_walk_is_new(w, MEMO_DECODE, (size_t)(l->body.ptr - w->all.ptr),
		(size_t)(l->body.ptr - w->all.ptr) + l->body.len,
		(uint32_t)first | (uint32_t)l->content->encodings.count << 8 |
		    (uint32_t)l->raw_only << 16 | l->roles << 20 |
		    (uint32_t)l->content->names.count << 24))
		return first == DECODER_NONE || l->raw_only ? OUTCOME_RAW : OUTCOME_DECODED;
	if (!leaf_pay(w, l->body.len))
		return OUTCOME_RAW;
	leaf_out_init(&out, w, l);
	mime_walk_flag(w, l->content->names.ambiguities);
	mime_walk_note(w, l->content->names.notes);
	if (l->content->names.cut)
		mime_walk_limit(w, FACT_LIMIT_VIEWS);
	if (l->raw_only) {
		(void)emit_raw(&out, VIEW_CTE_RAW, true);
		return OUTCOME_RAW;
	}
	/* An embedded message: what is labelled as encoded may stand there plain (A24). */
	if ((l->roles & ROLE_ENTITY) != 0 && first != DECODER_NONE) {
		out.base.views |= VIEW_BIT(VIEW_MSG_DECODE);
		mime_walk_note(w, AMBIGUITY_BIT(24));
		if (mime_header_is_field(l->body)) {
			struct leaf_out plain;

			leaf_out_init(&plain, w, l);
			(void)emit_raw(&plain, VIEW_CTE_RAW, true);
		}
	}
	return emit_all_decoders(&out);
}

void
mime_leaf_emit_text(
    struct mime_walk *w, uint32_t node, struct slice text, uint64_t views, const char *step)
{
	struct child c = { .declared = SLICE_LIT("text/plain"),
		.roles = ROLE_LEAF | ROLE_TEXT,
		.views = views };
	char path[NODE_TEXT_MAX], whole[NODE_TEXT_MAX + 32];
	int n;

	if (!leaf_pay(w, text.len))
		return;
	mime_walk_format_node(w, node, path, sizeof(path));
	n = node == 0 ? snprintf(whole, sizeof(whole), "%s", step)
		      : snprintf(whole, sizeof(whole), "%s %s", path, step);
	c.step = slice_of(whole, n < 0 ? 0 : MIN_OF((size_t)n, sizeof(whole) - 1));
	(void)decompose_emit(w->d, w->o, &c, text);
}

static bool
holds_boundary(struct slice bytes, const struct mime_content *c)
{
	if (c->boundary_count == 0)
		return slice_starts_with(bytes, SLICE_LIT("--")) ||
		       slice_find(bytes, SLICE_LIT("\n--"), 0) != SIZE_MAX;
	for (size_t i = 0; i < c->boundary_count && i < 4; i++) {
		struct slice b = c->boundaries[i].value;
		size_t at = 0;

		while (b.len > 0 && (at = slice_find(bytes, b, at)) != SIZE_MAX) {
			if (at >= 2 && bytes.ptr[at - 1] == '-' && bytes.ptr[at - 2] == '-')
				return true;
			at++;
		}
	}
	return false;
}

bool
mime_leaf_emit_composite(
    struct mime_walk *w, const struct mime_leaf *l, struct slice type_value)
{
	const struct mime_encodings *e = &l->content->encodings;
	bool any = false;

	for (size_t i = 0; i < e->count; i++) {
		struct child c = { .declared = SLICE_LIT("message/rfc822"),
			.roles = ROLE_ENTITY,
			.views = l->views | e->views[e->order[i]],
			.ambiguities = l->classes,
			.notes = AMBIGUITY_BIT(22) };
		char step[NODE_TEXT_MAX];
		struct slice decoded;
		size_t head;
		struct qp_facts unused;

		if ((e->order[i] != DECODER_BASE64 && e->order[i] != DECODER_QP) ||
		    !leaf_pay(w, l->body.len))
			continue;
		decompose_output_begin(w->d, w->o, l->body.len);
		(void)decompose_output_write(w->d, SLICE_LIT("Content-Type:"));
		(void)decompose_output_write(w->d, slice_sub(type_value, 0, HEADER_LINE_MAX));
		(void)decompose_output_write(w->d, SLICE_LIT("\r\nMIME-Version: 1.0\r\n\r\n"));
		head = decompose_output_get(w->d).len;
		if (e->order[i] == DECODER_BASE64)
			(void)mime_base64_decode(w, l->body);
		else
			(void)mime_qp_decode(w, l->body, false, &unused);
		decoded = slice_from(decompose_output_get(w->d), head);
		if (!holds_boundary(decoded, l->content) || slice_eq(decoded, l->body)) {
			decompose_output_drop(w->d);
			continue;
		}
		mime_walk_format_node(w, l->node, step, sizeof(step));
		c.step = slice_of_str(step);
		(void)decompose_output_finish(w->d, &c);
		any = true;
	}
	return any;
}
