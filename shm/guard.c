/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"

/* calls: fstatfs */
size_t hf_page_bytes_of(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
		return (size_t)fs.f_bsize;
	return (size_t)getpagesize();
}

/* Is the range whole pages that the file really has? What lies past its end would be a SIGBUS. */
static int check_range(int fd, uint64_t offset, size_t size, size_t page)
{
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!size || size % page || offset % page || !add_ok(offset, size, &end))
		return -EINVAL;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || end > align_up((uint64_t)st.st_size, page))
		return -EINVAL;
	return 0;
}

int hf_map_guarded(int fd, uint64_t offset, size_t size, bool writable, void **ret_base)
{
	size_t page = hf_page_bytes_of(fd), guard = (size_t)getpagesize(), reserved, head, tail;
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	int error = check_range(fd, offset, size, page);
	char *hole, *base;

	if (error)
		return error;
	/* Reserve enough to find an aligned place with a guard on both sides, map over the middle,
	 * give back the rest. */
	reserved = size + page + 2 * guard;
	hole = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hole == MAP_FAILED)
		return -errno;
	base = (char *)align_up((uintptr_t)hole + guard, page);
	if (mmap(base, size, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED) {
		error = -errno;
		munmap(hole, reserved);
		return error;
	}
	/* What is shared, guests' memory above all, is no part of our core dumps. */
	(void)madvise(base, size, MADV_DONTDUMP);
	head = (size_t)(base - hole) - guard;
	tail = reserved - head - size - 2 * guard;
	if (head)
		munmap(hole, head);
	if (tail)
		munmap(base + size + guard, tail);
	*ret_base = base;
	return 0;
}

void hf_unmap_guarded(void *base, size_t size)
{
	size_t guard = (size_t)getpagesize();

	if (base)
		munmap((char *)base - guard, size + 2 * guard);
}

void hf_map_not_in_children(void *base, size_t size)
{
	(void)madvise(base, size, MADV_DONTFORK);
}
