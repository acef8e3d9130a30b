/* SPDX-License-Identifier: Apache-2.0 */
/* Shared file mappings with an inaccessible page on either side: a silent overrun is a fault. */
#ifndef SHM_GUARD_H
#define SHM_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Page size of the file behind fd: that of its hugetlbfs, else the system's. */
size_t hf_page_bytes_of(int fd);

/*
 * Map [offset, offset + size) of fd, shared. offset and size are multiples of hf_page_bytes_of(fd)
 * and lie inside the file, or -EINVAL. Not in core dumps.
 * 0 or -errno; unmap with hf_unmap_guarded, same size.
 */
int hf_map_guarded(int fd, uint64_t offset, size_t size, bool writable, void **ret_base);
void hf_unmap_guarded(void *base, size_t size);
/* A child that this process forks does not get the mapping: the primary, which watches this
 * process, could believe it dead while a child still stores. */
void hf_map_not_in_children(void *base, size_t size);

#endif
