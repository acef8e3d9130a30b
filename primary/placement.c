/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory is made before the first guest comes and never moves afterwards: whoever mapped it
 * keeps it. So it goes where guests can still come, and that is told by the pool of hugepages.
 */
#include "placement.h"

#include <numa.h>
#include <stdio.h>

#include "memory.h"

static long free_pages_on(int node)
{
	char path[128];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-%ldkB/free_hugepages", node,
		 HF_HUGE_BYTES / 1024);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages;
}

/* calls: get_mempolicy */
int placement_node(void)
{
	long most = 0;
	int best = HF_NODE_ANY;

	if (numa_available() < 0 || numa_max_node() == 0)
		return HF_NODE_ANY;
	for (int node = 0; node <= numa_max_node(); node++) {
		long pages = free_pages_on(node);

		if (pages > most) {
			most = pages;
			best = node;
		}
	}
	return best;
}
