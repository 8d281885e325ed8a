/* attach_state.h: what an attach keeps on disk so that a detach, much later, undoes exactly it:
 * copies of every file before and after, and how the MTA was addressed. */
#ifndef CORDON_ATTACH_ATTACH_STATE_H
#define CORDON_ATTACH_ATTACH_STATE_H

#include "attach/attach_mta.h"

struct attach_state {
	const char *folder; /* of the job's arena */
	int lock_fd;        /* -1: not held */
	bool exists;        /* something is kept */
	bool complete;      /* false: an attach was ended in the middle */
	const char *mode, *address, *since;
	struct attach_change
	    change; /* before: as kept before attach; after: as attach left it */
};

/* Finds the folder of this MTA (and of this configuration, when it is not the usual one), and
 * with lock keeps others out of it. Reads what is kept there, into the job too where options
 * say nothing. 0, or negative with *e: -EWOULDBLOCK another attach is at work. */
int attach_state_open(
    struct attach_job *j, bool lock, struct attach_state *ret_state, struct err *e);
/* Keeps the job's change: synced before anything of it is applied. */
int attach_state_save(struct attach_state *s, struct attach_job *j, struct err *e);
/* The change is in place and works; derived files are kept as they are now. */
int attach_state_complete(struct attach_state *s, struct attach_job *j, struct err *e);
/* Forgets it. */
int attach_state_remove(struct attach_state *s, struct err *e);
/* Frees and unlocks. */
void attach_state_close(struct attach_state *s);

#endif
