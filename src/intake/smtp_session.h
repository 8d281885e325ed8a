/* smtp_session.h: one connection from an SMTP or LMTP client, whose mail is sent on to a next
 * hop while the client waits. */
#ifndef CORDON_INTAKE_SMTP_SESSION_H
#define CORDON_INTAKE_SMTP_SESSION_H

#include "intake/intake.h"

/* Both are an intake_start_fn, see intake.h. The place must have options with a next hop; else
 * the client is told 421. calls    nothing of the sink before it has returned; later from the
 * loop, and from finish(), resume(), close() and drain() as the milter session does bytes the
 * whole mail, header and body with CRLF line ends and without stuffed dots, goes to
 *          mail_body_reserve()'s memory
 * reply    an accepted mail is sent on as its pieces; the client gets the next hop's own reply,
 *          and mail_close() tells whether it was written. Without pieces it is refused: 552.
 * source   RFC 5321, 2033 (LMTP), 1870, 2920, 3030 (CHUNKING), 3207 (STARTTLS), 3461 (DSN,
 * passed through), 6152, 6531; XFORWARD and XCLIENT as Postfix has them */
struct intake_session *smtp_session_start(
    struct intake_env *env, int *fd, const struct intake_place *place);
struct intake_session *lmtp_session_start(
    struct intake_env *env, int *fd, const struct intake_place *place);

#endif
