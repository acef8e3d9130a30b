/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory table mapped into this process. Built whole, then never changed (but for `gone`):
 * whoever holds one may translate without a lock; a changed table is a new map.
 *
 * Translation goes through a small private array sorted by guest-physical address, and every
 * range is checked for its end as well as its start.
 */
#ifndef SHM_GUESTMAP_H
#define SHM_GUESTMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "layout.h"

struct hf_mapped_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *address; /* of gpa */
	void *base;	  /* what was mapped, for unmapping */
	uint64_t mapped;
};

struct hf_guestmap {
	uint32_t count;
	uint32_t gone; /* the front-end took some of it away: zeros are there now (sigbus.h) */
	struct hf_mapped_region regions[]; /* by gpa, as in the memory table */
};

/*
 * Map `count` regions (sorted by gpa, as hf_memtab keeps them); fds[i] belongs to regions[i] and
 * stays the caller's. 0; -EINVAL: a region does not lie inside its file; -errno of mmap.
 */
int hf_guestmap_create(struct hf_guestmap **ret_map, const struct hf_shm_region *regions,
		       const int *fds, uint32_t count);
void hf_guestmap_destroy(struct hf_guestmap *map);

/* The region of the map that has `gpa`, or NULL. */
static inline const struct hf_mapped_region *hf_guestmap_find(const struct hf_guestmap *map,
							      uint64_t gpa)
{
	uint32_t low = 0, high = map->count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		const struct hf_mapped_region *r = &map->regions[mid];

		if (gpa < r->gpa)
			high = mid;
		else if (gpa - r->gpa >= r->size)
			low = mid + 1;
		else
			return r;
	}
	return NULL;
}

/* Address of gpa, and in *len (in: bytes wanted) how many follow in one piece; NULL: unmapped. */
static inline uint8_t *hf_guestmap_piece(const struct hf_guestmap *map, uint64_t gpa, uint64_t *len)
{
	const struct hf_mapped_region *r = hf_guestmap_find(map, gpa);

	if (!r)
		return NULL;
	*len = min_u64(*len, r->size - (gpa - r->gpa));
	return r->address + (gpa - r->gpa);
}

/* Address of [gpa, gpa + len) when it lies in one region, else NULL. */
static inline void *hf_guestmap_whole(const struct hf_guestmap *map, uint64_t gpa, uint64_t len)
{
	uint64_t piece = len;
	uint8_t *address = hf_guestmap_piece(map, gpa, &piece);

	return address && piece == len ? address : NULL;
}

#endif
