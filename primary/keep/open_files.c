/* SPDX-License-Identifier: Apache-2.0 */
#include "open_files.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Below 0, 0: the same one, above 0. */
/* calls: kcmp */
static int compare(int a, int b)
{
	pid_t self = getpid();
	long order = syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);

	return order == 0 ? 0 : order == 1 ? -1 : 1;
}

/* Where `fd` is in the order, or would be. */
static uint32_t place_of(const struct open_files *files, int fd, bool *ret_found)
{
	uint32_t from = 0, to = files->count;

	*ret_found = false;
	while (from < to && !*ret_found) {
		uint32_t middle = from + (to - from) / 2;
		int order = compare(fd, files->files[middle].fd);

		*ret_found = order == 0;
		if (order == 0)
			from = middle;
		else if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

static int make_room(struct open_files *files)
{
	uint32_t wanted = files->room ? 2 * files->room : 64;
	struct open_file *bigger;

	if (files->count < files->room)
		return 0;
	bigger = reallocarray(files->files, wanted, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	files->files = bigger;
	files->room = wanted;
	return 0;
}

int open_files_add(struct open_files *files, int fd, uint32_t number)
{
	int error = make_room(files);
	uint32_t place;
	bool same;

	if (error)
		return error;
	place = place_of(files, fd, &same);
	memmove(files->files + place + 1, files->files + place,
		(files->count - place) * sizeof(files->files[0]));
	files->files[place] = (struct open_file){.fd = fd, .number = number};
	files->count++;
	return 0;
}

void open_files_remove(struct open_files *files, uint32_t number)
{
	uint32_t place = 0;

	while (place < files->count && files->files[place].number != number)
		place++;
	if (place == files->count)
		return;
	files->count--;
	memmove(files->files + place, files->files + place + 1,
		(files->count - place) * sizeof(files->files[0]));
}

uint32_t open_files_find(const struct open_files *files, int fd)
{
	bool found;
	uint32_t place = place_of(files, fd, &found);

	return found ? files->files[place].number : 0;
}

void open_files_free(struct open_files *files)
{
	free(files->files);
	*files = (struct open_files){0};
}
