/* database_fingerprint.c: names, sizes and times of the files, hashed. */
#include "scan/database_fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"

static int
is_database(const struct dirent *entry)
{
	static const char *const endings[] = { "cvd", "cld", "cud", "hdb", "hsb", "hdu", "hsu", "mdb",
		"msb", "ndb", "ndu", "ldb", "ldu", "cdb", "pdb", "wdb", "gdb", "ftm", "cbc", "fp",
		"sfp", "ign", "ign2", "yar", "yara", "cfg", "crb", "idb", "pwdb", "imp" };
	const char *dot = strrchr(entry->d_name, '.');

	for (size_t i = 0; dot != NULL && entry->d_name[0] != '.' && i < ARRAY_LEN(endings); i++) {
		if (strcmp(dot + 1, endings[i]) == 0)
			return 1;
	}
	return 0;
}

static void
mix(uint64_t *hash, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
}

int
database_fingerprint(const char *folder, char ret_text[FINGERPRINT_SIZE], uint64_t *ret_newest,
    struct err *e)
{
	struct dirent **entries;
	uint64_t hash = UINT64_C(0xcbf29ce484222325), newest = 0;
	int n = scandir(folder, &entries, is_database, alphasort);

	if (n < 0)
		return err_set(e, errno, "cannot read database folder '%s'", folder);
	for (int i = 0; i < n; i++) {
		char path[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		mix(&hash, entries[i]->d_name, strlen(entries[i]->d_name));
		if (stat(path, &st) == 0) {
			mix(&hash, &st.st_size, sizeof(st.st_size));
			mix(&hash, &st.st_mtim, sizeof(st.st_mtim));
			mix(&hash, &st.st_ino, sizeof(st.st_ino));
			newest = MAX_OF(newest, (uint64_t)st.st_mtim.tv_sec);
		}
		free(entries[i]);
	}
	free(entries);
	snprintf(ret_text, FINGERPRINT_SIZE, "%016" PRIx64, hash);
	*ret_newest = newest;
	return n;
}
