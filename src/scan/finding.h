/* finding.h: what scanners said, and what they could not say. */
#ifndef CORDON_SCAN_FINDING_H
#define CORDON_SCAN_FINDING_H

#include <stdint.h>

#include "base/slice.h"
#include "decompose/object.h"

/* Of one object, by one scanner. The zero is never clean. */
enum verdict {
	VERDICT_UNKNOWN = 0,
	VERDICT_CLEAN,
	VERDICT_INFECTED,
};

enum finding_class {
	FINDING_VIRUS,
	FINDING_CLASS_COUNT
};
const char *finding_class_get_text(enum finding_class c);

struct finding {
	enum finding_class class;
	uint32_t object;      /* id */
	struct slice scanner, name;
	uint32_t cost_us;
	uint8_t cached;       /* told from an earlier answer */
};

struct unscanned {
	uint32_t object;      /* id; 0: the message as a whole */
	enum cause cause;
	struct slice scanner; /* who could not; empty: nobody could */
};

#endif
