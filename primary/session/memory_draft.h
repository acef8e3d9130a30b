/* SPDX-License-Identifier: Apache-2.0 */
/* The memory table to come. */
#ifndef PRIMARY_MEMORY_DRAFT_H
#define PRIMARY_MEMORY_DRAFT_H

#include <stdbool.h>
#include <stdint.h>

#include "memtab.h"
#include "refusal.h"
#include "vu_msg.h"

struct device;

/* The next table. Descriptors of regions that stay are the device's; `fresh` are the draft's until
 * it is in force, `retired` are the device's until then and closed after. */
struct memory_draft {
	struct hf_memtab table;
	int fds[HF_SHM_MAX_REGIONS];
	int fresh[VU_RAW_REGIONS];
	uint32_t nr_fresh;
	int retired[HF_SHM_MAX_REGIONS];
	uint32_t nr_retired;
};

/* The table in force as the next one's beginning (`keep`), or an empty one that retires it. NULL:
 * no memory. */
struct memory_draft *memory_draft_begin(const struct device *device, bool keep);
/* Is it a file that can be memory, and long enough? Which one it is. */
bool memory_draft_file_ok(int fd, const struct vu_region *region, uint64_t *ret_file_id);
/* Add a region; its descriptor moves into the draft. False: refused, for *ret_reason. */
bool memory_draft_add(struct memory_draft *draft, const struct vu_region *from, int *fd,
		      enum refusal *ret_reason);
/* NULL: no-op. */
void memory_draft_free(struct memory_draft *draft);

#endif
