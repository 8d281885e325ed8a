/* budget.c: paying for work; see budget.h. */
#include "decompose/budget.h"

#include "base/clock.h"
#include "base/macros.h"
#include "decompose/object.h"

#define KEY_TRIES_MAX        1000 /* a few seconds at worst */
#define TICKS_PER_CLOCK_READ 64
#define TICK_BYTES           16384 /* hashing is fast: a clock costs what some KB cost */

struct limits
limits_get_default(void)
{
	return (struct limits){
		.depth = 20,
		.mime_depth = 100,
		.objects = 10000,
		.output_bytes = UINT64_C(512) << 20,
		.held_bytes = UINT64_C(160) << 20,
		.ratio = 1000,
		.ratio_floor_bytes = UINT64_C(32) << 20,
		.cpu_ms = 20000,
		.entity_readings = 5000,
		.helper_ms = 30000,
		.helper_runs = 60,
		.helper_passwords = 25,
	};
}

static uint64_t
multiply_capped(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t
budget_get_quota(const struct limits *l, uint64_t input_bytes)
{
	uint64_t least = multiply_capped(input_bytes, l->quota_min_factor);
	uint64_t most = multiply_capped(input_bytes, l->quota_max_factor);

	if (l->quota_max == 0)
		return UINT64_MAX;
	return MAX_OF(MAX_OF(l->quota_min, least), MIN_OF(l->quota_max, most));
}

void
budget_init(struct budget *b, const struct limits *l, uint64_t input_bytes)
{
	*b = (struct budget){
		.limits = *l,
		.left_objects = l->objects,
		.left_bytes = l->output_bytes,
		.left_quota = budget_get_quota(l, input_bytes),
		.left_entity_readings = l->entity_readings,
		.left_helper_ms = l->helper_ms,
		.left_helper_runs = l->helper_runs,
		.left_key_tries = KEY_TRIES_MAX,
		.cpu_deadline_us = clock_cpu_us() + (int64_t)l->cpu_ms * 1000,
		.wall_deadline_us =
		    l->wall_ms == 0 ? INT64_MAX : clock_now_us() + (int64_t)l->wall_ms * 1000,
		.ticks = TICKS_PER_CLOCK_READ,
	};
}

static bool
budget_refuse(struct budget *b, enum fact f)
{
	b->facts |= FACT_BIT(f);
	return false;
}

uint64_t
budget_get_left_bytes(const struct budget *b, int *ret_fact)
{
	*ret_fact = b->left_quota < b->left_bytes ? FACT_LIMIT_QUOTA : FACT_LIMIT_BYTES;
	return MIN_OF(b->left_quota, b->left_bytes);
}

bool
budget_take_bytes(struct budget *b, uint64_t want, uint64_t output_before, uint64_t input_bytes,
    int *ret_fact)
{
	uint64_t output = output_before + want;

	if (want > budget_get_left_bytes(b, ret_fact))
		return budget_refuse(b, (enum fact) * ret_fact);
	if (output > b->limits.ratio_floor_bytes &&
	    output / MAX_OF(input_bytes, (uint64_t)1) >= b->limits.ratio) {
		*ret_fact = FACT_LIMIT_RATIO;
		return budget_refuse(b, FACT_LIMIT_RATIO);
	}
	b->left_bytes -= want;
	b->left_quota -= b->left_quota == UINT64_MAX ? 0 : want;
	return true;
}

bool
budget_take_object(struct budget *b)
{
	if (b->left_objects == 0)
		return budget_refuse(b, FACT_LIMIT_OBJECTS);
	b->left_objects--;
	return true;
}

bool
budget_take_key_try(struct budget *b)
{
	if (b->left_key_tries == 0)
		return false;
	b->left_key_tries--;
	return true;
}

bool
budget_take_entity_reading(struct budget *b)
{
	if (b->left_entity_readings == 0)
		return budget_refuse(b, FACT_LIMIT_VIEWS);
	b->left_entity_readings--;
	return true;
}

bool
budget_has_time(struct budget *b)
{
	if (b->out_of_time)
		return false;
	if (--b->ticks > 0)
		return true;
	b->ticks = TICKS_PER_CLOCK_READ;
	if (clock_cpu_us() >= b->cpu_deadline_us) {
		b->out_of_time = true;
		return budget_refuse(b, FACT_LIMIT_CPU);
	}
	if (clock_now_us() >= b->wall_deadline_us) {
		b->out_of_time = true;
		return budget_refuse(b, FACT_LIMIT_WALL);
	}
	return true;
}

void
budget_add_work(struct budget *b, uint64_t bytes)
{
	uint64_t ticks = bytes / TICK_BYTES;

	b->ticks = ticks >= b->ticks ? 1 : b->ticks - (uint32_t)ticks;
}

uint64_t
budget_get_time_facts(const struct budget *b)
{
	uint64_t facts = b->facts & (FACT_BIT(FACT_LIMIT_CPU) | FACT_BIT(FACT_LIMIT_WALL));

	return facts != 0 ? facts : FACT_BIT(FACT_LIMIT_CPU);
}
