/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueue to a packed ring: runs of simple packets into simple chains (packed_run.h), and one
 * packet at a time by the general way (packed_enqueue_one.c, offload.c), which fills the shadow.
 * Packets are only read.
 */
#include "enqueue.h"
#include "packed.h"
#include "packed_notify.h"
#include "run.h"

static enum hf_enqueue_result enqueue_any(struct hf_vring *v, const struct hf_packet *packet)
{
	uint16_t used = 0;
	enum hf_enqueue_result result = hf_enqueue_packet(v, packet, &used);

	hf_packed_publish(v, used);
	return result;
}

static uint16_t put_all(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			struct hf_tally *tally)
{
	uint16_t taken = 0;

	while (taken < count) {
		uint16_t n = v->run->packed_enqueue(v, packets + taken, (uint16_t)(count - taken),
						    tally);
		enum hf_enqueue_result result;

		taken = (uint16_t)(taken + n);
		/* A run may have ended only because it was long enough. */
		if (n)
			continue;
		result = enqueue_any(v, packets[taken]);
		if (result == HF_ENQUEUE_NO_BUFFER) {
			hf_count(v, HF_COUNTER_NO_GUEST_BUFFER, 1);
			break;
		}
		if (result == HF_ENQUEUE_DONE)
			hf_tally_packet(tally, packets[taken]);
		taken++;
	}
	return taken;
}

uint16_t hf_packed_enqueue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count)
{
	struct hf_tally tally = {0};
	uint16_t old = v->next, taken;

	v->moved = 0;
	taken = put_all(v, packets, count, &tally);
	if (v->moved)
		hf_packed_notify_guest(v, old);
	hf_tally_end(v, &tally);
	return taken;
}
