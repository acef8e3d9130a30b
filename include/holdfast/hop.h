/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The direct hop: from guest to guest in one copy.
 *
 * A peek shows what a guest has sent: of each packet the caller gets a private copy of the front
 * and the offload metadata, as an ordinary packet whose `len` is short of its `total`; the rest
 * stays in the guest. The caller decides by the private bytes, and for each packet forwards it to
 * any number of vrings, copies the rest out and does with it what it likes, or does nothing, which
 * drops it. Completing the hop gives the guest its buffers back, in order.
 *
 * Forwarded are the private bytes of the front and, behind them, what the guest's buffers hold
 * then: a guest that writes there meanwhile changes its own payload, never what was decided on.
 *
 * Between peek and complete the vring is held, and whoever wants to take it away waits: do not
 * sleep, do not wait for another thread, and call nothing else on that vring: other bursts on it do
 * nothing and return 0 (-EBUSY), and are counted (calls_while_held). The primary kills a process
 * that holds a ring longer than its fence deadline (1 s by default). See docs/api.md.
 */
#ifndef HOLDFAST_HOP_H
#define HOLDFAST_HOP_H

#include <holdfast/packet.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one data thread needs to hop: one peek at a time. */
struct hf_hop;

/* NULL when memory lacks. Any thread. */
HF_API struct hf_hop *hf_hop_create(void);
/* Ends an open peek as hf_hop_complete(hop, 0) does. NULL is fine. */
HF_API void hf_hop_destroy(struct hf_hop *hop);

/*
 * Look at up to `count` packets that the guest sent on vring `queue` (odd numbers), and hold the
 * vring. Of each the first `front` bytes (14 at least) are copied to packets[i]->data, more where
 * the metadata asks for it or the packet lies in many pieces; all of a packet that is no longer.
 * `len` says how many, of each segment; `total` and `offload` are the whole packet's, checked as
 * after a dequeue. A chain that is malformed, or larger than the room of packets[i] (with its
 * segments), is passed over and counted by reason, as in hf_dequeue_burst. Behind 2,048
 * descriptors no further chain is begun. Returns how many packets came. 0: nothing is held,
 * hf_hop_complete is not needed. Also 0 while a peek of this hop is open. The packets stay where
 * they are, with `data`, `room` and `peeked` as they are, until hf_hop_complete; `len` and `total`
 * as well, unless the packet is whole: one that was cut while its rest is in the guest is not what
 * was sent, or is dropped. The thread that runs the vring.
 */
HF_API uint16_t hf_hop_peek(struct hf_hop *hop, struct hf_device *device, uint16_t queue,
			    struct hf_packet *const *packets, uint16_t count, uint32_t front);

/*
 * Copy packets of the open peek, in any choice and order, to the guest on vring `queue` (even
 * numbers) of another or the same device. Returns how many were taken, from the front, with the
 * meaning of hf_enqueue_burst: what was not taken can be tried again, forwarded elsewhere, copied
 * out or dropped, and a peek can be completed before it, so that it stays in the ring. Packets
 * that are not of this peek are taken as well, as by hf_enqueue_burst. Between them the calls
 * of one peek reach at most HF_MAX_BURST vrings that want to be called; 0 for further ones.
 * The guest is called in hf_hop_complete. The thread that runs both vrings.
 */
HF_API uint16_t hf_hop_forward(struct hf_hop *hop, struct hf_device *device, uint16_t queue,
			       struct hf_packet *const *packets, uint16_t count);

/* Copy out the rest of packets of the open peek: afterwards they are whole, and as good as
 * dequeued. Those that are whole already, or not of this peek, are left alone. */
HF_API void hf_hop_copy(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t count);

/*
 * End the peek: the first `count` packets, and what was passed over among them, go back to the
 * guest as used; the others stay in its ring and come again with the next peek or dequeue. Packets
 * that were not copied out are cut to their front from now on.
 */
HF_API void hf_hop_complete(struct hf_hop *hop, uint16_t count);

/*
 * Where the hop counts the descriptors that its peeks have looked at since it was created, those
 * of chains that were passed over too: read it before and after a peek, and you know what the guest
 * had it do, also when no packet came. A chain of one descriptor may count as none. Valid as long
 * as the hop; the thread that hops.
 */
HF_API const uint64_t *hf_hop_walked(const struct hf_hop *hop);

#ifdef __cplusplus
}
#endif

#endif
