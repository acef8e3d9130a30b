/* SPDX-License-Identifier: Apache-2.0 */
#include "rarp.h"

#include <string.h>

#include "order.h"

bool hf_rarp_take(struct hf_device *device, struct hf_packet *packet)
{
	static const uint8_t tail[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};
	uint8_t frame[64] = {0};
	uint64_t rarp;

	if (packet->room < sizeof(frame))
		return false;
	/* Several threads dequeue from one device: one of them gets it. */
	rarp = hf_exchange(&device->rarp, (uint64_t)0);
	if (!rarp)
		return false;
	memset(frame, 0xff, 6);
	memcpy(frame + 6, &rarp, 6);
	memcpy(frame + 12, tail, sizeof(tail));
	memcpy(frame + 22, &rarp, 6);
	memcpy(frame + 32, &rarp, 6);
	memcpy(packet->data, frame, sizeof(frame));
	packet->len = packet->total = sizeof(frame);
	packet->offload = (struct hf_offload){0};
	for (struct hf_packet *s = packet->next; s; s = s->next)
		s->len = 0;
	return true;
}
