/* cordon_list.c: `cordon list`: the members of files as a table. Takes apart, asks no scanner.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/input_files.h"
#include "cmd/list_rows.h"
#include "cmd/lookup.h"
#include "config/config.h"
#include "record/result_json.h"

#define TRAIL_WIDTH_MAX 64u /* a longer trail has a line of its own */
#define NUMBER_SIZE     24u

struct list {
	struct lookup *lookup;
	struct buf json;
	unsigned files;
	bool as_json, unsure, stopped;
};

static const char *
text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? "" : s;
}

/* Letters of UTF-8, as nearly all terminals show them: one column each. */
static size_t
width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* Text of a stranger, padded on the right. */
static void
print_cell(const char *text, size_t width)
{
	size_t used = width_of(text);

	cordon_print_foreign(text);
	printf("%*s", used < width ? (int)(width - used) : 0, "");
}

static const char *
number_format(json_int_t n, char ret[NUMBER_SIZE])
{
	if (n < 0)
		snprintf(ret, NUMBER_SIZE, "-");
	else
		snprintf(ret, NUMBER_SIZE, "%lld", (long long)n);
	return ret;
}

struct widths {
	size_t trail, method, type;
};

static struct widths
widths_of(const struct list_rows *l)
{
	struct widths w = { .trail = 6, .method = 6, .type = 4 };

	for (size_t i = 1; i < l->count; i++) {
		size_t trail = width_of(l->rows[i].trail);

		if (trail <= TRAIL_WIDTH_MAX)
			w.trail = MAX_OF(w.trail, trail);
		w.method = MAX_OF(w.method, width_of(l->rows[i].method));
		w.type = MAX_OF(w.type, width_of(l->rows[i].type));
	}
	return w;
}

static void
print_row(const struct list_row *r, const struct widths *w)
{
	char size[NUMBER_SIZE], packed[NUMBER_SIZE];

	if (width_of(r->trail) > TRAIL_WIDTH_MAX) {
		cordon_print_foreign(r->trail);
		printf("\n%*s", (int)w->trail, "");
	} else {
		print_cell(r->trail, w->trail);
	}
	printf(
	    "  %12s  %12s  ", number_format(r->size, size), number_format(r->packed, packed));
	print_cell(r->method[0] == '\0' ? "-" : r->method, w->method);
	printf("  %-9s  ", r->encrypted);
	print_cell(r->type[0] == '\0' ? "-" : r->type, r->why[0] == '\0' ? 0 : w->type);
	if (r->why[0] != '\0')
		printf("  %snot opened: %s%s", cordon_color(COLOR_YELLOW), r->why,
		    cordon_color(COLOR_NONE));
	if (r->same_trail != NULL) {
		printf("  %ssame bytes as ", cordon_color(COLOR_FAINT));
		cordon_print_foreign(r->same_trail);
		printf("%s", cordon_color(COLOR_NONE));
	}
	printf("\n");
}

/* Names beside the one at the end of the trail: of other readings, of equal members. */
static void
print_further_names(const struct list_row *r)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(r->object, "names"), i, name)
	{
		const char *text = json_string_value(name);
		size_t len = text == NULL ? 0 : strlen(text), trail = strlen(r->trail);

		if (len == 0 || (trail >= len && strcmp(r->trail + trail - len, text) == 0))
			continue;
		printf("  %salso called: ", cordon_color(COLOR_FAINT));
		cordon_print_foreign(text);
		printf("%s\n", cordon_color(COLOR_NONE));
	}
}

static void
print_table(const json_t *result, const struct list_rows *l)
{
	struct widths w = widths_of(l);

	cordon_print_foreign(text_of(result, "path"));
	if (l->count == 0) {
		printf(": %snot opened: %s%s\n", cordon_color(COLOR_YELLOW),
		    text_of(result, "error")[0] != '\0'
			? text_of(result, "error")
			: text_of(
			      json_array_get(json_object_get(result, "unscanned"), 0), "cause"),
		    cordon_color(COLOR_NONE));
		return;
	}
	printf(": %s, %lld bytes", l->rows[0].type, (long long)l->rows[0].size);
	if (l->rows[0].why[0] != '\0')
		printf("  %snot opened: %s%s", cordon_color(COLOR_YELLOW), l->rows[0].why,
		    cordon_color(COLOR_NONE));
	printf("\n");
	if (l->count == 1)
		return;
	printf("%s%-*s  %12s  %12s  %-*s  %-9s  %s%s\n", cordon_color(COLOR_FAINT),
	    (int)w.trail, "member", "size", "packed", (int)w.method, "method", "encrypted",
	    "type", cordon_color(COLOR_NONE));
	for (size_t i = 1; i < l->count; i++) {
		print_row(&l->rows[i], &w);
		if (l->rows[i].same_trail == NULL)
			print_further_names(&l->rows[i]);
	}
}

static json_t *
number_or_null(json_int_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}

static json_t *
text_or_null(const char *text)
{
	return text == NULL || text[0] == '\0' ? json_null() : json_string(text);
}

/* "a, b" as an array. */
static json_t *
why_to_json(const char *why)
{
	json_t *list = json_array();

	while (why[0] != '\0') {
		size_t len = strcspn(why, ",");

		(void)json_array_append_new(list, json_stringn(why, len));
		why += len;
		why += strspn(why, ", ");
	}
	return list;
}

static json_t *
row_to_json(const struct list_row *r)
{
	const json_t *names = json_object_get(r->object, "names");

	return json_pack("{s:s, s:O, s:o, s:o, s:o, s:s, s:o, s:s, s:b, s:o, s:o}", "trail",
	    r->trail, "names", names, "size", number_or_null(r->size), "packed",
	    number_or_null(r->packed), "method", text_or_null(r->method), "encrypted",
	    r->encrypted, "type", text_or_null(r->type), "sha256", text_of(r->object, "sha256"),
	    "opened", r->why[0] == '\0', "why", why_to_json(r->why), "same_as",
	    text_or_null(r->same_trail));
}

static void
print_json(const json_t *result, const struct list_rows *l)
{
	json_t *members = json_array(), *out;
	char *text;

	for (size_t i = 1; i < l->count; i++)
		(void)json_array_append_new(members, row_to_json(&l->rows[i]));
	out = json_pack("{s:O, s:b, s:o, s:o, s:o, s:o}", "path",
	    json_object_get(result, "path"), "opened", l->whole, "type",
	    text_or_null(l->count > 0 ? l->rows[0].type : ""), "size",
	    number_or_null(l->count > 0 ? l->rows[0].size : -1), "why",
	    why_to_json(l->count > 0
			    ? l->rows[0].why
			    : text_of(json_array_get(json_object_get(result, "unscanned"), 0),
				  "cause")),
	    "members", members);
	if (out != NULL && text_of(result, "error")[0] != '\0')
		(void)json_object_set(out, "error", json_object_get(result, "error"));
	text = out == NULL ? NULL : json_dumps(out, JSON_COMPACT);
	if (text == NULL)
		fprintf(stderr, "cordon: no memory for the list\n");
	else
		printf("%s\n", text);
	free(text);
	json_decref(out);
}

static void
take_result(struct list *s)
{
	json_t *result =
	    json_loadb((const char *)s->json.data, s->json.len, JSON_ALLOW_NUL, NULL);
	struct list_rows l;

	if (result == NULL || json_object_get(result, "objects") == NULL) {
		fprintf(
		    stderr, "cordon: answer not understood: %.200s\n", buf_get_str(&s->json));
		s->unsure = true;
		json_decref(result);
		return;
	}
	list_rows_init(&l, result);
	s->unsure = s->unsure || !l.whole;
	if (s->as_json) {
		print_json(result, &l);
	} else {
		if (s->files > 0)
			printf("\n");
		print_table(result, &l);
	}
	s->files++;
	list_rows_done(&l);
	json_decref(result);
}

static void
visit(void *ctx, struct slice shown, int fd, uint32_t roles)
{
	struct list *s = ctx;
	struct err e = { 0 };

	if (s->stopped)
		return;
	buf_clear(&s->json);
	if (s->lookup->ops->look(s->lookup, shown, fd, roles, LOOKUP_LIST, &s->json, &e) < 0) {
		fprintf(stderr, "cordon: %.*s: %s\n", SLICE_FMT(shown), e.text);
		s->unsure = s->stopped = true;
		return;
	}
	take_result(s);
}

static void
fail(void *ctx, struct slice shown, const char *why)
{
	struct list *s = ctx;

	buf_clear(&s->json);
	if (result_json_format_error(shown, "error", why, &s->json) == 0)
		take_result(s);
	s->unsure = true;
}

int
cordon_list(const struct cordon_options *o)
{
	struct list s = { .as_json = o->json };
	struct input_visitor v = { visit, fail, &s };
	struct config *c = cordon_load_config(o);

	if (c == NULL)
		return CORDON_EXIT_UNSURE;
	c->clamav.enabled = false; /* of a worker of our own: its database takes long to load */
	s.lookup = cordon_open_lookup(o, c);
	buf_init(&s.json, RESULT_JSON_MAX_BYTES);
	s.unsure = s.lookup == NULL;
	for (int i = 0; i < o->arg_count && s.lookup != NULL; i++)
		input_files_visit(o->args[i], &v);
	lookup_free(&s.lookup);
	buf_done(&s.json);
	config_unref(&c);
	fflush(stdout);
	return s.unsure ? CORDON_EXIT_UNSURE : CORDON_EXIT_CLEAN;
}
