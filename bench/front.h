/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front-end: a guest driver that is as fast as one can be, so that what is measured is the
 * back-end. One model for both back-ends: the same rings, buffers and contents.
 *
 * Memory is one memfd, one region; every descriptor has a buffer of its own. Nothing here is
 * timed: a round posts a whole ring, the back-end works, the round reaps the whole ring.
 */
#ifndef BENCH_FRONT_H
#define BENCH_FRONT_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define FRONT_HEADER  12u /* struct virtio_net_hdr: VERSION_1 is always negotiated */
#define FRONT_GPA     0x40000000ull
#define FRONT_RINGS   2u
#define FRONT_ENQUEUE 0u /* vring numbers; words are the back-end's: it enqueues to the guest */
#define FRONT_DEQUEUE 1u

struct front_ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	/* Of a packed ring; NULL: it is a split one. The two others are its event structures. */
	struct vring_packed_desc *packed;
	uint8_t *buffers;
	uint64_t buffers_gpa;
	uint32_t buffer_bytes;	  /* of a posted buffer: header and the longest frame */
	uint32_t buffer_distance; /* between two */
	uint32_t places; /* buffers wander over so many pages; 0: they stay where they are */
	uint16_t size;
	uint16_t posted; /* both free-running */
	uint16_t reaped;
};

struct front {
	int memfd;
	uint8_t *memory;
	uint64_t bytes;
	bool huge; /* 2 MiB pages */
	uint64_t features;
	uint32_t pairs;
	struct front_ring rings[FRONT_RINGS];
	int kicks[FRONT_RINGS];
	int calls[FRONT_RINGS];
	int socket; /* of the vhost-user session, -1 while there is none */
};

/* One that is not there: safe to disconnect and to destroy. */
#define FRONT_NONE ((struct front){.memfd = -1, .socket = -1, .kicks = {-1, -1}, .calls = {-1, -1}})

/* What SET_VRING_BASE says of a ring as it is now. */
uint32_t front_base(const struct front_ring *ring);

struct front_shape {
	uint16_t size; /* entries of a ring */
	bool packed;
	bool mergeable;
	bool huge; /* hugepages, if there are some */
	/* 0 or a power of two that is no less than `size`: each buffer posted is on the next one of
	 * so many pages, so that the back-end comes to use all of that memory; for posting one at a
	 * time. */
	uint32_t places;
	uint32_t frame; /* bytes of the longest frame; 0: without jumbo frames */
	uint32_t pairs; /* of rings; 0: one. Those behind the first are set up on its memory, and
			   stay idle */
};

/* Memory and rings. 0 or -errno. */
int front_create(struct front *front, const struct front_shape *shape);
/* Close what only the set-up of the session needed: a thousand devices are many descriptors. */
void front_need_no_files(struct front *front);
void front_destroy(struct front *front);

/* front_session.c: connect to the back-end's socket and set everything up, up to enabled rings.
 * 0, or -errno after a line on standard error. */
int front_connect(struct front *front, const char *path);
/* Stop the rings and close. */
void front_disconnect(struct front *front);

/* front_split.c; of a packed ring front_packed.c does its part */

/* Frames of `size` into all buffers of the ring, for front_post_frames to stamp. */
void front_fill(struct front_ring *ring, uint32_t size);
/* The whole ring: frames numbered from `sequence` on, for the back-end to dequeue. */
void front_post_frames(struct front_ring *ring, uint32_t size, uint64_t sequence);
/* The whole ring: empty buffers for the back-end to enqueue to. `wipe`: clear them first. */
void front_post_buffers(struct front_ring *ring, bool wipe);
/* Take back what the back-end dequeued; how many. */
uint32_t front_reap_frames(struct front_ring *ring);

/* The same one at a time: for whoever has put something into flight and watches what becomes of it.
 * There must be room in the ring. */
void front_post_frame(struct front_ring *ring, uint32_t size, uint64_t sequence);
void front_post_buffer(struct front_ring *ring);
/* The back-end is done with the next buffer, in ring order: 1. 0: not yet. -1: it did not keep to
 * the order. `ret_frame`: what is in it, behind the header; *ret_len bytes. */
int front_reap_one(struct front_ring *ring, const uint8_t **ret_frame, uint32_t *ret_len);
/* Kick, if the back-end wants to be. */
void front_kick(const struct front *front, uint32_t ring);

/* What front_reap_buffers expects: packet k is a frame of `size` with number
 * sequence + k % modulo. */
struct front_expect {
	uint32_t size;
	uint64_t sequence;
	uint32_t modulo;
	bool mergeable; /* num_buffers is looked at; without, DPDK leaves it unwritten */
	bool every_byte;
};
/* Take back what the back-end enqueued; how many, or -1 at the first packet that is not what it
 * should be. */
int front_reap_buffers(struct front_ring *ring, const struct front_expect *expect);

#endif
