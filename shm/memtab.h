/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory table: the regions a front-end described, sorted by guest-physical address. Pure: no
 * mapping, no descriptors; addresses in, region and offset out.
 */
#ifndef SHM_MEMTAB_H
#define SHM_MEMTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

struct hf_memtab {
	uint32_t count;
	struct hf_shm_region regions[HF_SHM_MAX_REGIONS]; /* by gpa */
};

/*
 * Add a region. *ret_index: where it was sorted in (those behind moved up by one). 0; -EINVAL:
 * zero size, or gpa, user address or file offset wraps; -EEXIST: overlaps another one's guest or
 * user addresses; -ENOSPC: the table is full.
 */
int hf_memtab_add(struct hf_memtab *table, const struct hf_shm_region *region, uint32_t *ret_index);
/* Remove the region with exactly this gpa, user address and size. *ret_index: where it was.
 * -ENOENT. */
int hf_memtab_remove(struct hf_memtab *table, uint64_t gpa, uint64_t user_addr, uint64_t size,
		     uint32_t *ret_index);

/* Region that has `gpa`, or -1. */
int hf_memtab_find_gpa(const struct hf_memtab *table, uint64_t gpa);
/* Does [user, user + len) lie whole inside one region? Its guest-physical address then. */
bool hf_memtab_user_to_gpa(const struct hf_memtab *table, uint64_t user, uint64_t len,
			   uint64_t *ret_gpa);

#endif
