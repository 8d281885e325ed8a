/* bench_session.h: the MTA's side of one milter connection, non-blocking: it sends one mail
 * step by step and reads the filter's answers. When mails are sent, and what is measured, is
 * decided by bench_milter_load.c. */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include "bench_mails.h"
#include "bench_net.h"

/* How the filter is spoken to; the same for all sessions of a run. */
struct session_style {
	struct net_address address;
	uint32_t offered_protocol; /* SMFIP_* bits offered in the negotiation */
	bool abort_between_mails;  /* Postfix does, Sendmail does not */
	bool data_in_eob;          /* the last chunk travels in the end-of-body command */
};

enum session_step {
	STEP_NEGOTIATE,
	STEP_CONNECT,
	STEP_HELO,
	STEP_READY, /* between mails */
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_HEADERS,
	STEP_EOH,
	STEP_BODY,
	STEP_EOB,
};

enum mail_answer {
	ANSWER_NONE = 0, /* still at work */
	ANSWER_ACCEPT,
	ANSWER_REJECT,
	ANSWER_TEMPFAIL,
	ANSWER_DISCARD,
	ANSWER_ERROR, /* connection lost, protocol broken, or out of time */
	ANSWER_COUNT,
};

struct session_segment {
	const char *data; /* NULL: offset bytes into the session's own output */
	size_t offset;
	size_t len;
};

struct session {
	const struct session_style *style;
	int fd; /* -1: not connected */
	enum session_step step;
	bool waiting; /* a reply is due before the next command */
	bool closing; /* QUIT is queued: close when it is out */
	bool refused; /* the filter ended its work for this connection: reconnect */
	uint32_t version, actions, protocol; /* what was agreed on */
	size_t chunk_bytes;
	const struct mail *mail;
	uint32_t mail_number;
	size_t next_header;
	size_t body_sent;
	enum mail_answer answer;
	unsigned headers_added;
	unsigned changes; /* all other edits the filter asked for */
	unsigned mails_done;
	/* output: segments not yet sent; those without data lie in text */
	struct session_segment *segments;
	size_t segment_count, segment_cap, segment_first;
	char *text;
	size_t text_len, text_cap;
	/* input not yet read as a whole packet */
	char *input;
	size_t input_len, input_cap;
};

void session_init(struct session *s, const struct session_style *style);
void session_done(struct session *s);
/* Start to connect. 0: under way; -EAGAIN: the listener's queue is full, try later;
 * other negative: error. */
int session_connect(struct session *s);
/* Take on the next mail; the session must be ready or still negotiating. Borrows mail until an
 * answer is there. */
void session_begin(struct session *s, const struct mail *mail, uint32_t number);
/* Queue QUIT. */
void session_quit(struct session *s);
void session_close(struct session *s);
/* Write what can be written, having queued what can be queued. 0 or a negative error. */
int session_on_writable(struct session *s);
/* Read and act on what came. 0 or a negative error; s->answer tells when a mail is through. */
int session_on_readable(struct session *s);
bool session_has_output(const struct session *s);

#endif
