/* bench_load.h: what the load generators share: the options about which mails go when and on
 * how many connections, the schedule, and waiting for sockets. What a mail's way is, and what
 * became of it, is each one's own. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench_latency.h"
#include "bench_mails.h"

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define MS_NS      1000000ull
#define SECOND_NS  1000000000ull
#define BACKOFF_NS 1000000ull /* until a listener that was full is tried again */

struct load_plan {
	const char *address, *corpus;
	size_t count, connections, per_connection;
	size_t idle; /* sessions that only stand there; 0: send mails */
	double rate; /* mails a second; 0: closed loop */
	bool even, json;
	uint64_t timeout_ns, seed;
	/* after load_plan_prepare() */
	struct mails mails;    /* not when idle */
	uint64_t *schedule_ns; /* open loop: of every mail, from the start on */
};

#define LOAD_PLAN_DEFAULT                                                                      \
	{                                                                                      \
		.connections = 8, .per_connection = 1, .seed = 1,                              \
		.timeout_ns = 300 * SECOND_NS                                                  \
	}

enum load_option {
	LOAD_ADDRESS = 1,
	LOAD_CORPUS,
	LOAD_COUNT,
	LOAD_CONNECTIONS,
	LOAD_PER_CONNECTION,
	LOAD_RATE,
	LOAD_EVEN,
	LOAD_SEED,
	LOAD_TIMEOUT,
	LOAD_JSON,
	LOAD_IDLE,
	LOAD_OWN, /* those of one generator begin here */
};

/* Rows for getopt_long(). */
/* clang-format off */
#define LOAD_PLAN_OPTIONS                                                                      \
	{ "address", required_argument, NULL, LOAD_ADDRESS },                                  \
	{ "corpus", required_argument, NULL, LOAD_CORPUS },                                    \
	{ "count", required_argument, NULL, LOAD_COUNT },                                      \
	{ "connections", required_argument, NULL, LOAD_CONNECTIONS },                          \
	{ "per-connection", required_argument, NULL, LOAD_PER_CONNECTION },                    \
	{ "rate", required_argument, NULL, LOAD_RATE },                                        \
	{ "even", no_argument, NULL, LOAD_EVEN },                                              \
	{ "seed", required_argument, NULL, LOAD_SEED },                                        \
	{ "timeout", required_argument, NULL, LOAD_TIMEOUT },                                  \
	{ "json", no_argument, NULL, LOAD_JSON },                                              \
	{ "idle", required_argument, NULL, LOAD_IDLE }
/* clang-format on */

#define LOAD_PLAN_USAGE                                                                        \
	" --address unix:PATH|inet:HOST:PORT --corpus FOLDER\n"                                \
	"  [--count N]            mails to send (all of the corpus; more: from the start "     \
	"again)\n"                                                                             \
	"  [--connections N]      8; at most this many at once in the open loop too\n"         \
	"  [--per-connection N]   mails on one connection (1)\n"                               \
	"  [--rate R] [--even]    open loop, R mails a second, at random or even distances\n"  \
	"  [--seed S]             of the random distances\n"                                   \
	"  [--timeout SECONDS] [--json]\n"

/* One option of the above; false when it is none. */
bool load_plan_take(struct load_plan *p, int option, const char *value);
/* Whether all that is needed was given. */
bool load_plan_is_whole(const struct load_plan *p);
/* Mails, schedule and descriptors. Ends the program on any error. */
void load_plan_prepare(struct load_plan *p);
/* Whether mail number `taken` may go now, in a run that began at start_ns. */
bool load_plan_is_due(
    const struct load_plan *p, size_t taken, uint64_t start_ns, uint64_t now_ns);
/* Nanoseconds to wait: `wait`, or less when that mail is due earlier. */
uint64_t load_plan_shorten(
    const struct load_plan *p, uint64_t wait, size_t taken, uint64_t start_ns, uint64_t now_ns);
/* The same for a moment. In the past: all slots are busy, an event frees one. */
uint64_t wait_shorten(uint64_t wait, uint64_t now_ns, uint64_t due_ns);

/* All end the program on errors. slot: what an event brings back. */
int watch_new(void);
void watch_add(int epoll_fd, int fd, void *slot);
/* A standing wish to write would wake us each time the other side reads: only while there is
 * output. *watches_output is what was asked for last. */
void watch_set_output(int epoll_fd, int fd, void *slot, bool wants, bool *watches_output);
/* How many events came within wait_ns. */
int watch_wait(int epoll_fd, struct epoll_event *events, int most, uint64_t wait_ns);

#endif
