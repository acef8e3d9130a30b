/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, limits and opaque handles of the Holdfast library.
 *
 * Every function that can fail returns 0 (or a count) on success and -errno on failure.
 * "Control thread" is the one thread that runs hf_service_dispatch() or
 * hf_driver_session_start() of a service; "data thread" is any thread that calls bursts.
 */
#ifndef HOLDFAST_TYPES_H
#define HOLDFAST_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_API __attribute__((visibility("default")))

#define HF_MAX_QUEUE_PAIRS 128u /* of one device */
#define HF_MAX_VRINGS	   (2u * HF_MAX_QUEUE_PAIRS)
#define HF_MAX_BURST	   256u /* packets one burst moves at most; more is clamped */
#define HF_NAME_MAX	   63u	/* bytes of a port's or a secondary's name, without the NUL */

/* Queue numbers are vring numbers: pair p enqueues to 2p and dequeues from 2p + 1
 * (virtio 1.1, 5.1.2: the receiveq is the guest's). */
#define HF_ENQUEUE_QUEUE(pair) (2u * (pair))
#define HF_DEQUEUE_QUEUE(pair) (2u * (pair) + 1u)

struct hf_service; /* one attachment to a primary; owned by the caller of hf_service_connect() */
struct hf_device;  /* one device granted to this process; owned by the service */

enum hf_role {
	HF_ROLE_VSWITCH = 0,  /* runs the vrings of the ports it asked for */
	HF_ROLE_STANDBY = 1,  /* is granted them when their owner is gone */
	HF_ROLE_OBSERVER = 2, /* no device comes to it; hf_feature_get is what it may ask */
};

#ifdef __cplusplus
}
#endif

#endif
