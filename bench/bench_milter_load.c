/* bench_milter_load.c: feed a corpus to a milter filter as an MTA would, and measure.
 * One thread, one epoll loop, all mails in memory beforehand: it costs a small part of what any
 * filter does. Closed loop: every connection carries the next mail as soon as the last one is
 * answered. Open loop (--rate): mails come by a schedule, whether the filter keeps up or not,
 * and their latency counts from the scheduled moment. With --idle it only opens sessions, so
 * that their memory can be weighed. The protocol is bench_session.c's work. */
#include "bench_load.h"
#include "bench_net.h"
#include "bench_session.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS            256
#define PROTOCOL_POSTFIX  0x001fffffu
#define PROTOCOL_SENDMAIL (PROTOCOL_POSTFIX | 0x30000000u) /* and chunks of 256 KB or 1 MB */

struct slot {
	struct session session;
	bool busy;
	bool watches_output; /* told of room to write, too */
	uint64_t start_ns;   /* of the mail: taken up, or scheduled in the open loop */
	uint64_t sent_ns;    /* when it was really taken up; the time-out counts from here */
};

struct load {
	struct session_style style;
	struct load_plan plan;
	int epoll_fd;
	struct slot *slots;
	size_t taken, done;
	bool backoff;
	uint64_t start_ns, end_ns;
	struct latency_log latencies; /* of answered mails */
	size_t answers[ANSWER_COUNT];
	size_t headers_added, changes, infected, missed, false_alarms, bytes;
	uint32_t version, actions, protocol;
};

static void
load_record(struct load *l, struct slot *slot)
{
	struct session *s = &slot->session;
	bool stopped = s->answer == ANSWER_REJECT || s->answer == ANSWER_DISCARD;

	l->answers[s->answer]++;
	l->done++;
	l->bytes += s->mail->bytes;
	l->headers_added += s->headers_added;
	l->changes += s->changes;
	l->infected += s->mail->infected;
	l->missed += s->mail->infected && s->answer == ANSWER_ACCEPT;
	l->false_alarms += !s->mail->infected && stopped;
	if (s->answer != ANSWER_ERROR)
		latency_log_add(&l->latencies, slot->start_ns, s->mail->bytes);
	if (s->version != 0) {
		l->version = s->version;
		l->actions = s->actions;
		l->protocol = s->protocol;
	}
}

/* The slot's mail has an answer: count it, and end the connection if it has had its share. */
static void
slot_finish(struct load *l, struct slot *slot)
{
	struct session *s = &slot->session;

	load_record(l, slot);
	slot->busy = false;
	if (s->answer == ANSWER_ERROR) {
		session_close(s);
	} else if (s->refused || s->mails_done >= l->plan.per_connection) {
		session_quit(s);
		session_on_writable(s);
		session_close(s);
	}
	s->mail = NULL;
}

static void
slot_fail(struct load *l, struct slot *slot)
{
	slot->session.answer = ANSWER_ERROR;
	slot_finish(l, slot);
}

/* Write what is queued; only what the filter has no room for yet is waited for. 0 or a negative
 * error. */
static int
slot_write(struct load *l, struct slot *slot)
{
	struct session *s = &slot->session;
	int r = session_on_writable(s);

	if (r == 0)
		watch_set_output(
		    l->epoll_fd, s->fd, slot, session_has_output(s), &slot->watches_output);
	return r;
}

static int
slot_connect(struct load *l, struct slot *slot)
{
	int r = session_connect(&slot->session);

	if (r < 0)
		return r;
	watch_add(l->epoll_fd, slot->session.fd, slot);
	slot->watches_output = false;
	return slot_write(l, slot);
}

/* Give the slot the next mail. False: the listener is full, nothing was taken. */
static bool
slot_take(struct load *l, struct slot *slot)
{
	struct session *s = &slot->session;
	const struct mail *mail = &l->plan.mails.list[l->taken % l->plan.mails.count];
	int r = 0;

	slot->sent_ns = net_now_ns();
	if (s->fd == -1)
		r = slot_connect(l, slot);
	if (r == -EAGAIN)
		return false;
	slot->start_ns =
	    l->plan.schedule_ns ? l->start_ns + l->plan.schedule_ns[l->taken] : slot->sent_ns;
	slot->busy = true;
	if (r < 0) {
		s->mail = mail;
		l->taken++;
		slot_fail(l, slot);
		l->backoff = true;
		return true;
	}
	session_begin(s, mail, (uint32_t)++l->taken);
	if (slot_write(l, slot) < 0)
		slot_fail(l, slot);
	return true;
}

static void
slot_on_event(struct load *l, struct slot *slot, uint32_t events)
{
	struct session *s = &slot->session;

	if (s->fd == -1)
		return;
	int r = events & ~(uint32_t)EPOLLOUT ? session_on_readable(s) : 0;
	if (slot->busy && s->answer != ANSWER_NONE) {
		slot_finish(l, slot);
	} else if (r < 0 || slot_write(l, slot) < 0) {
		if (slot->busy)
			slot_fail(l, slot);
		else
			session_close(s);
	}
}

/* Hand the mails that are due to slots that are free. */
static void
load_dispatch(struct load *l)
{
	uint64_t now_ns = net_now_ns();

	l->backoff = false;
	for (size_t i = 0; i < l->plan.connections &&
			   load_plan_is_due(&l->plan, l->taken, l->start_ns, now_ns);
	     i++) {
		if (!l->slots[i].busy && !slot_take(l, &l->slots[i])) {
			l->backoff = true;
			return;
		}
	}
}

static void
load_check_timeouts(struct load *l)
{
	uint64_t now_ns = net_now_ns();

	for (size_t i = 0; i < l->plan.connections; i++)
		if (l->slots[i].busy && now_ns - l->slots[i].sent_ns > l->plan.timeout_ns)
			slot_fail(l, &l->slots[i]);
}

static void
load_poll(struct load *l)
{
	struct epoll_event events[EVENTS];
	uint64_t wait = l->backoff ? BACKOFF_NS
				   : load_plan_shorten(&l->plan, SECOND_NS, l->taken,
					 l->start_ns, net_now_ns());
	int n = watch_wait(l->epoll_fd, events, EVENTS, wait);

	for (int i = 0; i < n; i++)
		slot_on_event(l, events[i].data.ptr, events[i].events);
}

static void
load_run(struct load *l)
{
	uint64_t checked_ns = net_now_ns();

	l->start_ns = checked_ns;
	while (l->done < l->plan.count) {
		load_dispatch(l);
		if (l->done >= l->plan.count)
			break;
		load_poll(l);
		if (net_now_ns() - checked_ns > SECOND_NS) {
			load_check_timeouts(l);
			checked_ns = net_now_ns();
		}
	}
	l->end_ns = net_now_ns();
	for (size_t i = 0; i < l->plan.connections; i++) {
		if (l->slots[i].session.fd != -1) {
			session_quit(&l->slots[i].session);
			session_on_writable(&l->slots[i].session);
		}
		session_done(&l->slots[i].session);
	}
}

/* Open sessions, tell when all have said HELO, keep them until standard input ends. */
static void
load_idle(struct load *l)
{
	size_t ready = 0, opened = 0;
	uint64_t give_up_ns = net_now_ns() + l->plan.timeout_ns;
	char c;

	while (ready < l->plan.connections && net_now_ns() < give_up_ns) {
		ready = 0;
		for (size_t i = 0; i < l->plan.connections; i++)
			ready += l->slots[i].session.step == STEP_READY;
		l->backoff = opened < l->plan.connections;
		for (int i = 0; i < 32 && opened < l->plan.connections; i++) {
			int r = slot_connect(l, &l->slots[opened]);
			if (r < 0 && r != -EAGAIN)
				errx(1, "session %zu: %s", opened + 1, strerror(-r));
			if (r == -EAGAIN)
				break;
			opened++;
		}
		load_poll(l);
	}
	printf("idle %zu\n", ready);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		continue;
	for (size_t i = 0; i < opened; i++) {
		session_quit(&l->slots[i].session);
		session_on_writable(&l->slots[i].session);
		session_done(&l->slots[i].session);
	}
}

static void
load_print_json(const struct load *l, double seconds, double cpu_seconds)
{
	printf("{\"mails\":%zu,\"bytes\":%zu,\"seconds\":%.4f,\"rate\":%.2f,\"accept\":%zu,"
	       "\"reject\":%zu,\"tempfail\":%zu,\"discard\":%zu,\"errors\":%zu,"
	       "\"added_headers\":%zu,\"changes\":%zu,\"infected\":%zu,\"missed\":%zu,"
	       "\"false_alarms\":%zu,",
	    l->done, l->bytes, seconds, (double)l->done / seconds, l->answers[ANSWER_ACCEPT],
	    l->answers[ANSWER_REJECT], l->answers[ANSWER_TEMPFAIL], l->answers[ANSWER_DISCARD],
	    l->answers[ANSWER_ERROR], l->headers_added, l->changes, l->infected, l->missed,
	    l->false_alarms);
	latency_log_print_json(&l->latencies);
	printf(",\"load_cpu_seconds\":%.4f,"
	       "\"negotiated\":{\"version\":%u,\"actions\":%u,\"protocol\":%u}}\n",
	    cpu_seconds, l->version, l->actions, l->protocol);
}

static void
load_print_text(const struct load *l, double seconds, double cpu_seconds)
{
	printf("%zu mails, %.1f MB in %.2f s: %.1f mails/s\n", l->done, (double)l->bytes / 1e6,
	    seconds, (double)l->done / seconds);
	printf(
	    "accept %zu, reject %zu, tempfail %zu, discard %zu, errors %zu; headers added %zu, "
	    "other changes %zu\n",
	    l->answers[ANSWER_ACCEPT], l->answers[ANSWER_REJECT], l->answers[ANSWER_TEMPFAIL],
	    l->answers[ANSWER_DISCARD], l->answers[ANSWER_ERROR], l->headers_added, l->changes);
	printf("infected %zu, of which accepted %zu; clean ones refused %zu\n", l->infected,
	    l->missed, l->false_alarms);
	latency_log_print_text(&l->latencies);
	printf(
	    "negotiated: version %u, actions 0x%x, protocol 0x%x; load generator: %.3f CPU s\n",
	    l->version, l->actions, l->protocol, cpu_seconds);
}

static void
options_usage(void)
{
	errx(2, "usage: bench_milter_load" LOAD_PLAN_USAGE
		"  [--mta postfix|sendmail] [--eob-data]\n"
		"  [--idle N]             open N sessions only, keep them until standard input "
		"ends");
}

enum { OPT_MTA = LOAD_OWN, OPT_EOB_DATA };

static void
options_parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		LOAD_PLAN_OPTIONS,
		{ "mta", required_argument, NULL, OPT_MTA },
		{ "eob-data", no_argument, NULL, OPT_EOB_DATA },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == OPT_EOB_DATA) {
			l->style.data_in_eob = true;
		} else if (o == OPT_MTA) {
			l->style.abort_between_mails = strcmp(optarg, "sendmail") != 0;
			l->style.offered_protocol =
			    l->style.abort_between_mails ? PROTOCOL_POSTFIX : PROTOCOL_SENDMAIL;
		} else if (!load_plan_take(&l->plan, o, optarg)) {
			options_usage();
		}
	}
	if (optind != argc || !load_plan_is_whole(&l->plan))
		options_usage();
}

static void
load_init(struct load *l)
{
	net_address_parse(&l->style.address, l->plan.address);
	load_plan_prepare(&l->plan);
	l->epoll_fd = watch_new();
	l->slots = calloc(l->plan.connections, sizeof(*l->slots));
	if (!l->slots)
		err(1, "cannot start");
	latency_log_init(&l->latencies, l->plan.count);
	for (size_t i = 0; i < l->plan.connections; i++)
		session_init(&l->slots[i].session, &l->style);
}

int
main(int argc, char **argv)
{
	struct load l = { .plan = LOAD_PLAN_DEFAULT,
		.style = {
		    .offered_protocol = PROTOCOL_POSTFIX, .abort_between_mails = true } };

	options_parse(&l, argc, argv);
	load_init(&l);
	if (l.plan.idle > 0) {
		load_idle(&l);
		return 0;
	}
	double cpu_before = net_own_cpu_seconds();
	load_run(&l);
	double cpu = net_own_cpu_seconds() - cpu_before;
	double seconds = (double)(l.end_ns - l.start_ns) / 1e9;
	if (l.plan.json)
		load_print_json(&l, seconds, cpu);
	else
		load_print_text(&l, seconds, cpu);
	return l.answers[ANSWER_ERROR] > 0 ? 1 : 0;
}
