/* bench_sink_fault.c: which of the sink's replies are spoilt, and how (bench_sink.h). Doing it
 * is bench_sink_session.c's work. */
#include "bench_sink.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

static const char *const step_names[STEP_COUNT] = { "connect", "hello", "mail", "rcpt", "data",
	"body", "end", "rset", "quit", "other" };

static const struct {
	const char *name;
	enum sink_action action;
	bool has_value;
} actions[] = {
	{ "late", ACTION_LATE, true },
	{ "refuse", ACTION_REFUSE, true },
	{ "halfway", ACTION_HALFWAY, true },
	{ "half", ACTION_HALF, false },
	{ "multi", ACTION_MULTI, true },
	{ "never", ACTION_NEVER, false },
	{ "close", ACTION_CLOSE, false },
};

/* Read a number up to its end. False: there is none. */
static bool
number_parse(const char *text, unsigned *ret_number, const char **ret_end)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || n > 1000000)
		return false;
	*ret_number = (unsigned)n;
	*ret_end = end;
	return true;
}

/* STEP[/N|#N] before the '='. */
static bool
fault_parse_step(struct sink_fault *f, const char *text, const char *equals)
{
	size_t len = strcspn(text, "/#=");
	const char *end = text + len;

	f->number = 1;
	f->step = STEP_COUNT;
	for (size_t i = 0; i < STEP_COUNT; i++)
		if (strlen(step_names[i]) == len && memcmp(step_names[i], text, len) == 0)
			f->step = (enum sink_step)i;
	f->once = *end == '#';
	if (*end != '=' && !number_parse(end + 1, &f->number, &end))
		return false;
	return f->step != STEP_COUNT && f->number > 0 && end == equals;
}

/* ACTION[:VALUE] */
static bool
fault_parse_action(struct sink_fault *f, const char *text)
{
	size_t len = strcspn(text, ":");
	const char *end = text + len;

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (strlen(actions[i].name) != len || memcmp(actions[i].name, text, len) != 0)
			continue;
		f->action = actions[i].action;
		if (actions[i].has_value &&
		    (*end != ':' || !number_parse(end + 1, &f->value, &end)))
			return false;
		return *end == '\0';
	}
	return false;
}

void
sink_faults_add(struct sink_faults *f, const char *text)
{
	const char *equals = strchr(text, '=');
	struct sink_fault fault = { 0 };

	if (!equals || !fault_parse_step(&fault, text, equals) ||
	    !fault_parse_action(&fault, equals + 1))
		errx(2, "expected STEP[/N|#N]=ACTION[:VALUE], not '%s'", text);
	if (f->count == SINK_FAULTS_MAX)
		errx(2, "more than %d faults", SINK_FAULTS_MAX);
	f->list[f->count++] = fault;
}

const struct sink_fault *
sink_faults_find(struct sink_faults *f, enum sink_step step, unsigned rcpt_number)
{
	unsigned seen = ++f->seen[step];

	for (size_t i = 0; i < f->count; i++) {
		const struct sink_fault *x = &f->list[i];
		if (x->step != step)
			continue;
		unsigned at = x->once && step == STEP_RCPT ? rcpt_number : seen;
		if (x->once ? at == x->number : at % x->number == 0)
			return x;
	}
	return NULL;
}

bool
sink_faults_has(const struct sink_faults *f, enum sink_step step)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].step == step)
			return true;
	return false;
}
