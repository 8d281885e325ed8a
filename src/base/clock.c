/* clock.c: clock_gettime(2) in whole units. */
#include "base/clock.h"

#include <time.h>

static int64_t
clock_read_us(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_now_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

int64_t
clock_now_ms(void)
{
	return clock_now_us() / 1000;
}

int64_t
clock_wall_s(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000000;
}

int64_t
clock_cpu_us(void)
{
	return clock_read_us(CLOCK_THREAD_CPUTIME_ID);
}
