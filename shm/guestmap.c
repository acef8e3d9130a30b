/* SPDX-License-Identifier: Apache-2.0 */
#include "guestmap.h"

#include <errno.h>
#include <stdlib.h>

#include "guard.h"

/* A region may start anywhere in its file; pages are mapped whole. */
static int map_region(struct hf_mapped_region *to, const struct hf_shm_region *from, int fd)
{
	uint64_t page = hf_page_bytes_of(fd), first, last, end;
	int error;

	if (!from->size || !add_ok(from->gpa, from->size, &end) ||
	    !add_ok(from->file_offset, from->size, &end) || end > INT64_MAX)
		return -EINVAL;
	first = align_down(from->file_offset, page);
	last = align_up(end, page);
	error = hf_map_guarded(fd, first, last - first, true, &to->base);
	if (error)
		return error;
	hf_map_not_in_children(to->base, last - first);
	to->gpa = from->gpa;
	to->size = from->size;
	to->mapped = last - first;
	to->address = (uint8_t *)to->base + (from->file_offset - first);
	return 0;
}

int hf_guestmap_create(struct hf_guestmap **ret_map, const struct hf_shm_region *regions,
		       const int *fds, uint32_t count)
{
	struct hf_guestmap *map;
	int error;

	if (count > HF_SHM_MAX_REGIONS)
		return -EINVAL;
	map = calloc(1, sizeof(*map) + count * sizeof(map->regions[0]));
	if (!map)
		return -ENOMEM;
	for (; map->count < count; map->count++) {
		uint32_t i = map->count;

		/* Binary search needs the order; a reader checks what another process wrote. */
		if (i && regions[i].gpa < regions[i - 1].gpa + regions[i - 1].size)
			error = -EINVAL;
		else
			error = map_region(&map->regions[i], &regions[i], fds[i]);
		if (error) {
			hf_guestmap_destroy(map);
			return error;
		}
	}
	*ret_map = map;
	return 0;
}

void hf_guestmap_destroy(struct hf_guestmap *map)
{
	if (!map)
		return;
	for (uint32_t i = 0; i < map->count; i++)
		hf_unmap_guarded(map->regions[i].base, map->regions[i].mapped);
	free(map);
}
