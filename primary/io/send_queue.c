/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of packed packets. What can be sent at once never enters it; what enters owns duplicates
 * of its descriptors, because the originals may be closed before the peer reads.
 */
#include "send_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>

#include "fd.h"
#include "frame.h"

struct packet {
	struct packet *next;
	uint8_t *bytes;
	size_t len;
	size_t nr_fds;
	int fds[];
};

struct send_queue {
	struct packet *first;
	struct packet **last; /* where the next one is linked in */
	size_t bytes;
	size_t packets;
	size_t fds;
	size_t max_bytes;
	size_t max_packets;
	size_t max_fds;
};

struct send_queue *send_queue_create(size_t max_bytes, size_t max_packets, size_t max_fds)
{
	struct send_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->last = &queue->first;
	queue->max_bytes = max_bytes;
	queue->max_packets = max_packets;
	queue->max_fds = max_fds;
	return queue;
}

static void packet_free(struct packet *packet)
{
	hf_fd_close_all(packet->fds, packet->nr_fds);
	free(packet->bytes);
	free(packet);
}

static size_t cost(const struct packet *packet)
{
	return sizeof(*packet) + packet->len + packet->nr_fds * sizeof(packet->fds[0]);
}

static void drop_first(struct send_queue *queue)
{
	struct packet *packet = queue->first;

	queue->first = packet->next;
	if (!queue->first)
		queue->last = &queue->first;
	queue->packets--;
	queue->fds -= packet->nr_fds;
	queue->bytes -= cost(packet);
	packet_free(packet);
}

void send_queue_destroy(struct send_queue *queue)
{
	if (!queue)
		return;
	while (queue->first)
		drop_first(queue);
	free(queue);
}

bool send_queue_crowded(const struct send_queue *queue)
{
	return queue->bytes >= queue->max_bytes / 4 || queue->packets >= queue->max_packets / 4 ||
	       queue->fds >= queue->max_fds / 4;
}

bool send_queue_empty(const struct send_queue *queue)
{
	return !queue->first;
}

/* Takes `bytes` when it succeeds. */
static struct packet *packet_create(uint8_t *bytes, size_t len, const int *fds, size_t nr_fds)
{
	struct packet *packet = calloc(1, sizeof(*packet) + nr_fds * sizeof(packet->fds[0]));

	if (!packet)
		return NULL;
	for (; packet->nr_fds < nr_fds; packet->nr_fds++) {
		int fd = fcntl(fds[packet->nr_fds], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			int error = errno;

			packet_free(packet);
			errno = error;
			return NULL;
		}
		packet->fds[packet->nr_fds] = fd;
	}
	packet->bytes = bytes;
	packet->len = len;
	return packet;
}

static int enqueue(struct send_queue *queue, uint8_t *bytes, size_t len, const int *fds,
		   size_t nr_fds)
{
	struct packet *packet;

	if (queue->packets >= queue->max_packets || nr_fds > queue->max_fds - queue->fds)
		return -ENOBUFS;
	packet = packet_create(bytes, len, fds, nr_fds);
	if (!packet)
		return -errno;
	if (cost(packet) > queue->max_bytes - queue->bytes) {
		packet->bytes = NULL; /* stays the caller's */
		packet_free(packet);
		return -ENOBUFS;
	}
	*queue->last = packet;
	queue->last = &packet->next;
	queue->packets++;
	queue->fds += nr_fds;
	queue->bytes += cost(packet);
	return 0;
}

/* No room with the peer; or the kernel lacks memory, or has too many descriptors under way: none of
 * it is the peer's fault, or for long. The socket may be writable meanwhile: then the loop tries
 * again at each turn. */
static bool is_later(int error)
{
	return error == -EAGAIN || error == -ENOBUFS || error == -ETOOMANYREFS;
}

int send_queue_send(struct send_queue *queue, int socket, const ProtobufCMessage *message,
		    const int *fds, size_t nr_fds)
{
	uint8_t *bytes;
	size_t len;
	int error = hf_frame_pack(message, &bytes, &len);

	if (error)
		return error;
	/* Nothing may overtake what waits. */
	error = queue->first ? -EAGAIN : hf_frame_send_packed(socket, bytes, len, fds, nr_fds);
	if (is_later(error)) {
		error = enqueue(queue, bytes, len, fds, nr_fds);
		if (!error)
			return 0;
	}
	free(bytes);
	return error;
}

int send_queue_flush(struct send_queue *queue, int socket)
{
	while (queue->first) {
		struct packet *packet = queue->first;
		int error = hf_frame_send_packed(socket, packet->bytes, packet->len, packet->fds,
						 packet->nr_fds);

		if (is_later(error))
			return 0;
		if (error)
			return error;
		drop_first(queue);
	}
	return 0;
}
