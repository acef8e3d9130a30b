/* SPDX-License-Identifier: Apache-2.0 */
/* A port that records what is transmitted, and frames to forward. */
#ifndef TESTS_VSWITCH_FAKE_H
#define TESTS_VSWITCH_FAKE_H

#include <string.h>

#include "port.h"

#define FAKE_SENT 4096u

struct fake {
	struct port port;
	struct hf_packet *sent[FAKE_SENT];
	uint16_t queues[FAKE_SENT]; /* of each packet */
	unsigned nr_sent;
	unsigned calls;
	unsigned room;		     /* takes so many more */
	void (*while_sending)(void); /* what happens elsewhere meanwhile */
	unsigned at_once;	     /* takes at most so many in one call */
};

static uint16_t fake_transmit(struct port *port, uint16_t queue, struct hf_packet *const *packets,
			      uint16_t nr, struct port_stats *stats)
{
	struct fake *fake = port->backend;
	uint16_t taken = 0;

	fake->calls++;
	if (fake->while_sending)
		fake->while_sending();
	while (taken < nr && taken < fake->at_once && fake->room && fake->nr_sent < FAKE_SENT) {
		fake->sent[fake->nr_sent] = packets[taken++];
		fake->queues[fake->nr_sent++] = queue;
		fake->room--;
	}
	if (taken)
		stats_sent(stats, packets, taken);
	return taken;
}

static const struct port_ops fake_ops = {.kind = "fake", .transmit = fake_transmit};

/* A port with `pairs` transmit queues on. */
static inline void fake_init(struct fake *fake, uint16_t id, unsigned pairs)
{
	*fake = (struct fake){.room = FAKE_SENT, .at_once = FAKE_SENT};
	fake->port.ops = &fake_ops;
	fake->port.backend = fake;
	fake->port.id = id;
	fake->port.serial = 1000u + id;
	fake->port.nr_pairs = (uint16_t)pairs;
	for (unsigned pair = 0; pair < HF_MAX_QUEUE_PAIRS; pair++) {
		fake->port.wait_fd[pair] = -1;
		fake->port.transmit_on[pair] = pair < pairs;
	}
}

static inline void fake_clear(struct fake *fake)
{
	fake->nr_sent = 0;
	fake->calls = 0;
}

/* A frame of 64 bytes in memory of its own. */
struct fake_frame {
	struct hf_packet packet;
	uint8_t bytes[64];
};

static inline struct hf_packet *fake_frame(struct fake_frame *frame, uint8_t to, uint8_t from)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 0};

	*frame = (struct fake_frame){0};
	memcpy(frame->bytes, mac, 6);
	memcpy(frame->bytes + 6, mac, 6);
	frame->bytes[5] = to;
	frame->bytes[11] = from;
	frame->bytes[12] = 0x08;
	frame->packet.data = frame->bytes;
	frame->packet.room = frame->packet.len = frame->packet.total = sizeof(frame->bytes);
	return &frame->packet;
}

/* Make it UDP over IPv4, of flow `flow`. */
static inline void fake_flow(struct fake_frame *frame, uint16_t flow)
{
	frame->bytes[14] = 0x45;
	frame->bytes[23] = 17;
	frame->bytes[34] = (uint8_t)(flow >> 8);
	frame->bytes[35] = (uint8_t)flow;
}

#endif
