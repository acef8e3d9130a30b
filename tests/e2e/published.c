/* SPDX-License-Identifier: Apache-2.0 */
#include "published.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_directory(pid_t primary)
{
	for (int i = 0; i < 1024; i++) {
		char path[64], name[128];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", primary, i);
		n = readlink(path, name, sizeof(name) - 1);
		name[n < 0 ? 0 : n] = '\0';
		if (strstr(name, "holdfast-directory"))
			return open(path, O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

bool published_open(struct hf_directory *directory, pid_t primary)
{
	int fd = open_directory(primary);
	bool is_open = fd >= 0 && hf_directory_attach(directory, fd) == 0;

	if (fd >= 0)
		close(fd);
	return is_open;
}

int published_slot(const struct hf_directory *directory, uint32_t slots, const char *port)
{
	static struct hf_shm_device device;

	for (uint32_t i = 0; i < slots; i++)
		if (hf_directory_snapshot(directory, i, &device) == 0 && device.session &&
		    !strcmp(device.name, port))
			return (int)i;
	return -1;
}
