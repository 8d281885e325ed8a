/* explain_tree.c: see explain_tree.h. Loops instead of recursion: mails nest as deep as they
 * like, and a parent may have thousands of children. */
#include "cmd/explain_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

struct tree_node {
	struct explain_node base; /* first: a tree_node is an explain_node */
	struct tree_node *first_child, *last_child, *next;
	size_t group_at, group_count;
};

struct explain_tree {
	struct tree_node *nodes;
	size_t count;
	struct tree_node *first_root, *last_root;
	const struct explain_node **sorted; /* by parent, part, id: groups stand side by side */
};

static struct slice
trail_of(const json_t *object)
{
	return slice_of_str(json_string_value(json_object_get(object, "trail")));
}

/* The number that a trail goes on with behind its parent's: for "2 > 1.3 base64 > a.zip" below
 * "2" it is 1.3, and for "2 > a.zip" none. Of a trail that was cut nothing is known. */
static struct slice
part_of(struct slice trail, struct slice parent)
{
	static const char step[] = " > ";
	size_t len = 0;

	if (!slice_starts_with(trail, parent))
		return SLICE_NONE;
	trail = slice_from(trail, parent.len);
	if (parent.len > 0 && !slice_starts_with(trail, slice_of_str(step)))
		return SLICE_NONE;
	trail = slice_from(trail, parent.len > 0 ? strlen(step) : 0);
	while (len < trail.len && ((trail.ptr[len] >= '0' && trail.ptr[len] <= '9') ||
	    (trail.ptr[len] == '.' && len > 0)))
		len++;
	return len == trail.len || trail.ptr[len] == ' ' ? slice_sub(trail, 0, len) : SLICE_NONE;
}

static void
node_append(struct tree_node **first, struct tree_node **last, struct tree_node *n)
{
	if (*first == NULL)
		*first = n;
	else
		(*last)->next = n;
	*last = n;
}

static int
pointer_compare(const void *a, const void *b)
{
	return a < b ? -1 : a > b;
}

static int
part_compare(struct slice a, struct slice b)
{
	int order = memcmp(a.ptr, b.ptr, MIN_OF(a.len, b.len));

	return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int
node_compare(const void *a, const void *b)
{
	const struct explain_node *x = *(const struct explain_node *const *)a;
	const struct explain_node *y = *(const struct explain_node *const *)b;
	int order = pointer_compare(x->parent, y->parent);

	if (order == 0)
		order = part_compare(x->part, y->part);
	return order != 0 ? order : pointer_compare(x, y);
}

static bool
views_differ(const struct explain_tree *t, size_t at, size_t count)
{
	const json_t *first = json_object_get(t->sorted[at]->object, "views");

	for (size_t i = 1; i < count; i++) {
		if (!json_equal(first, json_object_get(t->sorted[at + i]->object, "views")))
			return true;
	}
	return false;
}

/* Finds the groups. Nodes without a part number are left out of the sorted list. */
static void
groups_find(struct explain_tree *t)
{
	size_t listed = 0, end;

	for (size_t i = 0; i < t->count; i++) {
		if (t->nodes[i].base.part.len > 0)
			t->sorted[listed++] = &t->nodes[i].base;
	}
	if (listed > 1)
		qsort(t->sorted, listed, sizeof(struct explain_node *), node_compare);
	for (size_t i = 0; i < listed; i = end) {
		for (end = i + 1; end < listed && t->sorted[end]->parent == t->sorted[i]->parent &&
		    slice_eq(t->sorted[end]->part, t->sorted[i]->part);)
			end++;
		if (end - i < 2 || !views_differ(t, i, end - i))
			continue;
		for (size_t k = i; k < end; k++) {
			struct tree_node *n = &t->nodes[(const struct tree_node *)(const void *)t->sorted[k] -
			    t->nodes];

			n->group_at = i;
			n->group_count = end - i;
		}
	}
}

struct explain_tree *
explain_tree_new(const json_t *objects)
{
	struct explain_tree *t = mem_new(sizeof(*t));
	const json_t *o;
	size_t i;

	t->count = json_array_size(objects);
	t->nodes = mem_new((t->count + 1) * sizeof(*t->nodes));
	t->sorted = mem_new((t->count + 1) * sizeof(struct explain_node *));
	json_array_foreach(objects, i, o) {
		struct tree_node *n = &t->nodes[i], *parent;
		json_int_t id = json_integer_value(json_object_get(o, "parent"));

		parent = id >= 1 && (size_t)id <= i ? &t->nodes[id - 1] : NULL;
		n->base.object = o;
		if (parent == NULL) {
			node_append(&t->first_root, &t->last_root, n);
			continue;
		}
		n->base.parent = &parent->base;
		n->base.depth = parent->base.depth + 1;
		n->base.part = part_of(trail_of(o), trail_of(parent->base.object));
		node_append(&parent->first_child, &parent->last_child, n);
	}
	groups_find(t);
	return t;
}

void
explain_tree_free(struct explain_tree **t)
{
	struct explain_tree *dropped = TAKE(*t);

	if (dropped == NULL)
		return;
	free(dropped->nodes);
	free(dropped->sorted);
	free(dropped);
}

const struct explain_node *
explain_tree_next(const struct explain_tree *t, const struct explain_node *n)
{
	const struct tree_node *at = (const struct tree_node *)(const void *)n;

	if (n == NULL)
		return t->first_root == NULL ? NULL : &t->first_root->base;
	if (at->first_child != NULL)
		return &at->first_child->base;
	while (at->next == NULL && at->base.parent != NULL)
		at = (const struct tree_node *)(const void *)at->base.parent;
	return at->next == NULL ? NULL : &at->next->base;
}

struct explain_group
explain_tree_get_group(const struct explain_tree *t, const struct explain_node *n)
{
	const struct tree_node *at = (const struct tree_node *)(const void *)n;

	return (struct explain_group){ t->sorted + at->group_at, at->group_count };
}
