/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the bytes of a dequeued chain go: the virtio-net header first, into a local, then the
 * frame, into the caller's segments.
 */
#ifndef SECONDARY_SINK_H
#define SECONDARY_SINK_H

#include <holdfast/packet.h>
#include <string.h>

#include "chain.h"
#include "copy.h"
#include "header.h"
#include "vring.h"

struct hf_sink {
	uint8_t header[HF_NET_HEADER_MAX];
	uint32_t header_have;
	uint32_t header_bytes;
	struct hf_packet *segment;
	uint32_t total;
};

static inline void hf_sink_open(struct hf_sink *sink, struct hf_packet *packet,
				uint32_t header_bytes)
{
	sink->header_have = 0;
	sink->header_bytes = header_bytes;
	sink->segment = packet;
	sink->total = 0;
	for (struct hf_packet *s = packet; s; s = s->next)
		s->len = 0;
}

/* For hf_descriptor_pieces, of a struct hf_sink. 0, or the DROP reason: the segments are full. */
static inline int hf_sink_put(void *context, const uint8_t *from, uint64_t len)
{
	struct hf_sink *sink = context;

	if (sink->header_have < sink->header_bytes) {
		uint32_t n = (uint32_t)min_u64(len, sink->header_bytes - sink->header_have);

		memcpy(sink->header + sink->header_have, from, n);
		sink->header_have += n;
		from += n;
		len -= n;
	}
	while (len) {
		struct hf_packet *s = sink->segment;
		uint32_t n;

		if (!s)
			return HF_CHAIN_DROP(TOO_BIG);
		n = (uint32_t)min_u64(len, s->room - s->len);
		hf_copy(s->data + s->len, from, n);
		s->len += n;
		sink->total += n;
		from += n;
		len -= n;
		if (s->len == s->room)
			sink->segment = s->next;
	}
	return 0;
}

/* All is in: the packet's total and metadata. 0 or the DROP reason. */
static inline int hf_sink_close(const struct hf_vring *v, const struct hf_sink *sink,
				struct hf_packet *packet)
{
	if (!sink->total)
		return HF_CHAIN_DROP(SHORT_CHAIN);
	packet->total = sink->total;
	/* The header is the copy, not what the compiler could read again. */
	hf_compiler_barrier();
	if (!hf_header_to_offload(sink->header, v->features, packet))
		return HF_CHAIN_DROP(BAD_HEADER);
	return 0;
}

#endif
