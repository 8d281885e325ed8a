/* cordon_scan.c: `cordon scan`. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/input_files.h"
#include "cmd/lookup.h"
#include "config/config.h"
#include "record/result_json.h"

struct scan {
	const struct cordon_options *options;
	struct lookup *lookup;
	struct buf json;
	unsigned files, found, unsure;
	bool progress, stopped;
};

static const char *
text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? "" : s;
}

static const char *
trail_of(const json_t *result, json_int_t id)
{
	const json_t *o = json_array_get(json_object_get(result, "objects"), (size_t)(id - 1));

	return text_of(o, "trail");
}

static void
print_findings(const json_t *result)
{
	const json_t *list = json_object_get(result, "findings"), *f;
	size_t i;

	json_array_foreach(list, i, f) {
		const char *trail = trail_of(result,
		    json_integer_value(json_object_get(f, "object")));

		printf("%s %s%s%s (%s)%s%s", i > 0 ? "," : "", cordon_color(COLOR_RED),
		    text_of(f, "name"), cordon_color(COLOR_NONE), text_of(f, "scanner"),
		    trail[0] != '\0' ? " in " : "", trail);
	}
}

static void
print_causes(const json_t *result)
{
	const json_t *list = json_object_get(result, "unscanned"), *u;
	size_t i;

	json_array_foreach(list, i, u) {
		const char *trail = trail_of(result,
		    json_integer_value(json_object_get(u, "object")));

		printf("%s %s%s%s", i > 0 ? "," : "", text_of(u, "cause"),
		    trail[0] != '\0' ? " in " : "", trail);
	}
	if (text_of(result, "error")[0] != '\0')
		printf(" (%s)", text_of(result, "error"));
}

static void
print_text(const struct scan *s, const json_t *result)
{
	const char *verdict = text_of(result, "verdict");
	bool clean = strcmp(verdict, "clean") == 0, found = strcmp(verdict, "unscanned") != 0 && !clean;

	if (clean && s->options->quiet)
		return;
	cordon_print_foreign(text_of(result, "path"));
	printf(": %s%s%s",
	    cordon_color(clean ? COLOR_GREEN : found ? COLOR_RED : COLOR_YELLOW), verdict,
	    cordon_color(COLOR_NONE));
	if (found) {
		printf(":");
		print_findings(result);
	} else if (!clean) {
		printf(":");
		print_causes(result);
	}
	printf("\n");
}

static void
count(struct scan *s, const json_t *result)
{
	const char *verdict = text_of(result, "verdict");

	s->files++;
	if (strcmp(verdict, "infected") == 0 || strcmp(verdict, "banned") == 0)
		s->found++;
	else if (strcmp(verdict, "clean") != 0)
		s->unsure++;
}

static void
take_result(struct scan *s)
{
	json_t *result = json_loadb((const char *)s->json.data, s->json.len, JSON_ALLOW_NUL, NULL);

	if (result == NULL || json_object_get(result, "verdict") == NULL) {
		fprintf(stderr, "cordon: answer not understood: %.200s\n", buf_get_str(&s->json));
		s->files++;
		s->unsure++;
	} else {
		count(s, result);
		if (s->options->json)
			printf("%s\n", buf_get_str(&s->json));
		else
			print_text(s, result);
	}
	json_decref(result);
	if (s->progress && s->files % 16 == 0)
		fprintf(stderr, "\r%u files, %u found, %u not looked at ", s->files, s->found, s->unsure);
}

static void
visit(void *ctx, struct slice shown, int fd, uint32_t roles)
{
	struct scan *s = ctx;
	struct err e = { 0 };

	if (s->stopped)
		return;
	buf_clear(&s->json);
	if (s->lookup->ops->look(s->lookup, shown, fd, roles, LOOKUP_FULL, &s->json, &e) < 0) {
		fprintf(stderr, "cordon: %.*s: %s\n", SLICE_FMT(shown), e.text);
		s->unsure++;
		s->stopped = true;
		return;
	}
	take_result(s);
}

static void
fail(void *ctx, struct slice shown, const char *why)
{
	struct scan *s = ctx;

	buf_clear(&s->json);
	if (result_json_format_error(shown, "error", why, &s->json) == 0)
		take_result(s);
}

int
cordon_scan(const struct cordon_options *o)
{
	struct scan s = { .options = o };
	struct input_visitor v = { visit, fail, &s };
	struct config *c = cordon_load_config(o);

	if (c == NULL)
		return CORDON_EXIT_UNSURE;
	s.lookup = cordon_open_lookup(o, c);
	s.progress = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
	buf_init(&s.json, RESULT_JSON_MAX_BYTES);
	if (s.lookup == NULL)
		s.unsure++;
	for (int i = 0; i < o->arg_count && s.lookup != NULL; i++)
		input_files_visit(o->args[i], &v);
	if (s.progress)
		fprintf(stderr, "\r\033[K");
	if (!o->json && !o->quiet && s.files > 1)
		printf("%u files: %u clean, %u found, %u not looked at\n", s.files,
		    s.files - s.found - s.unsure, s.found, s.unsure);
	lookup_free(&s.lookup);
	buf_done(&s.json);
	config_unref(&c);
	fflush(stdout);
	return s.found > 0 ? CORDON_EXIT_FOUND : s.unsure > 0 ? CORDON_EXIT_UNSURE : CORDON_EXIT_CLEAN;
}
