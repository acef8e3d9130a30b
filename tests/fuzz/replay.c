/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() of a fuzz target without libFuzzer: runs every file of the folders, or the files, it is
 * given. Prints how many. A failed input ends the program, and its name is the last line.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define MAX_BYTES (1u << 20)

static unsigned int inputs;

static int run_file(const char *path)
{
	static uint8_t room[MAX_BYTES];
	FILE *file = fopen(path, "re");
	uint8_t *bytes;
	size_t size;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(room, 1, sizeof(room), file);
	fclose(file);
	/* Exactly as large as it is: who reads on is seen. */
	bytes = malloc(size ? size : 1);
	if (!bytes)
		return -1;
	memcpy(bytes, room, size);
	fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	inputs++;
	return 0;
}

static int run(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n, error = 0;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return run_file(path);
	n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char inside[512];

		snprintf(inside, sizeof(inside), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && !error)
			error = run_file(inside);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return error;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (run(argv[i]) < 0)
			return EXIT_FAILURE;
	printf("%s - %u kept inputs are run\n", inputs ? "ok" : "not ok", inputs);
	return inputs ? EXIT_SUCCESS : EXIT_FAILURE;
}
