/* SPDX-License-Identifier: Apache-2.0 */
/* How many descriptors does this process have? A test that leaks one sees the number grow. */
#ifndef TESTS_FD_LEDGER_H
#define TESTS_FD_LEDGER_H

#include <dirent.h>

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

#endif
