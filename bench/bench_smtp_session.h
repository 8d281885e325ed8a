/* bench_smtp_session.h: the client's side of one SMTP or LMTP connection, non-blocking: it
 * sends mails one after another and reads what is answered. When mails are sent, what is tried
 * again and what is measured is decided by bench_smtp_load.c. Source: RFC 5321, 2920, 2033. */
#ifndef BENCH_SMTP_SESSION_H
#define BENCH_SMTP_SESSION_H

#include "bench_mails.h"
#include "bench_net.h"

#define SMTP_INPUT_BYTES  8192
#define SMTP_OUTPUT_BYTES 4096
#define SMTP_TEXT_BYTES   128
#define SMTP_ID_BYTES     64

/* How the server is spoken to; the same for all sessions of a run. */
struct smtp_style {
	struct net_address address;
	bool lmtp;
	bool pipelining; /* when the server offers it */
	unsigned recipients;
	unsigned sources; /* addresses to come from: 127.0.0.1 and so on; 0: leave it open */
};

/* What the next reply answers. */
enum smtp_step {
	SMTP_GREETING,
	SMTP_HELLO,
	SMTP_READY, /* none: between mails */
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_END, /* of the mail */
	SMTP_RSET,
	SMTP_QUIT,
};

struct smtp_session {
	const struct smtp_style *style;
	int fd; /* -1: not connected */
	enum smtp_step step;
	bool can_pipeline; /* offered and wanted */
	bool ended;        /* it answered QUIT or 421, or closed */
	bool settled;      /* the mail has its answer, in code */
	bool broken;       /* the connection was lost or the dialogue made no sense */
	bool dot_sent;     /* the end of the mail left: the server may have it */
	const struct mail *mail;
	char id[SMTP_ID_BYTES];
	unsigned code;         /* of the mail: its final reply, or what refused it before */
	unsigned refused_code; /* of a command that was refused; 0: none */
	char text[SMTP_TEXT_BYTES]; /* of that reply, cut */
	unsigned rcpt_replies, rcpt_taken, end_replies;
	unsigned mails_done;
	/* output: commands and the id's header in text, then the mail, then the dot */
	char output[SMTP_OUTPUT_BYTES];
	size_t output_len, output_sent;
	bool sends_mail;  /* the mail's bytes follow output */
	size_t mail_sent; /* of wire and dot */
	char input[SMTP_INPUT_BYTES];
	size_t input_len;
};

void smtp_session_init(struct smtp_session *s, const struct smtp_style *style);
void smtp_session_close(struct smtp_session *s);
/* Start to connect. number chooses the source address. As net_connect(). */
int smtp_session_connect(struct smtp_session *s, unsigned number);
/* Take on the next mail: the session is ready, or still before it. Borrows mail until settled.
 * The mail carries the header "X-Bench-Id: ID" and the number of its body's bytes. */
void smtp_session_begin(struct smtp_session *s, const struct mail *mail, const char *id);
/* Queue MAIL alone, for sessions that are to stand still after it; step is SMTP_RCPT then. */
void smtp_session_begin_transaction(struct smtp_session *s);
void smtp_session_quit(struct smtp_session *s);
/* Write what can be written. 0, or a negative error: the session is broken. */
int smtp_session_on_writable(struct smtp_session *s);
/* Read and act on what came. 0, or a negative error: the session is broken; whether the mail
 * was settled before that is in settled. */
int smtp_session_on_readable(struct smtp_session *s);
bool smtp_session_has_output(const struct smtp_session *s);

#endif
