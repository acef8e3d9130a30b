/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory as the model owns it: one memfd, of which some spans are regions and the rest are
 * holes. Guest-physical address = base + offset in the file, so the model sees it flat, while the
 * back-end maps each region on its own.
 *
 * The model knows every byte: what it writes itself goes through guest_write and is remembered;
 * what the back-end may write is declared. guest_strays() counts all other bytes that changed.
 */
#ifndef MODEL_GUEST_H
#define MODEL_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define GUEST_MAX_REGIONS 16u

/* A region: [offset, offset + size) of the file. */
struct guest_span {
	uint64_t offset;
	uint64_t size;
};

struct guest {
	int fd;
	uint64_t base; /* guest-physical address of offset 0 */
	uint64_t user; /* the front-end's address of offset 0 */
	size_t size;
	uint8_t *bytes;	   /* the shared mapping */
	uint8_t *known;	   /* what the model believes is there */
	uint8_t *writable; /* by byte: may the back-end change it? */
	struct hf_shm_region regions[GUEST_MAX_REGIONS];
	uint32_t nr_regions;
};

/* Filled with a canary pattern. nr_spans 0: one region over all. False: no memory. */
bool guest_create(struct guest *guest, size_t size, uint64_t base, const struct guest_span *spans,
		  uint32_t nr_spans);
/* The same on 2 MiB pages, of which `size` is a multiple. False as well where the pool has none. */
bool guest_create_huge(struct guest *guest, size_t size, uint64_t base,
		       const struct guest_span *spans, uint32_t nr_spans);
void guest_destroy(struct guest *guest);
/* From now on the front-end's addresses are those of our own mapping, for a back-end that looks
 * there; otherwise they are different numbers, so that nobody takes the one for the other. */
void guest_use_own_addresses(struct guest *guest);
/* Cut the file to `size` bytes under whoever has it mapped, and punch out what it has there. The
 * model must not look at what is gone. */
bool guest_cut(struct guest *guest, size_t size);
bool guest_punch(struct guest *guest);
/* After that: as it was created, and nothing declared. */
bool guest_restore(struct guest *guest);

/* The model's own pointer to gpa. The test's fault when it lies outside the file. */
uint8_t *guest_at(const struct guest *guest, uint64_t gpa);
/* Is all of [gpa, gpa + len) inside regions? */
bool guest_maps(const struct guest *guest, uint64_t gpa, uint64_t len);

/* Write as the guest. */
void guest_write(struct guest *guest, uint64_t gpa, const void *bytes, size_t len);
void guest_write16(struct guest *guest, uint64_t gpa, uint16_t value);
uint16_t guest_read16(const struct guest *guest, uint64_t gpa);
/* Let the back-end write [gpa, gpa + len), or no longer (what is there now is believed). Bytes
 * outside the file are not there to be declared. */
void guest_declare(struct guest *guest, uint64_t gpa, uint64_t len, bool writable);
/* Bytes that changed and had no right to; each first one is printed. */
size_t guest_strays(const struct guest *guest);

#endif
