/* pdf_walk.c: see pdf_walk.h. Objects are taken as they come; a dictionary is a run of tokens
 * in which a name tells what comes next. That is enough to find what can carry a file, and
 * holds for broken files too. */
#include "decompose/pdf_walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"
#include "decompose/pdf_lex.h"

#define SCRIPT_BYTES_MAX ((size_t)4 << 20)
#define NAME_BYTES_MAX   512
#define NAME_TOKEN_MAX   2048 /* every byte of it may be an escape */
#define ID_BYTES_MAX     128
#define PLAIN_LOOK       256
#define PLAIN_SIGNS      16
#define FILE_LOOK        2048

/* What the object in hand has told so far. */
struct pdf_object {
	struct pdf_stream stream;
	size_t begin;       /* behind "obj" */
	size_t direct;      /* behind the "<<" of an encryption dictionary in it, or 0 */
	uint32_t length;    /* when it is a number and stands in the object */
	struct slice name;  /* of a file specification */
	size_t wanted_from; /* its references */
	unsigned level;     /* of dictionaries */
	bool lengthened;
};

struct reader {
	struct pdf_walk *w;
	struct pdf_lexer lexer;
	struct pdf_object now;
	char key[PDF_NAME_MAX + 1];  /* the last name at the place of a key */
	char form[PDF_NAME_MAX + 1]; /* the key whose array or dictionary is open */
	uint32_t numbers[2];         /* the last two, for "12 0 R" */
	unsigned number_count;
	unsigned form_level;
	uint64_t arrays; /* bit per open bracket, the last is bit 0: it is an array's */
	bool inner;
};

static void
name_copy(char to[PDF_NAME_MAX + 1], struct slice name)
{
	size_t len = MIN_OF(name.len, (size_t)PDF_NAME_MAX);

	if (len > 0)
		memcpy(to, name.ptr, len);
	to[len] = '\0';
}

static bool
is(const char *key, const char *name)
{
	return strcmp(key, name) == 0;
}

static void
want(struct reader *r, uint32_t number, enum pdf_kind kind)
{
	struct pdf_walk *w = r->w;

	if (w->wanted_count < PDF_WANTED_MAX)
		w->wanted[w->wanted_count++] =
		    (struct pdf_wanted){ .number = number, .kind = kind };
}

/* An object that a trailer calls the encryption dictionary. */
static void
lock_number_add(struct pdf_walk *w, uint32_t number)
{
	w->encrypted = true;
	for (size_t i = 0; i < w->lock_number_count; i++) {
		if (w->lock_numbers[i] == number)
			return;
	}
	if (w->lock_number_count == PDF_LOCKS_MAX)
		w->unclear = true;
	else
		w->lock_numbers[w->lock_number_count++] = number;
}

static void
lock_add(struct reader *r, bool direct, size_t at)
{
	struct pdf_walk *w = r->w;

	if (r->inner || w->crypt != NULL)
		return;
	if (w->lock_count == PDF_LOCKS_MAX) {
		w->unclear = true;
		return;
	}
	w->locks[w->lock_count++] = (struct pdf_lock){ .direct = direct,
		.number = r->now.stream.number,
		.in = slice_from(r->lexer.in, at) };
}

static void
id_add(struct reader *r, const struct pdf_token *t)
{
	CLEANUP(buf_done) struct buf id = { 0 };
	struct pdf_walk *w = r->w;

	if (r->inner || w->id_count == PDF_IDS_MAX || w->crypt != NULL)
		return;
	buf_init(&id, ID_BYTES_MAX);
	pdf_string_get_bytes(t, &id);
	for (size_t i = 0; i < w->id_count; i++) {
		if (slice_eq(w->ids[i], buf_get(&id)))
			return;
	}
	w->ids[w->id_count++] = arena_copy(decompose_get_arena(w->d), buf_get(&id));
}

/* "12 0 R" behind a key. */
static void
reference_take(struct reader *r)
{
	uint32_t number = r->numbers[0];

	if (r->number_count < 2)
		return;
	if (is(r->key, "JS") || is(r->form, "JS"))
		want(r, number, PDF_KIND_SCRIPT);
	else if (is(r->key, "XFA") || is(r->form, "XFA"))
		want(r, number, PDF_KIND_FORM);
	else if (is(r->form, "EF"))
		want(r, number, PDF_KIND_FILE);
	else if (is(r->key, "Encrypt"))
		lock_number_add(r->w, number);
}

bool
pdf_walk_is_file(struct slice head)
{
	const struct magic_type *type = magic_detect(head);

	return (type->kind & (KIND_ARCHIVE | KIND_STREAM | KIND_EXECUTABLE | KIND_DOCUMENT)) !=
		   0 ||
	       magic_is(type, "html");
}

static bool
is_zlib(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == '\r' || s.ptr[0] == '\n'))
		s = slice_from(s, 1);
	return s.len >= 2 && (s.ptr[0] & 15) == 8 && (s.ptr[1] & 32) == 0 &&
	       (s.ptr[0] << 8 | s.ptr[1]) % 31 == 0;
}

/* Of encrypted bytes a bit more than a third are printable. */
bool
pdf_walk_is_plain(struct slice bytes)
{
	struct slice head = slice_sub(bytes, 0, PLAIN_LOOK);
	size_t printable = 0;

	if (is_zlib(head) || slice_starts_with(head, SLICE_LIT("\xfe\xff")) ||
	    slice_starts_with(head, SLICE_LIT("\xff\xfe")) ||
	    pdf_walk_is_file(slice_sub(bytes, 0, FILE_LOOK)))
		return true;
	for (size_t i = 0; i < head.len; i++) {
		uint8_t c = head.ptr[i];

		printable +=
		    (c >= ' ' && c <= '~') || c == '\t' || c == '\n' || c == '\r' || c == '\f';
	}
	return head.len > 0 &&
	       (head.len < PLAIN_SIGNS ? printable == head.len : printable * 4 >= head.len * 3);
}

struct slice
pdf_walk_get_step(struct pdf_walk *w, struct slice step)
{
	static const char note[] = " (password)";
	uint8_t *out;

	if (!w->password ||
	    (out = arena_alloc(decompose_get_arena(w->d), step.len + sizeof(note))) == NULL)
		return step;
	if (step.len > 0)
		memcpy(out, step.ptr, step.len);
	memcpy(out + step.len, note, sizeof(note) - 1);
	return slice_of(out, step.len + sizeof(note) - 1);
}

static void
script_emit(struct pdf_walk *w, struct slice bytes, bool opened)
{
	struct child c = { .step = SLICE_LIT("JavaScript"),
		.declared = SLICE_LIT("text/javascript"),
		.facts = FACT_BIT(FACT_SCRIPT) };
	CLEANUP(buf_done) struct buf text = { 0 };

	if (opened) {
		c.step = pdf_walk_get_step(w, c.step);
		c.facts |= w->password ? FACT_BIT(FACT_PASSWORD_FOUND) : 0;
	}
	buf_init(&text, SCRIPT_BYTES_MAX);
	pdf_text_decode(bytes, &text);
	if (text.len == 0)
		return;
	decompose_output_begin(w->d, w->o, w->o->bytes.len);
	(void)decompose_output_write(w->d, buf_get(&text));
	(void)decompose_output_finish(w->d, &c);
}

void
pdf_walk_emit_scripts(struct pdf_walk *w, bool sure)
{
	for (size_t i = 0; i < w->script_count; i++) {
		CLEANUP(buf_done) struct buf bytes = { 0 };

		buf_init(&bytes, w->scripts[i].text.len + 1);
		pdf_string_get_bytes(&w->scripts[i], &bytes);
		if (sure || pdf_walk_is_plain(buf_get(&bytes)))
			script_emit(w, buf_get(&bytes), false);
	}
}

static void
script_add(struct pdf_walk *w, const struct pdf_token *t)
{
	if (w->script_count == w->script_cap) {
		size_t cap = MAX_OF(w->script_cap * 2, (size_t)16);
		struct pdf_token *bigger;

		if (w->script_count >= PDF_SCRIPTS_MAX ||
		    (bigger = realloc(w->scripts, cap * sizeof(*bigger))) == NULL) {
			object_add_facts(w->o, FACT_BIT(FACT_LIMIT_OBJECTS));
			return;
		}
		w->scripts = bigger;
		w->script_cap = cap;
	}
	w->scripts[w->script_count++] = *t;
}

/* Appends the bytes of a string that stands in the object in hand. True: they were encrypted.
 */
static bool
string_undo(struct reader *r, const struct pdf_token *t, struct buf *out)
{
	const struct pdf_crypt *crypt = r->inner ? NULL : r->w->crypt;
	const struct pdf_stream *place = &r->now.stream;
	CLEANUP(buf_done) struct buf raw = { 0 };

	if (crypt == NULL || crypt->strings == PDF_METHOD_IDENTITY) {
		pdf_string_get_bytes(t, out);
		return false;
	}
	buf_init(&raw, t->text.len + 1);
	pdf_string_get_bytes(t, &raw);
	(void)pdf_crypt_undo(
	    crypt, crypt->strings, place->number, place->generation, buf_get(&raw), out);
	return true;
}

static void
script_take(struct reader *r, const struct pdf_token *t)
{
	CLEANUP(buf_done) struct buf bytes = { 0 };
	bool opened;

	/* An object stream is only read once it is known how. */
	if (!r->inner && r->w->crypt == NULL) {
		script_add(r->w, t);
		return;
	}
	buf_init(&bytes, t->text.len + 1);
	opened = string_undo(r, t, &bytes);
	script_emit(r->w, buf_get(&bytes), opened || r->w->crypt != NULL);
	if (!opened)
		return;
	buf_clear(&bytes);
	pdf_string_get_bytes(t, &bytes); /* a file may hold what readers leave as it is */
	if (pdf_walk_is_plain(buf_get(&bytes)))
		script_emit(r->w, buf_get(&bytes), false);
}

static void
string_take(struct reader *r, const struct pdf_token *t)
{
	CLEANUP(buf_done) struct buf text = { 0 };
	CLEANUP(buf_done) struct buf bytes = { 0 };

	if (is(r->key, "ID") && (r->arrays & 1) != 0)
		id_add(r, t);
	if (is(r->key, "JS")) {
		script_take(r, t);
		return;
	}
	if (!is(r->key, "F") && !is(r->key, "UF"))
		return;
	buf_init(&bytes, NAME_TOKEN_MAX);
	buf_init(&text, NAME_BYTES_MAX);
	(void)string_undo(r,
	    &(struct pdf_token){
		.kind = t->kind, .text = slice_sub(t->text, 0, NAME_TOKEN_MAX) },
	    &bytes);
	pdf_text_decode(slice_sub(buf_get(&bytes), 0, NAME_BYTES_MAX / 2), &text);
	if (text.len > 0 && (r->now.name.len == 0 || is(r->key, "UF")))
		r->now.name = arena_copy(decompose_get_arena(r->w->d), buf_get(&text));
}

/* A name at the place of a value. */
static void
value_take(struct reader *r, struct slice name)
{
	struct pdf_stream *s = &r->now.stream;

	if (is(r->key, "Filter") && slice_eq_str(name, "Standard") && r->now.direct == 0)
		lock_add(r, false, r->now.begin);
	if (is(r->key, "Name") && r->now.level > 1 && r->w->crypt != NULL)
		s->crypt = pdf_crypt_find_method(r->w->crypt, name);
	if ((is(r->key, "Filter") || is(r->key, "F")) && r->now.level == 1 &&
	    s->filter_count < PDF_FILTERS_MAX)
		s->filters[s->filter_count++] = pdf_filter_find(name);
	if (is(r->key, "S") &&
	    (slice_eq_str(name, "JavaScript") || slice_eq_str(name, "Launch") ||
		slice_eq_str(name, "ImportData") || slice_eq_str(name, "SubmitForm") ||
		slice_eq_str(name, "GoToE") || slice_eq_str(name, "RichMediaExecute")))
		object_add_facts(r->w->o, FACT_BIT(FACT_ACTIVE_CONTENT));
	if (r->now.level != 1)
		return;
	if (is(r->key, "Type") && slice_eq_str(name, "EmbeddedFile"))
		s->kind = PDF_KIND_FILE;
	else if (is(r->key, "Type") && slice_eq_str(name, "ObjStm"))
		s->kind = PDF_KIND_OBJECTS;
	else if ((is(r->key, "Type") && slice_eq_str(name, "XRef")) ||
		 (is(r->key, "Subtype") &&
		     (slice_eq_str(name, "Image") || slice_eq_str(name, "Type1C") ||
			 slice_eq_str(name, "CIDFontType0C"))))
		s->kind = PDF_KIND_CLOSED;
}

/* A name is a key unless the one before it still lacks its value. */
static bool
key_take(struct reader *r, struct slice name, bool has_value)
{
	static const char *const active[] = { "JS", "JavaScript", "Launch", "AA", "RichMedia" };

	for (size_t i = 0; i < ARRAY_LEN(active); i++) {
		if (slice_eq_str(name, active[i]))
			object_add_facts(r->w->o, FACT_BIT(FACT_ACTIVE_CONTENT));
	}
	if (has_value) {
		value_take(r, name);
		return (r->arrays & 1) != 0;
	}
	name_copy(r->key, name);
	return true;
}

static bool
stream_add(struct pdf_walk *w, const struct pdf_stream *s)
{
	if (w->stream_count == w->stream_cap) {
		size_t cap = MAX_OF(w->stream_cap * 2, (size_t)64);
		struct pdf_stream *bigger;

		if (w->stream_count >= PDF_STREAMS_MAX ||
		    (bigger = realloc(w->streams, cap * sizeof(*bigger))) == NULL) {
			object_add_facts(w->o, FACT_BIT(FACT_LIMIT_OBJECTS));
			return false;
		}
		w->streams = bigger;
		w->stream_cap = cap;
	}
	w->streams[w->stream_count++] = *s;
	return true;
}

static bool
ends_at(struct slice in, size_t at)
{
	for (size_t i = 0; i < 4 && at < in.len &&
			   (in.ptr[at] == '\r' || in.ptr[at] == '\n' || in.ptr[at] == ' ');
	     i++)
		at++;
	return slice_starts_with(slice_from(in, at), SLICE_LIT("endstream"));
}

/* Behind "stream": the data, to where Length says if that fits, else to "endstream". */
static void
stream_take(struct reader *r)
{
	struct pdf_stream *s = &r->now.stream;
	struct slice in = r->lexer.in;
	size_t at = r->lexer.at, end;

	if (at < in.len && in.ptr[at] == '\r')
		at++;
	if (at < in.len && in.ptr[at] == '\n')
		at++;
	end = at + r->now.length;
	if (!r->now.lengthened || end > in.len || !ends_at(in, end)) {
		end = slice_find(in, SLICE_LIT("endstream"), at);
		s->cut = end == SIZE_MAX;
		end = s->cut ? in.len : end;
		if (!s->cut && end - s->tail > at &&
		    in.ptr[end - 1] == '\n') /* the keyword's */
			s->tail++;
		if (!s->cut && end - s->tail > at && in.ptr[end - s->tail - 1] == '\r')
			s->tail++;
		end -= s->tail;
	}
	s->data = slice_sub(in, at, end - at);
	if (!stream_add(r->w, s))
		end = in.len;
	r->lexer.at = end;
}

/* The names of an object belong to the files it refers to. */
static void
object_end(struct reader *r)
{
	for (size_t i = r->now.wanted_from; i < r->w->wanted_count; i++) {
		if (r->w->wanted[i].kind == PDF_KIND_FILE && r->w->wanted[i].name.len == 0)
			r->w->wanted[i].name = r->now.name;
	}
}

static void
object_begin(struct reader *r)
{
	object_end(r);
	r->now = (struct pdf_object){ .stream = { .number = r->numbers[0],
					  .generation = r->numbers[1],
					  .crypt = PDF_METHOD_IDENTITY },
		.begin = r->lexer.at,
		.wanted_from = r->w->wanted_count };
	r->key[0] = r->form[0] = '\0';
	r->arrays = 0;
}

static void
keyword_take(struct reader *r, struct slice word)
{
	if (slice_eq_str(word, "R"))
		reference_take(r);
	else if (slice_eq_str(word, "obj") || slice_eq_str(word, "trailer"))
		object_begin(r);
	else if (slice_eq_str(word, "endobj"))
		object_end(r);
	else if (slice_eq_str(word, "stream") && !r->inner)
		stream_take(r);
}

static void
number_take(struct reader *r, uint32_t value, bool has_value)
{
	r->numbers[0] = r->number_count > 0 ? r->numbers[1] : 0;
	r->numbers[1] = value;
	r->number_count = MIN_OF(r->number_count + 1, 2u);
	if (!has_value)
		return;
	if (is(r->key, "Length") && r->now.level == 1) {
		r->now.length = value;
		r->now.lengthened = true;
	} else if (is(r->key, "EarlyChange") && value == 0) {
		r->now.stream.late_change = true;
	} else if (is(r->key, "Length1") && r->now.level == 1) {
		r->now.stream.kind = PDF_KIND_CLOSED; /* a font */
	}
}

static void
bracket_open(struct reader *r, bool dict)
{
	if (r->form[0] == '\0' && (is(r->key, "EF") || is(r->key, "XFA") || is(r->key, "JS"))) {
		name_copy(r->form, slice_of_str(r->key));
		r->form_level = r->now.level;
	}
	if (is(r->key, "Encrypt") && dict) {
		r->w->encrypted = true;
		r->now.direct = r->lexer.at;
		lock_add(r, true, r->lexer.at);
	}
	if (dict)
		r->now.level++;
	r->arrays = r->arrays << 1 | (dict ? 0u : 1u);
}

static void
bracket_close(struct reader *r, bool dict)
{
	if (dict && r->now.level > 0)
		r->now.level--;
	if (r->now.level == r->form_level)
		r->form[0] = '\0';
	r->arrays >>= 1;
	if (!dict || r->now.level > 0)
		return;
	object_end(r);
	r->now.name = SLICE_NONE;
	r->now.wanted_from = r->w->wanted_count;
}

/* Each object starts anew, so that one that lost a bracket does not hide the next. */
void
pdf_walk_read(struct pdf_walk *w, struct slice in, bool inner)
{
	struct reader r = { .w = w, .inner = inner };
	struct pdf_token t;
	bool value = false; /* the next name is a value */

	pdf_lexer_init(&r.lexer, in);
	r.now.wanted_from = w->wanted_count;
	while ((t = pdf_lexer_next(&r.lexer)).kind != PDF_END) {
		if (!budget_has_time(decompose_get_budget(w->d))) {
			object_add_facts(
			    w->o, budget_get_time_facts(decompose_get_budget(w->d)));
			break;
		}
		switch (t.kind) {
		case PDF_NAME:
			value = key_take(&r, t.text, value);
			break;
		case PDF_NUMBER:
			number_take(&r, t.value, value);
			value = (r.arrays & 1) != 0;
			break;
		case PDF_STRING:
		case PDF_HEX_STRING:
			string_take(&r, &t);
			value = (r.arrays & 1) != 0;
			break;
		case PDF_DICT_OPEN:
		case PDF_ARRAY_OPEN:
			bracket_open(&r, t.kind == PDF_DICT_OPEN);
			value = t.kind == PDF_ARRAY_OPEN;
			break;
		case PDF_DICT_CLOSE:
		case PDF_ARRAY_CLOSE:
			bracket_close(&r, t.kind == PDF_DICT_CLOSE);
			value = (r.arrays & 1) != 0;
			break;
		default:
			keyword_take(&r, t.text);
			value = (r.arrays & 1) != 0;
			break;
		}
		if (t.kind != PDF_NUMBER)
			r.number_count = 0;
	}
	object_end(&r);
}
