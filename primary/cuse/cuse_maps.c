/* SPDX-License-Identifier: Apache-2.0 */
#include "cuse_maps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "check.h"

/* A number in hexadecimal, then `end`. *text goes behind that. */
static bool take_hex(const char **text, char end, uint64_t *ret)
{
	uint64_t value = 0;
	int digits = 0;

	for (;; digits++, (*text)++) {
		char c = **text;

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	if (!digits || digits > 16 || *(*text)++ != end)
		return false;
	*ret = value;
	return true;
}

bool cuse_map_parse(const char *line, struct cuse_map *ret)
{
	uint64_t major, minor;
	char *end;

	if (!take_hex(&line, '-', &ret->start) || !take_hex(&line, ' ', &ret->end))
		return false;
	if (strnlen(line, 5) < 5 || line[4] != ' ')
		return false;
	ret->writable = line[1] == 'w';
	ret->shared = line[3] == 's';
	line += 5;
	if (!take_hex(&line, ' ', &ret->offset) || !take_hex(&line, ':', &major) ||
	    !take_hex(&line, ' ', &minor))
		return false;
	ret->dev = makedev((unsigned int)major, (unsigned int)minor);
	ret->ino = strtoull(line, &end, 10);
	return end != line && ret->start < ret->end;
}

static bool goes_on(const struct cuse_region *region, const struct cuse_map *map, uint64_t offset)
{
	return map->shared && map->dev == region->first.dev && map->ino == region->first.ino &&
	       offset == region->file_offset + region->found;
}

void cuse_region_look(struct cuse_region *region, const struct cuse_map *map)
{
	uint64_t next = region->address + region->found, offset;

	if (region->fault != CUSE_FOUND || region->found == region->size)
		return;
	if (next < map->start || next >= map->end)
		return;
	offset = map->offset + (next - map->start);
	if (!map->shared) {
		region->fault = CUSE_PRIVATE;
	} else if (!map->writable) {
		region->fault = CUSE_READ_ONLY;
	} else if (!region->found) {
		region->first = *map;
		region->file_offset = offset;
	} else if (!goes_on(region, map, offset)) {
		region->fault = CUSE_UNMAPPED;
	}
	if (region->fault == CUSE_FOUND)
		region->found += min_u64(map->end - next, region->size - region->found);
}

enum cuse_fault cuse_region_end(const struct cuse_region *region)
{
	if (region->fault != CUSE_FOUND)
		return region->fault;
	return region->found == region->size ? CUSE_FOUND : CUSE_UNMAPPED;
}
