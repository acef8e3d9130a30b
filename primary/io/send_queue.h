/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that a peer has not made room for yet. Bounded in bytes, packets and descriptors: a peer
 * that does not read costs that much and no more. The socket is the caller's, and non-blocking.
 */
#ifndef PRIMARY_SEND_QUEUE_H
#define PRIMARY_SEND_QUEUE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct send_queue;

/* NULL with errno. */
struct send_queue *send_queue_create(size_t max_bytes, size_t max_packets, size_t max_fds);
void send_queue_destroy(struct send_queue *queue);

/*
 * Send now, or queue behind what waits; descriptors are duplicated when queued, and stay the
 * caller's. 0; -ENOBUFS: over the bound; -ENOMEM, -EMFILE; -errno of a broken connection. After an
 * error the packet is lost, so the connection is of no use any more.
 */
int send_queue_send(struct send_queue *queue, int socket, const ProtobufCMessage *message,
		    const int *fds, size_t nr_fds);
/* The socket is writable: send what goes. 0, also when some is left; -errno: broken connection. */
int send_queue_flush(struct send_queue *queue, int socket);
/* A quarter of a bound is reached: who makes packets out of what somebody else asks should wait. */
bool send_queue_crowded(const struct send_queue *queue);
bool send_queue_empty(const struct send_queue *queue);

#endif
