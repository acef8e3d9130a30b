/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and ending holdfastd. It ends with us, however we end; what it leaves in its run
 * directory (an empty lock file) goes with the directory.
 */
#include "holdfastd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS    32
#define WAIT_US	    10000u
#define WAIT_ROUNDS 1000u

int holdfastd_find(const char *name, char *path)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	if (strlen(path) + strlen(name) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcat(path, name);
	return access(path, X_OK) < 0 ? -errno : 0;
}

/* Few devices need few slots: a small directory; a later argument counts more. */
static void run(const char *program, const char *run_dir, const char *const *more)
{
	const char *argv[MAX_ARGS] = {program, "--run-dir",	    run_dir,  "--max-devices",
				      "8",     "--max-secondaries", "4",      "--lane-vrings",
				      "127",   "--log-level",	    "warning"};

	for (size_t n = 11; more && *more && n + 1 < MAX_ARGS; n++)
		argv[n] = *more++;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execv(program, (char *const *)(uintptr_t)argv);
	perror(program);
	_exit(127);
}

static int wait_for_socket(struct holdfastd *d)
{
	char path[HOLDFASTD_PATH_MAX];

	snprintf(path, sizeof(path), "%s/attach.sock", d->run_dir);
	for (uint32_t i = 0; i < WAIT_ROUNDS; i++) {
		if (access(path, F_OK) == 0) {
			/* Bound; a moment more until it listens. */
			usleep(WAIT_US);
			return 0;
		}
		if (waitpid(d->pid, NULL, WNOHANG) == d->pid) {
			d->pid = 0;
			return -ECHILD;
		}
		usleep(WAIT_US);
	}
	return -ETIMEDOUT;
}

int holdfastd_start(struct holdfastd *d, const char *wanted, const char *dir,
		    const char *const *more)
{
	char program[PATH_MAX];
	int error = 0;

	if (wanted)
		snprintf(program, sizeof(program), "%s", wanted);
	else
		error = holdfastd_find("/primary/holdfastd", program);
	if (error) {
		fprintf(stderr, "%s: %s; name it with --holdfastd\n", program, strerror(-error));
		return error;
	}
	snprintf(d->run_dir, sizeof(d->run_dir), "%s/run", dir);
	if (mkdir(d->run_dir, 0700) < 0)
		return -errno;
	d->pid = fork();
	if (d->pid < 0)
		return -errno;
	if (d->pid == 0)
		run(program, d->run_dir, more);
	return wait_for_socket(d);
}

static void remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	(void)rmdir(path);
}

void holdfastd_stop(struct holdfastd *d)
{
	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		(void)waitpid(d->pid, NULL, 0);
	}
	d->pid = 0;
	remove_directory(d->run_dir);
}
