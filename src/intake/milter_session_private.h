/* milter_session_private.h: what the files of one milter session share: milter_session.c (life,
 * timers, writing), milter_receive.c (reading), milter_command.c (the state machine),
 * milter_answer.c (the sink's answer in packets). */
#ifndef CORDON_MILTER_SESSION_PRIVATE_H
#define CORDON_MILTER_SESSION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/macros.h"
#include "intake/intake.h"
#include "intake/milter_macro.h"
#include "intake/milter_negotiate.h"
#include "intake/session_clock.h"

/* In the order of the dialogue: milter_command.c compares them. */
enum milter_state {
	MILTER_STATE_OPTNEG, /* nothing agreed on yet */
	MILTER_STATE_IDLE,   /* no mail */
	MILTER_STATE_MAIL,
	MILTER_STATE_RCPT,
	MILTER_STATE_DATA,
	MILTER_STATE_HEADER,
	MILTER_STATE_EOH,
	MILTER_STATE_BODY,
	MILTER_STATE_SINK,   /* the whole mail is with the sink, which owes us finish() */
	MILTER_STATE_ANSWER, /* finish() was called, not all of the answer is written */
};

/* What the session waits for; each has its time limit. */
enum milter_wait {
	MILTER_WAIT_NOTHING,
	MILTER_WAIT_COMMAND,
	MILTER_WAIT_ENVELOPE, /* rest of a packet before the header: see session_get_limit_ms()
			       */
	MILTER_WAIT_PACKET,   /* rest of a packet */
	MILTER_WAIT_WRITE,
	MILTER_WAIT_RESUME,
	MILTER_WAIT_FINISH,
};

struct milter_session {
	struct intake_session base; /* first */
	struct loop_watch *watch;
	struct session_clock clock;
	int fd;
	struct milter_offer agreed;
	struct milter_macros macros;
	/* Bytes that could not be used yet: the beginning of a packet, or what arrived behind
	 * the point where reading paused. Has memory only while it has bytes. */
	struct buf in;
	struct buf out;    /* replies not yet written; the same */
	void *mail;        /* the sink's; NULL: none, or refused */
	size_t body_left;  /* bytes of the body packet that are still to come */
	size_t body_moved; /* body bytes since the time limit was last set anew */
	enum milter_state state;
	enum milter_wait wait;
	uint8_t body_command; /* MILTER_BODY, MILTER_BODYEOB while in such a packet, else 0 */
	uint8_t busy;         /* calls of ours on the stack: the session must outlive them */
	bool is_connected;    /* CONNECT was there */
	bool is_refused;      /* mail_begin() had no room: answer this mail with 451 */
	bool is_dropping;     /* the sink wants no more of this body */
	bool is_paused;       /* until resume() */
	bool has_moved;       /* progress: the time limit begins anew */
	bool peer_spoke;      /* while the sink works: bytes wait in the socket */
	bool is_draining;
	bool is_dead; /* ends when the calls on the stack have returned */
};

/* milter_session.c */
/* The peer broke the protocol, or the world did: one warning, then the end. */
void milter_session_fail(struct milter_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Whether the next packet may be looked at. */
bool milter_session_can_go(const struct milter_session *s);
/* Writes s->out as far as the socket takes it. */
void milter_session_flush(struct milter_session *s);
/* The mail is over. Does nothing to the macros. */
void milter_session_end_mail(struct milter_session *s, bool delivered);
const struct intake_sink *milter_session_get_sink(const struct milter_session *s);

/* milter_receive.c */
/* Reads what the socket has, to an upper bound for fairness, and acts on it. */
void milter_receive(struct milter_session *s);
/* Acts on what lies in s->in. */
void milter_receive_pending(struct milter_session *s);

/* milter_command.c */
/* One whole packet that is not a body. data may be changed. */
void milter_command_run(struct milter_session *s, uint8_t command, uint8_t *data, size_t len);
/* A BODY or BODYEOB packet begins; its bytes are counted by the caller. */
void milter_command_begin_body(struct milter_session *s, uint8_t command);
/* All of its bytes are with the sink. */
void milter_command_end_body(struct milter_session *s);

/* milter_answer.c */
/* Appends the answer to s->out. 0 or buf.h's error. */
int milter_answer_put(struct milter_session *s, const struct intake_reply *r);

#endif
