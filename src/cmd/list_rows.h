/* list_rows.h: the result of a file as rows of members, for `cordon list`. */
#ifndef CORDON_CMD_LIST_ROWS_H
#define CORDON_CMD_LIST_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define LIST_WHY_SIZE 256u

struct list_row {
	const json_t *object;  /* borrowed from the result */
	const char *trail;     /* borrowed, as everything below; never NULL */
	json_int_t size;       /* of what came out, or is said to be inside; -1: not known */
	json_int_t packed;     /* -1: not known */
	const char *method;    /* "": not known */
	const char *type;      /* "": it was not opened, so nobody knows */
	const char *encrypted; /* "yes", "no", or "opened" with a password */
	const char
	    *same_trail; /* of the object that has the same bytes; NULL: this is the first */
	char why[LIST_WHY_SIZE]; /* facts that tell why it, or all of it, was not opened; "" */
};

struct list_rows {
	struct list_row *rows; /* owned; the first is the file itself */
	size_t count;
	bool whole; /* everything was opened */
};

/* result: as record/result_json.c writes it, borrowed until list_rows_done(). Parents stand
 * before what they hold, and further places of the same bytes behind the members of their
 * container. */
void list_rows_init(struct list_rows *l, const json_t *result);
void list_rows_done(struct list_rows *l);

#endif
