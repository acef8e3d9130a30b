/* SPDX-License-Identifier: Apache-2.0 */
#include "fd.h"

#include <errno.h>

void hf_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void hf_fd_close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hf_fd_close(&fds[i]);
}
