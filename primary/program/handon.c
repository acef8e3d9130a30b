/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two steps, because what stands at 3, 4, … may be one of those to be passed: first each is
 * duplicated behind the range, then copied to its place. Everything else is close-on-exec, but the
 * file that is executed: a script's interpreter opens it by that number (program_begin closes it).
 */
#include "handon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "program.h"

#define FIRST_FD 3
/* The kernel's limit of one variable, its name and end included. */
#define NAMES_MAX (128u * 1024u - sizeof("LISTEN_FDNAMES="))

struct handon {
	int *fds;
	size_t count, room;
	char *names; /* separated by colons */
	size_t len;
};

struct handon *handon_create(void)
{
	return calloc(1, sizeof(struct handon));
}

void handon_destroy(struct handon *handon)
{
	if (!handon)
		return;
	free(handon->fds);
	free(handon->names);
	free(handon);
}

int handon_add(struct handon *handon, const char *name, int fd)
{
	size_t len = strlen(name);
	char *names;

	if (handon->len + len + 1 > NAMES_MAX)
		return -E2BIG;
	names = realloc(handon->names, handon->len + len + 2);
	if (!names)
		return -ENOMEM;
	handon->names = names;
	if (handon->count == handon->room) {
		size_t room = handon->room ? 2 * handon->room : 64;
		int *fds = reallocarray(handon->fds, room, sizeof(int));

		if (!fds)
			return -ENOMEM;
		handon->fds = fds;
		handon->room = room;
	}
	if (handon->count)
		names[handon->len++] = ':';
	memcpy(names + handon->len, name, len + 1);
	handon->len += len;
	handon->fds[handon->count++] = fd;
	return 0;
}

static int set_number(const char *variable, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	return setenv(variable, text, 1) < 0 ? -ENOMEM : 0;
}

static int set_environment(const struct handon *handon)
{
	int error;

	if (!handon->count) {
		unsetenv("LISTEN_FDS");
		unsetenv("LISTEN_FDNAMES");
		unsetenv("LISTEN_PID");
		return 0;
	}
	error = set_number("LISTEN_FDS", (long)handon->count);
	if (!error)
		error = set_number("LISTEN_PID", getpid());
	if (!error && setenv("LISTEN_FDNAMES", handon->names, 1) < 0)
		error = -ENOMEM;
	return error;
}

/* Copies behind the range; on failure none is left. */
static int copy_behind(const struct handon *handon, int *copies)
{
	for (size_t i = 0; i < handon->count; i++) {
		copies[i] = fcntl(handon->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)handon->count);
		if (copies[i] < 0) {
			int error = -errno;

			hf_fd_close_all(copies, i);
			return error;
		}
	}
	return 0;
}

/* Behind the range as well, and open after exec. -1: none. */
static int copy_image(const struct handon *handon, int image, int *ret_copy)
{
	*ret_copy = image < 0 ? -1 : fcntl(image, F_DUPFD, FIRST_FD + (int)handon->count);
	return image >= 0 && *ret_copy < 0 ? -errno : 0;
}

static void execute(const char *program, int image, char **argv)
{
	char by_number[32];

	if (image < 0) {
		execv(program, argv);
		return;
	}
	snprintf(by_number, sizeof(by_number), "/proc/self/fd/%d", image);
	if (program_tell_path(program) == 0 && program_tell_image(image) == 0)
		execv(by_number, argv);
}

/* calls: dup2 dup3 */
int handon_exec(struct handon *handon, const char *program, int image, char **argv)
{
	int *copies = calloc(handon->count + 1, sizeof(int)), copy = -1;
	int error = copies ? set_environment(handon) : -ENOMEM;

	if (!error)
		error = copy_image(handon, image, &copy);
	if (!error)
		error = copy_behind(handon, copies);
	if (error) {
		hf_fd_close(&copy);
		free(copies);
		return error;
	}
	for (size_t i = 0; i < handon->count; i++)
		if (dup2(copies[i], FIRST_FD + (int)i) < 0)
			_exit(127);
	execute(program, copy, argv);
	/* What stood at those numbers is gone: there is no way back but a new beginning. */
	program_tell_failed(-errno);
	execv(PROGRAM_OWN_IMAGE, argv);
	_exit(127);
}
