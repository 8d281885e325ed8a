/* clock.h: time. Monotonic for spans, wall clock for people, CPU for budgets. */
#ifndef CORDON_BASE_CLOCK_H
#define CORDON_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_now_us(void);  /* monotonic, microseconds */
int64_t clock_now_ms(void);  /* monotonic, milliseconds */
int64_t clock_wall_s(void);  /* seconds since 1970 */
int64_t clock_cpu_us(void);  /* CPU time of this thread, microseconds */

#endif
