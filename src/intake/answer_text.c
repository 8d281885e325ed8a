/* answer_text.c: see answer_text.h. */
#include "intake/answer_text.h"

#include <stdio.h>
#include <string.h>

#include "intake/intake.h"

/* "5.7.1": class, subject of 1 to 3 digits, detail of 1 to 3 digits (RFC 3463 section 2). */
static bool
enhanced_is_good(const char *s, unsigned class)
{
	unsigned got, subject, detail;
	char after;

	return s != NULL && s[0] >= '2' && s[0] <= '5' && s[1] == '.' && strlen(s) <= 9 &&
	       strspn(s, "0123456789.") == strlen(s) &&
	       sscanf(s, "%1u.%3u.%3u%c", &got, &subject, &detail, &after) == 3 && got == class;
}

void
answer_text_make(const struct intake_reply *r, bool permanent, char out[ANSWER_TEXT_SIZE])
{
	unsigned class = permanent ? 5 : 4;
	bool is_code = r->code / 100 == class;
	bool is_enhanced = enhanced_is_good(r->enhanced, class);
	const char *text = r->text == NULL ? "" : r->text;
	size_t start;

	text += strspn(text, " \t\r\n");
	if (text[0] == '\0')
		text = permanent ? "Message refused" : "Please try again later";
	snprintf(out, ANSWER_TEXT_SIZE, "%u %s ",
	    is_code     ? r->code
	    : permanent ? 550
			: 451,
	    is_enhanced ? r->enhanced
	    : permanent ? "5.7.1"
			: "4.7.1");
	start = strlen(out);
	snprintf(out + start, ANSWER_TEXT_SIZE - start, "%s", text);
	for (char *p = out + start; *p != '\0'; p++)
		*p = *p < ' ' && *p >= 0       ? ' '
		     : *p == 0x7f              ? ' '
		     : (unsigned char)*p > '~' ? '?'
					       : *p;
	for (size_t n = strlen(out); n > start && out[n - 1] == ' '; n--)
		out[n - 1] = '\0';
}
