/* signature_set.c: reading signature files. */
#include "scan/signature_set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

void
signature_set_init(struct signature_set *s)
{
	*s = (struct signature_set){ 0 };
}

void
signature_set_done(struct signature_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		free((void *)(uintptr_t)s->items[i].name.ptr);
	free(s->items);
	*s = (struct signature_set){ 0 };
}

int
signature_set_add(struct signature_set *s, struct slice name, struct slice text)
{
	uint8_t *bytes;

	if (s->count == s->cap) {
		size_t cap = MAX_OF(s->cap * 2, (size_t)64);
		struct signature *bigger = realloc(s->items, cap * sizeof(*bigger));

		if (bigger == NULL)
			return -ENOMEM;
		s->items = bigger;
		s->cap = cap;
	}
	bytes = malloc(name.len + 1 + text.len);
	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes, name.ptr, name.len);
	bytes[name.len] = '\0';
	memcpy(bytes + name.len + 1, text.ptr, text.len);
	s->items[s->count++] = (struct signature){ slice_of(bytes, name.len),
		slice_of(bytes + name.len + 1, text.len) };
	return 0;
}

int
signature_set_add_eicar(struct signature_set *s)
{
	/* The test string in two halves, so that no scanner takes this program for it. */
	static const char first[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$";
	static const char second[] = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
	char text[sizeof(first) + sizeof(second)];

	memcpy(text, first, sizeof(first) - 1);
	memcpy(text + sizeof(first) - 1, second, sizeof(second) - 1);
	return signature_set_add(s, SLICE_LIT("Eicar-Test-Signature"),
	    slice_of(text, sizeof(first) + sizeof(second) - 2));
}

static int
hex_digit(uint8_t c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Blanks between bytes are allowed. Length, or -1. */
static int
hex_decode(struct slice hex, uint8_t *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < hex.len;) {
		int high, low;

		if (hex.ptr[i] == ' ' || hex.ptr[i] == '\t') {
			i++;
			continue;
		}
		high = hex_digit(hex.ptr[i]);
		low = i + 1 < hex.len ? hex_digit(hex.ptr[i + 1]) : -1;
		if (high < 0 || low < 0 || n == max)
			return -1;
		out[n++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	return (int)n;
}

static bool
is_name(struct slice name)
{
	if (name.len == 0 || name.len > SIGNATURE_NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f)
			return false;
	}
	return true;
}

static int
parse_line(struct signature_set *s, const char *name, unsigned line, struct slice text,
    struct err *e)
{
	uint8_t bytes[SIGNATURE_TEXT_MAX_BYTES];
	size_t equals;
	struct slice label, value;

	text = slice_trim(text);
	if (text.len == 0 || text.ptr[0] == '#')
		return 0;
	equals = slice_find_byte(text, '=', 0);
	if (equals == SIZE_MAX)
		return err_set(e, EINVAL, "%s:%u: no '=' here, expected NAME = text", name, line);
	label = slice_trim(slice_sub(text, 0, equals));
	value = slice_trim(slice_from(text, equals + 1));
	if (!is_name(label))
		return err_set(e, EINVAL, "%s:%u: bad name, expected 1 to %u printable ASCII characters "
		    "without blanks before '='", name, line, SIGNATURE_NAME_MAX_BYTES);
	if (slice_starts_with(value, SLICE_LIT("hex:"))) {
		int n = hex_decode(slice_from(value, 4), bytes, sizeof(bytes));

		if (n < 0)
			return err_set(e, EINVAL, "%s:%u: bad hexadecimal text, expected pairs of digits "
			    "for at most %u bytes", name, line, SIGNATURE_TEXT_MAX_BYTES);
		value = slice_of(bytes, (size_t)n);
	}
	if (value.len < SIGNATURE_TEXT_MIN_BYTES || value.len > SIGNATURE_TEXT_MAX_BYTES)
		return err_set(e, EINVAL, "%s:%u: text of %zu bytes, expected %u to %u", name, line,
		    value.len, SIGNATURE_TEXT_MIN_BYTES, SIGNATURE_TEXT_MAX_BYTES);
	if (signature_set_add(s, label, value) < 0)
		return err_set(e, ENOMEM, "%s:%u: cannot keep the signature", name, line);
	return 0;
}

int
signature_set_parse(struct signature_set *s, const char *name, struct slice text, struct err *e)
{
	unsigned line = 1;

	while (text.len > 0) {
		size_t end = slice_find_byte(text, '\n', 0);
		int r;

		if (end == SIZE_MAX)
			end = text.len;
		r = parse_line(s, name, line, slice_sub(text, 0, end), e);
		if (r < 0)
			return r;
		text = slice_from(text, end + 1);
		line++;
	}
	return 0;
}

static int
load_file(const char *path, int (*fn)(void *, const char *, struct slice, struct err *),
    void *ctx, struct err *e)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot read '%s'", path);
	if (st.st_size == 0)
		return fn(ctx, path, SLICE_NONE, e);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set(e, errno, "cannot read '%s'", path);
	r = fn(ctx, path, slice_of(map, (size_t)st.st_size), e);
	munmap(map, (size_t)st.st_size);
	return r;
}

static int
wanted(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && entry->d_name[len - 1] != '~';
}

int
list_files_load(const char *path, int (*fn)(void *, const char *, struct slice, struct err *),
    void *ctx, struct err *e)
{
	struct dirent **entries;
	struct stat st;
	int n, r = 0;

	if (stat(path, &st) < 0)
		return err_set(e, errno, "cannot read '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return load_file(path, fn, ctx, e);
	n = scandir(path, &entries, wanted, alphasort);
	if (n < 0)
		return err_set(e, errno, "cannot read folder '%s'", path);
	for (int i = 0; i < n; i++) {
		char file[4096];
		int len = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);

		if (r == 0 && len > 0 && (size_t)len < sizeof(file) && stat(file, &st) == 0 &&
		    S_ISREG(st.st_mode))
			r = load_file(file, fn, ctx, e);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int
parse_file(void *ctx, const char *name, struct slice text, struct err *e)
{
	return signature_set_parse(ctx, name, text, e);
}

int
signature_set_load(struct signature_set *s, const char *path, struct err *e)
{
	return list_files_load(path, parse_file, s, e);
}
