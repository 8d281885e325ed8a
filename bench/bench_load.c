/* bench_load.c: see bench_load.h. */
#include "bench_load.h"

#include "bench_net.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

bool
load_plan_take(struct load_plan *p, int option, const char *value)
{
	unsigned long long number = value ? strtoull(value, NULL, 10) : 0;

	switch (option) {
	case LOAD_ADDRESS:
		p->address = value;
		break;
	case LOAD_CORPUS:
		p->corpus = value;
		break;
	case LOAD_COUNT:
		p->count = number;
		break;
	case LOAD_CONNECTIONS:
		p->connections = number;
		break;
	case LOAD_PER_CONNECTION:
		p->per_connection = number;
		break;
	case LOAD_RATE:
		p->rate = strtod(value, NULL);
		break;
	case LOAD_EVEN:
		p->even = true;
		break;
	case LOAD_SEED:
		p->seed = number;
		break;
	case LOAD_TIMEOUT:
		p->timeout_ns = number * SECOND_NS;
		break;
	case LOAD_JSON:
		p->json = true;
		break;
	case LOAD_IDLE:
		p->idle = number;
		break;
	default:
		return false;
	}
	return true;
}

bool
load_plan_is_whole(const struct load_plan *p)
{
	return p->address && (p->corpus || p->idle > 0) && p->connections > 0 &&
	       p->per_connection > 0 && p->rate >= 0;
}

void
load_plan_prepare(struct load_plan *p)
{
	if (p->idle > 0)
		p->connections = p->idle;
	else
		mails_load(&p->mails, p->corpus, p->count);
	if (p->count == 0)
		p->count = p->mails.count;
	if (p->rate > 0 && p->idle == 0)
		p->schedule_ns = schedule_make(p->count, p->rate, p->even, p->seed);
	net_raise_files();
}

bool
load_plan_is_due(const struct load_plan *p, size_t taken, uint64_t start_ns, uint64_t now_ns)
{
	return taken < p->count &&
	       (!p->schedule_ns || now_ns >= start_ns + p->schedule_ns[taken]);
}

uint64_t
wait_shorten(uint64_t wait, uint64_t now_ns, uint64_t due_ns)
{
	return due_ns > now_ns && due_ns - now_ns < wait ? due_ns - now_ns : wait;
}

uint64_t
load_plan_shorten(
    const struct load_plan *p, uint64_t wait, size_t taken, uint64_t start_ns, uint64_t now_ns)
{
	return p->schedule_ns && taken < p->count
		   ? wait_shorten(wait, now_ns, start_ns + p->schedule_ns[taken])
		   : wait;
}

int
watch_new(void)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_fd == -1)
		err(1, "cannot start");
	return epoll_fd;
}

void
watch_add(int epoll_fd, int fd, void *slot)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = slot };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == -1)
		err(1, "epoll_ctl");
}

void
watch_set_output(int epoll_fd, int fd, void *slot, bool wants, bool *watches_output)
{
	struct epoll_event e = { .events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN,
		.data.ptr = slot };

	if (wants == *watches_output)
		return;
	*watches_output = wants;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &e) == -1)
		err(1, "epoll_ctl");
}

int
watch_wait(int epoll_fd, struct epoll_event *events, int most, uint64_t wait_ns)
{
	struct timespec t = { .tv_sec = (time_t)(wait_ns / SECOND_NS),
		.tv_nsec = (long)(wait_ns % SECOND_NS) };
	int n = epoll_pwait2(epoll_fd, events, most, &t, NULL);

	if (n == -1 && errno != EINTR)
		err(1, "epoll_pwait2");
	return n;
}
