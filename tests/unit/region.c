/* SPDX-License-Identifier: Apache-2.0 */
#include "region.h"

#include "directory.h"
#include "lane.h"
#include "suite.h"

void region_open(struct region *region)
{
	struct hf_directory directory;

	REQUIRE(hf_memory_create(&region->directory, "test", hf_directory_size(2, 2), HF_NODE_ANY,
				 false) == 0);
	REQUIRE(hf_directory_format(&directory, &region->directory, 2, 2, 1) == 0);
	REQUIRE(hf_memory_create(&region->lane, "test", 65536, HF_NODE_ANY, false) == 0);
	hf_lane_format(region->lane.base, region->lane.size, 1);
}

void region_close(struct region *region)
{
	hf_memory_destroy(&region->directory);
	hf_memory_destroy(&region->lane);
}
