/* clamd_station.h: a clamd scanner between faked servers and calls that note their answers.
 * Include in one file only. */
#ifndef CORDON_TESTS_CLAMD_STATION_H
#define CORDON_TESTS_CLAMD_STATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/log.h"
#include "config/config.h"
#include "scan/scanner.h"
#include "unit/clamd_fake.h"

#define SERVERS_MAX 4
#define CALLS_MAX   300
#define GUARD_MS    20000

struct probe_call {
	struct scan_call call;
	unsigned answers, order; /* how many calls were answered before */
	enum verdict verdict;
	enum cause cause;
	char name[256];
	struct station *station;
	void (*then)(struct probe_call *p); /* from inside the answer */
};

struct station {
	struct loop *loop;
	char folder[64];
	int log_fd;
	struct fake fakes[SERVERS_MAX];
	unsigned fake_count;
	const char *addresses[SERVERS_MAX];
	struct config_clamd config;
	struct scanner *scanner;
	struct probe_call calls[CALLS_MAX];
	unsigned call_count, answered, descriptors;
	struct loop_timer *guard;
};

static uint8_t big[5u << 20];

static unsigned
count_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
on_guard(void *ctx UNUSED)
{
	fail_msg("nothing happened for %d ms", GUARD_MS);
}

static int
setup(void **state)
{
	struct station *t = mem_new(sizeof(*t));

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)((i * 2654435761u) >> 13);
	snprintf(t->folder, sizeof(t->folder), "/tmp/cordon-clamd-XXXXXX");
	assert_non_null(mkdtemp(t->folder));
	t->log_fd = memfd_create("log", MFD_CLOEXEC);
	log_use_fd("test", t->log_fd, false);
	t->loop = loop_new();
	t->guard = loop_timer_new(t->loop, on_guard, t);
	t->config = (struct config_clamd){ .name = "main",
		.timeout_ms = 5000,
		.connect_timeout_ms = 1000,
		.max_object = 25u << 20,
		.connections = 8,
		.retry_down_ms = 100,
		.transfer = CONFIG_TRANSFER_AUTO };
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct station *t = *state;

	scanner_free(&t->scanner);
	for (unsigned i = 0; i < t->fake_count; i++)
		fake_stop(&t->fakes[i]);
	loop_timer_free(&t->guard);
	loop_free(&t->loop);
	log_use_fd("test", STDERR_FILENO, false);
	fd_close(&t->log_fd);
	rmdir(t->folder);
	free(t);
	return 0;
}

/* A server that listens; unless dead. */
static struct fake *
add_unix(struct station *t, bool dead)
{
	struct fake *f = &t->fakes[t->fake_count];
	char name[16];

	snprintf(name, sizeof(name), "%u.sock", t->fake_count);
	fake_init_unix(f, t->loop, t->folder, name);
	if (!dead)
		fake_listen(f, 512, true);
	t->addresses[t->fake_count++] = f->address;
	return f;
}

static struct fake *
add_tcp(struct station *t, const char *host)
{
	struct fake *f = &t->fakes[t->fake_count];

	fake_start_tcp(f, t->loop, host);
	t->addresses[t->fake_count++] = f->address;
	return f;
}

static void
start(struct station *t)
{
	t->config.servers = (struct config_list){ t->addresses, t->fake_count };
	t->descriptors = count_descriptors();
	t->scanner = scan_clamd_new(t->loop, &t->config);
	/* It must have copied what it needs. */
	memset(&t->config.servers, 0, sizeof(t->config.servers));
}

static void
turn(struct station *t)
{
	loop_timer_set_ms(t->guard, GUARD_MS);
	loop_run_once(t->loop);
	loop_timer_stop(t->guard);
}

static void
on_pause(void *ctx)
{
	*(bool *)ctx = true;
}

static void
run_ms(struct station *t, unsigned ms)
{
	bool over = false;
	struct loop_timer *timer = loop_timer_new(t->loop, on_pause, &over);

	loop_timer_set_ms(timer, ms);
	while (!over)
		turn(t);
	loop_timer_free(&timer);
}

static void
on_answer(struct scan_call *call, const struct scan_answer *a)
{
	struct probe_call *p = call->owner;

	p->answers++;
	p->verdict = a->verdict;
	p->cause = a->cause;
	snprintf(p->name, sizeof(p->name), "%.*s", SLICE_FMT(a->name));
	p->order = p->station->answered++;
	if (p->then != NULL)
		p->then(p);
}

static struct probe_call *
ask(struct station *t, struct slice bytes, unsigned timeout_ms)
{
	struct probe_call *p = &t->calls[t->call_count++];

	*p = (struct probe_call){ .station = t };
	p->call = (struct scan_call){ .bytes = bytes,
		.region_fd = -1,
		.timeout_ms = timeout_ms,
		.done = on_answer,
		.owner = p };
	t->scanner->ops->start(t->scanner, &p->call);
	assert_int_equal(p->answers, 0);
	return p;
}

UNUSED static struct probe_call *
ask_and_wait(struct station *t, struct slice bytes)
{
	struct probe_call *p = ask(t, bytes, 10000);

	while (p->answers == 0)
		turn(t);
	assert_null(p->call.scanner_data);
	return p;
}

static void
assert_answer(const struct probe_call *p, enum verdict verdict, enum cause cause)
{
	assert_int_equal(p->answers, 1);
	assert_int_equal(p->verdict, verdict);
	assert_int_equal(p->cause, cause);
}

UNUSED static unsigned
count_in_log(struct station *t, const char *what)
{
	static char text[65536];
	ssize_t n = pread(t->log_fd, text, sizeof(text), 0);
	struct slice log = slice_of(text, n > 0 ? (size_t)n : 0);
	unsigned count = 0;

	for (size_t at = 0; (at = slice_find(log, slice_of_str(what), at)) != SIZE_MAX; at++)
		count++;
	return count;
}

static void
assert_status(struct station *t, const char *want)
{
	CLEANUP(buf_done) struct buf out = { .max = 65536 };

	assert_int_equal(t->scanner->ops->format_status(t->scanner, &out), 0);
	if (strstr(buf_get_str(&out), want) == NULL)
		fail_msg("'%s' is not in %s", want, buf_get_str(&out));
}

#define CLEAN          VERDICT_CLEAN, CAUSE_NONE
#define INFECTED       VERDICT_INFECTED, CAUSE_NONE
#define UNKNOWN(cause) VERDICT_UNKNOWN, CAUSE_##cause
#define SOME           SLICE_LIT("some bytes")

#endif
