/* cordon_explain.c: `cordon explain`: the tree of objects, findings, facts, the decision. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/explain_tree.h"
#include "cmd/input_files.h"
#include "cmd/lookup.h"
#include "config/config.h"
#include "record/result_json.h"

#define INDENT_LEVELS_MAX 40u
#define VIEWS_WIDTH_MAX   64

struct explain {
	struct lookup *lookup;
	struct buf json;
	int status;
	bool as_json;
};

static const char *
text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? "" : s;
}

static json_int_t
number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void
print_list(const char *label, const json_t *list)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("  %s%s", cordon_color(COLOR_FAINT), label);
	json_array_foreach(list, i, item) {
		printf(" ");
		cordon_print_foreign(json_string_value(item) == NULL ? "?" : json_string_value(item));
	}
	printf("%s", cordon_color(COLOR_NONE));
}

/* What scanners said of the object, and what nobody could say. */
static void
print_judgements(const json_t *result, json_int_t id, int indent)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(result, "findings"), i, item) {
		if (number_of(item, "object") == id)
			printf("%*s%s%s: %s by %s%s  %.3f ms%s\n", indent + 4, "", cordon_color(COLOR_RED),
			    text_of(item, "class"), text_of(item, "name"), text_of(item, "scanner"),
			    cordon_color(COLOR_NONE), json_number_value(json_object_get(item, "ms")),
			    json_is_true(json_object_get(item, "cached")) ? " (remembered)" : "");
	}
	json_array_foreach(json_object_get(result, "unscanned"), i, item) {
		if (number_of(item, "object") == id)
			printf("%*s%snot looked at: %s%s%s%s\n", indent + 4, "", cordon_color(COLOR_YELLOW),
			    text_of(item, "cause"), text_of(item, "scanner")[0] != '\0' ? " by " : "",
			    text_of(item, "scanner"), cordon_color(COLOR_NONE));
	}
}

/* The depth of the indent: a hostile mail goes deeper than any screen is wide. */
static int
indent_of(const struct explain_node *n)
{
	return 2 * (int)MIN_OF(n->depth, INDENT_LEVELS_MAX);
}

static void
print_object(const json_t *result, const struct explain_node *n)
{
	const json_t *o = n->object;
	int indent = indent_of(n);
	const char *trail = text_of(o, "trail"), *hash = text_of(o, "sha256");
	const char *declared = text_of(o, "declared");

	printf("%*s#%lld %s  %s%s%s  %lld bytes%s%.16s\n", indent, "",
	    (long long)number_of(o, "id"), trail[0] == '\0' ? "(the file)" : trail,
	    text_of(o, "detected"), declared[0] != '\0' ? ", declared " : "", declared,
	    (long long)number_of(o, "size"), hash[0] != '\0' ? "  sha256 " : "", hash);
	if (json_array_size(json_object_get(o, "names")) + json_array_size(json_object_get(o, "views")) +
	    json_array_size(json_object_get(o, "facts")) > 0) {
		printf("%*s", indent + 2, "");
		print_list("names:", json_object_get(o, "names"));
		print_list("views:", json_object_get(o, "views"));
		print_list("facts:", json_object_get(o, "facts"));
		printf("\n");
	}
	print_judgements(result, number_of(o, "id"), indent);
}

/* The views of an object as "hdr:first hdr:last", cut when too long. */
static void
views_format(const json_t *o, char *ret, size_t size)
{
	const json_t *view;
	size_t i, used = 0;

	snprintf(ret, size, "-");
	json_array_foreach(json_object_get(o, "views"), i, view) {
		int n = snprintf(ret + used, size - used, "%s%s", i > 0 ? " " : "",
		    json_string_value(view) == NULL ? "?" : json_string_value(view));

		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

/* One part of the mail, as those see it who read it in one way or another. */
static void
print_readings(const struct explain_group *g)
{
	const struct explain_node *first = g->nodes[0];
	int indent = indent_of(first), width = 5;
	char views[VIEWS_WIDTH_MAX];

	for (size_t i = 0; i < g->count; i++) {
		views_format(g->nodes[i]->object, views, sizeof(views));
		width = MAX_OF(width, (int)strlen(views));
	}
	printf("%*s%spart %.*s in %zu readings:%s\n", indent, "", cordon_color(COLOR_YELLOW),
	    SLICE_FMT(first->part), g->count, cordon_color(COLOR_NONE));
	printf("%*s  %-*s  %-6s  %-28s  %10s  %s\n", indent, "", width, "views", "object", "type",
	    "bytes", "sha256");
	for (size_t i = 0; i < g->count; i++) {
		const json_t *o = g->nodes[i]->object;
		char id[24];

		views_format(o, views, sizeof(views));
		snprintf(id, sizeof(id), "#%lld", (long long)number_of(o, "id"));
		printf("%*s  %-*s  %-6s  %-28s  %10lld  %.16s\n", indent, "", width, views, id,
		    text_of(o, "detected"), (long long)number_of(o, "size"), text_of(o, "sha256"));
	}
}

static void
print_tree(const json_t *result, const struct explain_tree *t)
{
	const struct explain_node *n = explain_tree_next(t, NULL);

	for (; n != NULL; n = explain_tree_next(t, n)) {
		struct explain_group g = explain_tree_get_group(t, n);

		if (g.count > 1 && g.nodes[0] == n)
			print_readings(&g);
		print_object(result, n);
	}
}

static void
print_result(const json_t *result)
{
	const json_t *times;
	const char *verdict = text_of(result, "verdict");
	struct explain_tree *tree = explain_tree_new(json_object_get(result, "objects"));

	cordon_print_foreign(text_of(result, "path"));
	printf("\n");
	print_tree(result, tree);
	explain_tree_free(&tree);
	print_judgements(result, 0, 0);
	printf("\nverdict: %s%s%s  action: %s\n", cordon_color(strcmp(verdict, "clean") == 0 ?
	    COLOR_GREEN : strcmp(verdict, "infected") == 0 ? COLOR_RED : COLOR_YELLOW), verdict,
	    cordon_color(COLOR_NONE), text_of(result, "action"));
	printf("because: %s\nreply:   %s\n", text_of(result, "reason"), text_of(result, "reply"));
	if (text_of(result, "error")[0] != '\0')
		printf("error:   %s\n", text_of(result, "error"));
	times = json_object_get(result, "times");
	if (times != NULL)
		printf("time:    decompose %.3f ms, signatures %.3f ms, engines %.3f ms, CPU %.3f ms\n",
		    json_number_value(json_object_get(times, "decompose")),
		    json_number_value(json_object_get(times, "match")),
		    json_number_value(json_object_get(times, "engines")),
		    json_number_value(json_object_get(times, "cpu")));
	printf("\n");
}

static void
take_result(struct explain *x)
{
	json_t *result = json_loadb((const char *)x->json.data, x->json.len, JSON_ALLOW_NUL, NULL);
	const char *verdict = text_of(result, "verdict");
	int status = strcmp(verdict, "clean") == 0 ? CORDON_EXIT_CLEAN :
	    strcmp(verdict, "infected") == 0 || strcmp(verdict, "banned") == 0 ? CORDON_EXIT_FOUND :
	    CORDON_EXIT_UNSURE;

	if (result == NULL)
		fprintf(stderr, "cordon: answer not understood\n");
	else if (x->as_json)
		printf("%s\n", buf_get_str(&x->json));
	else
		print_result(result);
	json_decref(result);
	if (x->status != CORDON_EXIT_FOUND && status != CORDON_EXIT_CLEAN)
		x->status = status;
}

static void
visit(void *ctx, struct slice shown, int fd, uint32_t roles)
{
	struct explain *x = ctx;
	struct err e = { 0 };

	buf_clear(&x->json);
	if (x->lookup->ops->look(x->lookup, shown, fd, roles, LOOKUP_FULL, &x->json, &e) < 0) {
		fprintf(stderr, "cordon: %.*s: %s\n", SLICE_FMT(shown), e.text);
		x->status = CORDON_EXIT_UNSURE;
		return;
	}
	take_result(x);
}

static void
fail(void *ctx, struct slice shown, const char *why)
{
	struct explain *x = ctx;

	fprintf(stderr, "cordon: %.*s: %s\n", SLICE_FMT(shown), why);
	x->status = CORDON_EXIT_UNSURE;
}

int
cordon_explain(const struct cordon_options *o)
{
	struct explain x = { .as_json = o->json };
	struct input_visitor v = { visit, fail, &x };
	struct config *c = cordon_load_config(o);

	if (c == NULL)
		return CORDON_EXIT_UNSURE;
	x.lookup = cordon_open_lookup(o, c);
	buf_init(&x.json, RESULT_JSON_MAX_BYTES);
	if (x.lookup == NULL)
		x.status = CORDON_EXIT_UNSURE;
	else
		input_files_visit(o->args[0], &v);
	lookup_free(&x.lookup);
	buf_done(&x.json);
	config_unref(&c);
	return x.status;
}
