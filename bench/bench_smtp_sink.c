/* bench_smtp_sink.c: an SMTP or LMTP server that takes every mail, keeps none and counts what
 * arrived: mails, bytes, and each id of the header X-Bench-Id, so that a lost or doubled mail
 * shows. Its replies can be spoilt in every way that a next hop knows.
 *   bench_smtp_sink [OPTIONS] LISTEN      addresses as in bench_net.h
 * On SIGUSR1, and at its end on SIGTERM, it prints its counts as one line of JSON and writes
 * --ids. One thread, one epoll loop. What is said is bench_sink_session.c's work. */
#include "bench_net.h"
#include "bench_sink.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVENTS    256
#define NS_PER_MS 1000000u
#define TICK_MS   5 /* how exactly a late reply is late */

struct client {
	struct sink_session *session;
	uint32_t watched;
	bool dead;
	struct client *next, *prev; /* all clients */
	struct client *next_dead;
};

struct sink {
	struct sink_options options;
	struct sink_count count;
	const char *ids_path;
	bool may_hold; /* a fault makes replies late */
	int epoll_fd, listen_fd, signal_fd;
	struct client *clients, *dead;
};

static void
client_watch(struct sink *k, struct client *c)
{
	const struct sink_session *s = c->session;
	uint32_t wanted = (sink_session_wants_to_read(s) ? (uint32_t)EPOLLIN : EPOLLRDHUP) |
			  (sink_session_wants_to_write(s) ? (uint32_t)EPOLLOUT : 0);
	struct epoll_event e = { .events = wanted, .data.ptr = c };

	if (wanted == c->watched)
		return;
	c->watched = wanted;
	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, s->fd, &e) == -1)
		err(1, "epoll_ctl");
}

/* An event of this same round may still name it: it is freed after the round. */
static void
client_die(struct sink *k, struct client *c)
{
	c->dead = true;
	c->next_dead = k->dead;
	k->dead = c;
}

static void
sink_bury(struct sink *k)
{
	while (k->dead) {
		struct client *c = k->dead;
		k->dead = c->next_dead;
		if (c->prev)
			c->prev->next = c->next;
		else
			k->clients = c->next;
		if (c->next)
			c->next->prev = c->prev;
		sink_session_free(&c->session);
		free(c);
	}
}

static void
client_on_event(struct sink *k, struct client *c, uint32_t events)
{
	bool alive = true;

	if (c->dead)
		return;
	if (events & EPOLLIN)
		alive = sink_session_on_readable(c->session);
	else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		alive = false; /* gone while it was kept waiting */
	if (alive)
		alive = sink_session_on_writable(c->session);
	if (alive)
		client_watch(k, c);
	else
		client_die(k, c);
}

static void
sink_accept(struct sink *k)
{
	int fd;

	while ((fd = net_accept(k->listen_fd)) != -1) {
		struct client *c = calloc(1, sizeof(*c));
		if (!c)
			err(1, "cannot get a client");
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
		if (epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &e) == -1)
			err(1, "epoll_ctl");
		c->watched = EPOLLIN;
		c->session = sink_session_new(&fd, &k->options, &k->count);
		c->next = k->clients;
		if (c->next)
			c->next->prev = c;
		k->clients = c;
		client_on_event(k, c, 0);
	}
}

/* Go on with what was held long enough. */
static void
sink_release(struct sink *k)
{
	for (struct client *c = k->clients; c; c = c->next)
		if (c->session->held_until_ns != 0)
			client_on_event(k, c, 0);
}

static void
sink_report(struct sink *k)
{
	if (k->ids_path)
		sink_count_write_ids(&k->count, k->ids_path);
	sink_count_print_json(&k->count, stdout);
}

/* False: the sink shall end. */
static bool
sink_on_signal(struct sink *k)
{
	struct signalfd_siginfo info;

	if (read(k->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return true;
	sink_report(k);
	return info.ssi_signo == SIGUSR1;
}

static void
sink_watch(struct sink *k, int fd, void *mark)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = mark };

	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &e) == -1)
		err(1, "epoll_ctl");
}

static void
sink_run(struct sink *k)
{
	struct epoll_event events[EVENTS];

	sink_watch(k, k->listen_fd, &k->listen_fd);
	sink_watch(k, k->signal_fd, &k->signal_fd);
	for (;;) {
		int n = epoll_wait(k->epoll_fd, events, EVENTS, k->may_hold ? TICK_MS : -1);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;
			if (what == &k->listen_fd)
				sink_accept(k);
			else if (what != &k->signal_fd)
				client_on_event(k, what, events[i].events);
			else if (!sink_on_signal(k))
				return;
		}
		if (k->may_hold)
			sink_release(k);
		sink_bury(k);
	}
}

static void
sink_init(struct sink *k, const char *address)
{
	sigset_t signals;

	for (size_t i = 0; i < k->options.faults.count; i++) {
		enum sink_action a = k->options.faults.list[i].action;
		k->may_hold = k->may_hold || a == ACTION_LATE || a == ACTION_HALFWAY;
	}
	signal(SIGPIPE, SIG_IGN);
	net_raise_files();
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	k->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (k->signal_fd == -1 || k->epoll_fd == -1)
		err(1, "cannot start");
	k->listen_fd = net_listen(address);
}

static void
options_usage(void)
{
	errx(2,
	    "usage: bench_smtp_sink [OPTIONS] unix:PATH|inet:HOST:PORT\n"
	    "  [--lmtp] [--no-pipelining] [--xforward]\n"
	    "  [--ids FILE]    id and how often it arrived, written on SIGUSR1 and SIGTERM\n"
	    "  [--fault STEP[/N|#N]=ACTION[:VALUE]]   spoil replies; more than one may be "
	    "given\n"
	    "      STEP    connect hello mail rcpt data body end rset quit other; body: "
	    "inside\n"
	    "              of the mail\n"
	    "      /N      every N-th time; #N: the N-th time alone, of a RCPT in its mail\n"
	    "      ACTION  late:MS refuse:CODE half halfway:MS multi:LINES never close");
}

static void
options_parse(struct sink *k, int argc, char **argv)
{
	static const struct option options[] = {
		{ "lmtp", no_argument, NULL, 'l' },
		{ "no-pipelining", no_argument, NULL, 'n' },
		{ "xforward", no_argument, NULL, 'x' },
		{ "ids", required_argument, NULL, 'i' },
		{ "fault", required_argument, NULL, 'f' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'l')
			k->options.lmtp = true;
		else if (o == 'n')
			k->options.no_pipelining = true;
		else if (o == 'x')
			k->options.xforward = true;
		else if (o == 'i')
			k->ids_path = optarg;
		else if (o == 'f')
			sink_faults_add(&k->options.faults, optarg);
		else
			options_usage();
	}
	if (optind + 1 != argc)
		options_usage();
}

int
main(int argc, char **argv)
{
	static struct sink k;

	options_parse(&k, argc, argv);
	sink_init(&k, argv[optind]);
	sink_run(&k);
	return 0;
}
