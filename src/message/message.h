/* message.h: one mail, from MAIL to the record of its outcome: envelope, client, header list,
 * and its bytes in a spool, just as the MTA had them. */
#ifndef CORDON_MESSAGE_H
#define CORDON_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "message/spool.h"

struct arena;
struct intake_client;

#define MESSAGE_ID_SIZE 20 /* with the NUL */

/* A header field by its place in the spool; value is raw, without the last line end. */
struct header_field {
	uint32_t name_at, name_len, value_at, value_len;
};

struct message_limits {
	uint64_t max_bytes;
	uint64_t header_bytes;
	uint32_t recipients;
};

/* What went wrong while it came in: what follows was not kept. */
#define MESSAGE_TOO_BIG       (1u << 0) /* passed max_bytes */
#define MESSAGE_NO_MEMORY     (1u << 1) /* the budget stayed spent */
#define MESSAGE_HEADER_LIMIT  (1u << 2) /* header list cut; the bytes are there */
#define MESSAGE_RCPT_LIMIT    (1u << 3) /* recipients not kept for the record */

struct message {
	char id[MESSAGE_ID_SIZE];
	struct arena *arena;
	struct message_limits limits;
	struct slice client_address, client_name, helo, user, tls, listener; /* in arena */
	struct slice queue_id, sender, sender_args;
	struct slice *recipients;
	uint32_t recipient_count, recipient_cap, recipients_seen;
	struct header_field *headers;
	uint32_t header_count, header_cap;
	struct spool spool;
	uint64_t size_bytes;  /* with what was dropped */
	size_t header_end;    /* offset of the body in the spool; 0: not known yet */
	bool is_whole;        /* came as one run of bytes: message_find_header() */
	bool is_file;         /* is no mail: file_name */
	struct slice file_name;
	unsigned next_hop_code; /* its last reply, 0: none came */
	unsigned answer_code;   /* what the client got at last, 0: what was decided */
	struct slice next_hop_text;
	unsigned flags;       /* MESSAGE_* */
	int64_t begun_us, ended_us;
};

/* id is made here: time and a counter, unique on this host for decades. client may be NULL. */
struct message *message_new(const struct message_limits *l, struct spool_pool *pool,
    const struct intake_client *client, struct slice sender, struct slice args);
void message_free(struct message **m);
void message_add_recipient(struct message *m, struct slice recipient);
/* What follows is a file, not a mail. */
void message_set_file(struct message *m, struct slice name);
/* What the next hop said of it at last. */
void message_set_next_hop(struct message *m, unsigned code, struct slice text);
void message_set_queue_id(struct message *m, struct slice queue_id);
/* Appends one field to the bytes: line ends become CRLF, and without value_is_raw a blank goes
 * behind the colon (milter without SMFIP_HDR_LEADSPC). */
void message_add_header(struct message *m, struct slice name, struct slice value,
    bool value_is_raw);
void message_end_header(struct message *m);
/* For a mail that came as one run of bytes (SMTP, pipes): makes the header list from them and
 * sets header_end. Lines end in CRLF or LF; a line that is no field belongs to the field before
 * it; a first line without a colon (mbox's From) is passed over. A mail without an empty line is
 * all header. Lists at most limits.header_bytes (MESSAGE_HEADER_LIMIT). */
void message_find_header(struct message *m);
/* As spool_reserve(), for body bytes. NULL with *ret_drop: the rest is to be dropped (flags
 * say why); NULL without: the budget is spent for now. */
uint8_t *message_reserve_body(struct message *m, size_t want, size_t *ret_room, bool *ret_drop);
void message_commit_body(struct message *m, size_t len);
/* Bytes that were dropped still count for the size. */
void message_count_dropped(struct message *m, size_t len);
struct slice message_get_bytes(const struct message *m);
struct slice message_get_header_name(const struct message *m, uint32_t i);
/* How many fields of that name there are (any case). */
unsigned message_count_header(const struct message *m, struct slice name);

#endif
