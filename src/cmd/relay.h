/* relay.h: bytes between standard input and output and a socket, both ways. */
#ifndef CORDON_CMD_RELAY_H
#define CORDON_CMD_RELAY_H

/* Passes bytes from input_fd to socket_fd and from there to output_fd (all borrowed) until the
 * socket ends and all was written. The end of the input is passed on, and the rest of the
 * answer still comes. 0, or a negative errno: the socket, or the output, broke. */
int relay_run(int input_fd, int output_fd, int socket_fd);

#endif
