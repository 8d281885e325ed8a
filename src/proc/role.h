/* role.h: starting our own programs as parts of one daemon: descriptors, names, user. */
#ifndef CORDON_PROC_ROLE_H
#define CORDON_PROC_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/slice.h"

struct config;

/* Descriptors every role finds open. */
enum {
	ROLE_FD_CONTROL = 3, /* to the supervisor (or the cordon command) */
	ROLE_FD_CONFIG = 4,  /* configuration text, read-only */
	ROLE_FD_LOG = 5,
	ROLE_FD_EXTRA = 6,   /* what one role needs beside */
};

struct role_start {
	const char *program;     /* path */
	const char *role;        /* "gate", "inspector" ...: the first argument */
	int control_fd;
	struct slice config_text;
	const char *config_name;
	const int *extra_fds;    /* borrowed; they become ROLE_FD_EXTRA, ... */
	size_t extra_count;
};
/* fork and exec. The pid, or a negative errno with *e. */
pid_t role_spawn(const struct role_start *s, struct err *e);

/* The other side: what main() of a role does first. argv as role_spawn() made it. Opens the
 * log, reads the configuration, ties the process to its parent and gives up root. */
struct role {
	struct config *config;
	char *config_text;    /* as the file was */
	const char *name;     /* role */
};
int role_enter(int argc, char **argv, const char *process_name, struct role *ret_role,
    struct err *e);

/* Where our program `name` is: beside the running one (a build folder), or in the folder that
 * was configured or built in. Result in ret_path. False when it is in none of them. */
bool role_find_program(const char *name, const char *folder, char *ret_path, size_t size);
/* A memfd that holds text, at offset 0. -1 and *e. */
int role_text_fd(struct slice text, struct err *e);

#endif
