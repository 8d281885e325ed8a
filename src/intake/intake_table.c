/* intake_table.c: the ways in. One protocol, one row. */
#include "intake/intake.h"

#include <string.h>

#include "base/macros.h"
#include "intake/milter_session.h"
#include "intake/smtp_session.h"

static const struct intake_protocol protocols[] = {
	{ "milter", milter_session_start, "" },
	{ "smtp", smtp_session_start, "421 4.3.2 Too many connections, try again later\r\n" },
	{ "lmtp", lmtp_session_start, "421 4.3.2 Too many connections, try again later\r\n" },
};

const struct intake_protocol *
intake_protocol_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (strcmp(protocols[i].name, name) == 0)
			return &protocols[i];
	}
	return NULL;
}
