/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost-user front-end over a raw socket (QEMU's end), with a model guest behind it.
 *
 * Or one over the kernel's vhost-net ioctls, when what it connects to is a character device
 * (front_end_device.c): the same session, each request told by its ioctl.
 *
 * It can do right (front_end_setup: a whole valid session) and anything else: any bytes, any
 * descriptors, any pause between bytes, any order. It shares no definition with the primary: the
 * numbers here are the specification's. All waits are bounded; what did not come is -ETIMEDOUT.
 */
#ifndef MODEL_FRONT_END_H
#define MODEL_FRONT_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver.h"
#include "guest.h"

enum fe_request {
	FE_GET_FEATURES = 1,
	FE_SET_FEATURES = 2,
	FE_SET_OWNER = 3,
	FE_RESET_OWNER = 4,
	FE_SET_MEM_TABLE = 5,
	FE_SET_VRING_NUM = 8,
	FE_SET_VRING_ADDR = 9,
	FE_SET_VRING_BASE = 10,
	FE_GET_VRING_BASE = 11,
	FE_SET_VRING_KICK = 12,
	FE_SET_VRING_CALL = 13,
	FE_SET_VRING_ERR = 14,
	FE_GET_PROTOCOL_FEATURES = 15,
	FE_SET_PROTOCOL_FEATURES = 16,
	FE_GET_QUEUE_NUM = 17,
	FE_SET_VRING_ENABLE = 18,
	FE_SEND_RARP = 19,
	FE_NET_SET_MTU = 20,
	FE_GET_MAX_MEM_SLOTS = 36,
	FE_ADD_MEM_REG = 37,
	FE_REM_MEM_REG = 38,
	FE_SET_STATUS = 39,
	FE_GET_STATUS = 40,
};

enum { FE_VERSION = 1, FE_REPLY = 4, FE_NEED_REPLY = 8 };

#define FE_PROTOCOL_FEATURES (1ull << 30)
#define FE_VERSION_1	     (1ull << 32)
#define FE_RING_PACKED	     (1ull << 34)
#define FE_MRG_RXBUF	     (1ull << 15)
#define FE_MQ		     (1ull << 22)
#define FE_REPLY_ACK	     (1ull << 3)
#define FE_PROTOCOL_MQ	     (1ull << 0)
#define FE_MEM_SLOTS	     (1ull << 15)
#define FE_MAX_PAIRS	     8u

struct session_shape {
	/* Wanted; what is not offered is left out. 0: VERSION_1. With HF_TEST_RING=packed in the
	 * environment RING_PACKED as well. */
	uint64_t features;
	uint32_t queue_pairs;		/* 0: 1 */
	uint16_t size;			/* 0: 256 */
	uint16_t base;			/* how far the rings have moved before */
	size_t memory;			/* 0: 256 KiB for each pair */
	const struct guest_span *spans; /* NULL: one region */
	uint32_t nr_spans;
	bool huge; /* on 2 MiB pages; the memory is a multiple then */
};

struct front_end {
	int socket;	/* or device */
	bool is_device; /* one pair of queues, no protocol features; bytes cannot be sent to it */
	struct session_shape shape;
	uint64_t features;
	uint64_t protocol_features;
	struct guest guest;
	uint64_t buffers; /* free guest memory from here on */
	struct driver rings[2 * FE_MAX_PAIRS];
	int kicks[2 * FE_MAX_PAIRS], calls[2 * FE_MAX_PAIRS], errs[2 * FE_MAX_PAIRS];
	uint32_t nr_rings;
	/* Called once a message: behind its first `cut` bytes, or behind all of it (cut 0). For a
	 * device: from another thread, while the ioctl goes on. */
	void (*disturb)(struct front_end *fe);
	size_t cut;
	uint32_t echo_from; /* packets with lower numbers are late ones of before */
	/* Called for each whole packet; then numbers, order and `wrong` but for torn ones are its
	 * business, and *next is not touched. */
	void (*received)(struct front_end *fe, uint32_t number);
};

/* 0 or -errno; connect waits for the socket, or device, to appear, and not for permission. */
int front_end_connect(struct front_end *fe, const char *path);
int front_end_listen(const char *path); /* client-mode ports: the listening fd */
int front_end_accept(struct front_end *fe, int listener);
void front_end_close(struct front_end *fe); /* socket, guest, rings */

/* Bytes as they are; `pause_us` between any two of them (0: in one write). */
int front_end_send_bytes(struct front_end *fe, const void *bytes, size_t len, const int *fds,
			 size_t nr_fds, unsigned int pause_us);
/* One, out of band. */
int front_end_send_urgent(struct front_end *fe, uint8_t byte, const int *fds, size_t nr_fds);
int front_end_send(struct front_end *fe, uint32_t request, uint32_t flags, const void *payload,
		   uint32_t size, const int *fds, size_t nr_fds);
/* The reply to `request`, its payload into `payload`; payload bytes or -errno. 0 bytes: closed. */
int front_end_reply(struct front_end *fe, uint32_t request, void *payload, size_t room);
/* Say nothing more, read until the other end closes: all that was sent was seen then. False: it did
 * not, within a bounded time. */
bool front_end_finish(struct front_end *fe);
/* Is the session closed by the other end, within a bounded time? */
bool front_end_is_closed(struct front_end *fe);

/* Send with NEED_REPLY; the answer's number, or -errno. 0: it was done. For a device
 * SET_VRING_ENABLE gives a ring its backend, or takes it away. */
long long front_end_ask(struct front_end *fe, uint32_t request, const void *payload, uint32_t size,
			const int *fds, size_t nr_fds);
int front_end_get_u64(struct front_end *fe, uint32_t request, uint64_t *ret);
long long front_end_set_u64(struct front_end *fe, uint32_t request, uint64_t value);
long long front_end_state(struct front_end *fe, uint32_t request, uint32_t ring, uint32_t number);
/* SET_MEM_TABLE with the guest's regions. */
long long front_end_set_memory(struct front_end *fe);
/* ADD_MEM_REG and REM_MEM_REG of one of them. */
long long front_end_add_region(struct front_end *fe, uint32_t region);
long long front_end_remove_region(struct front_end *fe, uint32_t region);
long long front_end_set_addr(struct front_end *fe, uint32_t ring);
/* KICK, CALL or ERR with its eventfd. */
long long front_end_set_fd(struct front_end *fe, uint32_t request, uint32_t ring);
/* NUM, BASE, ADDR, ERR, CALL, KICK of one ring, which goes on at `base`. */
long long front_end_start_ring(struct front_end *fe, uint32_t ring, uint16_t base);
/* GET_VRING_BASE (of a device: no backend any more, then this): the index, or -errno. */
int front_end_stop_ring(struct front_end *fe, uint32_t ring);

/* Its beginning: features agreed on, a guest with rings; no memory known to the other end yet. */
int front_end_agree(struct front_end *fe, const struct session_shape *shape);
/* A whole valid session: features, memory, rings, enabled. 0, or what the first refusal was. */
int front_end_setup(struct front_end *fe, const struct session_shape *shape);

/* The guest starts anew in the same session, in its memory as it was created: rings stopped, a new
 * table, rings started. 0, or what the first refusal was. */
int front_end_begin_again(struct front_end *fe);

/* ---- traffic: packets with a number in them, sent on ring 1 and expected on ring 0 */

#define FE_PACKET_BYTES 64u

/* Fill ring 2 * pair with buffers. */
void front_end_post_buffers(struct front_end *fe, uint32_t pair);
/* Make packets `first` … available on ring 2 * pair + 1, as many of `count` as fit, and kick. How
 * many. */
uint32_t front_end_send_packets(struct front_end *fe, uint32_t pair, uint32_t first,
				uint32_t count);
/*
 * Take what came on ring 2 * pair, give the buffers back, reclaim what was sent. Every packet must
 * be whole and its number at least *next; *next follows it. How many came; those that were not
 * whole or not in order add to *wrong. Late ones, of before the last front_end_echo, must be whole
 * and are not counted.
 */
uint32_t front_end_receive_packets(struct front_end *fe, uint32_t pair, uint32_t *next,
				   uint32_t *wrong);
/* Send `count` packets from number *next on and wait for every one of them, in order, as long as
 * one comes within 20 s. Those that are missing or wrong. */
uint32_t front_end_echo(struct front_end *fe, uint32_t pair, uint32_t *next, uint32_t count);

#endif
