/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller has memory mapped and says where; we want the files. What is mapped where tells
 * /proc/PID/maps, and the file is opened by /proc/PID/map_files, which is the mapping itself, or,
 * where that is not allowed, taken from the caller's own descriptors.
 *
 * The caller's other threads may change everything at any moment. So what was opened is compared
 * with what was meant, by device and inode; and the caller loses nothing but its own memory.
 *
 * Nothing is opened that could keep us waiting: only files of memory (tmpfs, hugetlbfs) are, and
 * which devices those are, the kernel says before anything is opened: opening or closing a file of
 * FUSE or NFS waits for whoever serves it.
 *
 * #capabilities: CAP_SYS_PTRACE; CAP_DAC_READ_SEARCH (/proc/PID/map_files and fd are directories of
 * the caller's user alone); CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (map_files: without them the
 * caller's descriptors are looked through, as when the file is not ours to open).
 */
#include "cuse_memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "check.h"
#include "cuse_maps.h"
#include "fd.h"
#include "vu_msg.h"

/* A line has addresses and a name, of four bytes for each that had to be escaped. */
#define LINE_BYTES (64u * 1024)
/* Mappings that are split while we look: looked at once more. */
#define ATTEMPTS 3

#define REGIONS VU_RAW_REGIONS

/* --- lines of a file of /proc --- */

typedef bool line_visit(const char *line, void *context);

/* Call `visit` for each line until it returns false. 0, -E2BIG: more than CUSE_MAPS_BYTES; -errno.
 */
static int each_line(const char *path, line_visit *visit, void *context)
{
	static char text[LINE_BYTES + 1];
	size_t have = 0, all = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? -errno : 0;

	while (!error) {
		ssize_t n = read(fd, text + have, LINE_BYTES - have);
		char *line = text, *end;

		if (n <= 0) {
			error = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		all += (size_t)n;
		if (all > CUSE_MAPS_BYTES) {
			error = -E2BIG;
			break;
		}
		while ((end = memchr(line, '\n', have - (size_t)(line - text)))) {
			*end = '\0';
			if (!visit(line, context))
				goto out;
			line = end + 1;
		}
		have -= (size_t)(line - text);
		memmove(text, line, have);
		if (have == LINE_BYTES)
			error = -E2BIG;
	}
out:
	hf_fd_close(&fd);
	return error;
}

/* --- what is mapped --- */

struct wanted {
	struct cuse_region regions[REGIONS];
	bool memory[REGIONS]; /* its device is one of memory */
	uint32_t count;
};

static bool on_map(const char *line, void *context)
{
	struct wanted *wanted = context;
	struct cuse_map map;

	if (!cuse_map_parse(line, &map))
		return true;
	for (uint32_t i = 0; i < wanted->count; i++)
		cuse_region_look(&wanted->regions[i], &map);
	return true;
}

/* What we lack ourselves is not the caller's fault. */
static enum refusal why_not(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ? REFUSED_NO_RESOURCES
									: REFUSED_MEMORY_HIDDEN;
}

static int fault(struct cuse_memory_fault *ret, enum refusal reason, const char *what,
		 uint64_t address)
{
	ret->reason = reason;
	snprintf(ret->what, sizeof(ret->what), "%s at 0x%llx", what, (unsigned long long)address);
	return -EPROTO;
}

static int look_at_maps(const struct cuse_caller *caller, struct wanted *wanted,
			struct cuse_memory_fault *ret)
{
	char path[32];
	int error;

	snprintf(path, sizeof(path), "/proc/%d/maps", caller->pid);
	error = each_line(path, on_map, wanted);
	if (error == -E2BIG)
		return fault(ret, REFUSED_NO_RESOURCES, "more than 8 MiB of maps, region",
			     wanted->regions[0].address);
	if (error)
		return fault(ret, why_not(error), strerror(-error), wanted->regions[0].address);
	for (uint32_t i = 0; i < wanted->count; i++) {
		const struct cuse_region *region = &wanted->regions[i];

		switch (cuse_region_end(region)) {
		case CUSE_FOUND:
			break;
		case CUSE_PRIVATE:
			return fault(ret, REFUSED_MEMORY_PRIVATE, "private memory",
				     region->address + region->found);
		case CUSE_READ_ONLY:
			return fault(ret, REFUSED_REGION_MAP, "mapped for reading only",
				     region->address + region->found);
		case CUSE_UNMAPPED:
			return fault(ret, REFUSED_REGION_MAP, "not mapped from one file",
				     region->address + region->found);
		}
	}
	return 0;
}

/* --- which devices are memory --- */

/* calls: memfd_create */
static bool is_device_of_own(dev_t dev, unsigned int flags)
{
	int fd = memfd_create("holdfast-device", MFD_CLOEXEC | flags);
	struct stat st;
	bool same = fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev;

	hf_fd_close(&fd);
	return same;
}

static bool is_own_device(dev_t dev)
{
	return is_device_of_own(dev, 0) || is_device_of_own(dev, MFD_HUGETLB | MFD_HUGE_2MB) ||
	       is_device_of_own(dev, MFD_HUGETLB | MFD_HUGE_1GB);
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD…] - TYPE SOURCE OPTIONS", spaces escaped. */
static bool on_mount(const char *line, void *context)
{
	struct wanted *wanted = context;
	const char *type = strstr(line, " - ");
	unsigned int major, minor;

	if (!type || sscanf(line, "%*d %*d %u:%u ", &major, &minor) != 2)
		return true;
	type += strlen(" - ");
	if (strncmp(type, "tmpfs ", 6) != 0 && strncmp(type, "hugetlbfs ", 10) != 0)
		return true;
	for (uint32_t i = 0; i < wanted->count; i++)
		wanted->memory[i] |= wanted->regions[i].first.dev == makedev(major, minor);
	return true;
}

/* The first that is not known to be memory; `count`: all are. */
static uint32_t first_unknown(const struct wanted *wanted)
{
	uint32_t i = 0;

	while (i < wanted->count && wanted->memory[i])
		i++;
	return i;
}

/* Each list is read once for all regions. The kernel's own mounts, which memfds are on, are in
 * none: ours are on the same. */
static int look_at_devices(const struct cuse_caller *caller, struct wanted *wanted,
			   struct cuse_memory_fault *ret)
{
	char path[40];

	for (uint32_t i = 0; i < wanted->count; i++)
		wanted->memory[i] = is_own_device(wanted->regions[i].first.dev);
	if (first_unknown(wanted) < wanted->count)
		(void)each_line("/proc/self/mountinfo", on_mount, wanted);
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", caller->pid);
	if (first_unknown(wanted) < wanted->count)
		(void)each_line(path, on_mount, wanted);
	if (first_unknown(wanted) == wanted->count)
		return 0;
	return fault(ret, REFUSED_REGION_FILE, "memory of a file on a disk or a server",
		     wanted->regions[first_unknown(wanted)].address);
}

/* --- the file --- */

static bool is_meant(int fd, const struct cuse_map *map)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) >= 0 && fstat(fd, &st) == 0 && st.st_dev == map->dev &&
	       st.st_ino == map->ino;
}

/* If it is not what was meant, because the caller was quicker, it may be anything: the end of this
 * process closes it, when all is said. */
static void drop(int fd, const struct cuse_map *map)
{
	if (is_meant(fd, map))
		hf_fd_close(&fd);
}

/* Is that the file ("": the descriptor itself)? Asked without opening anything, nor asking who
 * serves it. */
static bool names_file(int directory, const char *name, const struct cuse_map *map)
{
	struct statx st;

	return statx(directory, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
		     STATX_INO, &st) == 0 &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == map->dev && st.stx_ino == map->ino;
}

/* Opened for nothing but to be looked at, which asks nobody who serves it; then once more through
 * that, and nothing can be exchanged in between. >= 0, or -errno; -ENOENT: the mapping is another
 * one by now. */
static int open_mapping(const struct cuse_caller *caller, const struct cuse_map *map)
{
	char path[80];
	int fd, seen;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", caller->pid,
		 (unsigned long long)map->start, (unsigned long long)map->end);
	seen = open(path, O_PATH | O_CLOEXEC);
	if (seen < 0)
		return -errno;
	if (!names_file(seen, "", map))
		return -ENOENT; /* left open, see drop */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", seen);
	/* O_NONBLOCK: a lease could keep us waiting. */
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		fd = -errno;
	hf_fd_close(&seen);
	return fd >= 0 && !is_meant(fd, map) ? -ENOENT : fd;
}

static bool may_write(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) == O_RDWR;
}

static int take_descriptor(const struct cuse_caller *caller, const char *name,
			   const struct cuse_map *map)
{
	int fd = cuse_caller_fd(caller, atoi(name));

	if (fd >= 0 && is_meant(fd, map) && may_write(fd))
		return fd;
	if (fd >= 0)
		drop(fd, map);
	return -ENOENT;
}

/* Among the caller's own. >= 0, -ENOENT: not among those that were looked at; -errno. */
static int find_descriptor(const struct cuse_caller *caller, const struct cuse_map *map)
{
	const struct dirent *entry;
	uint32_t seen = 0;
	int fd = -ENOENT;
	char path[32];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", caller->pid);
	directory = opendir(path);
	if (!directory)
		return -errno;
	while (fd < 0 && seen < CUSE_MAX_DESCRIPTORS && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		seen++;
		if (names_file(dirfd(directory), entry->d_name, map))
			fd = take_descriptor(caller, entry->d_name, map);
	}
	closedir(directory);
	return fd < 0 ? -ENOENT : fd;
}

/* >= 0; -EAGAIN: look at the maps again; -EPROTO: *ret. */
static int open_region(const struct cuse_caller *caller, const struct cuse_region *region,
		       struct cuse_memory_fault *ret)
{
	int fd, by_descriptor;

	fd = open_mapping(caller, &region->first);
	if (fd >= 0)
		return fd;
	by_descriptor = find_descriptor(caller, &region->first);
	if (by_descriptor >= 0)
		return by_descriptor;
	if (fd == -ENOENT)
		return -EAGAIN;
	return fault(ret, why_not(fd), strerror(-fd), region->address);
}

static int open_all(const struct cuse_caller *caller, const struct wanted *wanted, int *fds,
		    struct cuse_memory_fault *ret)
{
	for (uint32_t i = 0; i < wanted->count; i++) {
		fds[i] = open_region(caller, &wanted->regions[i], ret);
		if (fds[i] < 0) {
			int error = fds[i];

			hf_fd_close_all(fds, i);
			return error;
		}
	}
	return 0;
}

int cuse_memory_find(const struct cuse_caller *caller, struct vu_region *regions, int *fds,
		     uint32_t count, struct cuse_memory_fault *ret_fault)
{
	struct wanted wanted;
	int error = -EAGAIN;

	for (int i = 0; error == -EAGAIN && i < ATTEMPTS; i++) {
		wanted.count = count;
		for (uint32_t k = 0; k < count; k++)
			wanted.regions[k] = (struct cuse_region){.address = regions[k].user_addr,
								 .size = regions[k].size};
		error = look_at_maps(caller, &wanted, ret_fault);
		if (!error)
			error = look_at_devices(caller, &wanted, ret_fault);
		if (!error)
			error = open_all(caller, &wanted, fds, ret_fault);
	}
	if (error == -EAGAIN)
		return fault(ret_fault, REFUSED_RACED, "mapping changes all the time",
			     regions[0].user_addr);
	/* Whose numbers were used all the time? */
	if (!error && !cuse_caller_lives(caller)) {
		hf_fd_close_all(fds, count);
		return fault(ret_fault, REFUSED_CALLER, "process is gone", regions[0].user_addr);
	}
	for (uint32_t k = 0; !error && k < count; k++)
		regions[k].file_offset = wanted.regions[k].file_offset;
	return error;
}
