/* frame.h: typed messages between our processes, over SOCK_SEQPACKET pairs: one packet, one
 * message, with descriptors attached. Read to the exact last byte; a bad one is fatal to its
 * sender, never guessed at. */
#ifndef CORDON_PROC_FRAME_H
#define CORDON_PROC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define FRAME_MAX_BYTES (48u * 1024)
#define FRAME_FDS_MAX   16

/* Every message of every channel has one number, so that none is mistaken for another. */
enum frame_type {
	FRAME_NONE = 0,
	/* supervisor -> gate, recorder */
	FRAME_CONFIG = 1,     /* u64 generation; fd: configuration text */
	FRAME_LISTENERS,      /* u32 n, n * (str name, str protocol); fds: n listening sockets */
	FRAME_TREE,           /* u8 kind, u64 generation, str version, u64 signatures; fd: channel */
	FRAME_TREE_GONE,      /* u8 kind, str why */
	FRAME_DRAIN,          /* finish what is open, then end */
	/* gate -> supervisor */
	FRAME_READY,          /* empty */
	FRAME_RELOAD,         /* empty: somebody asked through the control socket */
	/* supervisor -> tree */
	FRAME_GATE,           /* fd: channel to the gate; replaces the one before */
	/* tree -> supervisor; FRAME_GATE too, empty: its channel to the gate broke, it wants one */
	FRAME_TREE_READY,     /* str version, u64 signatures, u64 built (seconds since 1970, or 0) */
	FRAME_TREE_FAILED,    /* str why */
	/* tree -> gate */
	FRAME_WORKER,         /* u32 pid; fd: socket to the worker */
	/* gate -> tree */
	FRAME_KILL,           /* u32 pid */
	/* gate -> inspector and back */
	FRAME_INSPECT,
	FRAME_INSPECTED,
	/* gate -> engine and back */
	FRAME_SCAN,
	FRAME_SCANNED,
	/* gate -> recorder */
	FRAME_RECORD,
	/* inspector -> its companion (helper.c) and back */
	FRAME_HELP_INPUT,     /* u64 size: memory is wanted for an archive of so many bytes */
	FRAME_HELP_REGION,    /* fd: memory, to be mapped, filled and unmapped */
	FRAME_HELP_RUN,       /* u8 mode, u8 type, u32 wall_ms, u32 cpu_ms, str password, str member */
	FRAME_HELP_STARTED,   /* fds: its output, its messages */
	FRAME_HELP_STOP,      /* empty: enough */
	FRAME_HELP_ENDED,     /* u8 enum helper_end, u32 exit status or signal, u64 cpu_us */
	FRAME_TYPE_COUNT
};

struct frame {
	enum frame_type type;
	struct slice body;            /* in the buffer given to frame_recv() */
	int fds[FRAME_FDS_MAX];       /* owned by the receiver; -1 once taken */
	size_t fd_count;
};

/* A connected pair, close-on-exec. 0 or a negative errno. */
int frame_pair(int ret_fds[2]);
/* Sends one message; fds are borrowed. 0; -EAGAIN (non-blocking and full); other -errno. */
int frame_send(int fd, enum frame_type type, struct slice body, const int *fds,
    size_t fd_count);
/* Receives one message into buffer (FRAME_MAX_BYTES + 16 bytes).
 * 1 received; 0 the other side is gone; -EAGAIN; -EBADMSG too long, unknown type, too many
 * descriptors; other -errno. */
int frame_recv(int fd, uint8_t *buffer, struct frame *ret_frame);
/* Keeps FRAME_FDS_MAX descriptors aside for frame_recv_fds(): a process whose clients use up all
 * that it may have can still be told of new workers, listeners, a new configuration. For the
 * rest of the process' life. */
void frame_keep_spare(void);
/* As frame_recv(), from a channel that brings descriptors. What was kept aside makes room for
 * them, and as many are kept aside again as there are. */
int frame_recv_fds(int fd, uint8_t *buffer, struct frame *ret_frame);
/* Closes what was not taken. */
void frame_close_fds(struct frame *f);
int frame_take_fd(struct frame *f, size_t index);

#endif
