/* cordon_status.c: `cordon status`: the daemon's JSON, or the same as text. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>

#include "base/buf.h"
#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/lookup.h"
#include "config/config.h"

#define ANSWER_MAX (16u << 20)

static json_int_t
number_at(const json_t *o, const char *section, const char *key)
{
	return json_integer_value(json_object_get(
	    section == NULL ? o : json_object_get(o, section), key));
}

static void
print_age(json_int_t seconds)
{
	if (seconds >= 2 * 86400)
		printf("%lld days", (long long)(seconds / 86400));
	else if (seconds >= 2 * 3600)
		printf("%lld hours", (long long)(seconds / 3600));
	else if (seconds >= 120)
		printf("%lld minutes", (long long)(seconds / 60));
	else
		printf("%lld seconds", (long long)seconds);
}

/* "  label: name number, name number" without those that are 0. */
static void
print_numbers(const char *label, json_t *section, bool zeros)
{
	const char *key;
	json_t *value;
	bool first = true;

	printf("%-12s", label);
	json_object_foreach(section, key, value) {
		if (!zeros && json_integer_value(value) == 0)
			continue;
		printf("%s%s %lld", first ? "" : ", ", key, (long long)json_integer_value(value));
		first = false;
	}
	printf("%s\n", first ? "-" : "");
}

static void
print_scanner(const json_t *s, json_int_t now)
{
	const json_t *servers = json_object_get(s, "servers"), *server;
	json_int_t built = number_at(s, NULL, "built");
	size_t i;

	printf("%-12s%s%s%s", "scanner", json_string_value(json_object_get(s, "name")),
	    servers != NULL ? "" : json_is_true(json_object_get(s, "up")) ? ": up" : ": down", "");
	if (json_object_get(s, "database") != NULL) {
		printf(", database %s, %lld signatures, age ",
		    json_string_value(json_object_get(s, "database")),
		    (long long)number_at(s, NULL, "signatures"));
		print_age(built > 0 ? now - built : 0);
		printf(", workers %lld", (long long)number_at(s, NULL, "workers"));
	}
	printf(", asked %lld, infected %lld, unknown %lld\n", (long long)number_at(s, NULL, "asked"),
	    (long long)number_at(s, NULL, "infected"), (long long)number_at(s, NULL, "unknown"));
	json_array_foreach(servers, i, server)
		printf("%-12s  %s: %s%s%s, in flight %lld\n", "",
		    json_string_value(json_object_get(server, "address")),
		    json_is_true(json_object_get(server, "up")) ? "up" : "down",
		    json_string_length(json_object_get(server, "version")) > 0 ? ", " : "",
		    json_string_value(json_object_get(server, "version")) == NULL ? "" :
		    json_string_value(json_object_get(server, "version")),
		    (long long)number_at(server, NULL, "in_flight"));
}

static void
print_status(json_t *o)
{
	json_int_t now = number_at(o, NULL, "now");
	const json_t *scanner;
	size_t i;

	printf("%-12s%s on %s, up ", "cordond", json_string_value(json_object_get(o, "version")),
	    json_string_value(json_object_get(o, "host")));
	print_age(now - number_at(o, NULL, "started"));
	printf("\n%-12s%lld mails, %lld bytes, %lld objects\n", "seen",
	    (long long)number_at(o, NULL, "mails"), (long long)number_at(o, NULL, "bytes"),
	    (long long)number_at(o, NULL, "objects"));
	print_numbers("verdicts", json_object_get(o, "verdicts"), true);
	print_numbers("actions", json_object_get(o, "actions"), true);
	print_numbers("behind", json_object_get(o, "behind"), true);
	print_numbers("causes", json_object_get(o, "causes"), false);
	print_numbers("ambiguities", json_object_get(o, "ambiguities"), false);
	print_numbers("viruses", json_object_get(o, "viruses"), false);
	print_numbers("stage ms", json_object_get(o, "stage_ms"), true);
	printf("%-12s%lld open, %lld since start, mails in flight %lld\n", "sessions",
	    (long long)number_at(o, NULL, "sessions"), (long long)number_at(o, NULL, "sessions_total"),
	    (long long)number_at(o, NULL, "mails_in_flight"));
	print_numbers("workers", json_object_get(o, "workers"), true);
	print_numbers("queue", json_object_get(o, "queue"), true);
	printf("%-12s%lld stored, hit rate %.1f %%, known infected hits %lld\n", "cache",
	    (long long)number_at(o, "cache", "stored"),
	    100 * json_number_value(json_object_get(json_object_get(o, "cache"), "hit_rate")),
	    (long long)number_at(o, "cache", "known_infected_hits"));
	printf("%-12s%lld of %lld bytes in use\n", "memory", (long long)number_at(o, "memory", "used"),
	    (long long)number_at(o, "memory", "budget"));
	json_array_foreach(json_object_get(o, "scanners"), i, scanner)
		print_scanner(scanner, now);
}

int
cordon_status(const struct cordon_options *o)
{
	struct config *c = cordon_load_config(o);
	json_t *status = NULL;
	struct buf out;
	struct err e = { 0 };
	int r;

	if (c == NULL)
		return CORDON_EXIT_UNSURE;
	buf_init(&out, ANSWER_MAX);
	r = daemon_request(c->control_socket, "status", &out, &e);
	if (r == 0) {
		status = json_loadb((const char *)out.data, out.len, 0, NULL);
		if (status == NULL)
			r = err_set(&e, EPROTO, "answer not understood");
	}
	if (r < 0)
		fprintf(stderr, "cordon: %s\n", e.text);
	else if (o->json)
		printf("%s\n", buf_get_str(&out));
	else
		print_status(status);
	json_decref(status);
	buf_done(&out);
	config_unref(&c);
	return r < 0 ? CORDON_EXIT_UNSURE : 0;
}
