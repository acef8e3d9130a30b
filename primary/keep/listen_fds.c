/* SPDX-License-Identifier: Apache-2.0 */
#include "listen_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD 3

static int take_one(int (*take)(void *context, const char *name, int fd), void *context,
		    const char *name, int fd)
{
	/* Not there: a lie. Else without it we would take nothing for what is left, and drop the
	 * rest. */
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return errno == EBADF ? 0 : -errno;
	return take(context, name, fd);
}

int listen_fds_take(int (*take)(void *context, const char *name, int fd), void *context)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	char *copy = strdup(names ? names : ""), *rest = copy;
	int error = copy ? 0 : -ENOMEM;

	if (!error && pid && count && strtol(pid, NULL, 10) == getpid())
		for (int i = 0, n = atoi(count); i < n && !error; i++) {
			const char *name = strsep(&rest, ":");

			error = take_one(take, context, name ? name : "", FIRST_FD + i);
		}
	free(copy);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return error;
}
