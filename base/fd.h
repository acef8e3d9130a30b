/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptor ownership: whoever holds the variable closes it, once. -1 means none. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>
#include <unistd.h>

/* Close what *fd holds, if anything, and forget it. errno stays. */
void hf_fd_close(int *fd);
/* Close n descriptors of an array and forget them. */
void hf_fd_close_all(int *fds, size_t n);

/* Move ownership out of *fd. */
static inline int hf_fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
