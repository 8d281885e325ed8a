/* bench_latency.h: how long each mail took, kept one by one, and what is said of it. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mails under this size are also counted alone. */
#define LATENCY_SMALL_BYTES 15000

struct latency {
	float ms;
	bool small;
};

/* Of as many mails as latency_log_init() was told; owned, lives until the program ends. */
struct latency_log {
	struct latency *list;
	size_t count, cap;
};

struct latency_figures {
	size_t count;
	double p50, p90, p99, max;
};

void latency_log_init(struct latency_log *l, size_t cap);
/* A mail of that many bytes that was taken up at start_ns is answered now. */
void latency_log_add(struct latency_log *l, uint64_t start_ns, size_t bytes);
struct latency_figures latency_log_figures(const struct latency_log *l, bool small_only);
/* The member "latency_ms" of a JSON object, without a comma. */
void latency_log_print_json(const struct latency_log *l);
void latency_log_print_text(const struct latency_log *l);

/* Arrival times of count mails at rate a second, in nanoseconds from the start on: at even
 * distances, or as a Poisson process of that seed. Owned by the caller. */
uint64_t *schedule_make(size_t count, double rate, bool even, uint64_t seed);

#endif
