/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in which file the regions of a memory table lie, by the lines of the caller's
 * /proc/PID/maps. Pure: text in, pieces out.
 *
 * A region is one piece of one file, whatever number of mappings it is cut into (madvise and
 * mprotect split them): all shared, all writable, of one device and inode, and each offset goes on
 * where the one before ended. Writable, because we open the file anew and may write what the caller
 * may not; a shared mapping can be only where its descriptor could. Names say nothing, and are not
 * looked at: a caller chooses them.
 */
#ifndef PRIMARY_CUSE_MAPS_H
#define PRIMARY_CUSE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cuse_map {
	uint64_t start, end, offset;
	dev_t dev;
	ino_t ino;
	bool shared, writable;
};

enum cuse_fault {
	CUSE_FOUND,
	CUSE_UNMAPPED, /* nothing there, or the pieces do not fit together */
	CUSE_PRIVATE,  /* memory of its own, which nobody can share */
	CUSE_READ_ONLY,
};

struct cuse_region {
	/* The wish. */
	uint64_t address, size;
	/* What was found; the first map names the file. */
	struct cuse_map first;
	uint64_t file_offset; /* of `address` */
	uint64_t found;	      /* bytes from `address` on, so far */
	enum cuse_fault fault;
};

/* One line, without its end. False: it cannot be understood. */
bool cuse_map_parse(const char *line, struct cuse_map *ret);
/* The maps come in the order of their addresses. */
void cuse_region_look(struct cuse_region *region, const struct cuse_map *map);
/* All lines were seen. */
enum cuse_fault cuse_region_end(const struct cuse_region *region);

#endif
