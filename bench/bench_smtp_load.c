/* bench_smtp_load.c: feed a corpus to an SMTP or LMTP server as an MTA would, and measure.
 * One thread, one epoll loop, all mails in memory beforehand. Closed loop: every connection
 * carries the next mail as soon as the last one is answered. Open loop (--rate): mails come by
 * a schedule, whether the server keeps up or not, and their latency counts from the scheduled
 * moment. With --retry a mail that got 4xx, or whose connection broke before its answer, is
 * sent again under the same id, as an MTA does, until it has 2xx or 5xx; --report tells what
 * became of each. With --idle it only opens sessions, so that their memory can be weighed. The
 * protocol is bench_smtp_session.c's work. */
#include "bench_load.h"
#include "bench_smtp_session.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS     256
#define CODE_COUNT 600

/* One mail to send and what became of it. */
struct job {
	uint64_t start_ns; /* taken up first, or scheduled */
	uint64_t due_ns;   /* of the next try */
	unsigned tries;
	unsigned deferred;       /* tries answered 4xx */
	unsigned lost;           /* tries whose connection broke before the answer */
	unsigned lost_after_end; /* of these: the whole mail had left */
	unsigned code;           /* final; 0: none */
};

struct slot {
	struct smtp_session session;
	unsigned number;
	size_t job; /* when busy */
	bool busy;
	bool watches_output;
	uint64_t sent_ns; /* when the mail was taken up; the time-out counts from here */
};

struct load {
	struct smtp_style style;
	struct load_plan plan;
	const char *prefix, *report;
	bool idle_in_mail, retry;
	uint64_t retry_ns, give_up_ns;
	int epoll_fd;
	struct slot *slots;
	struct job *jobs;
	size_t taken, done;
	size_t *again; /* ring of count places: jobs to try again, in the order they are due */
	size_t again_first, again_count;
	bool backoff;
	uint64_t start_ns, end_ns;
	struct latency_log latencies;
	size_t codes[CODE_COUNT]; /* final replies */
	size_t errors, retries, infected, missed, false_alarms, bytes, pipelined;
	char refusal[SMTP_TEXT_BYTES]; /* the last one of a clean mail */
};

static const struct mail *
load_mail(const struct load *l, size_t job)
{
	return &l->plan.mails.list[job % l->plan.mails.count];
}

/* What the sink shall know a mail by: its number, and whether it may arrive. */
static void
load_format_id(const struct load *l, size_t job, char ret_id[SMTP_ID_BYTES])
{
	snprintf(ret_id, SMTP_ID_BYTES, "%.40s-%c-%zu", l->prefix,
	    load_mail(l, job)->infected ? 'i' : 'c', job + 1);
}

static void
load_record(struct load *l, size_t number)
{
	struct job *j = &l->jobs[number];
	const struct mail *mail = load_mail(l, number);

	l->done++;
	l->bytes += mail->bytes;
	l->infected += mail->infected;
	l->missed += mail->infected && j->code / 100 == 2;
	l->false_alarms += !mail->infected && j->code / 100 == 5;
	if (j->code == 0) {
		l->errors++;
		return;
	}
	l->codes[j->code < CODE_COUNT ? j->code : 0]++;
	latency_log_add(&l->latencies, j->start_ns, mail->bytes);
}

/* The try of the slot's mail is over: settled, or to be tried again. code 0: no answer. */
static void
load_end_try(struct load *l, size_t number, unsigned code, bool dot_sent)
{
	struct job *j = &l->jobs[number];
	uint64_t now_ns = net_now_ns();

	j->code = code;
	j->deferred += code / 100 == 4;
	j->lost += code == 0;
	j->lost_after_end += code == 0 && dot_sent;
	if (l->retry && (code == 0 || code / 100 == 4) &&
	    now_ns + l->retry_ns < j->start_ns + l->give_up_ns) {
		j->due_ns = now_ns + l->retry_ns;
		l->again[(l->again_first + l->again_count++) % l->plan.count] = number;
		l->retries++;
		return;
	}
	load_record(l, number);
}

/* The slot's mail has its answer, or never will: count it, and end the connection if it has had
 * its share. */
static void
slot_finish(struct load *l, struct slot *slot)
{
	struct smtp_session *s = &slot->session;
	const struct mail *mail = load_mail(l, slot->job);

	if (s->settled && s->code / 100 != 2 && !mail->infected)
		memcpy(l->refusal, s->text, sizeof(l->refusal));
	l->pipelined += s->can_pipeline;
	slot->busy = false;
	load_end_try(l, slot->job, s->settled ? s->code : 0, s->dot_sent);
	s->mail = NULL;
	if (!s->settled || s->ended || s->broken) {
		smtp_session_close(s);
	} else if (s->mails_done >= l->plan.per_connection) {
		smtp_session_quit(s);
		smtp_session_on_writable(s);
		smtp_session_close(s);
	}
}

static int
slot_write(struct load *l, struct slot *slot)
{
	struct smtp_session *s = &slot->session;
	int r = smtp_session_on_writable(s);

	if (r == 0)
		watch_set_output(l->epoll_fd, s->fd, slot, smtp_session_has_output(s),
		    &slot->watches_output);
	return r;
}

static int
slot_connect(struct load *l, struct slot *slot)
{
	int r = smtp_session_connect(&slot->session, slot->number);

	if (r < 0)
		return r;
	watch_add(l->epoll_fd, slot->session.fd, slot);
	slot->watches_output = false;
	return 0;
}

/* Send a mail through the slot. False: the listener is full, nothing was begun. */
static bool
slot_take(struct load *l, struct slot *slot, size_t number)
{
	struct smtp_session *s = &slot->session;
	struct job *j = &l->jobs[number];
	char id[SMTP_ID_BYTES];
	int r = 0;

	slot->sent_ns = net_now_ns();
	if (s->fd == -1)
		r = slot_connect(l, slot);
	if (r == -EAGAIN)
		return false;
	if (j->tries++ == 0)
		j->start_ns = l->plan.schedule_ns ? l->start_ns + l->plan.schedule_ns[number]
						  : slot->sent_ns;
	slot->job = number;
	slot->busy = true;
	load_format_id(l, number, id);
	smtp_session_begin(s, load_mail(l, number), id);
	if (r < 0 || slot_write(l, slot) < 0) {
		slot_finish(l, slot);
		l->backoff = true;
	}
	return true;
}

static void
slot_on_event(struct load *l, struct slot *slot, uint32_t events)
{
	struct smtp_session *s = &slot->session;
	int r = 0;

	if (s->fd == -1)
		return;
	/* a server that ended may have said why: what it sent is read before a failed write
	 * is taken for the answer */
	if (events & ~(uint32_t)EPOLLOUT)
		r = smtp_session_on_readable(s);
	if (slot->busy && (s->settled || s->ended || r < 0)) {
		slot_finish(l, slot);
	} else if (r < 0 || s->ended) {
		smtp_session_close(s);
	} else if ((r = slot_write(l, slot)) < 0) {
		smtp_session_on_readable(s);
		if (slot->busy)
			slot_finish(l, slot);
		else
			smtp_session_close(s);
	}
}

/* The next mail to send, first those that are tried again. False: none is due. */
static bool
load_next_job(struct load *l, uint64_t now_ns, size_t *ret_number)
{
	if (l->again_count > 0 && l->jobs[l->again[l->again_first]].due_ns <= now_ns) {
		*ret_number = l->again[l->again_first];
		return true;
	}
	*ret_number = l->taken;
	return load_plan_is_due(&l->plan, l->taken, l->start_ns, now_ns);
}

static void
load_take_job(struct load *l, size_t number)
{
	if (l->again_count > 0 && l->again[l->again_first] == number) {
		l->again_first = (l->again_first + 1) % l->plan.count;
		l->again_count--;
	} else {
		l->taken++;
	}
}

/* Hand the mails that are due to slots that are free. */
static void
load_dispatch(struct load *l)
{
	uint64_t now_ns = net_now_ns();
	size_t number;

	l->backoff = false;
	for (size_t i = 0; i < l->plan.connections && load_next_job(l, now_ns, &number); i++) {
		if (l->slots[i].busy)
			continue;
		load_take_job(l, number);
		if (!slot_take(l, &l->slots[i], number)) {
			/* the place at the front of the ring is free, or was never left */
			l->again_first = (l->again_first + l->plan.count - 1) % l->plan.count;
			l->again[l->again_first] = number;
			l->again_count++;
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
			slot_finish(l, &l->slots[i]);
}

static void
load_poll(struct load *l)
{
	struct epoll_event events[EVENTS];
	uint64_t now_ns = net_now_ns(), wait = l->backoff ? BACKOFF_NS : SECOND_NS;

	wait = load_plan_shorten(&l->plan, wait, l->taken, l->start_ns, now_ns);
	if (l->again_count > 0)
		wait = wait_shorten(wait, now_ns, l->jobs[l->again[l->again_first]].due_ns);
	int n = watch_wait(l->epoll_fd, events, EVENTS, wait);
	for (int i = 0; i < n; i++)
		slot_on_event(l, events[i].data.ptr, events[i].events);
}

static void
load_end_sessions(struct load *l)
{
	for (size_t i = 0; i < l->plan.connections; i++) {
		struct smtp_session *s = &l->slots[i].session;
		if (s->fd == -1)
			continue;
		smtp_session_quit(s);
		smtp_session_on_writable(s);
		smtp_session_close(s);
	}
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
	load_end_sessions(l);
}

/* Whether a session that shall only stand there stands where it shall. */
static bool
slot_is_idle(struct load *l, struct slot *slot)
{
	struct smtp_session *s = &slot->session;

	if (s->fd == -1 || s->step < SMTP_READY)
		return false;
	if (!l->idle_in_mail)
		return s->step == SMTP_READY;
	if (s->step == SMTP_READY) {
		smtp_session_begin_transaction(s);
		slot_write(l, slot);
	}
	return s->step == SMTP_RCPT && s->refused_code == 0;
}

/* Open sessions, tell when all stand still after EHLO or MAIL, keep them until standard input
 * ends. */
static void
load_idle(struct load *l)
{
	uint64_t give_up_ns = net_now_ns() + l->plan.timeout_ns;
	size_t ready = 0, opened = 0;
	char c;

	while (ready < l->plan.connections && net_now_ns() < give_up_ns) {
		ready = 0;
		for (size_t i = 0; i < opened; i++)
			ready += slot_is_idle(l, &l->slots[i]);
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
	load_end_sessions(l);
}

/* One line for each mail: id, final code or 0, tries, tries answered 4xx, tries whose
 * connection broke, and how many of those had sent the whole mail. */
static void
load_write_report(const struct load *l)
{
	char id[SMTP_ID_BYTES];
	FILE *f = fopen(l->report, "w");

	if (!f)
		err(1, "cannot write '%s'", l->report);
	for (size_t i = 0; i < l->plan.count; i++) {
		const struct job *j = &l->jobs[i];
		load_format_id(l, i, id);
		fprintf(f, "%s %u %u %u %u %u\n", id, j->code, j->tries, j->deferred, j->lost,
		    j->lost_after_end);
	}
	if (fclose(f) != 0)
		err(1, "cannot write '%s'", l->report);
}

static size_t
load_count_class(const struct load *l, unsigned class)
{
	size_t n = 0;

	for (unsigned code = class * 100; code < class * 100 + 100; code++)
		n += l->codes[code];
	return n;
}

static void
text_print_json(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < ' ' || (unsigned char)*text > '~' ? '?' : *text);
	}
	putchar('"');
}

static void
load_print_json(const struct load *l, double seconds, double cpu_seconds)
{
	const char *comma = "";

	printf("{\"mails\":%zu,\"bytes\":%zu,\"seconds\":%.4f,\"rate\":%.2f,\"accept\":%zu,"
	       "\"reject\":%zu,\"tempfail\":%zu,\"errors\":%zu,\"retries\":%zu,"
	       "\"pipelined\":%zu,\"infected\":%zu,\"missed\":%zu,\"false_alarms\":%zu,",
	    l->done, l->bytes, seconds, (double)l->done / seconds, load_count_class(l, 2),
	    load_count_class(l, 5), load_count_class(l, 4), l->errors, l->retries, l->pipelined,
	    l->infected, l->missed, l->false_alarms);
	printf("\"codes\":{");
	for (unsigned code = 0; code < CODE_COUNT; code++) {
		if (l->codes[code] == 0)
			continue;
		printf("%s\"%u\":%zu", comma, code, l->codes[code]);
		comma = ",";
	}
	printf("},\"refusal\":");
	text_print_json(l->refusal);
	printf(",");
	latency_log_print_json(&l->latencies);
	printf(",\"load_cpu_seconds\":%.4f}\n", cpu_seconds);
}

static void
load_print_text(const struct load *l, double seconds, double cpu_seconds)
{
	printf("%zu mails, %.1f MB in %.2f s: %.1f mails/s\n", l->done, (double)l->bytes / 1e6,
	    seconds, (double)l->done / seconds);
	for (unsigned code = 0; code < CODE_COUNT; code++)
		if (l->codes[code] > 0)
			printf("reply %u: %zu\n", code, l->codes[code]);
	printf("no reply: %zu; tried again %zu times, %zu times with pipelining\n", l->errors,
	    l->retries, l->pipelined);
	printf("infected %zu, of which answered 250 %zu; clean ones refused %zu\n", l->infected,
	    l->missed, l->false_alarms);
	if (l->refusal[0])
		printf("last refusal of a clean mail: %s\n", l->refusal);
	latency_log_print_text(&l->latencies);
	printf("load generator: %.3f CPU s\n", cpu_seconds);
}

static void
options_usage(void)
{
	errx(2,
	    "usage: bench_smtp_load" LOAD_PLAN_USAGE
	    "  [--pipelining] [--lmtp] [--recipients N]\n"
	    "  [--retry] [--retry-ms N] [--give-up SECONDS]   as an MTA: 300 ms, 60 s\n"
	    "  [--prefix TEXT]        of the ids (bench)\n"
	    "  [--report FILE]        id, code, tries, deferred, lost, lost after the end\n"
	    "  [--sources N]          come from N addresses, 127.0.0.1 and on\n"
	    "  [--idle N] [--idle-in-mail]   open N sessions only, keep them after EHLO, or "
	    "after\n"
	    "                         MAIL, until standard input ends");
}

enum option_id {
	OPT_PIPELINING = LOAD_OWN,
	OPT_LMTP,
	OPT_RECIPIENTS,
	OPT_RETRY,
	OPT_RETRY_MS,
	OPT_GIVE_UP,
	OPT_PREFIX,
	OPT_REPORT,
	OPT_SOURCES,
	OPT_IDLE_IN_MAIL,
};

static void
options_take(struct load *l, int o, const char *value)
{
	unsigned long number = value ? strtoul(value, NULL, 10) : 0;

	switch (o) {
	case OPT_PIPELINING:
		l->style.pipelining = true;
		break;
	case OPT_LMTP:
		l->style.lmtp = true;
		break;
	case OPT_RECIPIENTS:
		l->style.recipients = (unsigned)number;
		break;
	case OPT_RETRY:
		l->retry = true;
		break;
	case OPT_RETRY_MS:
		l->retry_ns = number * MS_NS;
		break;
	case OPT_GIVE_UP:
		l->give_up_ns = number * SECOND_NS;
		break;
	case OPT_PREFIX:
		l->prefix = value;
		break;
	case OPT_REPORT:
		l->report = value;
		break;
	case OPT_SOURCES:
		l->style.sources = (unsigned)number;
		break;
	case OPT_IDLE_IN_MAIL:
		l->idle_in_mail = true;
		break;
	default:
		options_usage();
	}
}

static void
options_parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		LOAD_PLAN_OPTIONS,
		{ "pipelining", no_argument, NULL, OPT_PIPELINING },
		{ "lmtp", no_argument, NULL, OPT_LMTP },
		{ "recipients", required_argument, NULL, OPT_RECIPIENTS },
		{ "retry", no_argument, NULL, OPT_RETRY },
		{ "retry-ms", required_argument, NULL, OPT_RETRY_MS },
		{ "give-up", required_argument, NULL, OPT_GIVE_UP },
		{ "prefix", required_argument, NULL, OPT_PREFIX },
		{ "report", required_argument, NULL, OPT_REPORT },
		{ "sources", required_argument, NULL, OPT_SOURCES },
		{ "idle-in-mail", no_argument, NULL, OPT_IDLE_IN_MAIL },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!load_plan_take(&l->plan, o, optarg))
			options_take(l, o, optarg);
	/* what is pipelined for one mail fits into a session's output */
	if (optind != argc || !load_plan_is_whole(&l->plan) || l->style.recipients == 0 ||
	    l->style.recipients > 100)
		options_usage();
}

static void
load_init(struct load *l)
{
	net_address_parse(&l->style.address, l->plan.address);
	load_plan_prepare(&l->plan);
	mails_make_wire(&l->plan.mails);
	l->epoll_fd = watch_new();
	l->slots = calloc(l->plan.connections, sizeof(*l->slots));
	l->jobs = calloc(l->plan.count + 1, sizeof(*l->jobs));
	l->again = calloc(l->plan.count + 1, sizeof(*l->again));
	if (!l->slots || !l->jobs || !l->again)
		err(1, "cannot start");
	latency_log_init(&l->latencies, l->plan.count);
	for (size_t i = 0; i < l->plan.connections; i++) {
		l->slots[i].number = (unsigned)i;
		smtp_session_init(&l->slots[i].session, &l->style);
	}
}

int
main(int argc, char **argv)
{
	struct load l = { .plan = LOAD_PLAN_DEFAULT,
		.retry_ns = 300 * MS_NS,
		.give_up_ns = 60 * SECOND_NS,
		.prefix = "bench",
		.style = { .recipients = 1 } };

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
	if (l.report)
		load_write_report(&l);
	if (l.plan.json)
		load_print_json(&l, seconds, cpu);
	else
		load_print_text(&l, seconds, cpu);
	return l.errors > 0 ? 1 : 0;
}
