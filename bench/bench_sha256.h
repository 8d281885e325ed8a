/* bench_sha256.h: what the SHA-256 of objects costs inside the decomposer. The linker puts us
 * between it and base/sha256.c: a program that uses this is linked with --wrap=sha256_of. */
#ifndef BENCH_SHA256_H
#define BENCH_SHA256_H

#include <stdint.h>

struct sha256_cost {
	double seconds;
	uint64_t bytes;
};

/* What is added up from now on; NULL: nothing. Borrowed. */
void sha256_cost_count(struct sha256_cost *cost);
/* Monotonic, in seconds. */
double bench_now_s(void);

#endif
