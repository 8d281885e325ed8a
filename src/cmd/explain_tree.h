/* explain_tree.h: the flat list of objects of a result as a tree, children under their parents,
 * and the readings of one MIME part as a group. What is printed is cordon_explain.c's. */
#ifndef CORDON_CMD_EXPLAIN_TREE_H
#define CORDON_CMD_EXPLAIN_TREE_H

#include <jansson.h>
#include <stddef.h>

#include "base/slice.h"

struct explain_tree; /* private to explain_tree.c */

struct explain_node {
	const json_t *object; /* borrowed from the list */
	const struct explain_node *parent; /* NULL: a root */
	size_t depth;         /* 0 for a root */
	struct slice part;    /* "2.1", its MIME part number, or empty; borrowed from the trail */
};

/* Nodes of one parent and one part number that were reached by different views, by id. */
struct explain_group {
	const struct explain_node *const *nodes; /* borrowed from the tree */
	size_t count; /* 0: the part has but one reading */
};

/* objects: an array as record/result_json.c writes it, borrowed until explain_tree_free(); NULL
 * and whatever else are an empty tree. Objects whose parent does not stand before them are
 * roots. Never NULL. */
struct explain_tree *explain_tree_new(const json_t *objects);
void explain_tree_free(struct explain_tree **t);
/* The node behind n, parents before their children and siblings by id; the first for NULL;
 * NULL at the end. */
const struct explain_node *explain_tree_next(const struct explain_tree *t,
    const struct explain_node *n);
struct explain_group explain_tree_get_group(const struct explain_tree *t,
    const struct explain_node *n);

#endif
