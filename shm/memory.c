/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <hugetlbfs.h>
#include <linux/memfd.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "log.h"

#define TAG "memory"

static bool have_numa(void)
{
	return numa_available() >= 0;
}

/* Are there 2 MiB pages at all? The default size may be another: 1 GiB is usual on NFV hosts. */
static bool have_huge_pages(void)
{
	long sizes[16];
	int n = gethugepagesizes(sizes, (int)ARRAY_SIZE(sizes));

	for (int i = 0; i < n; i++)
		if (sizes[i] == HF_HUGE_BYTES)
			return true;
	return false;
}

/* One number of the pool of 2 MiB pages. */
static long pool_number(const char *what)
{
	char path[128];
	long number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ldkB/%s",
		 HF_HUGE_BYTES / 1024, what);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%ld", &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

long hf_huge_pages_free(long *ret_total)
{
	if (ret_total)
		*ret_total = pool_number("nr_hugepages");
	return pool_number("free_hugepages");
}

/* calls: move_pages get_mempolicy */
int hf_node_of_page(void *address)
{
	int node = HF_NODE_ANY;
	void *page = (void *)align_down((uintptr_t)address, (uint64_t)getpagesize());

	/* move_pages with no target only asks; a page that was never touched has no node yet. */
	if (!have_numa() || numa_move_pages(0, 1, &page, NULL, &node, 0) < 0 || node < 0)
		return HF_NODE_ANY;
	return node;
}

/* calls: getcpu */
int hf_node_here(void)
{
	return have_numa() ? numa_node_of_cpu(sched_getcpu()) : HF_NODE_ANY;
}

/* Prefer the node before the first touch; a full node is no reason to fail. */
/* calls: mbind */
static void place(void *base, size_t size, int node)
{
	if (node != HF_NODE_ANY && have_numa() && node <= numa_max_node())
		numa_tonode_memory(base, size, node);
}

/*
 * Who is given a descriptor to read by could open its file anew, through /proc, as the file's mode
 * says; a memfd begins with one that says all to everybody. Root and the owner can still change it.
 */
/* calls: fchmod */
static int let_nobody_write(int fd)
{
	return fchmod(fd, 0444) < 0 ? -errno : 0;
}

/* calls: memfd_create ftruncate fallocate */
static int map_new(struct hf_memory *memory, const char *name, size_t size, int node,
		   unsigned int memfd_flags, size_t page_bytes)
{
	void *base;
	int error;

	memory->size = align_up(size, page_bytes);
	memory->page_bytes = (uint32_t)page_bytes;
	memory->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | memfd_flags);
	if (memory->fd < 0)
		return -errno;
	if (ftruncate(memory->fd, (off_t)memory->size) < 0)
		goto fail;
	base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	memory->base = base;
	place(memory->base, memory->size, node);
	/*
	 * Every page now, or an error now: a page that lacks later would be a SIGBUS.
	 * Ordinary pages are left to be touched when needed, so that a large directory costs
	 * only what is used of it.
	 */
	if ((memfd_flags & MFD_HUGETLB) && fallocate(memory->fd, 0, 0, (off_t)memory->size) < 0)
		goto fail;
	memory->node = node == HF_NODE_ANY ? hf_node_of_page(memory->base) : node;
	return 0;
fail:
	error = errno;
	hf_memory_destroy(memory);
	return -error;
}

static void warn_ordinary_pages(size_t size, int error)
{
	static bool warned; /* benign race: at worst two lines */

	if (warned)
		return;
	warned = true;
	log_warning(TAG,
		    "no hugepages for %zu KiB (%s): using ordinary pages, slower; reserve some: "
		    "sysctl vm.nr_hugepages=%zu",
		    size / 1024, strerror(-error), 64 + size / (size_t)HF_HUGE_BYTES);
}

int hf_memory_create(struct hf_memory *memory, const char *name, size_t size, int node,
		     bool want_huge)
{
	int result = -ENODEV;

	*memory = (struct hf_memory){.fd = -1, .node = HF_NODE_ANY};
	if (!size || size > SIZE_MAX / 2)
		return -EINVAL;
	if (want_huge) {
		if (have_huge_pages())
			result = map_new(memory, name, size, node, MFD_HUGETLB | MFD_HUGE_2MB,
					 (size_t)HF_HUGE_BYTES);
		if (result < 0)
			warn_ordinary_pages(size, result);
	}
	if (result < 0)
		result = map_new(memory, name, size, node, 0, (size_t)getpagesize());
	if (result < 0)
		return result;
	result = let_nobody_write(memory->fd);
	if (!result &&
	    fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		result = -errno;
	if (result)
		hf_memory_destroy(memory);
	return result;
}

int hf_memory_adopt(struct hf_memory *memory, int fd)
{
	struct stat st;

	*memory = (struct hf_memory){.fd = fd, .node = HF_NODE_ANY};
	/* One that a release made that did not do so; only the owner can. */
	(void)let_nobody_write(fd);
	if (fstat(fd, &st) == 0) {
		memory->size = (size_t)st.st_size;
		memory->page_bytes = (uint32_t)st.st_blksize;
		memory->base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (memory->base != MAP_FAILED) {
			memory->node = hf_node_of_page(memory->base);
			return 0;
		}
	}
	memory->base = NULL;
	return -errno; /* the caller destroys it */
}

void hf_memory_destroy(struct hf_memory *memory)
{
	if (memory->base)
		munmap(memory->base, memory->size);
	memory->base = NULL;
	hf_fd_close(&memory->fd);
}

int hf_memory_readonly_fd(const struct hf_memory *memory)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
