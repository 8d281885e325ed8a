/* bench_milter_load.c: feed a corpus to a milter filter as an MTA would, and measure.
 * One thread, one epoll loop, all mails in memory beforehand: it costs a small part of what any
 * filter does. Closed loop: every connection carries the next mail as soon as the last one is
 * answered. Open loop (--rate): mails come by a schedule, whether the filter keeps up or not,
 * and their latency counts from the scheduled moment. With --idle it only opens sessions, so
 * that their memory can be weighed. The protocol is bench_session.c's work. */
#include "bench_latency.h"
#include "bench_net.h"
#include "bench_session.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS            256
#define BACKOFF_NS        1000000
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
	struct mails mails;
	const char *address, *corpus;
	size_t count, connections, per_connection, idle;
	double rate; /* mails a second; 0: closed loop */
	bool even, json;
	uint64_t timeout_ns, seed;
	uint64_t *schedule_ns; /* open loop: of every mail, from the start on */
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
	} else if (s->refused || s->mails_done >= l->per_connection) {
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

/* Write what is queued. Only what the filter has no room for yet is waited for: a standing
 * wish to write would wake us each time the filter reads. 0 or a negative error. */
static int
slot_write(struct load *l, struct slot *slot)
{
	struct session *s = &slot->session;
	int r = session_on_writable(s);

	if (r == 0 && session_has_output(s) != slot->watches_output) {
		slot->watches_output = !slot->watches_output;
		struct epoll_event e = { .data.ptr = slot,
			.events = slot->watches_output ? EPOLLIN | EPOLLOUT : EPOLLIN };
		if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s->fd, &e) == -1)
			err(1, "epoll_ctl");
	}
	return r;
}

static int
slot_connect(struct load *l, struct slot *slot)
{
	int r = session_connect(&slot->session);

	if (r < 0)
		return r;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = slot };
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, slot->session.fd, &e) == -1)
		err(1, "epoll_ctl");
	slot->watches_output = false;
	return slot_write(l, slot);
}

/* Give the slot the next mail. False: the listener is full, nothing was taken. */
static bool
slot_take(struct load *l, struct slot *slot)
{
	struct session *s = &slot->session;
	const struct mail *mail = &l->mails.list[l->taken % l->mails.count];
	int r = 0;

	slot->sent_ns = net_now_ns();
	if (s->fd == -1)
		r = slot_connect(l, slot);
	if (r == -EAGAIN)
		return false;
	slot->start_ns =
	    l->schedule_ns ? l->start_ns + l->schedule_ns[l->taken] : slot->sent_ns;
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

static bool
load_has_mail_due(const struct load *l, uint64_t now_ns)
{
	return l->taken < l->count &&
	       (!l->schedule_ns || now_ns >= l->start_ns + l->schedule_ns[l->taken]);
}

/* Hand the mails that are due to slots that are free. */
static void
load_dispatch(struct load *l)
{
	uint64_t now_ns = net_now_ns();

	l->backoff = false;
	for (size_t i = 0; i < l->connections && load_has_mail_due(l, now_ns); i++) {
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

	for (size_t i = 0; i < l->connections; i++)
		if (l->slots[i].busy && now_ns - l->slots[i].sent_ns > l->timeout_ns)
			slot_fail(l, &l->slots[i]);
}

/* Nanoseconds until the next thing to do by the clock; a second at most. */
static uint64_t
load_wait_ns(const struct load *l)
{
	uint64_t now_ns = net_now_ns(), wait = 1000000000u;

	if (l->backoff)
		return BACKOFF_NS;
	if (l->schedule_ns && l->taken < l->count) {
		uint64_t due = l->start_ns + l->schedule_ns[l->taken];
		/* in the past: all slots are busy, an event will free one */
		if (due > now_ns && due - now_ns < wait)
			wait = due - now_ns;
	}
	return wait;
}

static void
load_poll(struct load *l)
{
	struct epoll_event events[EVENTS];
	uint64_t wait = load_wait_ns(l);
	struct timespec t = { .tv_sec = (time_t)(wait / 1000000000u),
		.tv_nsec = (long)(wait % 1000000000u) };
	int n = epoll_pwait2(l->epoll_fd, events, EVENTS, &t, NULL);

	if (n == -1 && errno != EINTR)
		err(1, "epoll_pwait2");
	for (int i = 0; i < n; i++)
		slot_on_event(l, events[i].data.ptr, events[i].events);
}

static void
load_run(struct load *l)
{
	uint64_t checked_ns = net_now_ns();

	l->start_ns = checked_ns;
	while (l->done < l->count) {
		load_dispatch(l);
		if (l->done >= l->count)
			break;
		load_poll(l);
		if (net_now_ns() - checked_ns > 1000000000u) {
			load_check_timeouts(l);
			checked_ns = net_now_ns();
		}
	}
	l->end_ns = net_now_ns();
	for (size_t i = 0; i < l->connections; i++) {
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
	uint64_t give_up_ns = net_now_ns() + l->timeout_ns;
	char c;

	while (ready < l->connections && net_now_ns() < give_up_ns) {
		ready = 0;
		for (size_t i = 0; i < l->connections; i++)
			ready += l->slots[i].session.step == STEP_READY;
		l->backoff = opened < l->connections;
		for (int i = 0; i < 32 && opened < l->connections; i++) {
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
	errx(2, "usage: bench_milter_load --address unix:PATH|inet:HOST:PORT --corpus FOLDER\n"
		"  [--count N]            mails to send (all of the corpus; more: from the "
		"start again)\n"
		"  [--connections N]      8; at most this many at once in the open loop too\n"
		"  [--per-connection N]   mails on one connection (1)\n"
		"  [--rate R] [--even]    open loop, R mails a second, at random or even "
		"distances\n"
		"  [--seed S]             of the random distances\n"
		"  [--mta postfix|sendmail] [--eob-data] [--timeout SECONDS] [--json]\n"
		"  [--idle N]             open N sessions only, keep them until standard input "
		"ends");
}

/* One option; false when it is unknown. */
static bool
options_take(struct load *l, int o, const char *value)
{
	switch (o) {
	case 'a':
		l->address = value;
		return true;
	case 'c':
		l->corpus = value;
		return true;
	case 'n':
		l->count = strtoul(value, NULL, 10);
		return true;
	case 'N':
		l->connections = strtoul(value, NULL, 10);
		return true;
	case 'p':
		l->per_connection = strtoul(value, NULL, 10);
		return true;
	case 'r':
		l->rate = strtod(value, NULL);
		return true;
	case 'e':
		l->even = true;
		return true;
	case 's':
		l->seed = strtoull(value, NULL, 10);
		return true;
	case 't':
		l->timeout_ns = strtoull(value, NULL, 10) * 1000000000u;
		return true;
	case 'j':
		l->json = true;
		return true;
	case 'E':
		l->style.data_in_eob = true;
		return true;
	case 'i':
		l->idle = strtoul(value, NULL, 10);
		return true;
	case 'm':
		l->style.abort_between_mails = strcmp(value, "sendmail") != 0;
		l->style.offered_protocol =
		    l->style.abort_between_mails ? PROTOCOL_POSTFIX : PROTOCOL_SENDMAIL;
		return true;
	default:
		return false;
	}
}

static void
options_parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "address", required_argument, NULL, 'a' },
		{ "corpus", required_argument, NULL, 'c' },
		{ "count", required_argument, NULL, 'n' },
		{ "connections", required_argument, NULL, 'N' },
		{ "per-connection", required_argument, NULL, 'p' },
		{ "rate", required_argument, NULL, 'r' },
		{ "even", no_argument, NULL, 'e' },
		{ "seed", required_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "mta", required_argument, NULL, 'm' },
		{ "eob-data", no_argument, NULL, 'E' },
		{ "idle", required_argument, NULL, 'i' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!options_take(l, o, optarg))
			options_usage();
	if (optind != argc || !l->address || (!l->corpus && l->idle == 0) ||
	    l->connections == 0 || l->per_connection == 0 || l->rate < 0)
		options_usage();
}

static void
load_init(struct load *l)
{
	net_address_parse(&l->style.address, l->address);
	if (l->idle > 0)
		l->connections = l->idle;
	else
		mails_load(&l->mails, l->corpus, l->count);
	if (l->count == 0)
		l->count = l->mails.count;
	if (l->rate > 0 && l->idle == 0)
		l->schedule_ns = schedule_make(l->count, l->rate, l->even, l->seed);
	net_raise_files();
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->slots = calloc(l->connections, sizeof(*l->slots));
	if (l->epoll_fd == -1 || !l->slots)
		err(1, "cannot start");
	latency_log_init(&l->latencies, l->count);
	for (size_t i = 0; i < l->connections; i++)
		session_init(&l->slots[i].session, &l->style);
}

int
main(int argc, char **argv)
{
	struct load l = { .connections = 8,
		.per_connection = 1,
		.seed = 1,
		.timeout_ns = 300 * 1000000000ull,
		.style = {
		    .offered_protocol = PROTOCOL_POSTFIX, .abort_between_mails = true } };

	options_parse(&l, argc, argv);
	load_init(&l);
	if (l.idle > 0) {
		load_idle(&l);
		return 0;
	}
	double cpu_before = net_own_cpu_seconds();
	load_run(&l);
	double cpu = net_own_cpu_seconds() - cpu_before;
	double seconds = (double)(l.end_ns - l.start_ns) / 1e9;
	if (l.json)
		load_print_json(&l, seconds, cpu);
	else
		load_print_text(&l, seconds, cpu);
	return l.answers[ANSWER_ERROR] > 0 ? 1 : 0;
}
