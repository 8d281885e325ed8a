/* mime_content.c: what the fields of one reading of a header say, all values united: several
 * fields of one name, each with several meanings. */
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/mime_text.h"
#include "decompose/mime_walk.h"

static void
boundary_add(
    struct mime_content *c, const struct mime_boundary *b, uint64_t views, uint64_t classes)
{
	struct mime_boundary *to;

	for (size_t i = 0; i < c->boundary_count; i++) {
		if (slice_eq(c->boundaries[i].value, b->value))
			return;
	}
	if (c->boundary_count == MIME_BOUNDARIES_MAX) {
		c->cut = true;
		return;
	}
	to = &c->boundaries[c->boundary_count++];
	*to = *b;
	to->views |= views;
	to->classes |= classes;
}

/* The field is not the first of its name: first and last are what readers choose. */
static void
mark_double(
    size_t index, size_t count, uint64_t *views, uint64_t *classes, unsigned class_number)
{
	if (count < 2)
		return;
	if (index == 0) {
		*views |= VIEW_BIT(VIEW_HDR_FIRST);
		return;
	}
	*views |= index + 1 == count ? VIEW_BIT(VIEW_HDR_LAST) : VIEW_BIT(VIEW_HDR_OTHER);
	*classes |= AMBIGUITY_BIT(class_number);
}

static void
add_type(struct mime_walk *w, struct mime_content *c, const struct mime_field *f, size_t index,
    size_t count)
{
	uint64_t views = f->views, classes = f->classes;
	struct mime_type t;
	size_t i;

	mime_type_read(w->scratch, f->value, &t);
	mark_double(index, count, &views, &classes, 1);
	c->notes |= t.notes;
	c->classes |= t.classes;
	c->cut |= t.cut;
	c->any_multipart |= t.multipart;
	c->any_leaf |= !t.proper;
	c->number = MAX_OF(c->number, t.number);
	c->total = MAX_OF(c->total, t.total);
	for (i = 0; i < t.boundary_count; i++)
		boundary_add(c, &t.boundaries[i], views, classes);
	for (i = 0; i < c->type_count; i++) {
		if (slice_eq(c->types[i].name, t.name) && c->types[i].multipart == t.multipart)
			return;
	}
	if (i == MIME_TYPES_MAX)
		i--; /* the last one counts more than those in the middle */
	c->types[i].name = t.name;
	c->types[i].value = f->value;
	c->types[i].multipart = t.multipart;
	c->types[i].leaf = !t.proper;
	c->types[i].views = views | t.name_views;
	c->types[i].classes = classes | t.name_classes;
	c->type_count = i + 1;
}

static size_t
count_fields(const struct mime_header *h, size_t at, enum mime_field_kind kind,
    bool *ret_any_proper, uint64_t *ret_classes)
{
	size_t count = 0;

	*ret_any_proper = false;
	*ret_classes = 0;
	for (size_t i = 0; i < h->count; i++) {
		const struct mime_field *f = &h->fields[i];

		if (f->kind != kind || f->at >= at)
			continue;
		count++;
		*ret_any_proper |= f->classes == 0;
		*ret_classes |= f->classes;
	}
	return count;
}

static void
add_types(struct mime_walk *w, const struct mime_header *h, size_t at, bool digest,
    struct mime_content *c)
{
	bool proper;
	uint64_t classes;
	size_t count = count_fields(h, at, FIELD_TYPE, &proper, &classes), index = 0;

	for (size_t i = 0; i < h->count; i++) {
		const struct mime_field *f = &h->fields[i];

		if (f->kind == FIELD_TYPE && f->at < at)
			add_type(w, c, f, index++, count);
	}
	if (count > 0 && proper)
		return;
	/* No field that everybody sees: the default type is a reading. */
	c->any_leaf = true;
	if (c->type_count == MIME_TYPES_MAX)
		return;
	c->types[c->type_count].name = digest ? SLICE_LIT("message/rfc822") : SLICE_NONE;
	c->types[c->type_count].leaf = true;
	c->types[c->type_count].classes = classes;
	c->type_count++;
}

static void
add_encodings(
    struct mime_walk *w, const struct mime_header *h, size_t at, struct mime_content *c)
{
	bool proper;
	uint64_t classes;
	size_t count = count_fields(h, at, FIELD_ENCODING, &proper, &classes), index = 0;

	for (size_t i = 0; i < h->count; i++) {
		const struct mime_field *f = &h->fields[i];
		uint64_t views = f->views, of_field = f->classes;

		if (f->kind != FIELD_ENCODING || f->at >= at)
			continue;
		mark_double(index++, count, &views, &of_field, 2);
		mime_encodings_read(w->scratch, f->value, views, of_field, &c->encodings);
	}
	if (count > 1)
		c->notes |= AMBIGUITY_BIT(2);
	if (count == 0 || !proper)
		mime_encodings_add(&c->encodings, DECODER_NONE, 0, classes);
	c->notes |= c->encodings.notes;
}

/* A description is taken for a name when it looks like one. */
static void
add_description(struct mime_walk *w, struct slice value, struct name_set *names)
{
	struct slice v =
	    mime_text_decode_words(w->scratch, mime_text_unfold(w->scratch, value, true));

	if (v.len > 0 && v.len < 256 && slice_find_byte(v, '.', 0) != SIZE_MAX) {
		struct slice tail = slice_from(v, v.len > 6 ? v.len - 6 : 0);
		size_t dot = slice_find_byte(tail, '.', 0);

		if (dot != SIZE_MAX && tail.len - dot >= 3 &&
		    slice_find_byte(tail, ' ', 0) == SIZE_MAX)
			name_set_add(names, v, false);
	}
}

static void
add_names(struct mime_walk *w, const struct mime_header *h, size_t at, struct mime_content *c)
{
	unsigned dispositions = 0;

	for (size_t i = 0; i < h->count; i++) {
		const struct mime_field *f = &h->fields[i];

		if (f->kind != FIELD_DISPOSITION || f->at >= at)
			continue;
		if (++dispositions > 1)
			c->notes |= AMBIGUITY_BIT(4);
		c->attachment |=
		    !slice_starts_with_nocase(slice_trim(f->value), SLICE_LIT("inline"));
		name_set_read(w->scratch, f->value, "filename", &c->names);
	}
	for (size_t i = 0; i < h->count; i++) {
		const struct mime_field *f = &h->fields[i];

		if (f->at >= at)
			continue;
		if (f->kind == FIELD_TYPE)
			name_set_read(w->scratch, f->value, "name", &c->names);
		else if (f->kind == FIELD_NAME)
			name_set_add(&c->names,
			    mime_text_decode_words(
				w->scratch, mime_text_unfold(w->scratch, f->value, true)),
			    false);
		else if (f->kind == FIELD_DESCRIPTION)
			add_description(w, f->value, &c->names);
		else if (f->kind == FIELD_VERSION)
			c->has_version = true;
	}
	name_set_finish(w->scratch, &c->names);
}

/* Control characters have no business in Content-* fields (A09). */
static uint64_t
find_controls(const struct mime_header *h, size_t at)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct mime_field *f = &h->fields[i];

		if (f->at < at && f->kind != FIELD_DESCRIPTION &&
		    (mime_text_get_traits(f->value) & TEXT_CONTROL) != 0)
			return AMBIGUITY_BIT(9);
	}
	return 0;
}

void
mime_content_read(struct mime_walk *w, const struct mime_header *h, size_t at, bool digest,
    struct mime_content *c)
{
	c->type_count = c->boundary_count = 0;
	memset(&c->encodings, 0, sizeof(c->encodings));
	c->names.count = c->names.proper_count = 0;
	c->names.facts = c->names.ambiguities = c->names.notes = 0;
	c->names.cut = false;
	c->has_version = c->attachment = c->any_multipart = c->any_leaf = c->cut = false;
	c->number = c->total = 0;
	c->classes = c->notes = 0;
	memset(c->types, 0, sizeof(c->types));
	c->classes = find_controls(h, at);
	add_types(w, h, at, digest, c);
	add_encodings(w, h, at, c);
	add_names(w, h, at, c);
}
