/* list_rows.c: see list_rows.h. */
#include "cmd/list_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "cmd/explain_tree.h"
#include "decompose/object.h"

static const char *
text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? "" : s;
}

static json_int_t
number_of(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);

	return json_is_integer(n) ? json_integer_value(n) : -1;
}

static bool
has_fact(const json_t *object, const char *fact)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(object, "facts"), i, item)
	{
		if (json_string_value(item) != NULL &&
		    strcmp(json_string_value(item), fact) == 0)
			return true;
	}
	return false;
}

/* The facts that mean: some of the content was not looked at. */
static void
why_format(const json_t *object, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (int f = 0; f < FACT_COUNT; f++) {
		const char *text = fact_get_text((enum fact)f);
		int n;

		if (fact_get_cause((enum fact)f) == CAUSE_NONE || !has_fact(object, text))
			continue;
		n = snprintf(ret + used, size - used, "%s%s", used > 0 ? ", " : "", text);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

/* 7zz has given the same member, opened. */
static bool
is_superseded(const json_t *object)
{
	return has_fact(object, fact_get_text(FACT_SUPERSEDED));
}

static void
row_fill(struct list_row *r, const json_t *o)
{
	bool unopened = json_is_true(json_object_get(o, "unopened"));

	r->object = o;
	r->trail = text_of(o, "trail");
	r->size = number_of(o, unopened ? "told_size" : "size");
	r->packed = number_of(o, "packed");
	r->method = text_of(o, "method");
	r->type = unopened ? "" : text_of(o, "detected");
	r->encrypted = has_fact(o, fact_get_text(FACT_PASSWORD_FOUND)) ||
			       has_fact(o, fact_get_text(FACT_ENCRYPTED_OPEN))
			   ? "opened"
		       : has_fact(o, fact_get_text(FACT_ENCRYPTED))    ? "yes"
								       : "no";
	why_format(o, r->why, sizeof(r->why));
}

/* Further places of bytes, whose parent is id. */
static void
add_doubles(struct list_rows *l, const json_t *result, json_int_t id)
{
	const json_t *objects = json_object_get(result, "objects"), *item;
	size_t i;

	json_array_foreach(json_object_get(result, "doubles"), i, item)
	{
		const json_t *o =
		    json_array_get(objects, (size_t)(number_of(item, "object") - 1));
		struct list_row *r = &l->rows[l->count];

		if (number_of(item, "parent") != id || o == NULL)
			continue;
		row_fill(r, o);
		r->same_trail = r->trail;
		r->trail = text_of(item, "trail");
		r->packed = -1;
		r->method = "";
		l->count++;
	}
}

/* No scanner's word counts here, but whatever kept the inspector from looking does. */
static bool
is_whole(const json_t *result)
{
	const json_t *item;
	size_t i;

	if (json_array_size(json_object_get(result, "objects")) == 0)
		return false;
	json_array_foreach(json_object_get(result, "unscanned"), i, item)
	{
		if (text_of(item, "scanner")[0] == '\0')
			return false;
	}
	return true;
}

void
list_rows_init(struct list_rows *l, const json_t *result)
{
	const json_t *objects = json_object_get(result, "objects");
	size_t most =
	    json_array_size(objects) + json_array_size(json_object_get(result, "doubles"));
	struct explain_tree *t = explain_tree_new(objects);
	const struct explain_node *n = explain_tree_next(t, NULL);

	*l = (struct list_rows){ .whole = is_whole(result) };
	l->rows = mem_new((most + 1) * sizeof(*l->rows));
	for (; n != NULL; n = explain_tree_next(t, n)) {
		if (is_superseded(n->object))
			continue;
		row_fill(&l->rows[l->count++], n->object);
		if (json_object_get(result, "doubles") != NULL)
			add_doubles(l, result, number_of(n->object, "id"));
	}
	explain_tree_free(&t);
}

void
list_rows_done(struct list_rows *l)
{
	free(l->rows);
	l->rows = NULL;
	l->count = 0;
}
