/* milter_session.h: one connection from an MTA that speaks the milter protocol. */
#ifndef CORDON_MILTER_SESSION_H
#define CORDON_MILTER_SESSION_H

#include "intake/intake.h"

/* An intake_start_fn, see intake.h. Speaks protocol versions 2 to 6.
 * calls    nothing of the sink before it has returned; later from the loop only, except that
 *          finish() may call mail_close and close() calls mail_close and session_closed
 * reading  bytes of the body go from the socket into mail_body_reserve()'s memory
 * finish   only after mail_end(), once; may be called from inside mail_end()
 * drain, resume   take effect from the loop
 * close    from inside a call of the sink: takes effect when that call has returned */
struct intake_session *milter_session_start(
    struct intake_env *env, int *fd, const struct intake_place *place);

#endif
