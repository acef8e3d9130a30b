/* SPDX-License-Identifier: Apache-2.0 */
/* What a world's processes hold: descriptors and maps. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "world.h"
#include "world_inside.h"

#define ALIKE 50u /* looks one after the other: that is rest */

/* Where an allocator puts its pieces, and whether two lie side by side and are one line, is chance:
 * what is shared says something. */
static bool counts(const char *line)
{
	char mode[8] = "";

	return sscanf(line, "%*s %7s", mode) == 1 && mode[3] == 's';
}

size_t world_maps(pid_t pid, int fd)
{
	char path[64], line[512];
	unsigned int major_of, minor_of;
	unsigned long inode;
	struct stat st = {0};
	size_t n = 0;
	FILE *maps;

	if (fd >= 0)
		fstat(fd, &st);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		n += fd < 0 ? counts(line)
			    : sscanf(line, "%*s %*s %*s %x:%x %lu", &major_of, &minor_of, &inode) ==
					      3 &&
				      makedev(major_of, minor_of) == st.st_dev &&
				      inode == st.st_ino;
	if (maps)
		fclose(maps);
	return n;
}

size_t world_fds(pid_t pid, int fd)
{
	struct stat wanted = {0}, st;
	char path[64];
	struct dirent *e;
	size_t n = 0;
	DIR *dir;

	if (fd >= 0)
		fstat(fd, &wanted);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, 0) == 0)
			n += fd < 0 || (st.st_ino == wanted.st_ino && st.st_dev == wanted.st_dev);
	if (dir)
		closedir(dir);
	return n;
}

static size_t held_by(pid_t pid)
{
	return pid ? world_fds(pid, -1) + world_maps(pid, -1) : 0;
}

static size_t held_by_all(const struct world *world)
{
	size_t n = held_by(world->primary) + held_by(world_find_primary(world));

	for (size_t i = 0; i < WORLD_SECONDARIES; i++)
		n += held_by(world->secondaries[i].pid);
	return n;
}

/* Between two looks the primary has had the processor, however slow the machine is. The last look
 * is like those before: what the last question opened is closed. */
void world_rest(const struct world *world)
{
	size_t before = held_by_all(world);

	for (unsigned int looks = 0, alike = 0; looks < WAIT_MS / 4 && alike < ALIKE; looks++) {
		size_t now;

		(void)world_ask_pid(world, NULL);
		usleep(4000);
		now = held_by_all(world);
		alike = now == before ? alike + 1 : 0;
		before = now;
	}
}

bool world_maps_become(pid_t pid, int fd, size_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_maps(pid, fd) == count)
			return true;
		usleep(1000);
	}
	printf("    maps: %zu, must become %zu\n", world_maps(pid, fd), count);
	return false;
}

bool world_fds_become(pid_t pid, size_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_fds(pid, -1) == count)
			return true;
		usleep(1000);
	}
	printf("    descriptors: %zu, must become %zu\n", world_fds(pid, -1), count);
	return false;
}
