/* relay.h: bytes between standard input and output and a socket, both ways. */
#ifndef CORDON_CMD_RELAY_H
#define CORDON_CMD_RELAY_H

#include <stdbool.h>

/* Passes bytes from input_fd to socket_fd and from there to output_fd (all borrowed) until the
 * socket ends and all was written. pass_end: the end of the input is passed on at once; else
 * only the other side, or a reader of the output that is gone, ends it: whoever speaks SMTP
 * takes the end of a connection for a client that gave up. 0, or a negative errno: the socket
 * broke, or an answer could not be written. */
int relay_run(int input_fd, int output_fd, int socket_fd, bool pass_end);

#endif
