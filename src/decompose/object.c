/* object.c: the texts of facts, causes, views and ambiguity classes; names of an object. */
#include "decompose/object.h"

#include <stddef.h>

#include "base/macros.h"

_Static_assert(FACT_COUNT <= 64, "facts are kept in 64 bits");
_Static_assert(VIEW_COUNT <= 64, "views are kept in 64 bits");

static const struct {
	const char *text;
	enum cause cause;
} fact_rows[] = {
#define FACT(id, t, c) { t, CAUSE_##c },
#include "decompose/fact.def"
#undef FACT
};

static const char *const cause_texts[] = {
#define CAUSE(id, text) text,
#include "decompose/cause.def"
#undef CAUSE
};

static const char *const view_texts[] = {
#define VIEW(id, text) text,
#include "decompose/view.def"
#undef VIEW
};

static const struct {
	const char *name;
	char severity;
} ambiguity_rows[AMBIGUITY_MAX + 1] = {
#define AMBIGUITY(n, name, severity) [n] = { name, #severity[0] },
#include "decompose/ambiguity.def"
#undef AMBIGUITY
};

const char *
fact_get_text(enum fact f)
{
	return fact_rows[f].text;
}

enum cause
fact_get_cause(enum fact f)
{
	return fact_rows[f].cause;
}

const char *
cause_get_text(enum cause c)
{
	return c < CAUSE_COUNT ? cause_texts[c] : "unknown";
}

const char *
view_get_text(enum view v)
{
	return view_texts[v];
}

const char *
ambiguity_get_name(unsigned n)
{
	return n <= AMBIGUITY_MAX ? ambiguity_rows[n].name : NULL;
}

char
ambiguity_get_severity(unsigned n)
{
	return n <= AMBIGUITY_MAX ? ambiguity_rows[n].severity : '\0';
}

bool
object_add_name(struct object *o, struct slice name)
{
	if (name.len == 0)
		return true;
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_eq(o->names[i], name))
			return true;
	}
	if (o->name_count == OBJECT_NAMES_MAX)
		return false;
	o->names[o->name_count++] = name;
	return true;
}
