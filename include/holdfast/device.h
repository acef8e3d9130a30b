/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a granted device is: accessors, the RUNNING flag, statistics.
 * Any thread may call the accessors between new_device and destroy_device.
 */
#ifndef HOLDFAST_DEVICE_H
#define HOLDFAST_DEVICE_H

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The port's name. Valid as long as the handle. */
HF_API const char *hf_device_name(const struct hf_device *device);
/* The device's slot in the directory: stable for as long as the port exists. */
HF_API uint32_t hf_device_id(const struct hf_device *device);
/* Negotiated virtio feature bits. A front-end may negotiate others while none of its vrings runs.
 */
HF_API uint64_t hf_device_features(const struct hf_device *device);
/* MTU that the front-end set, or 0. */
HF_API uint16_t hf_device_mtu(const struct hf_device *device);
/* NUMA node of most of the guest's memory, or -1. */
HF_API int hf_device_node(const struct hf_device *device);
/* One more than the highest vring number that was ever granted, or prepared, in this session. */
HF_API uint16_t hf_device_nr_vrings(const struct hf_device *device);
/* Is the vring granted to this process and enabled? */
HF_API bool hf_device_vring_enabled(const struct hf_device *device, uint16_t queue);

/*
 * The RUNNING flag: set and cleared by the vSwitch. While it is clear bursts on the device move
 * nothing. Control thread.
 */
HF_API void hf_device_set_running(struct hf_device *device, bool running);
HF_API bool hf_device_running(const struct hf_device *device);

/* A pointer for the caller's own use; NULL at first. Control thread sets, any thread reads. */
HF_API void hf_device_set_user(struct hf_device *device, void *user);
HF_API void *hf_device_user(const struct hf_device *device);

/* Counters of a vring: their number, their names, and their values since this process was granted
 * it. Values are read without a lock: each is whole, the set is not a snapshot. The first
 * `nr_values` are given; more than hf_counter_count() are left alone. 0; -ENOTCONN: the vring is
 * not granted. */
HF_API size_t hf_counter_count(void);
HF_API const char *hf_counter_name(size_t index);
HF_API int hf_device_counters(const struct hf_device *device, uint16_t queue, uint64_t *values,
			      size_t nr_values);

#ifdef __cplusplus
}
#endif

#endif
