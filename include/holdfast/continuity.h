/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over between secondaries, and the state that moves along. See docs/continuity.md.
 *
 * All calls: control thread, also inside callbacks. Those that ask the primary block until it
 * answers, while the data threads go on; the reason of a refusal, with its remedy, goes to the log
 * sink. What each of them may return besides: driver.h, "Requests"; these wait for 60 s,
 * hf_service_set_state for 5 s.
 */
#ifndef HOLDFAST_CONTINUITY_H
#define HOLDFAST_CONTINUITY_H

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Give the device of `port` (NULL: every device that `to` serves) to the secondary named `to`. On
 * return it has the grants. The number of devices that moved, or -ENOENT, -ENOTUNIQ: no or more
 * than one such secondary; -EINVAL: it does not serve the port; -EPERM: it is an observer; -EAGAIN:
 * somebody died or left meanwhile; -ENOTCONN: no front-end on the port, or no primary; -EBUSY: one
 * that was asked for here is under way, or an upgrade of the primary.
 */
HF_API int hf_handover(struct hf_service *service, const char *port, const char *to);

/*
 * Hand everything this process runs to whoever is next, and be granted nothing more: what a switch
 * does before it is replaced. -EBUSY without `force` when nobody else serves one of its ports. Else
 * as hf_handover.
 */
HF_API int hf_drain(struct hf_service *service, bool force);

/*
 * Be asked to pass on what was dequeued: devices are about to be handed over, their dequeue queues
 * were stopped (vring_state_changed), the others will be when `flush` has returned, or after
 * 200 ms. It waits until the data threads have enqueued what they hold; it makes no burst itself.
 * Whose vring_state_changed waits so for each dequeue queue needs none. 0 or -EINVAL.
 */
HF_API int hf_flush_callback_register(struct hf_service *service, void (*flush)(void *context),
				      void *context);

/*
 * Memory for what a successor should know: `bytes` (at most 64 MiB) of zeroes, mapped for this
 * process; *ret_state stays valid until hf_service_disconnect(). The primary keeps it while this
 * process is attached, and when it dies until its devices run elsewhere, without looking into it.
 * Once in a service's life. 0; -EINVAL: no bytes, or too many; -EBUSY: there is one already;
 * -ENOMEM; -errno of the primary.
 */
HF_API int hf_service_set_state(struct hf_service *service, size_t bytes, void **ret_state);

/*
 * Be told what the process `peer` knew, when devices come from it to this one. `state` is a
 * read-only map of its memory, valid during the call; its owner may live and be writing to it, and
 * may have died in the middle of a store: copy each word once, check the copy. Their new_device has
 * run by then. In a hand-over it comes before the vrings are granted; after a death behind that,
 * so packets already flow. 0 or -EINVAL.
 */
HF_API int hf_peer_state_callback_register(struct hf_service *service,
					   void (*peer_state)(const char *peer, const void *state,
							      size_t bytes, void *context),
					   void *context);

#ifdef __cplusplus
}
#endif

#endif
