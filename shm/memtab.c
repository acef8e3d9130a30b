/* SPDX-License-Identifier: Apache-2.0 */
#include "memtab.h"

#include <errno.h>
#include <string.h>

#include "check.h"

static bool region_ok(const struct hf_shm_region *r)
{
	uint64_t end;

	return r->size && add_ok(r->gpa, r->size, &end) && add_ok(r->user_addr, r->size, &end) &&
	       add_ok(r->file_offset, r->size, &end);
}

int hf_memtab_add(struct hf_memtab *table, const struct hf_shm_region *region, uint32_t *ret_index)
{
	uint32_t at = table->count;

	if (!region_ok(region))
		return -EINVAL;
	for (uint32_t i = table->count; i-- > 0;) {
		const struct hf_shm_region *r = &table->regions[i];

		if (ranges_overlap(region->gpa, region->size, r->gpa, r->size) ||
		    ranges_overlap(region->user_addr, region->size, r->user_addr, r->size))
			return -EEXIST;
		if (region->gpa < r->gpa)
			at = i;
	}
	if (table->count == HF_SHM_MAX_REGIONS)
		return -ENOSPC;
	memmove(&table->regions[at + 1], &table->regions[at],
		(table->count - at) * sizeof(table->regions[0]));
	table->regions[at] = *region;
	table->count++;
	*ret_index = at;
	return 0;
}

int hf_memtab_remove(struct hf_memtab *table, uint64_t gpa, uint64_t user_addr, uint64_t size,
		     uint32_t *ret_index)
{
	int at = hf_memtab_find_gpa(table, gpa);
	const struct hf_shm_region *r;

	if (at < 0)
		return -ENOENT;
	r = &table->regions[at];
	if (r->gpa != gpa || r->user_addr != user_addr || r->size != size)
		return -ENOENT;
	table->count--;
	memmove(&table->regions[at], &table->regions[at + 1],
		(table->count - (uint32_t)at) * sizeof(table->regions[0]));
	*ret_index = (uint32_t)at;
	return 0;
}

int hf_memtab_find_gpa(const struct hf_memtab *table, uint64_t gpa)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		const struct hf_shm_region *r = &table->regions[mid];

		if (gpa < r->gpa)
			high = mid;
		else if (gpa - r->gpa >= r->size)
			low = mid + 1;
		else
			return (int)mid;
	}
	return -1;
}

bool hf_memtab_user_to_gpa(const struct hf_memtab *table, uint64_t user, uint64_t len,
			   uint64_t *ret_gpa)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct hf_shm_region *r = &table->regions[i];

		if (range_inside(user, len, r->user_addr, r->size)) {
			*ret_gpa = r->gpa + (user - r->user_addr);
			return true;
		}
	}
	return false;
}
