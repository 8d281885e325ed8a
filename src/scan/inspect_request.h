/* inspect_request.h: what the gate asks of an inspector (FRAME_INSPECT), and how the answer
 * (FRAME_INSPECTED) begins. */
#ifndef CORDON_SCAN_INSPECT_REQUEST_H
#define CORDON_SCAN_INSPECT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define INSPECT_FULL    1u /* hash the whole mail too, open what is known to be infected */
#define INSPECT_LARGE   4u /* dear work: step back behind the others */
#define INSPECT_ENGINES 2u /* keep objects in the hold: engines will want them */

/* Descriptors that come with it, in this order. */
enum { INSPECT_FD_INPUT, INSPECT_FD_HOLD, INSPECT_FD_KNOWN, INSPECT_FD_COUNT };

struct inspect_request {
	uint64_t job;
	uint32_t flags;      /* INSPECT_* */
	uint32_t roles;      /* ROLE_*; 0: find out whether it is a mail */
	uint32_t input_id;   /* region; its first input_len bytes are the mail */
	uint64_t input_size, input_len;
	uint32_t hold_id;
	uint64_t hold_size;
	uint32_t known_id;
	uint64_t known_size;
	uint32_t epoch;      /* for known_find() */
	uint64_t max_object; /* largest object the engines take */
	struct slice name;   /* of the file, or empty */
};

int inspect_request_encode(const struct inspect_request *r, struct buf *b);
bool inspect_request_decode(struct slice body, struct inspect_request *ret_request);

/* The answer: u64 job, u8 status, u64 offset, u64 length of the report; a report that fits
 * stands right behind (offset == INSPECTED_INLINE), a longer one in the hold. */
#define INSPECTED_INLINE UINT64_MAX
#define INSPECTED_OK 1
#define INSPECTED_REPORT_TOO_LONG 2

/* FRAME_SCAN: u64 job, u32 region, u64 region size, u64 offset, u64 length, u32 flags
 * (REPORT_OPENED), str name; fd: region. FRAME_SCANNED: u64 job, u8 enum verdict, u8 enum
 * cause, u32 cost_us, str name. */

#endif
