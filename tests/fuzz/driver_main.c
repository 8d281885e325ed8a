/* driver_main.c: runs a fuzz target over its corpus, without libFuzzer: each file whole, each
 * cut short at several places, and with single bytes changed (fixed seed). */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX (1u << 20)
#define CUTS 16
#define CHANGES 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
run_bytes(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len); /* exact size: overruns are seen */

	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void
run_variants(uint8_t *data, size_t len)
{
	uint32_t seed = 1;

	run_bytes(data, len);
	for (size_t i = 0; i < CUTS; i++)
		run_bytes(data, len * i / CUTS);
	for (size_t i = 0; len > 0 && i < CHANGES; i++) {
		uint8_t old;
		size_t at;

		seed = seed * 1664525u + 1013904223u;
		at = (seed >> 8) % len;
		old = data[at];
		data[at] = (uint8_t)(seed >> 3);
		run_bytes(data, len);
		if (i % 4 != 0)
			data[at] = old;
	}
}

static int
run_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || (n = read(fd, data, sizeof(data))) < 0) {
		perror(path);
		return -1;
	}
	close(fd);
	run_variants(data, (size_t)n);
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned count = 0;
	DIR *dir;
	struct dirent *entry;

	if (argc != 2 || (dir = opendir(argv[1])) == NULL) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER (it must exist and hold seeds)\n", argv[0]);
		return 2;
	}
	run_bytes((const uint8_t *)"", 0);
	while ((entry = readdir(dir)) != NULL) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		if (run_file(path) < 0)
			return 1;
		count++;
	}
	closedir(dir);
	printf("%u seeds\n", count);
	return count == 0 ? 1 : 0;
}
