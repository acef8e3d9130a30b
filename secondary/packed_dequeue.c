/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dequeue from a packed ring.
 *
 * Theory of operation. The common chain is simple: one descriptor, whole in the region of the last
 * one. A run of them is taken through three loops: look (each descriptor once, into arrays of
 * locals), copy (nothing of the ring is read), use (the used descriptors, in ring order). What is
 * not simple ends the run: the general way takes that one chain, then a new run begins. The general
 * way alone decides what is refused; a look only declines.
 */
#include "copy.h"
#include "header.h"
#include "packed.h"
#include "packed_chain.h"
#include "packed_notify.h"
#include "sink.h"

struct run {
	const uint8_t *from[HF_PACKED_RUN];
	uint64_t used[HF_PACKED_RUN]; /* the used descriptor's second half */
	uint32_t len[HF_PACKED_RUN];
};

/* The segments behind the first one hold nothing. */
static inline void clear_rest(struct hf_packet *packet)
{
	for (struct hf_packet *s = packet->next; s; s = s->next)
		s->len = 0;
}

/* Up to `most` simple chains from v->next on, which do not go round the ring's end. */
static inline __attribute__((always_inline)) uint32_t look(const struct hf_vring *v,
							   struct run *run, uint32_t most,
							   uint32_t header)
{
	const struct hf_packed_slot *slots = hf_packed_slot(v, v->next);
	const uint64_t hot_gpa = v->hot_gpa, hot_size = v->hot_size;
	const uint8_t *hot = v->hot_address;
	const uint64_t used = (uint64_t)hf_packed_used_flags(v->next) << 48;
	const uint16_t simple = hf_packed_avail_flags(v->next);
	uint32_t i;

	for (i = 0; i < most; i++) {
		uint64_t state = hf_load_acquire(&slots[i].state);
		uint32_t len = (uint32_t)state;
		uint64_t offset;

		if (hf_packed_flags(state) != simple)
			break;
		offset = hf_read_once(&slots[i].addr) - hot_gpa;
		if (unlikely(len <= header || offset >= hot_size || len > hot_size - offset))
			break;
		__builtin_prefetch(hot + offset);
		run->from[i] = hot + offset;
		run->len[i] = len;
		run->used[i] = used | (state & 0xffff00000000ull);
	}
	return i;
}

/* A header that asks for something: the copy of it decides. */
static bool take_header(struct hf_vring *v, uint64_t first, uint16_t second,
			struct hf_packet *packet)
{
	uint8_t header[10];

	memcpy(header, &first, sizeof(first));
	memcpy(header + 8, &second, sizeof(second));
	if (hf_header_to_offload(header, v->features, packet))
		return true;
	hf_count(v, HF_COUNTER_DROP_BAD_HEADER, 1);
	return false;
}

/* Copy one buffer that was looked at; false: it is dropped. */
static inline __attribute__((always_inline)) bool take(struct hf_vring *v, struct hf_packet *packet,
						       const uint8_t *from, uint32_t len,
						       uint32_t header)
{
	uint64_t first;
	uint16_t second;

	__builtin_memcpy(&first, from, sizeof(first));
	__builtin_memcpy(&second, from + 8, sizeof(second));
	/* From here on the compiler may not look at guest memory again for these. */
	__asm__ __volatile__("" : "+r"(first), "+r"(second));
	hf_copy(packet->data, from + header, len);
	packet->len = packet->total = len;
	if (unlikely(packet->next))
		clear_rest(packet);
	/* flags, gso_type, …: when these are zero nothing is asked for, whatever the rest says. */
	if (unlikely(first & 0xffff))
		return take_header(v, first, second, packet);
	packet->offload = (struct hf_offload){0};
	return true;
}

static inline void use_run(struct hf_vring *v, const struct run *run, uint32_t n)
{
	struct hf_packed_slot *slots = hf_packed_slot(v, v->next);

	hf_packed_intend(v, HF_INTENT_PACKED_SINGLES, n);
	for (uint32_t i = 0; i < n; i++)
		hf_packed_store(&slots[i], run->used[i]);
	hf_packed_settle(v, n);
}

/* One run; how many packets came. *ret_ended: the chain behind it is not simple. */
static inline __attribute__((always_inline)) uint16_t run_of(struct hf_vring *v,
							     struct hf_packet *const *packets,
							     uint16_t room, uint32_t header,
							     struct hf_tally *tally,
							     bool *ret_ended)
{
	uint32_t most = hf_packed_run_length(v, room);
	struct run run;
	uint32_t n = look(v, &run, most, header), i;
	uint16_t got = 0;

	for (i = 0; i < n; i++) {
		struct hf_packet *packet = packets[got];
		uint32_t len = run.len[i] - header;

		if (unlikely(len > packet->room))
			break;
		if (unlikely(!take(v, packet, run.from[i], len, header)))
			continue;
		hf_tally_packet(v, tally, packet);
		got++;
	}
	*ret_ended = i < most;
	if (i)
		use_run(v, &run, i);
	v->budget -= (int32_t)i;
	return got;
}

static uint16_t run_long(struct hf_vring *v, struct hf_packet *const *packets, uint16_t room,
			 struct hf_tally *tally, bool *ret_ended)
{
	return run_of(v, packets, room, 12, tally, ret_ended);
}

static uint16_t run_short(struct hf_vring *v, struct hf_packet *const *packets, uint16_t room,
			  struct hf_tally *tally, bool *ret_ended)
{
	return run_of(v, packets, room, 10, tally, ret_ended);
}

/* The chain's bytes into the packet: 0, the DROP reason or HF_PACKED_BROKEN. */
static int copy_chain(struct hf_vring *v, struct hf_packed_chain *chain, struct hf_packet *packet)
{
	struct vring_desc d;
	struct hf_sink sink;
	int result;

	hf_sink_open(&sink, packet, v->header_bytes);
	while ((result = hf_packed_chain_next(v, chain, &d)) > 0) {
		result = hf_sink_descriptor(v, &sink, &d);
		if (result < 0)
			return result;
	}
	return result < 0 ? result : hf_sink_close(v, &sink, packet);
}

enum general { GENERAL_NONE, GENERAL_DROPPED, GENERAL_PACKET };

/* Any chain, and only one. */
static enum general take_chain(struct hf_vring *v, struct hf_packet *packet)
{
	struct hf_packed_chain chain;
	int reason;

	if (!hf_packed_chain_start(v, &chain, v->next, hf_packed_left(v)))
		return GENERAL_NONE;
	reason = copy_chain(v, &chain, packet);
	if (reason == HF_PACKED_BROKEN || !hf_packed_chain_finish(v, &chain))
		return GENERAL_NONE;
	hf_packed_use(v, chain.id, 0, chain.descs);
	if (!reason)
		return GENERAL_PACKET;
	hf_count(v, (enum hf_counter) - reason, 1);
	return GENERAL_DROPPED;
}

/* Up to `count` packets; how many came. */
static uint16_t take_all(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			 struct hf_tally *tally)
{
	uint16_t got = 0;

	while (got < count && v->budget > 0 && hf_packed_left(v)) {
		enum general result;
		bool ended;

		got = (uint16_t)(got +
				 (v->header_bytes == 12 ? run_long : run_short)(
					 v, packets + got, (uint16_t)(count - got), tally, &ended));
		if (!ended)
			continue;
		result = take_chain(v, packets[got]);
		if (result == GENERAL_NONE)
			break;
		if (result == GENERAL_PACKET)
			hf_tally_packet(v, tally, packets[got++]);
	}
	return got;
}

/* A ring that is granted but disabled: what the guest sends is discarded. */
static void discard(struct hf_vring *v, uint16_t count)
{
	struct hf_packed_chain chain;
	uint16_t n = 0;

	while (n < count && v->budget > 0 &&
	       hf_packed_chain_start(v, &chain, v->next, hf_packed_left(v)) &&
	       hf_packed_chain_finish(v, &chain)) {
		hf_packed_use(v, chain.id, 0, chain.descs);
		n++;
	}
	hf_count(v, HF_COUNTER_DROP_DISABLED, n);
}

uint16_t hf_packed_dequeue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			   bool enabled, struct hf_tally *tally)
{
	uint16_t old = v->next, got = 0;

	v->moved = 0;
	if (likely(enabled))
		got = take_all(v, packets, count, tally);
	else
		discard(v, count);
	if (likely(v->moved))
		hf_packed_notify_guest(v, old);
	if (likely(v->moved || tally->packets))
		hf_tally_end(v, tally);
	else
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
	return got;
}
