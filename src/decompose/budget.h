/* budget.h: what one message may cost. One budget, shared by everything found inside it. */
#ifndef CORDON_DECOMPOSE_BUDGET_H
#define CORDON_DECOMPOSE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct limits {
	uint32_t depth;         /* levels of containers, the message is level 0 */
	uint32_t mime_depth;    /* levels of multipart inside one entity */
	uint32_t objects;       /* objects in all */
	uint64_t output_bytes;  /* decoded bytes in all */
	uint64_t held_bytes;    /* decoded bytes kept at one time */
	uint32_t ratio;         /* one object's output bytes per input byte ... */
	uint64_t ratio_floor_bytes; /* ... once its output passed this many bytes */
	uint64_t quota_min;         /* bytes; see budget_get_quota() */
	uint64_t quota_max;         /* 0: no quota */
	uint32_t quota_min_factor, quota_max_factor;
	uint32_t cpu_ms;          /* CPU time for the whole message */
	uint32_t wall_ms;         /* wall-clock time for it; 0: no limit here */
	uint32_t entity_readings; /* readings of MIME entities in all */
	uint32_t helper_ms;     /* wall-clock time of 7zz and the like for the whole message */
	uint32_t helper_runs;   /* runs of it */
	uint32_t helper_passwords; /* passwords tried with it, for each archive */
};

/* The defaults, as configured when nothing is configured. */
struct limits limits_get_default(void);

struct budget {
	struct limits limits;
	uint32_t left_objects;
	uint64_t left_bytes;
	uint64_t left_quota; /* UINT64_MAX when there is none */
	uint32_t left_entity_readings;
	uint32_t left_helper_ms, left_helper_runs;
	uint32_t left_key_tries; /* passwords tried on documents */
	int64_t cpu_deadline_us;  /* against clock_cpu_us() */
	int64_t wall_deadline_us; /* against clock_now_us() */
	uint32_t ticks;           /* calls of budget_has_time() until the clocks are read */
	bool out_of_time;
	uint64_t facts;          /* FACT_BIT()s of the limits that were met */
};

/* The decoded bytes that a message of input_bytes may have when it is measured by its size:
 *   max(quota_min, input * quota_min_factor, min(quota_max, input * quota_max_factor))
 * UINT64_MAX without quota_max. Source: amavis, MIN_EXPANSION_QUOTA and so on. */
uint64_t budget_get_quota(const struct limits *l, uint64_t input_bytes);
void budget_init(struct budget *b, const struct limits *l, uint64_t input_bytes);
/* Pay for want bytes of output of an object that has given output_before bytes so far out of
 * input_bytes. False: used up, *ret_fact (enum fact) names the limit, nothing was paid. */
bool budget_take_bytes(struct budget *b, uint64_t want, uint64_t output_before,
    uint64_t input_bytes, int *ret_fact);
bool budget_take_object(struct budget *b);
bool budget_take_entity_reading(struct budget *b);
/* One password more to try on a document that takes long to say no; no fact when they are used up:
 * the document is encrypted all the same. */
bool budget_take_key_try(struct budget *b);
/* Decoded bytes that are left, whatever limits them; *ret_fact (enum fact) tells what does. */
uint64_t budget_get_left_bytes(const struct budget *b, int *ret_fact);
/* False once the CPU time or the wall-clock time is spent. Cheap: the clocks are read on one
 * call in 64. Call it in every loop whose length a mail decides, about once per kilobyte of
 * work. */
bool budget_has_time(struct budget *b);
/* Work on so many bytes in one go, such as hashing them: the clocks are read the sooner. */
void budget_add_work(struct budget *b, uint64_t bytes);
/* Which of the two was spent, as FACT_BIT(): for the object that was being worked on. */
uint64_t budget_get_time_facts(const struct budget *b);

#endif
