/* mail_guess.c: looks at the name and the first lines only. */
#include "decompose/mail_guess.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "decompose/magic.h"
#include "decompose/object.h"

#define LINES_MAX 60u

static const char *const known_fields[] = {
	"received", "return-path", "from", "to", "subject", "date", "message-id", "mime-version",
	"content-type", "content-transfer-encoding", "delivered-to", "reply-to", "cc", "sender",
	"content-disposition", "x-mailer", "dkim-signature", "references", "in-reply-to",
	"x-payload-id", "errors-to", "list-id", "arc-seal", "resent-from", "x-original-to",
};

static bool
is_known_field(struct slice line)
{
	size_t colon = slice_find_byte(slice_sub(line, 0, 80), ':', 0);
	struct slice name;

	if (colon == SIZE_MAX)
		return false;
	name = slice_trim(slice_sub(line, 0, colon));
	for (size_t i = 0; i < ARRAY_LEN(known_fields); i++) {
		if (slice_eq_str_nocase(name, known_fields[i]))
			return true;
	}
	return false;
}

static bool
looks_like_mail(struct slice bytes)
{
	unsigned known = 0;

	if (slice_starts_with(bytes, SLICE_LIT("From ")))
		known++;
	for (unsigned line = 0; line < LINES_MAX && bytes.len > 0; line++) {
		size_t end = slice_find_byte(bytes, '\n', 0);

		known += is_known_field(slice_sub(bytes, 0, end == SIZE_MAX ? bytes.len : end));
		bytes = slice_from(bytes, end == SIZE_MAX ? bytes.len : end + 1);
	}
	return known >= 2;
}

uint32_t
mail_guess_roles(struct slice bytes, struct slice name)
{
	const struct magic_type *type = magic_detect(bytes);
	bool binary = (type->kind & (KIND_ARCHIVE | KIND_STREAM | KIND_EXECUTABLE | KIND_DOCUMENT |
	    KIND_IMAGE)) != 0;

	if (slice_ends_with_nocase(name, SLICE_LIT(".eml")))
		return ROLE_ENTITY;
	if (!binary && looks_like_mail(bytes))
		return ROLE_ENTITY;
	return ROLE_LEAF | ((type->kind & KIND_TEXT) != 0 ? ROLE_TEXT : 0);
}
