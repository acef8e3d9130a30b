/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of one ring in a model guest: split (virtio 1.1, 2.6) or packed (2.7).
 *
 * It keeps the truth: which heads were made available and which bytes the back-end may change.
 * driver_consume() and driver_check() count every breach of the ring's rules: a used id that was
 * not available, or came twice, used->idx that went back or too far, a byte that changed without
 * right. Raw writes of any ring byte are guest_write()s.
 *
 * A packed ring's buffers are known by their ids, which stand in for heads here; an index of such a
 * ring is place | wrap counter << 15. `avail` and `used` are its event suppression structures.
 */
#ifndef MODEL_DRIVER_H
#define MODEL_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

enum { DRIVER_NEXT = 1, DRIVER_WRITE = 2, DRIVER_INDIRECT = 4 };

struct piece {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags; /* DRIVER_WRITE; NEXT is set by the model */
};

struct driver_used {
	uint32_t id;
	uint32_t len;
};

struct driver {
	struct guest *guest;
	uint16_t size;
	uint64_t desc, avail, used; /* guest-physical */
	bool event_idx;
	bool packed;

	uint16_t avail_idx; /* as published */
	uint16_t used_seen; /* consumed up to here */
	uint16_t next_desc; /* where the next chain starts in the table; packed: the next id */
	uint32_t descs_free;
	uint32_t *chain_descs; /* by head: descriptors of the chain there; 0: not available */
	uint32_t breaches;

	/* Packed. */
	uint16_t put_idx; /* what is written, published or not */
	struct driver_head {
		uint64_t gpa;
		uint16_t flags;
	} * heads; /* that are written, but for their flags */
	uint32_t nr_heads;
	uint16_t *head_of; /* by id: where the chain begins */
};

/* Bytes that the three parts take, with the event words. */
uint64_t driver_desc_bytes(uint16_t size);
uint64_t driver_avail_bytes(uint16_t size);
uint64_t driver_used_bytes(uint16_t size);

/* Lay the ring out from `gpa` on (aligned), zeroed, at position `base`. The address behind it, or
 * 0 without memory. */
uint64_t driver_create(struct driver *driver, struct guest *guest, uint64_t gpa, uint16_t size,
		       bool event_idx, uint16_t base);
/* The same for a packed ring that has moved `moved` descriptors since it was made. */
uint64_t driver_create_packed(struct driver *driver, struct guest *guest, uint64_t gpa,
			      uint16_t size, bool event_idx, uint16_t moved);
void driver_destroy(struct driver *driver);

/* Write one descriptor, as it is. */
void driver_write_desc(struct driver *driver, uint64_t table, uint32_t index, uint64_t addr,
		       uint32_t len, uint16_t flags, uint16_t next);

/* Packed: write one descriptor as it is, flags last, at this position's place. */
void driver_write_packed(struct driver *driver, uint16_t at, uint64_t addr, uint32_t len,
			 uint16_t id, uint16_t flags);
/* Flags that make a descriptor at this position available. */
uint16_t driver_available(uint16_t at);
/* The index `n` descriptors (split: entries) behind `idx`. */
uint16_t driver_after(const struct driver *driver, uint16_t idx, uint32_t n);
/* The index of a ring that has moved `n` since it was made. */
uint16_t driver_index(const struct driver *driver, uint32_t n);

/* Put a chain of `n` pieces into the table and its head into the available ring, not yet
 * published. Writable pieces are declared. The head; -1: the table is full. */
int driver_put(struct driver *driver, const struct piece *pieces, uint32_t n);
/* The same through an indirect table at `table`. */
int driver_put_indirect(struct driver *driver, uint64_t table, const struct piece *pieces,
			uint32_t n);
/* Any head, chain or not. */
void driver_put_head(struct driver *driver, uint16_t head);
/* Show the back-end what was put. */
void driver_publish(struct driver *driver);
/* driver_put and driver_publish. */
int driver_post(struct driver *driver, const struct piece *pieces, uint32_t n);

/* Let the back-end write what it may of the ring, after a guest_declare() of all memory. */
void driver_declare(struct driver *driver);

/* Split: reset, and driven anew from index 0; all that it had in its table and its available ring
 * stays there. False: no memory. */
bool driver_begin_again(struct driver *driver);

/* The next used entry; false: none. */
bool driver_consume(struct driver *driver, struct driver_used *ret_used);
/* Consume everything; how many. */
uint32_t driver_consume_all(struct driver *driver);
/* Breaches since the start, stray bytes included. */
uint32_t driver_check(struct driver *driver);

/* Call suppression: by used_event, or by flags when event_idx is off. Packed: of its structures. */
void driver_set_used_event(struct driver *driver, uint16_t used_event);
void driver_set_avail_flags(struct driver *driver, uint16_t flags);
/* Kick suppression, as the back-end wrote it. */
uint16_t driver_used_flags(const struct driver *driver);
uint16_t driver_avail_event(const struct driver *driver);
uint16_t driver_used_idx(const struct driver *driver);

#endif
