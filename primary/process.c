/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "fd.h"

#define DEATH_MS 5000

uint64_t process_start(pid_t pid)
{
	char path[32], text[1024];
	unsigned long long start = 0;
	const char *behind;
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	/* The name, in brackets, may hold anything; the start is the 20th word behind it. */
	behind = strrchr(text, ')');
	if (!behind ||
	    sscanf(behind + 1,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%llu",
		   &start) != 1)
		return 0;
	return start;
}

int process_end(pid_t pid, uint64_t start)
{
	int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	struct pollfd died = {.fd = pidfd, .events = POLLIN};
	int error = 0;

	if (pidfd < 0)
		return 0;
	/* After the pidfd is ours: it cannot become another process between the look and the kill.
	 */
	if (process_start(pid) == start) {
		if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
			error = -errno;
		else if (poll(&died, 1, DEATH_MS) != 1)
			error = -EBUSY;
	}
	hf_fd_close(&pidfd);
	return error;
}
