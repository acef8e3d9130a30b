/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device (fake_cuse.h) and the front-end that owns it, this process: for tests of what can be
 * said wrong. Behind each of them everything that a front-end does must still work.
 */
#ifndef TESTS_OWNER_H
#define TESTS_OWNER_H

#include <stdint.h>

#include "cuse_wire.h"
#include "fake_cuse.h"

#define MEMORY (1u << 20)
#define PAGE   4096ull

struct owner {
	uint64_t handle; /* of the open file */
	uint8_t *memory; /* MEMORY bytes of `file` */
	int file, kick;
};
extern struct owner owner;

void owner_begin(void);
/* It still works, and nothing is left over. */
void owner_end(void);
/* A ring can be set up, started and stopped. */
void owner_alive(void);

/* One phase, with sizes of our own: its error, or 1 when it is not answered. */
int owner_phase(uint32_t cmd, const void *in, uint32_t in_size, uint32_t out_size);
void *owner_map(int fd, uint64_t size, uint64_t offset, int flags);
/* Processes that have looked are buried as soon as the loop hears of their end: until then each is
 * a descriptor. */
void owner_bury_lookers(void);

struct table {
	struct vh_memory head;
	struct vh_region regions[CUSE_MAX_REGIONS + 1];
};

/* A page of owner.memory each. */
struct table owner_table(uint32_t count);

#endif
