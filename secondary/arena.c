/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Each kind has its chunks: a small one on ordinary pages first, since most
 * processes serve a few devices, then large ones that are advised to be one large page each. A
 * chunk is cut from its front; what comes back goes into a list through its first word. Things are
 * an odd number of lines apart, or the first lines of all of them, which every burst reads, would
 * share a few sets of the first-level cache.
 */
#include "arena.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "device.h"
#include "vring.h"

#define SMALL_BYTES (64u << 10)
#define LARGE_BYTES (2u << 20)

struct given {
	struct given *next;
};

struct kind {
	size_t bytes;
	uint8_t *chunk; /* what is left of it: [chunk, end) */
	uint8_t *end;
	size_t next_bytes;
	struct given *given;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kind kinds[HF_ARENA_KINDS] = {
	[HF_ARENA_DEVICE] = {.bytes = sizeof(struct hf_device), .next_bytes = SMALL_BYTES},
	[HF_ARENA_VRING] = {.bytes = sizeof(struct hf_vring), .next_bytes = SMALL_BYTES},
};

/* A new chunk; a large one at a large page's boundary. */
static int map_chunk(struct kind *k)
{
	size_t bytes = k->next_bytes, mapped = bytes + (bytes == LARGE_BYTES ? bytes : 0);
	uint8_t *base =
		mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *chunk = base;

	if (base == MAP_FAILED)
		return -1;
	if (mapped != bytes) {
		chunk = (uint8_t *)align_up((uintptr_t)base, bytes);
		if (chunk > base)
			munmap(base, (size_t)(chunk - base));
		munmap(chunk + bytes, (size_t)(base + mapped - chunk) - bytes);
		/* Where there are none the chunk is on ordinary ones. */
		(void)madvise(chunk, bytes, MADV_HUGEPAGE);
	}
	k->chunk = chunk;
	k->end = chunk + bytes;
	k->next_bytes = LARGE_BYTES;
	return 0;
}

static void *take(struct kind *k, size_t bytes)
{
	void *thing = k->given;

	if (thing) {
		k->given = k->given->next;
		return thing;
	}
	if ((size_t)(k->end - k->chunk) < bytes && map_chunk(k))
		return NULL;
	thing = k->chunk;
	k->chunk += bytes;
	return thing;
}

void *hf_arena_take(enum hf_arena_kind kind)
{
	size_t bytes = align_up(kinds[kind].bytes, HF_SHM_LINE) | HF_SHM_LINE;
	void *thing;

	pthread_mutex_lock(&lock);
	thing = take(&kinds[kind], bytes);
	pthread_mutex_unlock(&lock);
	return thing ? memset(thing, 0, bytes) : NULL;
}

void hf_arena_give(enum hf_arena_kind kind, void *thing)
{
	struct given *given = thing;

	if (!given)
		return;
	pthread_mutex_lock(&lock);
	given->next = kinds[kind].given;
	kinds[kind].given = given;
	pthread_mutex_unlock(&lock);
}
