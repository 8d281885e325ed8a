/* helper_cage.h: the cage in which a program reads a stranger's archive. It may read the
 * system's libraries and what it inherited, write to its two pipes, use bounded memory and CPU
 * time, and start threads. No file can be written, no socket be made, no process be started,
 * none be signalled: the one exec that is allowed is of a descriptor whose number it can never
 * have again. */
#ifndef CORDON_PROC_HELPER_CAGE_H
#define CORDON_PROC_HELPER_CAGE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proc/helper_program.h"

#define HELPER_PROGRAM_FD 200 /* the one to become; above the limit that a program gets */

/* Made ready beforehand, so that nothing is allocated between fork and exec. */
struct helper_cage {
	int program_fds[HELPER_PROGRAM_COUNT]; /* above HELPER_PROGRAM_FD; -1: not there */
	int landlock_fd;
	struct sock_filter *code; /* owned */
	struct sock_fprog filter;
	uint64_t memory_bytes;
};

/* Programs that cannot be opened are left out.
 * 0, or a negative errno with *e, which none that can be opened is, too. Ended by
 * helper_cage_done(). */
int helper_cage_init(struct helper_cage *c, const struct helper_paths *paths,
    uint64_t memory_bytes, struct err *e);
void helper_cage_done(struct helper_cage *c);
/* True: fd is one of the programs. */
bool helper_cage_has(const struct helper_cage *c, int fd);
/* Closes the companion in, for good: the same files, and what it takes to start a program and
 * to talk over descriptors that are open. 0, or a negative errno with *e: then it must end.
 * Nothing under AddressSanitizer, whose reports need more. */
int helper_cage_enter_companion(const struct helper_cage *c, struct err *e);
/* In the forked child, with descriptors 0 to 3 in place: closes all others and the cage, and
 * becomes the program. Returns only when that was refused; the caller then ends the process. */
void helper_cage_exec(const struct helper_cage *c, enum helper_program program, uint32_t cpu_ms,
    char *const argv[], char *const envp[]);

#endif
