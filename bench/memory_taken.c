/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that are there. Those of files are counted by the file: who shares it does not matter, and
 * nor does how much of it each process has mapped.
 */
#include "memory_taken.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t memory_private(pid_t pid)
{
	char path[64], line[128];
	unsigned long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %lu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024ull;
}

/* One descriptor's; *last: the file of the one before, which may be the same. */
static uint64_t file_bytes(int dir, const char *entry, const char *name, ino_t *last)
{
	char target[128];
	ssize_t n = readlinkat(dir, entry, target, sizeof(target) - 1);
	struct stat st;

	if (n <= 1)
		return 0;
	target[n] = '\0';
	/* "/memfd:…" */
	if (strncmp(target + 1, name, strlen(name)) != 0 || fstatat(dir, entry, &st, 0) < 0 ||
	    st.st_ino == *last)
		return 0;
	*last = st.st_ino;
	return (uint64_t)st.st_blocks * 512;
}

uint64_t memory_of_files(pid_t pid, const char *name)
{
	uint64_t total = 0;
	ino_t last = 0;
	struct dirent *e;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		total += file_bytes(dirfd(dir), e->d_name, name, &last);
	if (dir)
		closedir(dir);
	return total;
}
