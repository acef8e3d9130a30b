/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that looks after the data threads, twice a second or so: one that hangs in a write to a
 * front-end's descriptor is freed (notify.h). Not the control thread's work: a callback may be
 * waiting for that very data thread.
 *
 * It walks the service's devices. Where the control thread changes what it finds there (the table
 * of devices, descriptors of vrings) it holds the lock, and does nothing else meanwhile.
 */
#ifndef SECONDARY_RESCUE_H
#define SECONDARY_RESCUE_H

struct hf_service;

/* 0 or -errno. */
int hf_rescue_start(struct hf_service *service);
void hf_rescue_stop(struct hf_service *service);

void hf_rescue_lock(struct hf_service *service);
void hf_rescue_unlock(struct hf_service *service);

#endif
