/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seals matter to who reads it: a file that shrinks under a map is a SIGBUS. The descriptor we
 * keep was opened anew for reading, so that a successor cannot write into what a living
 * predecessor still uses.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fd.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct state {
	unsigned int references;
	int fd; /* read-only */
};

int state_create(struct state **ret_state, int fd)
{
	struct state *state;
	char path[40];
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size < 1 ||
	    (uint64_t)st.st_size > STATE_MAX_BYTES)
		return -EINVAL;
	state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	state->references = 1;
	state->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (state->fd < 0) {
		int error = -errno;

		free(state);
		return error;
	}
	*ret_state = state;
	return 0;
}

struct state *state_adopt(int fd)
{
	struct state *state = fd < 0 ? NULL : calloc(1, sizeof(*state));

	if (!state) {
		hf_fd_close(&fd);
		return NULL;
	}
	state->references = 1;
	state->fd = fd;
	return state;
}

int state_fd(const struct state *state)
{
	return state->fd;
}

struct state *state_get(struct state *state)
{
	if (state)
		state->references++;
	return state;
}

void state_put(struct state *state)
{
	if (!state || --state->references)
		return;
	hf_fd_close(&state->fd);
	free(state);
}
