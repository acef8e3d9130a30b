/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bursts: moving packets between the caller's buffers and the guest's vrings.
 *
 * One thread at a time per vring; different vrings of a device may be run by different threads.
 * No lock, no allocation and no system call in a burst but the eventfd write that calls the guest
 * when it asked to be called.
 *
 * A front-end can make that write hang. It is ended for up to 32 threads that hang in calls of one
 * vring, as those of several hops to the same guest may (hop.h).
 */
#ifndef HOLDFAST_BURST_H
#define HOLDFAST_BURST_H

#include <holdfast/packet.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Enqueue up to `count` packets to the guest on vring `queue` (even numbers). Packets are copied;
 * they stay the caller's. Returns how many were taken, from the front: 0 when the vring is not
 * granted, stopped, disabled, broken or full. Where the guest did not negotiate an offload that a
 * packet carries, the checksum is computed or the packet segmented on the way. A packet that can
 * never be delivered (larger than anything the guest posts, metadata outside the packet) counts as
 * taken, is dropped and counted by reason. The first burst after a grant, or after the call
 * descriptor changed, of a `count` of 0 as well (`packets` is not looked at then), makes the call
 * that may be owed: by the owner before, or made to the descriptor before.
 */
HF_API uint16_t hf_enqueue_burst(struct hf_device *device, uint16_t queue,
				 struct hf_packet *const *packets, uint16_t count);

/*
 * What bytes do not tell of a guest's cost: how many descriptors the last burst on vring `queue`
 * (even numbers, also by hf_hop_forward) looked at, and in *ret_cut how many frames the bursts
 * since this was last asked made, or meant to make, of packets that had to be segmented (65,535 at
 * most). Each burst is told of once: 0 when it was, or there was none. A chain of one descriptor
 * may count as none. The thread that runs the vring.
 */
HF_API uint32_t hf_enqueue_walked(struct hf_device *device, uint16_t queue, uint32_t *ret_cut);

/* Would a packet with this metadata have to be segmented for the device's guest, for want of an
 * offload? Any thread. */
HF_API bool hf_enqueue_cuts(const struct hf_device *device, const struct hf_offload *offload);

/*
 * Dequeue up to `count` packets that the guest sent on vring `queue` (odd numbers) into the
 * caller's segments. Returns how many packets came. A chain that is malformed, or larger than the
 * room given, goes back to the guest unread and is counted by reason.
 */
HF_API uint16_t hf_dequeue_burst(struct hf_device *device, uint16_t queue,
				 struct hf_packet *const *packets, uint16_t count);

/*
 * Ask for the lines that a burst on vring `queue` begins with, and go on: for a switch with more
 * devices than its cache holds, of the device it comes to some bursts later. A hint, whatever
 * is there. The thread that runs the vring.
 */
HF_API void hf_prefetch(const struct hf_device *device, uint16_t queue);

/* Buffers the guest has made available on the vring and we have not used yet; 0 when not granted.
 * The thread that runs the vring. */
HF_API uint16_t hf_available_entries(struct hf_device *device, uint16_t queue);
/* Entries of the vring the guest has not made available: size - available; 0 when not granted. */
HF_API uint16_t hf_free_entries(struct hf_device *device, uint16_t queue);

/*
 * Ask the guest to kick (true) or not to (false) when it makes buffers available. A vring starts
 * with kicks off. Returns 1 if buffers are available already (the guest may not kick for them:
 * run a burst before waiting), 0 if not. It holds for one kick: ask again before each wait. On an
 * even vring 1 also says that there are some buffers, but too few for the packet that waits: for
 * more of them the guest may not kick, so look again after a while instead of asking at once.
 * Else -ENOTCONN when the vring is not granted; -EBUSY when a peek holds it (hop.h).
 * The thread that runs the vring.
 */
HF_API int hf_enable_guest_notification(struct hf_device *device, uint16_t queue, bool enable);

/* The vring's kick eventfd, to wait on with epoll(7), edge-triggered. Do not read it: it is the
 * front-end's as well, which can make a read wait for ever. -1 when the vring is not granted or the
 * front-end polls. Owned by the library. */
HF_API int hf_guest_kick_fd(const struct hf_device *device, uint16_t queue);

/*
 * The level of instructions this process' bursts are made of: "avx512", "avx2" or "plain". The
 * processor's best, or what $HOLDFAST_SIMD named when the first vring was set up or this was first
 * called; a name the processor cannot follow is refused by one line in the log, and the best is
 * taken. Any thread. Never NULL.
 */
HF_API const char *hf_burst_level(void);

#ifdef __cplusplus
}
#endif

#endif
