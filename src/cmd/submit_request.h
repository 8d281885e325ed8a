/* submit_request.h: how the cordon command gives the gate a mail (`submit`) or a connection
 * (`session`) over the control socket: one line, with descriptors beside it. Writer and reader
 * of each stand in one file. */
#ifndef CORDON_CMD_SUBMIT_REQUEST_H
#define CORDON_CMD_SUBMIT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* Of one envelope, which comes as a file of its own. */
#define SUBMIT_ENVELOPE_MAX_BYTES (16u << 20)
/* Of a way in or a listener: letters, digits, '-', '_', '.'. */
#define SUBMIT_NAME_MAX_BYTES 63u

/* "submit WAY LENGTH": LENGTH bytes of the first descriptor are the mail, the second one is its
 * envelope. WAY: a listener of the configuration, or what the log is to call it. */
struct submit_request {
	struct slice way;
	uint64_t length;
};
int submit_request_format(const struct submit_request *r, struct buf *out);
/* arguments: what stands behind "submit ". Slices are borrowed from it. */
bool submit_request_parse(struct slice arguments, struct submit_request *ret_request);

/* "session PROTOCOL LISTENER ADDRESS PORT" with the connection as descriptor. LISTENER empty:
 * the first one of that protocol. ADDRESS empty: the peer is a local one. */
struct session_request {
	struct slice protocol, listener, address;
	uint16_t port;
};
int session_request_format(const struct session_request *r, struct buf *out);
bool session_request_parse(struct slice arguments, struct session_request *ret_request);

/* The fields of an envelope: a letter, the value, a zero byte. The sender comes first, the
 * recipients last, the others once each at most. */
enum submit_field {
	SUBMIT_SENDER = 'F',
	SUBMIT_CLIENT_ADDRESS = 'A', /* an IP address */
	SUBMIT_CLIENT_NAME = 'N',
	SUBMIT_HELO = 'H',
	SUBMIT_USER = 'U',
	SUBMIT_QUEUE_ID = 'Q',
	SUBMIT_INFECTED = 'I', /* what is done with infected mail: reject, discard, tempfail */
	SUBMIT_RECIPIENT = 'T',
};
/* Appends one field; an empty value only for sender and recipients. -EINVAL: a zero byte in it.
 */
int submit_envelope_put(struct buf *out, enum submit_field f, struct slice value);

struct submit_envelope {
	struct slice sender, client_address, client_name, helo, user, queue_id;
	const char *infected;    /* NULL: not given */
	struct slice recipients; /* their fields, for submit_envelope_next() */
};
/* Borrows text. false: it is not an envelope to its last byte. */
bool submit_envelope_parse(struct slice text, struct submit_envelope *ret_envelope);
/* The next recipient, out of e->recipients; false when there is none. */
bool submit_envelope_next(struct submit_envelope *e, struct slice *ret_recipient);

#endif
