/* SPDX-License-Identifier: Apache-2.0 */
/* Step 1: bytes and descriptors → a raw message, complete, bounded, its descriptors owned. */
#ifndef PRIMARY_VU_RECV_H
#define PRIMARY_VU_RECV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refusal.h"
#include "vu_wire.h"

/* More than vhost-user has in one message: a vhost table comes whole (cuse_ioctl.c). */
#define VU_RAW_REGIONS 64u
#define VU_RAW_PAYLOAD                                                                             \
	(offsetof(struct vu_mem_table, regions) + VU_RAW_REGIONS * sizeof(struct vu_region))

/* A message as far as it came. Start with VU_RAW_EMPTY; when vu_recv says VU_RECV_MESSAGE it is
 * complete: header, header.size bytes of payload, nr_fds descriptors. */
struct vu_raw {
	struct vu_header header;
	uint8_t payload[VU_RAW_PAYLOAD];
	size_t have;		 /* bytes of header and payload, seen and not consumed */
	int fds[VU_RAW_REGIONS]; /* owned until taken; -1 when taken */
	uint32_t nr_fds;
	/* That came with a message that takes none, or will come with the next. The same. */
	int strays[VU_MAX_FDS + 1];
	uint32_t nr_strays;
	bool surplus; /* some were seen that were not installed */
};

enum vu_recv_result {
	VU_RECV_AGAIN,	 /* nothing more to read now; the message may be half there */
	VU_RECV_MESSAGE, /* one whole message */
	VU_RECV_CLOSED,	 /* the peer closed, between two messages */
	VU_RECV_REFUSED, /* *ret_reason: the stream cannot be followed any further, close it */
};

/*
 * Look on at one message; it stays in the socket until it is consumed (once.h). The socket is
 * non-blocking, and watched by edges: what was looked at is still there to read.
 */
enum vu_recv_result vu_recv(struct vu_raw *raw, int socket, enum refusal *ret_reason);

/* Has a message begun that is not complete? */
static inline bool vu_recv_begun(const struct vu_raw *raw)
{
	return raw->have > 0;
}

/* Forget the message, close the descriptors that nobody took. */
void vu_raw_reset(struct vu_raw *raw);

#endif
