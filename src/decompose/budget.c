/* budget.c: paying for work; see budget.h. */
#include "decompose/budget.h"

#include "base/clock.h"
#include "base/macros.h"
#include "decompose/object.h"

#define TICKS_PER_CLOCK_READ 64

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

void
budget_init(struct budget *b, const struct limits *l)
{
	*b = (struct budget){
		.limits = *l,
		.left_objects = l->objects,
		.left_bytes = l->output_bytes,
		.left_entity_readings = l->entity_readings,
		.left_helper_ms = l->helper_ms,
		.left_helper_runs = l->helper_runs,
		.cpu_deadline_us = clock_cpu_us() + (int64_t)l->cpu_ms * 1000,
		.ticks = TICKS_PER_CLOCK_READ,
	};
}

static bool
budget_refuse(struct budget *b, enum fact f)
{
	b->facts |= FACT_BIT(f);
	return false;
}

bool
budget_take_bytes(struct budget *b, uint64_t want, uint64_t output_before, uint64_t input_bytes,
    int *ret_fact)
{
	uint64_t output = output_before + want;

	*ret_fact = FACT_LIMIT_BYTES;
	if (want > b->left_bytes)
		return budget_refuse(b, FACT_LIMIT_BYTES);
	if (output > b->limits.ratio_floor_bytes &&
	    output / MAX_OF(input_bytes, (uint64_t)1) >= b->limits.ratio) {
		*ret_fact = FACT_LIMIT_RATIO;
		return budget_refuse(b, FACT_LIMIT_RATIO);
	}
	b->left_bytes -= want;
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
	if (clock_cpu_us() < b->cpu_deadline_us)
		return true;
	b->out_of_time = true;
	return budget_refuse(b, FACT_LIMIT_CPU);
}
