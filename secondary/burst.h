/* SPDX-License-Identifier: Apache-2.0 */
/* The way in and out of a burst, and what every burst counts. */
#ifndef SECONDARY_BURST_H
#define SECONDARY_BURST_H

#include <assert.h>
#include <holdfast/packet.h>

#include "device.h"
#include "notify.h"
#include "vring.h"

/* Do what is asked of a burst. False: the device is not RUNNING. Out of line: hf_burst_attend. */
bool hf_burst_attend_slowly(struct hf_vring *vring);

/*
 * Enter a burst on vring `queue`: NULL when it is not ours to run, or is held. Otherwise nobody
 * takes the ring away until hf_burst_end, and hf_burst_attend comes before anything is done with
 * it; only a burst that has nothing to do may end as it is. Without a call, since most bursts are
 * empty.
 */
static inline struct hf_vring *hf_burst_open(struct hf_device *device, uint16_t queue,
					     bool *ret_enabled)
{
	struct hf_vring *v = &device->own[queue % HF_DEVICE_OWN];
	uint64_t mine;
	uint32_t mind;

	if (unlikely(queue >= HF_DEVICE_OWN) && !(v = hf_device_vring(device, queue)))
		return NULL;
	/* Pairs with the release in hf_vring_grant: our grant shows the setup it came with. */
	mine = hf_load_acquire(&v->my_grant);
	if (unlikely(!mine))
		return NULL;
	/* Read once: the control thread may be writing the next grant's, see hf_vring_setup. */
	mind = hf_read_once(&v->mind);
	if (likely(hf_burst_enter(hf_read_once(&v->lane), hf_read_once(&v->grant_word), mine, mind,
				  ret_enabled)))
		return v;
	if (mind & HF_ENTER_HELD)
		hf_count(v, HF_COUNTER_CALLS_WHILE_HELD, 1);
	return NULL;
}

/*
 * Is it ours and disabled still? To be asked behind a look at what the guest has sent, before that
 * is discarded: who has been told that its ring is enabled sends after that, and our look at the
 * grant may be older. Partners: the store in grant_vring_enable, and in the primary's revocation,
 * during which an enabling is told to the front-end and stored for the next owner only. Whoever saw
 * what they led to sees them.
 */
static inline bool hf_burst_may_discard(const struct hf_vring *v)
{
	return hf_load_acquire(v->grant_word) == hf_read_once(&v->my_grant);
}

/* The end of a burst that found nothing to do, and was asked for nothing. */
static inline void hf_burst_end_empty(const struct hf_vring *v)
{
	struct hf_lane_vring *lane = v->lane;

	hf_count_in(lane, HF_COUNTER_EMPTY_BURSTS, 1);
	hf_burst_leave(lane);
}

/*
 * Ready an open burst: do what is asked of it, and give it its budget. False: the device is not
 * RUNNING, and the burst is over. It is counted, or a thread that polls such a device would look as
 * if it hung in one burst.
 */
static inline bool hf_burst_attend(struct hf_vring *v)
{
	v->budget = HF_BURST_BUDGET;
	if (likely(!hf_read_once(&v->attention)) || hf_burst_attend_slowly(v))
		return true;
	hf_burst_end_empty(v);
	return false;
}

static inline struct hf_vring *hf_burst_begin(struct hf_device *device, uint16_t queue,
					      bool *ret_enabled)
{
	struct hf_vring *v = hf_burst_open(device, queue, ret_enabled);

	return likely(v) && likely(hf_burst_attend(v)) ? v : NULL;
}

/* A burst is left open, and others that begin on the vring find it held. */
static inline void hf_burst_hold(struct hf_vring *v)
{
	hf_write_once(&v->mind, (uint8_t)(v->mind | HF_ENTER_HELD));
}

/* Of the thread that runs the vring. */
static inline bool hf_burst_is_held(const struct hf_device *device, uint16_t queue)
{
	const struct hf_vring *v =
		queue < HF_MAX_VRINGS ? hf_load_acquire(&device->vrings[queue]) : NULL;

	return v && (hf_read_once(&v->mind) & HF_ENTER_HELD);
}

static inline void hf_burst_let_go(struct hf_vring *v)
{
	hf_write_once(&v->mind, (uint8_t)(v->mind & ~HF_ENTER_HELD));
}

static inline void hf_burst_end(struct hf_vring *v)
{
	struct hf_notify_due due;

	if (likely(!(v->call_due | v->err_due))) {
		hf_burst_leave(v->lane);
		return;
	}
	due = hf_notify_decide(v);
	hf_burst_leave(v->lane);
	hf_notify_write(v, due);
}

/*
 * What a burst counts, in locals; added to the lane once at its end. Counting each packet there
 * cost a fourth of a dequeue.
 */
struct hf_tally {
	uint64_t packets;
	uint64_t bytes;
	uint32_t broadcasts;
	uint32_t multicasts;
	uint16_t sizes[8]; /* from HF_COUNTER_UNDERSIZE_PACKETS on */
	uint32_t met;	   /* bit i: sizes[i] is not 0 */
};

static_assert(HF_COUNTER_SIZE_1519_MAX_PACKETS == HF_COUNTER_UNDERSIZE_PACKETS + 7,
	      "eight counters of sizes, in this order");

static inline void hf_tally_size(struct hf_tally *t, uint32_t len, uint32_t n)
{
	static const uint8_t by_bits[] = {
		/* bits of len: 7: 64 … 127, 8, 9, 10: up to 1023 */
		[7] = HF_COUNTER_SIZE_65_127_PACKETS - HF_COUNTER_UNDERSIZE_PACKETS,
		[8] = HF_COUNTER_SIZE_128_255_PACKETS - HF_COUNTER_UNDERSIZE_PACKETS,
		[9] = HF_COUNTER_SIZE_256_511_PACKETS - HF_COUNTER_UNDERSIZE_PACKETS,
		[10] = HF_COUNTER_SIZE_512_1023_PACKETS - HF_COUNTER_UNDERSIZE_PACKETS,
	};
	uint32_t size;

	if (len <= 64)
		size = len == 64;
	else if (len < 1024)
		size = by_bits[32 - __builtin_clz(len)];
	else
		size = len <= 1518 ? 6 : 7;
	t->sizes[size] = (uint16_t)(t->sizes[size] + n);
	t->met |= 1u << size;
}

/* Is it for one station, many or all? */
static inline void hf_tally_group(struct hf_tally *t, const struct hf_packet *packet)
{
	const uint8_t *frame = packet->data;

	if (likely(!packet->len || !(frame[0] & 1)))
		return;
	if (packet->len >= 6 &&
	    (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff)
		t->broadcasts++;
	else
		t->multicasts++;
}

/* `packet` was delivered. */
static inline void hf_tally_packet(struct hf_tally *t, const struct hf_packet *packet)
{
	hf_tally_size(t, packet->total, 1);
	hf_tally_group(t, packet);
	t->packets++;
	t->bytes += packet->total;
}

static inline void hf_tally_end(struct hf_vring *v, const struct hf_tally *t)
{
	hf_count(v, HF_COUNTER_BURSTS, 1);
	hf_count(v, HF_COUNTER_GOOD_PACKETS, t->packets);
	hf_count(v, HF_COUNTER_GOOD_BYTES, t->bytes);
	for (uint32_t met = t->met; met; met &= met - 1) {
		uint32_t size = (uint32_t)__builtin_ctz(met);

		hf_count(v, (enum hf_counter)(HF_COUNTER_UNDERSIZE_PACKETS + size), t->sizes[size]);
	}
	if (unlikely(t->broadcasts | t->multicasts)) {
		hf_count(v, HF_COUNTER_BROADCAST_PACKETS, t->broadcasts);
		hf_count(v, HF_COUNTER_MULTICAST_PACKETS, t->multicasts);
	}
}

#endif
