/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

struct stage *stage_create(void)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	if (stage)
		stage->memory = malloc((size_t)BURST * PACKET_ROOM);
	if (stage && !stage->memory) {
		free(stage);
		return NULL;
	}
	return stage;
}

void stage_free(struct stage *stage)
{
	if (!stage)
		return;
	free(stage->memory);
	free(stage);
}

static uint8_t *bytes_of(const struct stage *stage, uint16_t index)
{
	return stage->memory + (size_t)index * PACKET_ROOM;
}

bool stage_put(struct stage *stage, const struct hf_packet *packet)
{
	if (stage->count == BURST || packet->len > PACKET_ROOM)
		return false;
	memcpy(bytes_of(stage, stage->count), packet->data, packet->len);
	stage->frames[stage->count++] =
		(struct staged){.offload = packet->offload, .len = packet->len};
	return true;
}

/* One packet of the first frame. False: that frame has no more. */
static bool take_one(struct stage *stage, struct hf_packet *packet, struct port_stats *stats)
{
	const struct staged *frame = &stage->frames[stage->next];
	const uint8_t *bytes = bytes_of(stage, stage->next);

	if (frame->offload.gso_type != UDP_CUT_GSO) {
		if (stage->cutting)
			return false;
		if (frame->len > packet->room) {
			count(&stats->rx_error, 1);
			return false;
		}
		memcpy(packet->data, bytes, frame->len);
		packet->len = packet->total = frame->len;
		packet->offload = frame->offload;
		stage->cutting = true; /* it was one, and that is all */
		return true;
	}
	if (!stage->cutting && !udp_cut_begin(&stage->cut, &frame->offload, bytes, frame->len)) {
		count(&stats->rx_error, 1);
		return false;
	}
	stage->cutting = true;
	return udp_cut_next(&stage->cut, packet);
}

uint16_t stage_take(struct stage *stage, struct hf_packet **packets, uint16_t nr,
		    struct port_stats *stats)
{
	uint16_t taken = 0;

	while (taken < nr && stage_waits(stage)) {
		if (take_one(stage, packets[taken], stats)) {
			taken++;
		} else {
			stage->cutting = false;
			stage->next++;
		}
	}
	if (!stage_waits(stage))
		stage->next = stage->count = 0;
	return taken;
}
