/* ambiguity_results.h: the header field MIME-Ambiguity-Results. */
#ifndef CORDON_DECIDE_AMBIGUITY_RESULTS_H
#define CORDON_DECIDE_AMBIGUITY_RESULTS_H

#include "base/buf.h"
#include "config/config.h"
#include "decide/evidence.h"

#define AMBIGUITY_RESULTS_NAME "MIME-Ambiguity-Results"
/* Most bytes of a value: with its name it still is a line of RFC 5322 section 2.1.1. */
#define AMBIGUITY_RESULTS_MAX_BYTES (998 - sizeof(AMBIGUITY_RESULTS_NAME ": ") + 1)

/* Appends the value of the field, one line without its end.
 * host     the authserv-id (RFC 8601 section 2.5); bytes that no host name has become "-"
 * word     what the configuration says about ev's ambiguities, the strictest of their classes
 * action   what is done with the mail
 * returns  0, or the code of buf_append(): out is then unchanged
 * source   draft-chen-email-mime-ambiguity-defense-00. Its ABNF is not settled: this is a
 *          provisional one, modelled on RFC 8601, and it stands in this function alone:
 *            authserv-id SP "1" ";" result *( ";" prop )
 *            result = "result=" ( "malicious" / "limit" / "ambiguous" / "benign" / "none" )
 *            prop   = "class=" token *("," token) / "views=" 1*DIGIT / "blobs=" 1*DIGIT /
 *                     "scanned=" 1*DIGIT / "action=" token / "policy=" token
 *          result: something was found; something stayed unscanned; a class with another word
 *          than accept diverged; a class was seen; nothing.
 * Only the host's name, fixed tokens and numbers: never a byte of the mail. */
int ambiguity_results_format(const char *host, const struct evidence *ev,
    enum config_ambiguity word, enum action action, struct buf *out);

#endif
