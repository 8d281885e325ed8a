/* report.h: what an inspector tells the gate about one mail: every object, fact, finding. The
 * writer lives in a cage and may be taken over: the reader checks every number. */
#ifndef CORDON_SCAN_REPORT_H
#define CORDON_SCAN_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "scan/finding.h"

struct arena;

/* Where the bytes of an object lie for those who scan them next. */
enum report_place { REPORT_NOWHERE, REPORT_IN_INPUT, REPORT_IN_HOLD };

#define REPORT_OPENED 1u /* an opener listed all members: engines need not unpack it again */
#define REPORT_WANTED 2u /* to be given to the engines */
#define REPORT_HASHED 4u
#define REPORT_UNOPENED                                                                        \
	8u /* a member that was only listed: its bytes are packed, or not there */

struct report_object {
	uint32_t id, parent;
	uint32_t flags; /* REPORT_* */
	enum report_place place;
	uint64_t offset, size;
	struct sha256 hash;
	uint64_t facts, views, ambiguities, notes;
	struct packing packing;
	struct slice trail, declared, detected;
	struct slice *names;
	uint32_t name_count;
	uint32_t cost_us;
};

/* A further place of an object's bytes. */
struct report_double {
	uint32_t object, parent; /* ids */
	struct slice trail;
};

struct report {
	struct report_object *objects; /* object id i stands at [i - 1] */
	uint32_t object_count;
	struct report_double *doubles;
	uint32_t double_count;
	struct finding *findings;
	uint32_t finding_count;
	uint32_t not_matched;          /* objects that signatures could not be matched against */
	uint64_t facts;                /* of the message */
	uint32_t decompose_us, match_us, cpu_us;
};

/* Most bytes of an encoded report; one that would be longer ends the mail unscanned. */
#define REPORT_MAX_BYTES (16u << 20)

/* Appends r to b: 0, -ENOBUFS, -ENOMEM. */
int report_encode(const struct report *r, struct buf *b);
/* Reads body into *ret_report, everything copied into a. input_size and hold_size bound the
 * places of objects. False: malformed, nothing may be used. */
bool report_decode(struct slice body, uint64_t input_size, uint64_t hold_size, struct arena *a,
    struct report *ret_report);

#endif
