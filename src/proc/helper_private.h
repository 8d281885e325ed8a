/* helper_private.h: what helper.c and helper_process.c share; for nobody else. */
#ifndef CORDON_PROC_HELPER_PRIVATE_H
#define CORDON_PROC_HELPER_PRIVATE_H

#include "proc/helper.h"
#include "proc/helper_cage.h"

#define HELPER_EXIT_NOT_STARTED 125 /* no exit status of a program's own */

struct buf;

/* The companion: serves sock until the inspector is gone, then returns. */
void helper_process_run(int sock, const struct helper_cage *cage);

int helper_run_encode(const struct helper_job *job, struct buf *b);
int helper_ended_encode(const struct helper_result *r, struct buf *b);

#endif
