/* policy.c: the decision. */
#include "decide/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/macros.h"
#include "config/config_template.h"
#include "decide/ambiguity_results.h"

#define NAMES_MAX_BYTES 300u

static const char *const verdict_texts[] = {
	[MAIL_UNSCANNED] = "unscanned",
	[MAIL_CLEAN] = "clean",
	[MAIL_INFECTED] = "infected",
	[MAIL_BANNED] = "banned",
};

const char *
mail_verdict_get_text(enum mail_verdict v)
{
	return verdict_texts[v];
}

static unsigned
strictness(enum action a)
{
	static const unsigned ranks[] = { [ACTION_ACCEPT] = 0, [ACTION_HOLD] = 1,
		[ACTION_DISCARD] = 2, [ACTION_TEMPFAIL] = 3, [ACTION_REJECT] = 4 };

	return a < ARRAY_LEN(ranks) ? ranks[a] : 3;
}

/* The distinct names, joined by commas. */
static void
names_format(const struct evidence *ev, struct buf *out)
{
	for (uint32_t i = 0; i < ev->finding_count && out->len < NAMES_MAX_BYTES; i++) {
		bool seen = false;

		for (uint32_t k = 0; k < i && !seen; k++)
			seen = slice_eq(ev->findings[k].name, ev->findings[i].name);
		if (seen)
			continue;
		if (out->len > 0)
			(void)buf_append_str(out, ", ");
		(void)buf_append_slice(out, slice_sub(ev->findings[i].name, 0, 128));
	}
}

/* The distinct causes, joined by commas. */
static void
causes_format(const struct evidence *ev, struct buf *out)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < ev->unscanned_count; i++) {
		if ((seen & (1u << ev->unscanned[i].cause)) != 0)
			continue;
		seen |= 1u << ev->unscanned[i].cause;
		(void)buf_printf(out, "%s%s", out->len > 0 ? ", " : "",
		    cause_get_text(ev->unscanned[i].cause));
	}
	if (out->len == 0)
		(void)buf_append_str(out, cause_get_text(CAUSE_ERROR));
}

/* What the classes of one set call for together. */
struct ambiguity_judgement {
	enum config_ambiguity word; /* the strictest of any class */
	enum action action;
	uint64_t classes;           /* those that say so */
};

static struct ambiguity_judgement
ambiguities_judge(const struct config *c, uint64_t ambiguities)
{
	static const unsigned ranks[CONFIG_AMBIGUITY_COUNT] = { [CONFIG_AMBIGUITY_ACCEPT] = 0,
		[CONFIG_AMBIGUITY_FLAG] = 1, [CONFIG_AMBIGUITY_TEMPFAIL] = 2,
		[CONFIG_AMBIGUITY_REJECT] = 3 };
	struct ambiguity_judgement j = { .word = CONFIG_AMBIGUITY_ACCEPT };

	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		enum config_ambiguity word;

		if ((ambiguities & AMBIGUITY_BIT(n)) == 0)
			continue;
		word = config_get_ambiguity(c, ambiguity_get_name(n));
		if (ranks[word] > ranks[j.word]) {
			j.word = word;
			j.classes = 0;
		}
		if (word == j.word)
			j.classes |= AMBIGUITY_BIT(n);
	}
	j.action = j.word == CONFIG_AMBIGUITY_REJECT ? ACTION_REJECT :
	    j.word == CONFIG_AMBIGUITY_TEMPFAIL ? ACTION_TEMPFAIL : ACTION_ACCEPT;
	return j;
}

/* "A02, A29" */
static void
classes_format(uint64_t classes, struct buf *out)
{
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		if ((classes & AMBIGUITY_BIT(n)) != 0)
			(void)buf_printf(out, "%sA%02u", out->len > 0 ? ", " : "", n);
	}
}

static void
code_set(struct decision *d)
{
	d->code = d->action == ACTION_REJECT ? 550 : d->action == ACTION_TEMPFAIL ? 451 : 250;
	if (d->enhanced[0] != '\0')
		d->enhanced[0] = d->action == ACTION_REJECT ? '5' :
		    d->action == ACTION_TEMPFAIL ? '4' : '2';
}

/* classes: of ambiguity, for {classes}. */
static void
reply_format(struct decision *d, const char *template, const char *host,
    const struct evidence *ev, uint64_t classes)
{
	struct buf names, causes, letters, text;
	struct slice reply;
	size_t code;

	buf_init(&names, 1024);
	buf_init(&causes, 1024);
	buf_init(&letters, 1024);
	buf_init(&text, DECISION_TEXT_SIZE);
	names_format(ev, &names);
	causes_format(ev, &causes);
	classes_format(classes, &letters);
	(void)config_template_format(template,
	    (struct config_template_value[]){ { "names", buf_get(&names) },
	    { "cause", buf_get(&causes) }, { "classes", buf_get(&letters) },
	    { "id", slice_of_str(ev->id) }, { "host", slice_of_str(host) } }, 5, &text);
	reply = buf_get(&text);
	code = config_template_get_code_len(buf_get_str(&text));
	if (code > 1 && code <= sizeof(d->enhanced)) {
		snprintf(d->enhanced, sizeof(d->enhanced), "%.*s", (int)code - 1,
		    (const char *)reply.ptr);
		reply = slice_from(reply, code);
	} else {
		snprintf(d->enhanced, sizeof(d->enhanced), "5.7.1");
	}
	snprintf(d->text, sizeof(d->text), "%.*s", SLICE_FMT(reply));
	code_set(d);
	buf_done(&names);
	buf_done(&causes);
	buf_done(&letters);
	buf_done(&text);
}

static struct decision_header *
header_add(struct decision *d, const char *name)
{
	struct decision_header *h = &d->headers[d->header_count++];

	ASSERT(d->header_count <= DECISION_HEADERS_MAX);
	snprintf(h->name, sizeof(h->name), "%s", name);
	return h;
}

/* For mail that goes on, however it was judged. */
static void
header_add_ambiguity(const struct config *c, const char *host, const struct evidence *ev,
    enum config_ambiguity word, struct decision *d)
{
	struct buf value;

	if (!c->policy.ambiguity_header || (d->action != ACTION_ACCEPT && d->action != ACTION_HOLD))
		return;
	buf_init(&value, AMBIGUITY_RESULTS_MAX_BYTES);
	if (ambiguity_results_format(host, ev, word, d->action, &value) == 0)
		snprintf(header_add(d, AMBIGUITY_RESULTS_NAME)->value, sizeof(d->headers[0].value), "%s",
		    buf_get_str(&value));
	buf_done(&value);
}

static void
decide_infected(const struct config *c, const char *host, const struct evidence *ev,
    struct decision *d)
{
	struct buf names;

	d->verdict = MAIL_INFECTED;
	d->action = c->policy.infected;
	if (ev->infected != NULL && !action_parse(slice_of_str(ev->infected), &d->action))
		d->action = c->policy.infected;
	buf_init(&names, 1024);
	names_format(ev, &names);
	snprintf(d->reason, sizeof(d->reason), "infected: %.200s", buf_get_str(&names));
	buf_done(&names);
	reply_format(d, c->policy.reply_infected, host, ev, 0);
}

/* The strictest action of any cause; *ret_cause asked for it. */
static enum action
unscanned_judge(const struct config *c, const struct evidence *ev, enum cause *ret_cause)
{
	enum action action = ev->inspected ? ACTION_ACCEPT : c->policy.unscanned;

	*ret_cause = ev->unscanned_count > 0 ? ev->unscanned[0].cause : CAUSE_ERROR;
	for (uint32_t i = 0; i < ev->unscanned_count; i++) {
		enum cause cause = ev->unscanned[i].cause;
		enum action a = config_get_unscanned_action(c, cause_get_text(cause));

		if (i == 0 || strictness(a) > strictness(action)) {
			action = a;
			*ret_cause = cause;
		}
	}
	return action;
}

static void
decide_unscanned(const struct config *c, const char *host, const struct evidence *ev,
    struct decision *d)
{
	struct buf causes;

	d->verdict = MAIL_UNSCANNED;
	d->action = unscanned_judge(c, ev, &d->cause);
	snprintf(d->reason, sizeof(d->reason), "unscanned: %s", cause_get_text(d->cause));
	reply_format(d, c->policy.reply_unscanned, host, ev, 0);
	if (d->action != ACTION_ACCEPT && d->action != ACTION_HOLD)
		return;
	buf_init(&causes, 256);
	causes_format(ev, &causes);
	snprintf(header_add(d, c->policy.header_unscanned_name)->value,
	    sizeof(d->headers[0].value), "%.200s", buf_get_str(&causes));
	buf_done(&causes);
}

/* Nothing was found, and yet it is refused: for the ways in which it can be read. */
static void
decide_ambiguous(const struct config *c, const char *host, const struct evidence *ev,
    const struct ambiguity_judgement *j, struct decision *d)
{
	struct buf classes;

	d->verdict = MAIL_BANNED;
	d->action = j->action;
	buf_init(&classes, 512);
	classes_format(j->classes, &classes);
	snprintf(d->reason, sizeof(d->reason), "ambiguous: %.240s", buf_get_str(&classes));
	buf_done(&classes);
	reply_format(d, c->policy.reply_ambiguous, host, ev, j->classes);
}

static void
decide_clean(const struct config *c, const char *host, const struct evidence *ev,
    const struct ambiguity_judgement *j, struct decision *d)
{
	struct buf value;

	d->verdict = MAIL_CLEAN;
	d->action = ACTION_ACCEPT;
	buf_init(&value, 1024);
	if (j->word == CONFIG_AMBIGUITY_FLAG)
		classes_format(j->classes, &value);
	snprintf(d->reason, sizeof(d->reason), "clean%s%.230s", value.len > 0 ? ", ambiguous: " : "",
	    buf_get_str(&value));
	snprintf(d->enhanced, sizeof(d->enhanced), "2.0.0");
	snprintf(d->text, sizeof(d->text), "Ok");
	code_set(d);
	buf_clear(&value);
	if (c->policy.add_header) {
		(void)config_template_format(c->policy.header_value,
		    (struct config_template_value[]){ { "id", slice_of_str(ev->id) },
		    { "host", slice_of_str(host) } }, 2, &value);
		snprintf(header_add(d, c->policy.header_name)->value, sizeof(d->headers[0].value),
		    "%.500s", buf_get_str(&value));
	}
	buf_done(&value);
}

void
policy_decide(const struct config *c, const char *host, const struct evidence *ev,
    struct decision *ret_decision)
{
	struct decision *d = ret_decision;
	struct ambiguity_judgement j = ambiguities_judge(c, ev->ambiguities);
	bool unscanned = ev->unscanned_count > 0 || !ev->inspected;
	enum cause cause;
	enum action otherwise = unscanned ? unscanned_judge(c, ev, &cause) : ACTION_ACCEPT;

	memset(d, 0, sizeof(*d));
	d->remove_forged = c->policy.remove_forged;
	if (ev->finding_count > 0)
		decide_infected(c, host, ev, d);
	else if (strictness(j.action) > strictness(otherwise))
		decide_ambiguous(c, host, ev, &j, d);
	else if (unscanned)
		decide_unscanned(c, host, ev, d);
	else
		decide_clean(c, host, ev, &j, d);
	header_add_ambiguity(c, host, ev, j.word, d);
}
