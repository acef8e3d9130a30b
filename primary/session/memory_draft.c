/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "device.h"
#include "fd.h"
#include "guard.h"
#include "guestmap.h"
#include "memory.h"

void memory_draft_free(struct memory_draft *draft)
{
	if (!draft)
		return;
	hf_fd_close_all(draft->fresh, draft->nr_fresh);
	free(draft);
}

struct memory_draft *memory_draft_begin(const struct device *device, bool keep)
{
	struct memory_draft *draft = calloc(1, sizeof(*draft));
	uint32_t count = device->memory.count;

	if (!draft)
		return NULL;
	if (keep) {
		draft->table = device->memory;
		memcpy(draft->fds, device->region_fds, count * sizeof(int));
	} else {
		memcpy(draft->retired, device->region_fds, count * sizeof(int));
		draft->nr_retired = count;
	}
	return draft;
}

/*
 * Memory: a memfd, or a file on tmpfs or hugetlbfs, all of which and nothing else can be sealed.
 * Reading from any other file could block the primary for as long as who serves it likes (FUSE,
 * NFS). Asked first: fstat could block as well. And long enough: what lies behind the end of the
 * file would be a SIGBUS for everybody.
 */
bool memory_draft_file_ok(int fd, const struct vu_region *region, uint64_t *ret_file_id)
{
	struct stat st;

	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < 0 || region->file_offset + region->size > (uint64_t)st.st_size)
		return false;
	*ret_file_id = (uint64_t)st.st_dev << 32 ^ st.st_ino;
	return true;
}

/*
 * The node of a region's first page, when the guest has touched it. Ours is a new mapping: the
 * page must be in our page table to be asked about, and asking must not be what allocates it. For
 * hugetlbfs the kernel does not say whether it is there; front-ends allocate those beforehand.
 */
/* calls: mincore */
static int32_t node_of(const struct hf_shm_region *region, const struct hf_mapped_region *mapped)
{
	uint64_t page = region->page_bytes;
	void *first = (void *)align_down((uintptr_t)mapped->address, page);
	unsigned char resident = 0;

	if (page == (uint64_t)getpagesize() &&
	    (mincore(first, page, &resident) < 0 || !(resident & 1)))
		return HF_NODE_ANY;
	if (madvise(first, page, MADV_POPULATE_READ) < 0)
		return HF_NODE_ANY;
	return hf_node_of_page(first);
}

/*
 * Can it be mapped, to read and to write? Its first page is, for a moment, and tells its node. All
 * of it is when it lies on hugepages: the kernel reserves those that are not there yet for the
 * file, or says that the pool has none, which the first touch would say with a SIGBUS.
 */
static int probe(struct hf_shm_region *region, int fd)
{
	struct hf_shm_region first = *region;
	struct hf_guestmap *map;
	int error;

	if (region->page_bytes == (uint32_t)getpagesize())
		first.size = min_u64(region->size, region->page_bytes);
	error = hf_guestmap_create(&map, &first, &fd, 1);
	if (error)
		return error;
	region->node = node_of(region, &map->regions[0]);
	hf_guestmap_destroy(map);
	return 0;
}

bool memory_draft_add(struct memory_draft *draft, const struct vu_region *from, int *fd,
		      enum refusal *ret_reason)
{
	struct hf_shm_region region = {.gpa = from->gpa,
				       .size = from->size,
				       .user_addr = from->user_addr,
				       .file_offset = from->file_offset,
				       .node = HF_NODE_ANY};
	uint32_t at;
	int error;

	*ret_reason = REFUSED_REGION_FILE;
	if (!memory_draft_file_ok(*fd, from, &region.file_id))
		return false;
	region.page_bytes = (uint32_t)hf_page_bytes_of(*fd);
	error = probe(&region, *fd);
	*ret_reason = error == -ENOMEM ? REFUSED_NO_RESOURCES : REFUSED_REGION_MAP;
	if (error)
		return false;
	error = hf_memtab_add(&draft->table, &region, &at);
	if (error) {
		*ret_reason = error == -EEXIST	 ? REFUSED_REGION_OVERLAP
			      : error == -ENOSPC ? REFUSED_REGION_TABLE_FULL
						 : REFUSED_REGION_RANGE;
		return false;
	}
	memmove(&draft->fds[at + 1], &draft->fds[at],
		(draft->table.count - 1 - at) * sizeof(draft->fds[0]));
	draft->fds[at] = *fd;
	draft->fresh[draft->nr_fresh++] = hf_fd_take(fd);
	return true;
}
