/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueue to a packed ring: runs of simple packets into simple chains, as in packed_dequeue.c, and
 * one packet at a time by the general way (packed_enqueue_one.c, offload.c), which fills the
 * shadow. Packets are only read.
 */
#include "copy.h"
#include "enqueue.h"
#include "header.h"
#include "packed.h"
#include "packed_notify.h"

struct run {
	uint8_t *to[HF_PACKED_RUN];
	uint64_t used[HF_PACKED_RUN]; /* the used descriptor's second half */
};

/* One segment that asks nothing of the guest. */
static inline bool is_simple(const struct hf_packet *packet)
{
	return hf_offload_is_none(&packet->offload) && !packet->next && packet->total &&
	       packet->total == packet->len && packet->total <= HF_PACKET_MAX;
}

/* Up to `most` simple packets, and simple chains for them, from v->next on. */
static inline __attribute__((always_inline)) uint32_t look(const struct hf_vring *v,
							   struct hf_packet *const *packets,
							   struct run *run, uint32_t most,
							   uint32_t header)
{
	const struct hf_packed_slot *slots = hf_packed_slot(v, v->next);
	const uint64_t hot_gpa = v->hot_gpa, hot_size = v->hot_size;
	uint8_t *hot = v->hot_address;
	const uint64_t used = (uint64_t)(hf_packed_used_flags(v->next) | VRING_DESC_F_WRITE) << 48;
	const uint16_t simple = (uint16_t)(hf_packed_avail_flags(v->next) | VRING_DESC_F_WRITE);
	uint32_t i;

	for (i = 0; i < most; i++) {
		uint64_t state = hf_load_acquire(&slots[i].state), offset;
		uint32_t need;

		if (unlikely(!is_simple(packets[i])))
			break;
		need = packets[i]->total + header;
		if (hf_packed_flags(state) != simple)
			break;
		offset = hf_read_once(&slots[i].addr) - hot_gpa;
		if (unlikely(need > (uint32_t)state || offset >= hot_size ||
			     need > hot_size - offset))
			break;
		__builtin_prefetch(hot + offset, 1);
		run->to[i] = hot + offset;
		run->used[i] = used | (state & 0xffff00000000ull) | need;
	}
	return i;
}

static inline __attribute__((always_inline)) void put(uint8_t *to, const struct hf_packet *packet,
						      uint32_t len, uint32_t header)
{
	static const uint64_t zeros;
	static const uint32_t one_buffer = 1u << 16;

	__builtin_memcpy(to, &zeros, 8);
	if (header == 12)
		__builtin_memcpy(to + 8, &one_buffer, 4);
	else
		__builtin_memcpy(to + 8, &zeros, 2);
	hf_copy(to + header, packet->data, len);
}

static inline __attribute__((always_inline)) uint32_t run_of(struct hf_vring *v,
							     struct hf_packet *const *packets,
							     uint32_t most, uint32_t header,
							     struct hf_tally *tally)
{
	struct hf_packed_slot *slots = hf_packed_slot(v, v->next);
	struct run run;
	uint32_t n = look(v, packets, &run, most, header);

	if (!n)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		put(run.to[i], packets[i], (uint32_t)run.used[i] - header, header);
	hf_packed_intend(v, HF_INTENT_PACKED_SINGLES, n);
	for (uint32_t i = 0; i < n; i++)
		hf_packed_store(&slots[i], run.used[i]);
	hf_packed_settle(v, n);
	for (uint32_t i = 0; i < n; i++)
		hf_tally_packet(v, tally, packets[i]);
	v->budget -= (int32_t)n;
	return n;
}

static uint32_t run_long(struct hf_vring *v, struct hf_packet *const *packets, uint32_t most,
			 struct hf_tally *tally)
{
	return run_of(v, packets, most, 12, tally);
}

static uint32_t run_short(struct hf_vring *v, struct hf_packet *const *packets, uint32_t most,
			  struct hf_tally *tally)
{
	return run_of(v, packets, most, 10, tally);
}

static enum hf_enqueue_result enqueue_any(struct hf_vring *v, const struct hf_packet *packet)
{
	static const struct hf_offload none;
	enum hf_enqueue_result result;
	uint16_t used = 0;

	if (is_simple(packet))
		result = hf_enqueue_one(v, packet, &none, &used);
	else
		result = hf_enqueue_special(v, packet, &used);
	hf_packed_publish(v, used);
	return result;
}

static uint16_t put_all(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			struct hf_tally *tally)
{
	uint16_t taken = 0;

	while (taken < count) {
		uint32_t most = hf_packed_run_length(v, (uint32_t)count - taken);
		uint32_t n = (v->header_bytes == 12 ? run_long : run_short)(v, packets + taken,
									    most, tally);
		enum hf_enqueue_result result;

		taken = (uint16_t)(taken + n);
		if (n && n == most)
			continue;
		result = enqueue_any(v, packets[taken]);
		if (result == HF_ENQUEUE_NO_BUFFER) {
			hf_count(v, HF_COUNTER_NO_GUEST_BUFFER, 1);
			break;
		}
		if (result == HF_ENQUEUE_DONE)
			hf_tally_packet(v, tally, packets[taken]);
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
