/* loop.h: the event loop: descriptors, timers, signals. libevent stands behind it, alone. One
 * loop per process, one thread. Callbacks may free the watch they are called for. */
#ifndef CORDON_BASE_LOOP_H
#define CORDON_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_watch; /* one descriptor */
struct loop_timer;

#define LOOP_READ  1u
#define LOOP_WRITE 2u

typedef void (*loop_io_fn)(void *ctx, unsigned events);
typedef void (*loop_timer_fn)(void *ctx);
typedef void (*loop_signal_fn)(void *ctx, int signal_number);

struct loop *loop_new(void);
void loop_free(struct loop **l);
/* Runs until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Handles what is ready, waiting at most once for something; for programs with an end. */
void loop_run_once(struct loop *l);

/* Watches fd (borrowed; close it after loop_watch_free) for LOOP_* events, level-triggered. */
struct loop_watch *loop_watch_new(struct loop *l, int fd, unsigned events, loop_io_fn fn,
    void *ctx);
/* Changes what is watched for; 0 for nothing. Cheap when nothing changes. */
void loop_watch_set(struct loop_watch *w, unsigned events);
void loop_watch_free(struct loop_watch **w);

/* One-shot timers. set: (re)starts; stop: not pending any more. */
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *ctx);
void loop_timer_set_ms(struct loop_timer *t, unsigned delay_ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer **t);

/* Calls fn from the loop, not from the signal handler. Stays until loop_free(). */
void loop_signal(struct loop *l, int signal_number, loop_signal_fn fn, void *ctx);

#endif
