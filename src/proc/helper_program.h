/* helper_program.h: the programs that read archives for an inspector, how each is called, and
 * where it is looked for. One program, one row here and in helper_program.c; what its words
 * mean is a row of decompose/helper_tool.c. */
#ifndef CORDON_PROC_HELPER_PROGRAM_H
#define CORDON_PROC_HELPER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "proc/helper_type.h"

enum helper_program {
	HELPER_PROGRAM_7ZZ,
	HELPER_PROGRAM_NOMARCH,
	HELPER_PROGRAM_LZOP,
	HELPER_PROGRAM_COUNT
};

/* What is run: the path of each program; NULL or empty: it is not used. */
struct helper_paths {
	const char *of[HELPER_PROGRAM_COUNT];
};

enum helper_mode {
	HELPER_LIST,    /* listing of all members on the output */
	HELPER_EXTRACT, /* data of all members one after the other on the output; 7zz says their
			 * names on the messages, in the same order */
	HELPER_MODE_COUNT
};

#define HELPER_INPUT_PATH "/proc/self/fd/3" /* the archive, for the program */
#define HELPER_ARGV_MAX   16

/* Its file name, which is what the log and the name of its option go by. */
const char *helper_program_get_name(enum helper_program program);
/* Which of them reads this format. */
enum helper_program helper_type_get_program(enum helper_type type);

/* Finds a program: setting is "off", "auto" (its name in /usr/bin and /usr/local/bin) or a
 * path. False: none is to be used; *e says why when one was named and cannot be used, else it
 * is untouched. */
bool helper_find_program(enum helper_program program, const char *setting, char *ret_path,
    size_t size, struct err *e);

/* Fills argv, ended by NULL. member: empty: all. Strings are borrowed and not written to. */
void helper_program_fill_argv(enum helper_mode mode, enum helper_type type, const char *member,
    char *argv[HELPER_ARGV_MAX]);

#endif
