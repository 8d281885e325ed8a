/* smtp_session_private.h: what the files of one SMTP session share: smtp_session.c (life,
 * timers, writing), smtp_receive.c (reading), smtp_dialogue.c (commands), smtp_relay.c (the
 * next hop), smtp_answer.c (the sink's answer). */
#ifndef CORDON_INTAKE_SMTP_SESSION_PRIVATE_H
#define CORDON_INTAKE_SMTP_SESSION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/stream.h"
#include "config/config.h"
#include "intake/intake.h"
#include "intake/next_hop.h"
#include "intake/session_clock.h"
#include "intake/smtp_dot.h"
#include "intake/smtp_xforward.h"

#define SMTP_LINE_MAX_BYTES 4096u /* of a command, with its end; RFC 5321: at least 512 */

/* In the order of the dialogue: smtp_dialogue.c compares them. */
enum smtp_state {
	SMTP_STATE_PROXY,     /* the header of the PROXY protocol is to come */
	SMTP_STATE_CONNECTED, /* greeted, no HELO yet */
	SMTP_STATE_IDLE,      /* no mail */
	SMTP_STATE_MAIL,      /* MAIL was sent on or taken; recipients */
	SMTP_STATE_DATA,      /* bytes up to CRLF.CRLF */
	SMTP_STATE_CHUNK,     /* bytes of a BDAT chunk */
	SMTP_STATE_BETWEEN,   /* chunks: BDAT, RSET or QUIT */
	SMTP_STATE_SINK,      /* the whole mail is with the sink, which owes us finish() */
	SMTP_STATE_RELAY,     /* it is being sent on */
	SMTP_STATE_ANSWER,    /* its last reply is not written yet */
	SMTP_STATE_QUIT,      /* ends when everything is written */
};

/* What the session waits for; each has its time limit. */
enum smtp_wait {
	SMTP_WAIT_NOTHING, /* somebody else keeps the time */
	SMTP_WAIT_COMMAND,
	SMTP_WAIT_DATA,
	SMTP_WAIT_WRITE,
};

struct smtp_session {
	struct intake_session base; /* first */
	struct config *config;      /* owns options; our reference */
	const struct config_listener *options;
	struct next_hop_place *place;
	struct next_hop *hop;              /* NULL: none in use */
	struct next_hop_question question; /* while is_hello_waiting */
	struct stream *stream;
	struct loop_watch *watch;
	struct session_clock clock;
	struct tls_context *tls; /* for STARTTLS; NULL: not offered */
	struct buf in;           /* bytes that could not be used yet */
	struct buf out;          /* replies not yet written */
	struct buf waiting;      /* recipients sent on and not answered: text, NUL, ... */
	struct buf carry;        /* decoded bytes that the sink had no room for */
	struct smtp_xforward xforward;
	struct smtp_dot_decoder decoder;
	void *mail; /* the sink's; NULL: none */
	const struct slice
	    *pieces; /* of the mail that is sent on; the sink's, until mail_close() */
	size_t piece_count;
	uint64_t chunk_left;               /* bytes of the chunk that are still to come */
	int64_t mail_due_ms;               /* 0: none */
	enum smtp_state state, chunk_back; /* where an ignored chunk leads back to */
	enum smtp_wait wait;
	unsigned recipients;         /* that the next hop took */
	unsigned recipients_waiting; /* sent on and not answered */
	unsigned finals;             /* replies about the whole mail that are still to come */
	unsigned final_code;         /* the highest of those that came */
	unsigned junk;               /* commands since the last mail that led nowhere */
	unsigned moved;              /* bytes read since the limit was last set anew */
	char peer[64];               /* address of the connection itself; "" for unix sockets */
	uint8_t busy; /* calls of ours on the stack: the session must outlive them */
	bool is_lmtp;
	bool is_trusted;
	bool is_counted;       /* in client_count.c */
	bool is_esmtp;         /* EHLO or LHLO was said */
	bool is_mail_waiting;  /* MAIL was sent on and not answered */
	bool is_mail_taken;    /* the next hop took MAIL */
	bool is_data_waiting;  /* DATA was sent on and not answered */
	bool is_hello_waiting; /* EHLO waits for the next hop's offer */
	bool is_chunk_last, is_chunk_ignored;
	bool is_dropping;   /* the sink wants no more of this body */
	bool is_paused;     /* until resume() */
	bool is_discarding; /* the rest of a line that is too long */
	bool is_handshaking;
	bool is_closing_421; /* the next hop ended its service: so do we */
	bool has_moved;
	bool peer_spoke; /* while the sink works: bytes wait in the socket */
	bool is_in_cut;  /* what lies in `in` begins a line or header: only more bytes help */
	bool is_draining;
	bool is_delivered; /* the answer that is being written is the mail's */
	bool is_dead;      /* ends when the calls on the stack have returned */
};

/* smtp_session.c */
const struct intake_sink *smtp_session_get_sink(const struct smtp_session *s);
/* The world or the peer broke it: one line, then the end. */
void smtp_session_fail(struct smtp_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Appends one reply line of our own: "250 2.0.0 Ok" gets its CRLF. */
void smtp_session_say(struct smtp_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Writes s->out as far as the socket takes it. */
void smtp_session_flush(struct smtp_session *s);
/* Whether the next command or byte of the mail may be looked at. */
bool smtp_session_can_go(const struct smtp_session *s);
/* The mail is over for the sink. Leaves the state alone. */
void smtp_session_close_mail(struct smtp_session *s, bool delivered);
/* Guards around every way in. from_loop: the session may be freed by leave. */
void smtp_session_enter(struct smtp_session *s);
void smtp_session_leave(struct smtp_session *s, bool from_loop);
/* Says 421 with this text and ends when it is written. */
void smtp_session_quit(struct smtp_session *s, const char *text);
/* Whether a host may use XFORWARD and the like. "" is a unix socket. */
bool smtp_session_trusts(const struct config_listener *options, const char *address);
/* Greets, and the dialogue begins anew (also after XCLIENT). */
void smtp_session_greet(struct smtp_session *s);

/* smtp_receive.c */
void smtp_receive(struct smtp_session *s);
void smtp_receive_pending(struct smtp_session *s);

/* smtp_dialogue.c */
/* One command line without its end. False: it must wait for replies of the next hop, and comes
 * again; nothing was done. */
bool smtp_dialogue_run(struct smtp_session *s, struct slice line);
void smtp_dialogue_line_too_long(struct smtp_session *s);
/* The answer to EHLO or LHLO. */
void smtp_dialogue_hello(struct smtp_session *s);
/* All bytes of the mail, or of a chunk, are there. */
void smtp_dialogue_end_data(struct smtp_session *s);
void smtp_dialogue_end_chunk(struct smtp_session *s);
/* The transaction is forgotten; the next hop's is reset. */
void smtp_dialogue_reset(struct smtp_session *s);

/* smtp_relay.c */
extern const struct next_hop_events smtp_relay_events;
/* Begins a transaction with the next hop. line: MAIL as it came. */
void smtp_relay_mail(
    struct smtp_session *s, struct slice line, const struct intake_client *client);
bool smtp_relay_recipient(struct smtp_session *s, struct slice line, struct slice address);
/* The next hop has what it needs: its DATA, then the mail, then its replies. */
void smtp_relay_begin_data(struct smtp_session *s);
/* EHLO waits for what the next hop offers. */
void smtp_relay_ask_offer(struct smtp_session *s);
/* Replies that the client still waits for. */
bool smtp_relay_is_waiting(const struct smtp_session *s);

/* smtp_answer.c */
void smtp_answer_finish(struct smtp_session *s, const struct intake_reply *r);
/* The same reply of ours for each recipient (LMTP) or once, and the mail is over. delivered: it
 * is the answer that was decided on. */
void smtp_answer_own(struct smtp_session *s, unsigned code, const char *text);

/* smtp_tls.c */
/* The certificate of a listener, loaded when its files are new. NULL: none, or it cannot be
 * read (the log says so). Borrowed. */
struct tls_context *smtp_tls_get_server(const struct config_listener *options);

/* smtp_client_count.c: connections by client address. */
/* False: that many are there already; nothing is counted. */
bool smtp_client_count_enter(const char *address, unsigned most);
void smtp_client_count_leave(const char *address);

#endif
