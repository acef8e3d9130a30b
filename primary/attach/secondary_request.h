/* SPDX-License-Identifier: Apache-2.0 */
/* What an attached secondary may ask. */
#ifndef PRIMARY_SECONDARY_REQUEST_H
#define PRIMARY_SECONDARY_REQUEST_H

#include "attach.pb-c.h"

struct hf_frame;
struct secondary;

/* One message of an attached secondary (secondary_request.c); its frame's descriptors stay the
 * frame's. 0; -ESHUTDOWN: it said Bye; -EPROTO:
 * it does not keep to the protocol and is to be cut off. */
int secondary_request(struct secondary *secondary, const Holdfast__Attach__ToPrimary *message,
		      struct hf_frame *frame);

#endif
