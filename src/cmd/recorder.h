/* recorder.h: the process that writes down what happened. */
#ifndef CORDON_CMD_RECORDER_H
#define CORDON_CMD_RECORDER_H

/* Descriptors it gets beside the common ones. */
enum { RECORDER_FD_RECORDS = 6, RECORDER_FD_COUNTERS = 7 };

int recorder_main(int argc, char **argv);

#endif
