/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory: created and written by the primary, mapped read-only by everybody else.
 *
 * A reader never trusts an offset it has not verified: hf_directory_attach checks the whole header
 * once, and the accessors then only take indices.
 */
#ifndef SHM_DIRECTORY_H
#define SHM_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "memory.h"

struct hf_directory {
	void *base;
	size_t size;
	struct hf_shm_header header; /* private copy, verified */
};

/* Bytes a directory of this shape takes. */
size_t hf_directory_size(uint32_t max_devices, uint32_t max_secondaries);

/* Primary: lay out a fresh directory in `memory` and fill `directory` with a view of it. 0 or
 * -EINVAL when it does not fit. */
int hf_directory_format(struct hf_directory *directory, const struct hf_memory *memory,
			uint32_t max_devices, uint32_t max_secondaries, uint64_t epoch);

/* The same for one that an earlier life of the primary formatted and filled: only looked at. 0;
 * -EPROTO, -EINVAL as hf_directory_attach. */
int hf_directory_adopt(struct hf_directory *directory, const struct hf_memory *memory);

/*
 * Reader: map `fd` and verify it. 0; -EPROTO: another major version (the log line names both);
 * -EINVAL: not a directory, or a damaged one; -errno of mmap. Detach with hf_directory_detach.
 */
int hf_directory_attach(struct hf_directory *directory, int fd);
void hf_directory_detach(struct hf_directory *directory);

/* A slot by its index; NULL past the end. */
struct hf_shm_device *hf_directory_device(const struct hf_directory *directory, uint32_t slot);
/* The grant word of a device's vring. */
hf_shm_grant *hf_directory_grant(const struct hf_directory *directory, uint32_t slot,
				 uint32_t vring);
struct hf_shm_secondary *hf_directory_secondary(const struct hf_directory *directory,
						uint32_t slot);

/*
 * A private, consistent copy of a device slot. Only the first nr_regions regions and nr_vrings
 * vrings are copied (both bounded). 0; -EBUSY: the writer did not finish (dead or very slow), try
 * later; -ENOENT: no such slot. Owner and lane entry are copied too, but are not under the count.
 */
int hf_directory_snapshot(const struct hf_directory *directory, uint32_t slot,
			  struct hf_shm_device *ret_copy);

/*
 * Primary: publish `draft` into the slot in one step: readers see it whole or not at all. Owner
 * and lane entry of the vrings are left as they are in the slot; seq and generation
 * are the slot's own. 0 or -ENOENT.
 */
int hf_directory_publish(const struct hf_directory *directory, uint32_t slot,
			 const struct hf_shm_device *draft);

#endif
