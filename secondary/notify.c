/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <unistd.h>

void hf_notify_call_now(struct hf_vring *v)
{
	uint64_t one = 1;

	if (!hf_read_once(&v->has_call))
		return;
	/* EAGAIN: the counter is full, so the guest has been called and did not look yet. */
	if (write(v->call_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		hf_count(v, HF_COUNTER_GUEST_NOTIFICATIONS_ERROR, 1);
	else
		hf_count(v, HF_COUNTER_GUEST_NOTIFICATIONS, 1);
}

void hf_notify_first_burst(struct hf_vring *v)
{
	v->fresh = false;
	hf_notify_kicks_off(v);
	hf_notify_call_now(v);
}
