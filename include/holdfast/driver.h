/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drivers (ports), session loop, callbacks and feature switches: the calls of DPDK's early vhost
 * library under the hf_ prefix, each with the service it belongs to as first argument.
 */
#ifndef HOLDFAST_DRIVER_H
#define HOLDFAST_DRIVER_H

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Requests. Whatever asks the primary (register, unregister, hf_feature_…) blocks until it answers,
 * at most 5 s, in the control thread, also inside callbacks. The reason of a refusal goes to the
 * log sink. Besides what stands at each call it returns -ENOTCONN: no primary; -ETIMEDOUT: no
 * answer; whether it was done is not known, as when the primary died over it: look; -EPERM: this is
 * an observer, which changes nothing; -EACCES: the rule that let this process in (--allow-attach)
 * does not reach so far; -ENOMEM, and what the kernel said.
 */

#define HF_DRIVER_CLIENT 0x1u /* the primary connects to the VMM's socket, again and again */
#define HF_DRIVER_CUSE	 0x2u /* a vhost-cuse character device /dev/NAME instead of a socket */

/*
 * Ask the primary to create port `name`: at most HF_NAME_MAX printable characters, none of
 * / , * ? [ ] \, no leading . or -, and not "attach" or "control". `path` is the vhost-user socket;
 * NULL: RUN_DIR/NAME.sock. With HF_DRIVER_CUSE the device's name; NULL: /dev/NAME.
 * 0; -EEXIST: there is such a port, or device; -EINVAL: name, path or flags; -ENOSPC: no place for
 * one more (--max-devices); -EOPNOTSUPP: this primary has no such kind of port; -ENOENT: the kernel
 * has no CUSE; -EACCES: also no permission for /dev/cuse.
 */
HF_API int hf_driver_register(struct hf_service *service, const char *name, const char *path,
			      uint64_t flags);

/* Ask the primary to remove the port; its session ends. 0; -ENOENT: no such port. */
HF_API int hf_driver_unregister(struct hf_service *service, const char *name);

/*
 * Callbacks; all run in the control thread. `context` is the one given at registration.
 *
 * new_device: the device has memory, and its first vring was granted to this process or prepared
 *   for the day it will be: bursts return 0 until then. The vSwitch
 *   sets it up and calls hf_device_set_running(device, true) when bursts may move packets. A
 *   return value other than 0 declines the device: it stays silent.
 * destroy_device: the device is going. On return no thread of the vSwitch may use the handle any
 *   more; its memory is unmapped and the handle freed right after.
 * vring_state_changed: vring `queue` is to be run (true), or was stopped or revoked (false). Comes
 *   after new_device for each vring that runs, and comes once more for one that runs (true) where
 *   its call descriptor changed: it is to have a burst, of no packets as well, since the guest may
 *   be owed a call. Between false and the next true bursts on it return 0. A dequeue queue that is
 *   granted but disabled is to be run too: its bursts return 0 and discard what the guest sends, as
 *   the protocol asks; hf_device_vring_enabled() tells. The kick descriptor of hf_guest_kick_fd()
 *   is valid from true until false.
 *   In a hand-over the dequeue queues are stopped first, and the others when this has returned for
 *   them: before it returns for a dequeue queue, or in the callback of
 *   hf_flush_callback_register(), wait until the data threads have enqueued what they took from it,
 *   or it is lost.
 */
struct hf_device_ops {
	int (*new_device)(struct hf_device *device, void *context);
	void (*destroy_device)(struct hf_device *device, void *context);
	void (*vring_state_changed)(struct hf_device *device, uint16_t queue, bool enabled,
				    void *context);
};

/* Register the callbacks, before the first dispatch. `ops` must stay valid. 0 or -EINVAL. */
HF_API int hf_driver_callback_register(struct hf_service *service, const struct hf_device_ops *ops,
				       void *context);

/* The blocking session loop: dispatches until hf_driver_session_stop(). 0 or -errno. */
HF_API int hf_driver_session_start(struct hf_service *service);
/* Make hf_driver_session_start() return. Any thread, also a signal handler. */
HF_API void hf_driver_session_stop(struct hf_service *service);

/*
 * Feature switches: virtio-net feature bits that the primary offers to front-ends. They apply to
 * sessions negotiated afterwards. `port` NULL: all ports, now and to come.
 * 0; -EINVAL: a bit the primary does not implement, or, to enable it for one port, one that is
 * disabled for all; -ENOENT: no such port.
 */
HF_API int hf_feature_enable(struct hf_service *service, const char *port, uint64_t mask);
HF_API int hf_feature_disable(struct hf_service *service, const char *port, uint64_t mask);
/* The bits offered now. */
HF_API int hf_feature_get(struct hf_service *service, const char *port, uint64_t *ret_features);

#ifdef __cplusplus
}
#endif

#endif
