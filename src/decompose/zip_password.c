/* zip_password.c: candidates from the mail's own text. Bounded: the first 32 KB of at most eight
 * texts, at most ZIP_PASSWORDS_MAX words of 3 to 40 bytes. */
#include "decompose/zip_password.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "decompose/rfc2047.h"

#define TEXTS_MAX 8
#define TEXT_BYTES ((size_t)32 << 10)
#define WORD_MIN 3
#define WORD_MAX 40
#define CONFIGURED_MAX 256
#define WORDS_BEHIND_HINT 6
#define RUNS_MAX 2
#define SUBJECT_LOOK_BYTES ((size_t)64 << 10)

static const struct slice *configured;
static size_t configured_count;

/* "password" as mails write it; lower case, UTF-8. */
static const char *const hints[] = { "password", "passwort", "passwd", "pasword", "pass:",
	"pass ", "pwd", "pw:", "pw ", "kennwort", "code", "contrase", "mot de passe", "parola",
	"senha", "wachtwoord", "has\xc5\x82o", "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c",
	"\xe5\xaf\x86\xe7\xa0\x81", "\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89",
	"pin", "key", "zip:" };

void
zip_password_set_list(const struct slice *words, size_t count)
{
	configured = words;
	configured_count = count;
}

void
zip_passwords_init(struct zip_passwords *p)
{
	memset(p, 0, sizeof(*p));
	p->found = SIZE_MAX;
	p->left_runs = RUNS_MAX;
}

static void
word_add(struct zip_passwords *p, struct arena *a, struct slice word, size_t min, size_t max)
{
	if (word.len < min || word.len > max || p->count == ZIP_PASSWORDS_MAX)
		return;
	for (size_t i = 0; i < p->count; i++) {
		if (slice_eq(p->words[i], word))
			return;
	}
	word = arena_copy(a, word);
	if (word.ptr != NULL)
		p->words[p->count++] = word;
}

static bool
is_separator(uint8_t c)
{
	return c <= ' ' || c == '<' || c == '>' || c == 0x7f;
}

static bool
is_edge(uint8_t c)
{
	return c != 0 && strchr("\"'`.,;:!?()[]{}*_=/\\|", c) != NULL;
}

/* The word as it stands, and without the punctuation around it; what follows a colon alone. */
static void
word_add_forms(struct zip_passwords *p, struct arena *a, struct slice word)
{
	struct slice bare = word;
	size_t colon = slice_find_byte(word, ':', 0);

	while (bare.len > 0 && is_edge(bare.ptr[0]))
		bare = slice_from(bare, 1);
	while (bare.len > 0 && is_edge(bare.ptr[bare.len - 1]))
		bare.len--;
	word_add(p, a, bare, WORD_MIN, WORD_MAX);
	word_add(p, a, word, WORD_MIN, WORD_MAX);
	if (colon != SIZE_MAX && colon + 1 < word.len)
		word_add_forms(p, a, slice_from(word, colon + 1));
}

/* The next word at or after *at; false: none left. */
static bool
word_next(struct slice text, size_t *at, struct slice *ret_word)
{
	size_t from;

	while (*at < text.len && is_separator(text.ptr[*at]))
		(*at)++;
	from = *at;
	while (*at < text.len && !is_separator(text.ptr[*at]))
		(*at)++;
	*ret_word = slice_sub(text, from, *at - from);
	return ret_word->len > 0;
}

static void
text_add_hinted(struct zip_passwords *p, struct arena *a, struct slice text)
{
	for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
		struct slice hint = slice_of_str(hints[i]), word;
		size_t at = 0;

		while ((at = slice_find_nocase(text, hint, at)) != SIZE_MAX &&
		    p->count < ZIP_PASSWORDS_MAX / 2) {
			size_t next = at + hint.len;

			/* "password:secret" in one word, then the words that follow */
			for (unsigned n = 0; n < WORDS_BEHIND_HINT && word_next(text, &next, &word); n++)
				word_add_forms(p, a, word);
			at += hint.len;
		}
	}
}

static void
text_add_all(struct zip_passwords *p, struct arena *a, struct slice text)
{
	struct slice word;
	size_t at = 0;

	while (p->count < ZIP_PASSWORDS_MAX && word_next(text, &at, &word))
		word_add_forms(p, a, word);
}

/* The subject of the mail that d takes apart, decoded; out is a buffer for it. */
static struct slice
subject_get(struct decompose *d, struct buf *out)
{
	const struct object *mail = decompose_get_object(d, 1);
	struct slice head = slice_sub(mail->bytes, 0, SUBJECT_LOOK_BYTES);
	struct rfc2047_facts facts;
	size_t at, end;

	if ((mail->roles & ROLE_ENTITY) == 0)
		return SLICE_NONE;
	at = slice_find_nocase(head, SLICE_LIT("\nSubject:"), 0);
	if (at == SIZE_MAX)
		return SLICE_NONE;
	at += 9;
	end = at;
	do {
		end = slice_find_byte(head, '\n', end + 1);
	} while (end != SIZE_MAX && end + 1 < head.len &&
	    (head.ptr[end + 1] == ' ' || head.ptr[end + 1] == '\t'));
	head = slice_sub(head, at, end == SIZE_MAX ? head.len - at : end - at);
	(void)rfc2047_decode(slice_sub(head, 0, 4096), out, &facts);
	return buf_get(out);
}

void
zip_passwords_collect(struct zip_passwords *p, struct decompose *d)
{
	struct arena *a = decompose_get_arena(d);
	CLEANUP(buf_done) struct buf subject_room = { .max = 16384 };
	struct slice texts[TEXTS_MAX], subject;
	size_t n = 0;

	if (p->collected)
		return;
	p->collected = true;
	for (uint32_t id = 1; id <= decompose_get_object_count(d) && n < TEXTS_MAX; id++) {
		const struct object *o = decompose_get_object(d, id);

		if ((o->roles & ROLE_TEXT) != 0 && o->kept && o->bytes.len > 0)
			texts[n++] = slice_sub(o->bytes, 0, TEXT_BYTES);
	}
	for (size_t i = 0; i < n; i++)
		text_add_hinted(p, a, texts[i]);
	subject = subject_get(d, &subject_room);
	text_add_all(p, a, subject);
	p->configured_at = p->count;
	for (size_t i = 0; i < configured_count; i++)
		word_add(p, a, configured[i], 1, CONFIGURED_MAX);
	p->configured_count = p->count - p->configured_at;
	for (size_t i = 0; i < n; i++)
		text_add_all(p, a, texts[i]);
}

size_t
zip_passwords_get(const struct zip_passwords *p, size_t n, size_t tries)
{
	size_t first = MIN_OF(tries / 2 + tries % 2, p->configured_at);

	if (n < first)
		return n;
	n -= first;
	if (n < p->configured_count)
		return p->configured_at + n;
	n -= p->configured_count;
	if (first + n < p->configured_at)
		return first + n;
	return p->configured_count + first + n;
}
