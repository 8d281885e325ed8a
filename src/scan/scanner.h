/* scanner.h: what answers for single objects from outside the inspector: libclamav's tree,
 * clamd, later others. Each is one file behind this struct. Never blocks: an answer comes by
 * callback, always exactly one per call unless it was cancelled. */
#ifndef CORDON_SCAN_SCANNER_H
#define CORDON_SCAN_SCANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "scan/finding.h"

struct loop;
struct scanner;
struct config_clamd;
struct worker_pool;

struct scan_answer {
	enum verdict verdict;
	enum cause cause;     /* when unknown */
	struct slice name;    /* when infected; borrowed for the call */
	uint32_t cost_us;
};

/* One object to look at. The caller keeps it alive until answered or cancelled. */
struct scan_call {
	struct slice bytes;        /* mapped in this process */
	uint32_t region_id;        /* the same bytes for other processes */
	int region_fd;             /* read-only descriptor, borrowed */
	uint64_t region_size, offset;
	uint32_t flags;            /* REPORT_OPENED */
	bool large;
	unsigned timeout_ms;       /* what is left of the mail's time */
	void (*done)(struct scan_call *c, const struct scan_answer *a);
	void *owner;
	void *scanner_data;        /* the scanner's */
};

struct scanner_ops {
	/* Begins; may answer at once, from inside. */
	void (*start)(struct scanner *s, struct scan_call *c);
	void (*cancel)(struct scanner *s, struct scan_call *c);
	/* Changes whenever earlier answers may no longer hold. */
	uint64_t (*get_version)(struct scanner *s);
	/* Is there anything to ask? A scanner that is not configured to run gives false. */
	bool (*is_there)(struct scanner *s);
	/* One JSON object for `cordon status`. */
	int (*format_status)(struct scanner *s, struct buf *out);
	void (*free)(struct scanner *s);
};

struct scanner {
	const struct scanner_ops *ops;
	char name[48];
	uint64_t max_object; /* bytes; larger objects are unscanned: too_big */
	uint64_t asked, clean, infected, unknown, us;
};

/* Objects go to the caged libclamav tree behind pool (borrowed). */
struct scanner *scan_clamav_new(struct worker_pool *pool, uint64_t max_object,
    unsigned timeout_ms, unsigned max_age_days);
/* Objects go to clamd servers. */
struct scanner *scan_clamd_new(struct loop *l, const struct config_clamd *c);
void scanner_free(struct scanner **s);
/* An answer that nothing is known, with its cause. */
struct scan_answer scan_answer_unknown(enum cause cause);

#endif
