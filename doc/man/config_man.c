/* config_man.c: build tool. Copies a scdoc page and puts the option text of the table in the
 * place of the line @OPTIONS@. Usage: config_man IN OUT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/limits.h"

#define MARK "@OPTIONS@\n"

static int
page_write(FILE *in, FILE *out, struct slice options)
{
	char line[4096];
	unsigned marks = 0;

	while (fgets(line, sizeof(line), in) != NULL) {
		if (strcmp(line, MARK) == 0) {
			marks++;
			fwrite(options.ptr, 1, options.len, out);
		} else {
			fputs(line, out);
		}
	}
	return marks == 1 && !ferror(in) && fflush(out) == 0 && !ferror(out) ? 0 : -1;
}

int
main(int argc, char **argv)
{
	CLEANUP(buf_done) struct buf options = { .max = CONFIG_OUTPUT_MAX_BYTES };
	FILE *in, *out;

	if (argc != 3) {
		fprintf(stderr, "usage: config_man IN OUT\n");
		return 2;
	}
	in = fopen(argv[1], "r");
	out = in == NULL ? NULL : fopen(argv[2], "w");
	if (out == NULL) {
		perror(in == NULL ? argv[1] : argv[2]);
		return 1;
	}
	if (config_format_scdoc(&options) < 0 || page_write(in, out, buf_get(&options)) < 0) {
		fprintf(stderr, "%s: cannot be written, or not exactly one line @OPTIONS@\n",
		    argv[1]);
		return 1;
	}
	return 0;
}
