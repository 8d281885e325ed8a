/* courier_control.h: what Courier's submit tells a mail filter: a list of paths, and control
 * files of one record a line. Pure: opens nothing. source   courierfilter(8), and "Control file
 * format" of queue.html of Courier 1.0 */
#ifndef CORDON_COURIER_CONTROL_H
#define CORDON_COURIER_CONTROL_H

#include <stdbool.h>

#include "base/slice.h"

#define COURIER_PATH_MAX_BYTES    4095u
#define COURIER_LIST_MAX_BYTES    (256u * 1024) /* all paths of one mail */
#define COURIER_CONTROL_MAX_BYTES (4u * 1024 * 1024)

/* Whether the list is whole: an empty line was there. *ret_len is its length with that line.
 * Bytes behind it are none of ours. */
bool courier_list_is_whole(struct slice in, size_t *ret_len);

/* Takes the next path off the list. False: there is none. A path of blanks alone stands for a
 * file that submit did not make; it is passed over. */
bool courier_list_next(struct slice *list, struct slice *ret_path);

/* Absolute, of a length that open(2) takes, no NUL, no part "..". */
bool courier_path_is_good(struct slice path);

/* The records that we use. */
enum courier_record {
	COURIER_SENDER = 's',
	COURIER_RECIPIENT = 'r',
	COURIER_FROM_MTA = 'f',
	COURIER_USER = 'i',
	COURIER_ID = 'M',
};

/* Takes the next record off a control file; *ret_kind is any letter. A last line without a line
 * end counts. False: there is none. */
bool courier_record_next(struct slice *file, char *ret_kind, struct slice *ret_value);

/* The value of COURIER_FROM_MTA: "dns; HELO (NAME [ADDRESS])". What is not there is empty. The
 * address comes without "::ffff:" and "IPv6:". */
void courier_from_mta_parse(struct slice value, struct slice *ret_helo, struct slice *ret_name,
    struct slice *ret_address);

#endif
