/* mime_header.c: the header of an entity. Readers differ in what ends it and what they skip;
 * all of that is found in one pass. The values are looked at in mime_value.c. */
#include "decompose/mime_header.h"

#include <string.h>

#include "base/macros.h"
#include "decompose/budget.h"
#include "decompose/object.h"

#define NAME_MAX_BYTES 256 /* longer is no name that matters */
#define JUNK_RUN_MAX   64  /* so many lines in a row that are no fields: this is a body */
#define SNIFF_LINES    24
#define ENDS_ALIKE_MAX 4

static const struct {
	const char *name;
	enum mime_field_kind kind;
} field_names[] = {
	{ "content-type", FIELD_TYPE },
	{ "content-transfer-encoding", FIELD_ENCODING },
	{ "content-disposition", FIELD_DISPOSITION },
	{ "content-description", FIELD_DESCRIPTION },
	{ "content-name", FIELD_NAME },
	{ "mime-version", FIELD_VERSION },
};

/* What every mail has some of; three of them make a mail. */
static const char *const mail_names[] = { "from", "to", "cc", "subject", "date", "message-id",
	"received", "return-path", "mime-version", "content-type", "reply-to", "sender",
	"delivered-to", "x-mailer", "references", "in-reply-to", "content-transfer-encoding",
	"resent-from", "dkim-signature", "user-agent", "list-id", "errors-to", "bcc",
	"content-disposition" };

struct line {
	size_t at, end, next; /* text without its end; where the next line begins */
};

struct scan {
	struct mime_header *h;
	struct slice all;
	bool cr_lines;
	bool open;            /* the last field goes on in a continuation */
	size_t lf_at, lf_from; /* the first LF at or after lf_from, found before */
	size_t fields_at_end; /* fields known at the last end that was added */
	unsigned junk_run;
};

/* The first LF at or after at, or the end. Many lines that end with CR alone share one search. */
static size_t
lf_find(struct scan *s, size_t at)
{
	const uint8_t *lf;

	if (s->lf_at > at && s->lf_from <= at)
		return s->lf_at;
	lf = memchr(s->all.ptr + at, '\n', s->all.len - at);
	s->lf_from = at;
	s->lf_at = lf == NULL ? s->all.len : (size_t)(lf - s->all.ptr);
	return s->lf_at;
}

static bool
line_next(struct scan *s, size_t at, struct line *ret)
{
	if (at >= s->all.len)
		return false;
	ret->at = at;
	ret->end = lf_find(s, at);
	ret->next = MIN_OF(ret->end + 1, s->all.len);
	if (s->cr_lines) {
		const uint8_t *cr = memchr(s->all.ptr + at, '\r', ret->end - at);

		if (cr != NULL) {
			ret->end = (size_t)(cr - s->all.ptr);
			ret->next = ret->end + 1;
			if (ret->next < s->all.len && s->all.ptr[ret->next] == '\n')
				ret->next++;
		}
		return true;
	}
	while (ret->end > at && s->all.ptr[ret->end - 1] == '\r')
		ret->end--;
	return true;
}

static bool
is_white_only(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] > ' ')
			return false;
	}
	return true;
}

/* Letters, digits and "-" of a field name, lower case; comments, blanks and what does not
 * belong there left out. Returns the length, 0 when it is too long. */
static size_t
name_clean(struct slice name, char ret[32], bool *ret_control, bool *ret_comment)
{
	size_t n = 0;

	*ret_control = *ret_comment = false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = ascii_lower(name.ptr[i]);

		if (c == '(') {
			*ret_comment = true;
			while (i + 1 < name.len && name.ptr[i] != ')')
				i++;
			continue;
		}
		if ((c >= 'a' && c <= 'z') || c == '-' || (c >= '0' && c <= '9')) {
			if (n == 31)
				return 0;
			ret[n++] = (char)c;
		} else if (c != ' ' && c != '\t') {
			*ret_control = true;
		}
	}
	ret[n] = '\0';
	return n;
}

static void
field_add(struct scan *s, struct mime_field f)
{
	struct mime_header *h = s->h;

	if (h->count == MIME_FIELDS_MAX) {
		/* The first ones and the last one are what readers choose from. */
		h->cut = true;
		h->count--;
	}
	h->fields[h->count++] = f;
	s->open = true;
}

/* A field, if its cleaned name is one of ours. name stands before the colon at colon. */
static bool
field_match(struct scan *s, const struct line *l, struct slice name, size_t colon,
    uint64_t views, uint64_t classes)
{
	char clean[32];
	bool control, comment;

	if (name.len > NAME_MAX_BYTES || name_clean(name, clean, &control, &comment) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(field_names); i++) {
		struct mime_field f = { .kind = field_names[i].kind,
			.at = l->at,
			.views = views,
			.classes = classes };

		if (strcmp(clean, field_names[i].name) != 0)
			continue;
		if (control) {
			f.views |= VIEW_BIT(VIEW_VAL_CTLSTRIP);
			f.classes |= AMBIGUITY_BIT(9);
		}
		if (comment) {
			f.views |= VIEW_BIT(VIEW_VAL_COMMENTS);
			f.classes |= AMBIGUITY_BIT(5);
		}
		if (name.len > 0 && name.ptr[name.len - 1] <= ' ') {
			f.views |= VIEW_BIT(VIEW_HDR_WSCOLON);
			f.classes |= AMBIGUITY_BIT(7);
		}
		if (colon + 1 < l->end && s->all.ptr[colon + 1] == ':') {
			colon++;
			f.views |= VIEW_BIT(VIEW_HDR_JUNKSKIP);
			f.classes |= AMBIGUITY_BIT(7);
		}
		f.value = slice_sub(s->all, colon + 1, l->end - colon - 1);
		field_add(s, f);
		return true;
	}
	return false;
}

static void
end_add(struct scan *s, size_t at, size_t body, uint64_t views, uint64_t classes)
{
	struct mime_header *h = s->h;

	for (size_t i = 0; i < h->end_count; i++) {
		if (h->ends[i].body == body && h->ends[i].at == at)
			return;
	}
	/* Further ends matter when a field of ours lies between: else the later body is the
	 * tail of an earlier one, read in the same way. */
	if (h->end_count >= ENDS_ALIKE_MAX && classes != 0 && s->fields_at_end == h->count)
		return;
	s->fields_at_end = h->count;
	if (h->end_count == MIME_ENDS_MAX) {
		h->cut = true;
		if (classes != 0)
			return;
		h->end_count--; /* the proper end always has a place */
	}
	h->ends[h->end_count++] = (struct mime_end){ at, body, views, classes };
}

/* The line goes on with the field before it. It may also be an indented field of its own. */
static void
scan_continuation(struct scan *s, const struct line *l)
{
	struct slice text = slice_trim(slice_sub(s->all, l->at, l->end - l->at));
	size_t colon;
	bool open = s->open;

	if (open) {
		struct mime_field *f = &s->h->fields[s->h->count - 1];

		f->value.len = (size_t)(s->all.ptr + l->end - f->value.ptr);
	}
	if (text.len < 12 || (text.ptr[0] | 0x20) > 'm')
		return;
	colon = slice_find_byte(slice_sub(text, 0, NAME_MAX_BYTES), ':', 0);
	if (colon == SIZE_MAX)
		return;
	if (field_match(s, l, slice_sub(text, 0, colon),
		(size_t)(text.ptr - s->all.ptr) + colon, VIEW_BIT(VIEW_HDR_OTHER),
		AMBIGUITY_BIT(7)) &&
	    open)
		s->h->notes |= AMBIGUITY_BIT(7);
}

/* A line that is no field: strict readers begin the body here. */
static void
scan_junk(struct scan *s, const struct line *l)
{
	if (s->junk_run == 0)
		end_add(s, l->at, l->at, VIEW_BIT(VIEW_HDR_STRICT), AMBIGUITY_BIT(7));
	s->junk_run++;
	s->open = false;
	s->h->notes |= AMBIGUITY_BIT(7);
}

static bool
name_is_proper(struct slice name)
{
	while (
	    name.len > 0 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
		name.len--;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f)
			return false;
	}
	return name.len > 0;
}

static void
scan_field(struct scan *s, const struct line *l)
{
	struct slice text = slice_sub(s->all, l->at, l->end - l->at);
	const uint8_t *mark = memchr(text.ptr, ':', text.len);
	struct slice name = slice_sub(text, 0, mark == NULL ? 0 : (size_t)(mark - text.ptr));
	uint8_t first = ascii_lower(text.ptr[0]);

	if (name.len == 0 || (text.len > 1 && text.ptr[0] == '-' && text.ptr[1] == '-')) {
		scan_junk(s, l);
		return;
	}
	s->open = false;
	if (name_is_proper(name)) {
		s->junk_run = 0;
		if (first == 'c' || first == 'm' || memchr(name.ptr, '(', name.len) != NULL)
			(void)field_match(s, l, name, l->at + name.len, 0, 0);
		return;
	}
	if (!field_match(s, l, name, l->at + name.len, VIEW_BIT(VIEW_HDR_JUNKSKIP), 0)) {
		scan_junk(s, l);
		return;
	}
	end_add(s, l->at, l->at, VIEW_BIT(VIEW_HDR_STRICT), AMBIGUITY_BIT(7));
	s->open = true;
}

/* A CR that no LF and no other CR before an LF follows. */
static bool
has_bare_cr(struct slice s)
{
	const uint8_t *at = s.ptr, *end = s.ptr + s.len;

	while (at < end && (at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
		while (at < end && *at == '\r')
			at++;
		if (at < end && *at != '\n')
			return true;
	}
	return false;
}

void
mime_header_parse(struct mime_header *h, struct slice entity, bool cr_lines, struct budget *b)
{
	struct scan s = { .h = h, .all = entity, .cr_lines = cr_lines };
	struct line l;
	size_t at = 0, clock_at = 0;
	bool ended = false;

	h->count = h->end_count = 0;
	h->known = 0;
	h->has_bare_cr = h->cut = false;
	h->notes = 0;
	while (!ended && s.junk_run <= JUNK_RUN_MAX && line_next(&s, at, &l)) {
		struct slice text = slice_sub(entity, l.at, l.end - l.at);

		at = l.next;
		if (text.len == 0) {
			ended = true;
		} else if (is_white_only(text)) {
			end_add(&s, l.at, l.next, VIEW_BIT(VIEW_SEP_WS), AMBIGUITY_BIT(8));
			if (text.ptr[0] == ' ' || text.ptr[0] == '\t')
				scan_continuation(&s, &l);
		} else if (text.ptr[0] == ' ' || text.ptr[0] == '\t') {
			if (l.at == 0)
				end_add(&s, 0, 0, VIEW_BIT(VIEW_HDR_STRICT), AMBIGUITY_BIT(7));
			scan_continuation(&s, &l);
		} else {
			scan_field(&s, &l);
		}
		if (at - clock_at > 4096 || l.end - l.at > 4096) {
			clock_at = at;
			if (!budget_has_time(b) || at > MIME_HEADER_BYTES_MAX) {
				h->cut = true;
				break;
			}
		}
	}
	h->has_bare_cr = !cr_lines && has_bare_cr(slice_sub(entity, 0, at));
	/* The proper end goes first. Without an empty line the header goes to the end, unless a
	 * junk line was met: then those who begin the body there are right. */
	if (ended || h->end_count == 0 || s.junk_run == 0)
		end_add(&s, ended ? l.at : at, at, 0, 0);
	if (h->end_count > 1 && h->ends[h->end_count - 1].classes == 0) {
		struct mime_end proper = h->ends[h->end_count - 1];

		memmove(&h->ends[1], &h->ends[0], (h->end_count - 1) * sizeof(proper));
		h->ends[0] = proper;
	}
}

static bool
line_is_known_field(struct slice text)
{
	size_t colon = slice_find_byte(slice_sub(text, 0, 64), ':', 0);
	struct slice name;

	if (colon == SIZE_MAX)
		return false;
	name = slice_trim(slice_sub(text, 0, colon));
	for (size_t i = 0; i < ARRAY_LEN(mail_names); i++) {
		if (slice_eq_str_nocase(name, mail_names[i]))
			return true;
	}
	return false;
}

bool
mime_header_is_field(struct slice bytes)
{
	struct scan s = { .all = slice_sub(bytes, 0, 512), .cr_lines = true };
	struct line l;
	struct slice text;

	if (!line_next(&s, 0, &l))
		return false;
	text = slice_sub(s.all, l.at, l.end - l.at);
	return slice_starts_with_nocase(text, SLICE_LIT("content-")) ||
	       line_is_known_field(text);
}

bool
mime_header_is_mail(struct slice bytes)
{
	struct scan s = { .all = slice_sub(bytes, 0, 16 * 1024), .cr_lines = true };
	struct line l;
	size_t at = 0;
	unsigned known = 0, bad = 0;

	for (unsigned i = 0; i < SNIFF_LINES && line_next(&s, at, &l); i++) {
		struct slice text = slice_sub(s.all, l.at, l.end - l.at);
		size_t colon;

		at = l.next;
		if (is_white_only(text)) {
			if (known > 0)
				break;
			continue;
		}
		if (text.ptr[0] == ' ' || text.ptr[0] == '\t')
			continue;
		colon = slice_find_byte(slice_sub(text, 0, 80), ':', 0);
		if (colon == SIZE_MAX || !name_is_proper(slice_sub(text, 0, colon))) {
			if (slice_starts_with(text, SLICE_LIT("From ")) ||
			    slice_starts_with(text, SLICE_LIT(">From ")))
				continue;
			if (++bad > 1)
				return false;
			continue;
		}
		known += line_is_known_field(text);
		if (known >= 3)
			return true;
	}
	return known >= 3;
}
