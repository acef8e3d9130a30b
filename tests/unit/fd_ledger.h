/* SPDX-License-Identifier: Apache-2.0 */
/* How many descriptors and shared maps does this process have? A test that leaks one sees the number
 * grow. */
#ifndef TESTS_FD_LEDGER_H
#define TESTS_FD_LEDGER_H

#include <dirent.h>
#include <stdio.h>

static inline int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Private ones come and go with the allocator. */
static inline int maps_shared(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], mode[8];
	int n = 0;

	while (maps && fgets(line, sizeof(line), maps))
		n += sscanf(line, "%*s %7s", mode) == 1 && mode[3] == 's';
	if (maps)
		fclose(maps);
	return n;
}

#endif
