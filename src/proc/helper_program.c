/* helper_program.c: see helper_program.h. Texts from mails stand behind "--" only. */
#include "proc/helper_program.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

#define WORDS_MAX   12
#define WORD_TYPE   "%type"   /* -tNAME, when 7zz is told one */
#define WORD_INPUT  "%input"  /* the archive */
#define WORD_MEMBER "%member" /* one member's path, when one is asked for */

static const struct {
	const char *name;
	const char *words[HELPER_MODE_COUNT][WORDS_MAX]; /* behind the name */
} programs[] = {
	[HELPER_PROGRAM_7ZZ] = { "7zz", { { "l", "-slt", "-ba", "-mmt=1", "-spd", WORD_TYPE,
					      "--", WORD_INPUT, WORD_MEMBER },
					    { "x", "-so", "-bb1", "-bso2", "-mmt=1", "-spd",
						WORD_TYPE, "--", WORD_INPUT, WORD_MEMBER } } },
	/* U: names as they are stored */
	[HELPER_PROGRAM_NOMARCH] = { "nomarch",
	    { { "-lvU", "--", WORD_INPUT }, { "-pU", "--", WORD_INPUT, WORD_MEMBER } } },
	/* N: the names that are stored */
	[HELPER_PROGRAM_LZOP] = { "lzop",
	    { { "-lN", "--", WORD_INPUT }, { "-dcN", "--", WORD_INPUT } } },
};

/* Who reads it, and the option that tells 7zz of it. */
static const struct {
	enum helper_program program;
	const char *option;
} types[] = {
#define TYPE_ROW(id, program, name) { HELPER_PROGRAM_##program, "-t" name },
	HELPER_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

const char *
helper_program_get_name(enum helper_program program)
{
	return programs[program].name;
}

enum helper_program
helper_type_get_program(enum helper_type type)
{
	return types[type].program;
}

static bool
path_is_usable(const char *path, size_t size)
{
	return access(path, X_OK) == 0 && strlen(path) < size;
}

bool
helper_find_program(enum helper_program program, const char *setting, char *ret_path,
    size_t size, struct err *e)
{
	static const char *const folders[] = { "/usr/bin", "/usr/local/bin" };

	if (strcmp(setting, "off") == 0)
		return false;
	if (strcmp(setting, "auto") != 0) {
		if (path_is_usable(setting, size)) {
			snprintf(ret_path, size, "%s", setting);
			return true;
		}
		err_set(e, errno, "cannot run '%s'", setting);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%s", folders[i], programs[program].name);
		if (path_is_usable(path, size)) {
			snprintf(ret_path, size, "%s", path);
			return true;
		}
	}
	return false;
}

/* A word of the table as the program gets it; NULL: left out. */
static const char *
word_get(const char *word, enum helper_type type, const char *member)
{
	if (strcmp(word, WORD_TYPE) == 0)
		return types[type].option[2] != '\0' ? types[type].option : NULL;
	if (strcmp(word, WORD_MEMBER) == 0)
		return member[0] != '\0' ? member : NULL;
	return strcmp(word, WORD_INPUT) == 0 ? HELPER_INPUT_PATH : word;
}

void
helper_program_fill_argv(enum helper_mode mode, enum helper_type type, const char *member,
    char *argv[HELPER_ARGV_MAX])
{
	const char *const *words = programs[types[type].program].words[mode];
	size_t n = 0;

	_Static_assert(WORDS_MAX + 2 <= HELPER_ARGV_MAX, "the name, all words, the end");
	argv[n++] = (char *)(uintptr_t)programs[types[type].program].name;
	for (size_t i = 0; i < WORDS_MAX && words[i] != NULL; i++) {
		const char *word = word_get(words[i], type, member);

		if (word != NULL)
			argv[n++] = (char *)(uintptr_t)word;
	}
	argv[n] = NULL;
}
