/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

#define DEATH_MS 5000

/* Of <linux/pidfd.h> (Linux 6.15), which the C library's headers need not have: a question and its
 * answer. */
struct pidfd_end {
	uint64_t mask; /* what is asked, and what was answered */
	uint64_t unused[6];
	uint32_t unused_too;
	int32_t status; /* as of wait(2) */
};
#define ASK_PIDFD     _IOWR(0xff, 11, struct pidfd_end)
#define ASK_PIDFD_END (1u << 3)

/* /proc/PID/stat from its third word on: the name before it, in brackets, may hold anything. NULL:
 * no such process. */
static const char *read_stat(pid_t pid, char *text, size_t room)
{
	char path[32], *behind;
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	n = fread(text, 1, room - 1, file);
	fclose(file);
	text[n] = '\0';
	behind = strrchr(text, ')');
	return behind ? behind + 1 : NULL;
}

uint64_t process_start(pid_t pid)
{
	unsigned long long start = 0;
	char text[1024];
	const char *words = read_stat(pid, text, sizeof(text));

	/* The 22nd word of all. */
	if (!words ||
	    sscanf(words,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%llu",
		   &start) != 1)
		return 0;
	return start;
}

uint64_t process_ran_ns(pid_t pid)
{
	unsigned long long user, system;
	char text[1024];
	const char *words = read_stat(pid, text, sizeof(text));
	long ticks = sysconf(_SC_CLK_TCK);

	/* The 14th and 15th. */
	if (!words || ticks <= 0 ||
	    sscanf(words, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user,
		   &system) != 2)
		return 0;
	return (user + system) * (NS_PER_S / (unsigned long)ticks);
}

char process_state(pid_t pid)
{
	char text[1024], state = 0;
	const char *words = read_stat(pid, text, sizeof(text));

	/* The third. */
	return words && sscanf(words, " %c", &state) == 1 ? state : 0;
}

/* As of wait(2), before its parent has asked; 0 also where we may not know. */
static int status_by_number(pid_t pid)
{
	char text[1024], state;
	const char *words = read_stat(pid, text, sizeof(text)), *last = NULL;
	int status = 0;

	/* Dead, or on its way out of the table. The 52nd word is the last. */
	if (words && sscanf(words, " %c", &state) == 1 && (state == 'Z' || state == 'X'))
		last = strrchr(words, ' ');
	return last && sscanf(last, "%d", &status) == 1 ? status : 0;
}

/* Of one that its parent has asked about. */
static int status_by_pidfd(int pidfd)
{
	struct pidfd_end end = {.mask = ASK_PIDFD_END};

	return ioctl(pidfd, ASK_PIDFD, &end) == 0 && end.mask & ASK_PIDFD_END ? end.status : 0;
}

/* calls: pidfd_send_signal */
int process_end_signal(int pidfd, pid_t pid)
{
	int status = status_by_number(pid);

	/* As long as it is there to be signalled the number is its own, so it was the right one. */
	if (pidfd_send_signal(pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
		status = status_by_pidfd(pidfd);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

uint64_t process_oom_kills(void)
{
	unsigned long long kills = UINT64_MAX;
	FILE *file = fopen("/proc/vmstat", "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "oom_kill %llu", &kills) == 1)
			break;
	if (file)
		fclose(file);
	return kills;
}

/* calls: pidfd_open pidfd_send_signal poll ppoll */
int process_end(pid_t pid, uint64_t start, bool wait)
{
	int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	struct pollfd died = {.fd = pidfd, .events = POLLIN};
	uint64_t found;
	int error = 0;

	/* Only "no such process" says that it is dead. */
	if (pidfd < 0)
		return pid > 0 && errno != ESRCH ? -errno : 0;
	/* After the pidfd is ours: it cannot become another process between the look and the kill.
	 */
	found = process_start(pid);
	if (!found || !start) {
		/* It cannot be told which one that is: not ours to kill. */
		if (poll(&died, 1, 0) != 1)
			error = -EBUSY;
	} else if (found == start) {
		if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
			error = -errno;
		else if (wait && poll(&died, 1, DEATH_MS) != 1)
			error = -EBUSY;
	}
	hf_fd_close(&pidfd);
	return error;
}
