/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls (to the guest) and kicks (from it), with both ways of suppressing them: flags, and event
 * indices when VIRTIO_F_EVENT_IDX was negotiated (virtio 1.1, 2.6.7 and 2.6.10).
 *
 * Both directions have the same shape, and the same trap. We store an index, the other side stores
 * an event or flag, and each then looks at what the other stored. Without a full fence between our
 * store and our load, both may look before either store is seen, and the notification is lost for
 * good.
 */
#ifndef SECONDARY_NOTIFY_H
#define SECONDARY_NOTIFY_H

#include "vring.h"

/* What a burst decided to write after it; -1: nothing. */
struct hf_notify_due {
	int call;
	int err;
};

/*
 * The decision, counted: the last thing in a burst.
 *
 * The write itself comes after hf_burst_leave: the descriptors are the front-end's as well, which
 * can make a write to them block (by filling the counter and clearing O_NONBLOCK), and a thread
 * that hangs in a burst gets its process fenced. hf_notify_rescue ends such a write. Outside of
 * the burst the vring is the control thread's: only the two descriptor numbers, which never
 * change, and the data thread's own words are used there. Data thread.
 */
struct hf_notify_due hf_notify_decide(struct hf_vring *vring);
void hf_notify_write(struct hf_vring *vring, struct hf_notify_due due);
/*
 * About twice a second (rescue.h): free the data threads that hang in hf_notify_write, by room in
 * the eventfd and by a signal, and never call this guest again. True: it did. A thread that only
 * got no processor is told from one that hangs by the descriptor: it takes a write. That one does
 * not is the front-end's doing, so it is not asked for how long it hangs: many that are short add
 * up to as much, and are as likely to be met.
 */
bool hf_notify_rescue(struct hf_vring *vring);
/* The guest is not called any more, whatever descriptor it brings. */
void hf_notify_silence(struct hf_vring *vring);
/*
 * Put `*fd` (taken; NULL or -1: none) under the number that bursts write to. The one of before is
 * kept where a write to it is under way: if it hangs, only that file ends it. 0 or -errno. Control
 * thread, under the lock of rescue.h.
 */
int hf_notify_put_call(struct hf_vring *vring, int *fd);
int hf_notify_put_err(struct hf_vring *vring, int *fd);
/* First burst after a grant: kicks off, and one call, for what a predecessor may have left
 * uncalled. Data thread, inside a burst. */
void hf_notify_first_burst(struct hf_vring *vring);

/* Where the driver put used_event: behind the available ring. */
static inline uint16_t hf_notify_used_event(const struct hf_vring *v)
{
	return hf_read_once(&v->avail->ring[v->size]);
}

/* Where we put avail_event: behind the used ring. */
static inline uint16_t *hf_notify_avail_event(const struct hf_vring *v)
{
	return (uint16_t *)(void *)&v->used->ring[v->size];
}

/*
 * After publishing: used->idx went from `old` to v->next. Call the guest if it asked for it.
 * The fence pairs with the driver's between its store of used_event (or flags) and its re-read of
 * used->idx.
 */
static inline void hf_notify_guest(struct hf_vring *v, uint16_t old)
{
	bool wanted;

	hf_fence_full();
	if (v->event_idx)
		wanted = (uint16_t)(v->next - hf_notify_used_event(v) - 1) <
			 (uint16_t)(v->next - old);
	else
		wanted = !(hf_read_once(&v->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	if (wanted)
		v->call_due = true;
	else
		hf_count(v, HF_COUNTER_GUEST_NOTIFICATIONS_SUPPRESSED, 1);
}

/* Ask the guest not to kick. Data thread, inside a burst. */
static inline void hf_notify_kicks_off(struct hf_vring *v)
{
	v->kicks_on = false;
	if (v->event_idx)
		/* There is no "never": an index just behind is the farthest away. */
		hf_write_once(hf_notify_avail_event(v), (uint16_t)(v->next - 1));
	else
		hf_write_once(&v->used->flags, (uint16_t)VRING_USED_F_NO_NOTIFY);
}

/*
 * Ask the guest to kick at the next chain it makes available. True: there is one already, and the
 * guest may not kick for it. The fence pairs with the driver's between its store of avail->idx and
 * its look at flags or avail_event.
 */
static inline bool hf_notify_kicks_on(struct hf_vring *v)
{
	v->kicks_on = true;
	if (v->event_idx)
		hf_write_once(hf_notify_avail_event(v), v->next);
	else
		hf_write_once(&v->used->flags, (uint16_t)0);
	hf_fence_full();
	return hf_read_once(&v->avail->idx) != v->next;
}

#endif
