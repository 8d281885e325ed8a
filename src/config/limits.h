/* limits.h: largest sizes of buffers that are fixed at build time. What an operator may want
 * to change stands in options.def instead. */
#ifndef CORDON_CONFIG_LIMITS_H
#define CORDON_CONFIG_LIMITS_H

#define CONFIG_FILE_MAX_BYTES (1024u * 1024)       /* text of the configuration */
#define CONFIG_ARENA_MAX_BYTES (16u * 1024 * 1024) /* everything kept of it */
#define CONFIG_MISTAKES_MAX 100                    /* mistakes named in one run */
#define CONFIG_MISTAKE_BYTES 400                   /* text of one of them */
#define CONFIG_OUTPUT_MAX_BYTES (1024u * 1024)     /* dump, man page text */
#define CONFIG_VALUE_MAX_BYTES 4096                /* one value */
#define CONFIG_NAME_MAX_BYTES 64                   /* name of a listener or scanner */
#define CONFIG_SECTIONS_MAX 256                    /* listeners; clamd groups */
#define CONFIG_TEMPLATE_OUTPUT_MAX_BYTES 900       /* reply or header after replacement */

/* cordon attach: configuration files of an MTA. */
#define ATTACH_FILE_MAX_BYTES (4u * 1024 * 1024)   /* one file */
#define ATTACH_LINES_MAX 200000                    /* lines of one file */
#define ATTACH_DIFFERENCES_MAX 3000                /* lines that differ between two texts */
#define ATTACH_FILES_MAX 32                        /* files of one change */
#define ATTACH_OUTPUT_MAX_BYTES (1024u * 1024)     /* what a program of an MTA may print */
#define ATTACH_ARENA_MAX_BYTES (64u * 1024 * 1024) /* names, values, texts of one run */
#define ATTACH_REPLY_MAX_BYTES 8192                /* one SMTP reply to a test mail */
#define ATTACH_COMMAND_MS 150000                   /* one run of a program of an MTA */

#endif
