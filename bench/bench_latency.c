/* bench_latency.c: latencies and arrival times of the load generators (bench_latency.h). */
#include "bench_latency.h"
#include "bench_net.h"

#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void
latency_log_init(struct latency_log *l, size_t cap)
{
	*l = (struct latency_log){ .list = calloc(cap + 1, sizeof(*l->list)), .cap = cap };
	if (!l->list)
		err(1, "cannot keep %zu latencies", cap);
}

void
latency_log_add(struct latency_log *l, uint64_t start_ns, size_t bytes)
{
	if (l->count == l->cap)
		return;
	l->list[l->count++] =
	    (struct latency){ .ms = (float)((double)(net_now_ns() - start_ns) / 1e6),
		    .small = bytes < LATENCY_SMALL_BYTES };
}

static int
latency_compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

struct latency_figures
latency_log_figures(const struct latency_log *l, bool small_only)
{
	float *list = calloc(l->count + 1, sizeof(*list));
	struct latency_figures out = { 0 };

	if (!list)
		err(1, "cannot get the latencies");
	for (size_t i = 0; i < l->count; i++)
		if (!small_only || l->list[i].small)
			list[out.count++] = l->list[i].ms;
	qsort(list, out.count, sizeof(*list), latency_compare);
	if (out.count > 0) {
		out.p50 = (double)list[(out.count - 1) / 2];
		out.p90 = (double)list[(size_t)ceil((double)out.count * 0.90) - 1];
		out.p99 = (double)list[(size_t)ceil((double)out.count * 0.99) - 1];
		out.max = (double)list[out.count - 1];
	}
	free(list);
	return out;
}

static void
figures_print_json(const char *name, struct latency_figures f)
{
	printf("\"%s\":{\"count\":%zu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}",
	    name, f.count, f.p50, f.p90, f.p99, f.max);
}

void
latency_log_print_json(const struct latency_log *l)
{
	printf("\"latency_ms\":{");
	figures_print_json("all", latency_log_figures(l, false));
	printf(",");
	figures_print_json("small", latency_log_figures(l, true));
	printf("}");
}

static void
figures_print_text(const char *name, struct latency_figures f)
{
	printf("latency ms, %-12s p50 %8.2f  p90 %8.2f  p99 %8.2f  max %8.2f\n", name, f.p50,
	    f.p90, f.p99, f.max);
}

void
latency_log_print_text(const struct latency_log *l)
{
	figures_print_text("all", latency_log_figures(l, false));
	figures_print_text("under 15 KB", latency_log_figures(l, true));
}

uint64_t *
schedule_make(size_t count, double rate, bool even, uint64_t seed)
{
	uint64_t *schedule_ns = calloc(count + 1, sizeof(*schedule_ns));
	uint64_t x = seed * 2862933555777941757u + 3037000493u;
	double at = 0;

	if (!schedule_ns)
		err(1, "cannot get the schedule");
	for (size_t i = 0; i < count; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		double unit = ((double)(x >> 11) + 1) / 9007199254740993.0;
		at += (even ? 1 : -log(unit)) / rate;
		schedule_ns[i] = (uint64_t)(at * 1e9);
	}
	return schedule_ns;
}
