/* mime_walk.c: the book-keeping of one walk: stack, tree, memo, limits. */
#include "decompose/mime_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"

#define MEMO_FIRST_SIZE 64
#define ITEMS_MAX       (1u << 20)
#define PATH_LEVELS_MAX 128

void
mime_walk_limit(struct mime_walk *w, enum fact f)
{
	w->budget->facts |= FACT_BIT(f);
	object_add_facts(w->o, FACT_BIT(f));
	if (f == FACT_LIMIT_DEPTH || f == FACT_LIMIT_VIEWS)
		mime_walk_flag(w, AMBIGUITY_BIT(27));
}

void
mime_walk_flag(struct mime_walk *w, uint64_t classes)
{
	w->o->ambiguities |= classes;
}

void
mime_walk_note(struct mime_walk *w, uint64_t classes)
{
	w->o->notes |= classes;
}

/* Makes room for one more; false: too many or no memory. */
static bool
array_grow(void **array, size_t count, size_t *cap, size_t size, size_t max)
{
	size_t want = MAX_OF(*cap * 2, (size_t)16);
	void *bigger;

	if (count < *cap)
		return true;
	if (count >= max || (bigger = realloc(*array, want * size)) == NULL)
		return false;
	*array = bigger;
	*cap = want;
	return true;
}

bool
mime_walk_push(struct mime_walk *w, const struct mime_item *item)
{
	void *items = w->items;

	/* What the budget will never let be read need not be kept. */
	if (w->item_count > w->budget->left_entity_readings ||
	    !array_grow(&items, w->item_count, &w->item_cap, sizeof(*w->items), ITEMS_MAX)) {
		mime_walk_limit(w, FACT_LIMIT_VIEWS);
		return false;
	}
	w->items = items;
	w->items[w->item_count++] = *item;
	return true;
}

void
mime_walk_turn(struct mime_walk *w, size_t count)
{
	for (size_t i = w->item_count - count, k = w->item_count; i + 1 < k; i++) {
		struct mime_item swapped = w->items[--k];

		w->items[k] = w->items[i];
		w->items[i] = swapped;
	}
}

uint32_t
mime_walk_add_node(struct mime_walk *w, uint32_t parent, uint32_t number)
{
	void *nodes = w->nodes;

	if (!array_grow(&nodes, w->node_count, &w->node_cap, sizeof(*w->nodes), ITEMS_MAX))
		return parent;
	w->nodes = nodes;
	w->nodes[w->node_count] = (struct mime_node){ parent, number };
	return (uint32_t)w->node_count++;
}

size_t
mime_walk_format_node(const struct mime_walk *w, uint32_t node, char *ret, size_t size)
{
	uint32_t path[PATH_LEVELS_MAX];
	size_t levels = 0, len = 0;

	for (; node != 0 && levels < PATH_LEVELS_MAX; node = w->nodes[node].parent)
		path[levels++] = w->nodes[node].number;
	if (levels == 0) {
		path[0] = 1;
		levels = 1;
	}
	while (levels > 0 && len < size) {
		int n =
		    snprintf(ret + len, size - len, len == 0 ? "%u" : ".%u", path[--levels]);

		if (n < 0 || (size_t)n >= size - len) {
			ret[len] = '\0';
			break;
		}
		len += (size_t)n;
	}
	return len;
}

static size_t
memo_place(const struct mime_memo *m)
{
	uint64_t h = m->start * 0x9e3779b97f4a7c15u ^ (m->end + m->what) * 0xff51afd7ed558ccdu;

	return (size_t)(h ^ h >> 32);
}

static struct mime_memo *
memo_find(struct mime_memo *all, size_t size, const struct mime_memo *m)
{
	for (size_t k = memo_place(m);; k++) {
		struct mime_memo *place = &all[k & (size - 1)];

		if (place->what == 0 || memcmp(place, m, sizeof(*m)) == 0)
			return place;
	}
}

static bool
memo_grow(struct mime_walk *w)
{
	size_t size = MAX_OF(w->memo_size * 2, (size_t)MEMO_FIRST_SIZE);
	struct mime_memo *bigger = calloc(size, sizeof(*bigger));

	if (bigger == NULL)
		return false;
	for (size_t i = 0; i < w->memo_size; i++) {
		if (w->memo[i].what != 0)
			*memo_find(bigger, size, &w->memo[i]) = w->memo[i];
	}
	free(w->memo);
	w->memo = bigger;
	w->memo_size = size;
	return true;
}

bool
mime_walk_is_new(struct mime_walk *w, uint32_t kind, size_t start, size_t end, uint32_t more)
{
	struct mime_memo m = { start, end, (uint64_t)kind << 32 | more };
	struct mime_memo *place;

	if (w->memo_count * 2 >= w->memo_size && !memo_grow(w)) {
		mime_walk_limit(w, FACT_LIMIT_VIEWS);
		w->stop = true;
		return false;
	}
	place = memo_find(w->memo, w->memo_size, &m);
	if (place->what != 0)
		return false;
	*place = m;
	w->memo_count++;
	return true;
}

struct mime_lines *
mime_walk_get_lines(struct mime_walk *w)
{
	if (!w->lines.built) {
		mime_lines_build(&w->lines, w->all, w->budget);
		w->left_guess_lines += 8 * (uint64_t)w->lines.count;
		if (w->lines.cut)
			mime_walk_limit(w, FACT_LIMIT_VIEWS);
	}
	return &w->lines;
}

void
mime_walk_done(struct mime_walk *w)
{
	mime_lines_done(&w->lines);
	free(w->items);
	free(w->nodes);
	free(w->records);
	free(w->memo);
	arena_free(&w->scratch);
}
