/* SPDX-License-Identifier: Apache-2.0 */
#include "burst.h"

bool hf_burst_attend_slowly(struct hf_vring *v)
{
	uint32_t asked = hf_read_once(&v->asked);

	if (asked & HF_ASKED_STAY)
		return false;
	if (v->fresh)
		hf_notify_first_burst(v);
	if (asked & ~(uint32_t)HF_ASKED_LASTING)
		hf_vring_do_asked(v);
	return true;
}
