/* record.h: what happened to one mail: made by the gate, written by the recorder. One log line
 * per mail; the fields and their order stand in record_format.c. */
#ifndef CORDON_RECORD_RECORD_H
#define CORDON_RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct decision;
struct message;
struct scan_job;

#define RECORD_RECIPIENTS_MAX 20u /* shown; all are counted */

struct record {
	struct slice id, queue_id, listener, client_address, client_name, helo, user, tls;
	struct slice sender, recipients[RECORD_RECIPIENTS_MAX];
	uint32_t recipients_shown, recipient_count;
	uint64_t size_bytes;
	uint32_t objects;
	uint8_t verdict, action; /* enum mail_verdict, enum action */
	uint8_t delivered;       /* the answer reached the MTA */
	uint8_t is_file;         /* a file that a client asked about, no mail */
	uint32_t code;
	uint32_t next_hop_code;  /* what the next hop said at last; 0: it was not asked, or fell silent */
	struct slice next_hop;   /* its text */
	struct slice file_name;
	struct slice names;      /* of findings, joined by commas */
	struct slice scanners;
	struct slice causes;
	struct slice classes;    /* of ambiguity: "A07,A12" */
	struct slice trail;      /* of the first infected object */
	uint32_t receive_us, wait_us, decompose_us, match_us, inspect_us, engines_us, total_us;
	uint32_t cache_hits, cache_misses;
};

/* Fills *r from a finished mail; slices are borrowed from m, j and, for joined lists, text
 * (cleared first). j may be NULL: it was never inspected. */
void record_make(struct record *r, const struct message *m, const struct scan_job *j,
    const struct decision *d, bool delivered, struct buf *text);
int record_encode(const struct record *r, struct buf *b);
bool record_decode(struct slice body, struct record *ret_record);
/* The log line, without newline: key=value, or one JSON object. */
int record_format_text(const struct record *r, struct buf *out);
int record_format_json(const struct record *r, struct buf *out);

#endif
