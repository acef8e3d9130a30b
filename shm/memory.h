/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for the directory, the lanes and packet buffers: sealed memfds on hugepages where the
 * pool has them, on ordinary pages otherwise, placed on a NUMA node.
 */
#ifndef SHM_MEMORY_H
#define SHM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_NODE_ANY   (-1)
#define HF_HUGE_BYTES (2L << 20)

struct hf_memory {
	int fd;		     /* sealed against shrink and grow; owned */
	void *base;	     /* mapped read-write, populated */
	size_t size;	     /* rounded up to whole pages */
	uint32_t page_bytes; /* of the pages behind it */
	int node;	     /* where it was placed, HF_NODE_ANY unknown */
};

/*
 * Create, size, place, populate and seal. `want_huge` asks for 2 MiB pages; when the pool is empty
 * ordinary pages serve and one warning per process names the remedy. 0 or -errno.
 */
int hf_memory_create(struct hf_memory *memory, const char *name, size_t size, int node,
		     bool want_huge);
/* Map what an earlier life of this process made; `fd` becomes the memory's. 0 or -errno. */
int hf_memory_adopt(struct hf_memory *memory, int fd);
void hf_memory_destroy(struct hf_memory *memory);

/* A second descriptor of the same memory that can only be mapped read-only; nor can who gets it
 * open its file anew to write, but root and the user who made it. >= 0 or -errno. */
int hf_memory_readonly_fd(const struct hf_memory *memory);

/* Free 2 MiB pages, and how many the pool has; 0 where there is none. */
long hf_huge_pages_free(long *ret_total);
/* NUMA node of the page at `address` in this process, or HF_NODE_ANY. */
int hf_node_of_page(void *address);
/* NUMA node of the calling thread's processor, or HF_NODE_ANY. */
int hf_node_here(void);

#endif
