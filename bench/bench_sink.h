/* bench_sink.h: the parts of bench_smtp_sink: what arrives is counted by its id
 * (bench_sink_mail.c), replies are spoilt where a fault is asked for (bench_sink_fault.c), one
 * connection speaks SMTP or LMTP (bench_sink_session.c). bench_smtp_sink.c runs them. */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SINK_ID_BYTES     64
#define SINK_LINE_BYTES   256
#define SINK_FAULTS_MAX   32
#define SINK_OUTPUT_BYTES 8192

/* ---- mails */

/* Ids that arrived and how often; an open hash table that grows. */
struct sink_id {
	char text[SINK_ID_BYTES]; /* "": free place */
	unsigned count;
};

struct sink_count {
	struct sink_id *ids;
	size_t id_cap, id_count;
	uint64_t connections, mails, bytes, recipients;
	uint64_t doubled;    /* mails whose id had arrived before */
	uint64_t infected;   /* mails whose id says that they are: PREFIX-i-NUMBER */
	uint64_t without_id; /* no X-Bench-Id */
	uint64_t damaged;    /* the body has another size than X-Bench-Body says */
	uint64_t bare_lf;    /* line ends without CR, in all mails */
	uint64_t unfinished; /* connections that ended inside of a mail */
	uint64_t faults;     /* replies spoilt */
};

void sink_count_print_json(const struct sink_count *n, FILE *out);
/* "ID COUNT" on each line, in no order. Ends the program when it cannot. */
void sink_count_write_ids(const struct sink_count *n, const char *path);

/* The content of one mail, read as it comes; nothing of it is kept. */
struct sink_mail {
	enum { MAIL_LINE_START, MAIL_LINE, MAIL_DOT, MAIL_DOT_CR } state;
	bool in_header;
	bool last_cr;
	char line[SINK_LINE_BYTES]; /* of the header, cut */
	size_t line_len;
	char id[SINK_ID_BYTES];
	bool has_body_size;
	uint64_t wanted_body_bytes, body_bytes, bytes;
	uint64_t bare_lf;
};

void sink_mail_begin(struct sink_mail *m);
/* Take bytes after 354. The number used; *ret_ended: CRLF . CRLF was among them, the rest
 * belongs to what follows the mail. Nothing else ends a mail (RFC 5321 section 4.1.1.4). */
size_t sink_mail_take(struct sink_mail *m, const char *data, size_t len, bool *ret_ended);
void sink_mail_count(const struct sink_mail *m, struct sink_count *n);

/* ---- faults */

enum sink_step {
	STEP_CONNECT,
	STEP_HELLO,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_BODY, /* inside of the mail: no reply is due there */
	STEP_END,
	STEP_RSET,
	STEP_QUIT,
	STEP_OTHER,
	STEP_COUNT,
};

enum sink_action {
	ACTION_NONE,
	ACTION_LATE,    /* value: ms */
	ACTION_REFUSE,  /* value: code; 421 closes */
	ACTION_HALF,    /* half of the reply, then the end */
	ACTION_HALFWAY, /* half of the reply, the rest after value ms */
	ACTION_MULTI,   /* a reply of value lines */
	ACTION_NEVER,   /* no reply, nothing is read any more */
	ACTION_CLOSE,   /* no reply, the connection is closed */
};

struct sink_fault {
	enum sink_step step;
	bool once; /* the number-th alone, of its mail if it is a RCPT; else every number-th */
	unsigned number;
	enum sink_action action;
	unsigned value;
};

struct sink_faults {
	struct sink_fault list[SINK_FAULTS_MAX];
	size_t count;
	unsigned seen[STEP_COUNT];
};

/* STEP[/N|#N]=ACTION[:VALUE]. Ends the program when it is not that. */
void sink_faults_add(struct sink_faults *f, const char *text);
/* What shall happen to this step. rcpt_number: of a RCPT, from 1, in its mail. Borrowed; NULL:
 * nothing. */
const struct sink_fault *sink_faults_find(
    struct sink_faults *f, enum sink_step step, unsigned rcpt_number);
bool sink_faults_has(const struct sink_faults *f, enum sink_step step);

/* ---- sessions */

struct sink_options {
	bool lmtp;
	bool no_pipelining;
	bool xforward;
	struct sink_faults faults;
};

struct sink_session {
	int fd;
	struct sink_options *options;
	struct sink_count *count;
	bool in_mail, in_data, body_fault_done;
	unsigned rcpts, rcpts_taken;
	struct sink_mail mail;
	bool closing;           /* end it once its output is out */
	bool stuck;             /* never answers again */
	uint64_t held_until_ns; /* 0: not held; else nothing is written or read before */
	char command[SINK_LINE_BYTES * 4];
	size_t command_len;
	char output[SINK_OUTPUT_BYTES];
	size_t output_len;
	char *rest; /* read, not yet looked at: the session is held. NULL: none */
	size_t rest_len;
};

/* Take over fd and greet. */
struct sink_session *sink_session_new(int *fd, struct sink_options *o, struct sink_count *n);
void sink_session_free(struct sink_session **s);
/* Read what is there and answer. False: the connection is done with. */
bool sink_session_on_readable(struct sink_session *s);
/* Write what is queued; once a hold is over, go on. False: done with. */
bool sink_session_on_writable(struct sink_session *s);
bool sink_session_wants_to_read(const struct sink_session *s);
bool sink_session_wants_to_write(const struct sink_session *s);

#endif
