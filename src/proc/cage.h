/* cage.h: closing a process in before it reads a stranger's byte. No network, no files, no
 * exec, bounded memory. A cage that cannot be entered ends the process: we never parse
 * uncaged. Each kind is a row in cage.c. */
#ifndef CORDON_PROC_CAGE_H
#define CORDON_PROC_CAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum cage_kind {
	CAGE_INSPECTOR, /* memory and inherited descriptors only */
	CAGE_ENGINE,    /* also files, but only inside one private folder (Landlock) */
};

struct cage_limits {
	uint64_t memory_bytes;   /* private memory of the process; 0: not limited */
	uint64_t file_bytes;     /* largest file it may write (engine) */
	const char *folder;      /* CAGE_ENGINE: the one folder it may use */
};

/* Call once, with everything needed open and loaded. 0, or a negative errno with *e: then the
 * process must end. Afterwards there is no way out. */
int cage_enter(enum cage_kind kind, const struct cage_limits *limits, struct err *e);

/* Ends this process when its parent (parent_pid) does, and keeps others from reading its
 * memory. Call after every change of user. */
void process_tie_to_parent(int parent_pid);
/* Processes below this one that lose their parent become its children, to be waited for. */
void process_adopt_orphans(void);
/* The name shown by ps and /proc/PID/comm; at most 15 bytes. */
void process_set_name(const char *name);
/* From root to this user and group (group NULL or "": the user's own). user "": nothing. 0, or
 * a negative errno with *e. */
int process_drop_user(const char *user, const char *group, struct err *e);
/* Gives a folder to the user the others will be. 0 or a negative errno; nothing unless root. */
int process_own_folder(const char *folder, const char *user, const char *group);
/* Makes room for process_step_back() in this process and those it starts. Only root can; without
 * it stepping back does nothing. */
void process_allow_step_back(void);
/* Lets everybody else go first (true), or takes part as before (false). */
void process_step_back(bool back);
/* Ends the process with SIGPROF when it used ms more milliseconds of CPU; 0: takes it back. */
void process_set_cpu_alarm_ms(unsigned ms);

#endif
