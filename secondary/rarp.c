/* SPDX-License-Identifier: Apache-2.0 */
#include "rarp.h"

#include <string.h>

#include "order.h"

/* All that dequeue are to look. Whoever looks takes back its own asking first, so that one of us
 * sees the other: it our announcement, or we that it has yet to look. The fence is for a vring that
 * is just being made, see hf_device_get_vring. */
static void ask_all(struct hf_device *device)
{
	hf_fence_full();
	for (uint16_t q = 1; q < HF_MAX_VRINGS; q += 2) {
		struct hf_vring *v = hf_load_acquire(&device->vrings[q]);

		if (v)
			hf_or(&v->asked, HF_ASKED_RARP);
	}
}

void hf_rarp_ask(struct hf_device *device, uint64_t rarp)
{
	(void)hf_exchange(&device->rarp, rarp);
	ask_all(device);
}

void hf_rarp_give_back(struct hf_device *device, uint64_t rarp)
{
	hf_put_if_none(&device->rarp, rarp);
	ask_all(device);
}

bool hf_rarp_take(struct hf_device *device, struct hf_vring *v, struct hf_packet *packet)
{
	static const uint8_t tail[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};
	uint8_t frame[64] = {0};
	uint64_t rarp;

	if (packet->room < sizeof(frame))
		return false;
	(void)hf_take_bits(&v->asked, (uint32_t)HF_ASKED_RARP);
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
