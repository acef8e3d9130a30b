/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_words.h"

#include <stdio.h>

#include "feature_names.h"
#include "vu_wire.h"

/* virtio 1.1, 5.1.6.1 */
static unsigned int header_bytes(uint64_t features)
{
	return features & (VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_BIT(VIRTIO_F_VERSION_1))
		       ? 12
		       : 10;
}

const char *feature_change_words(uint64_t before, uint64_t after, char *room, size_t size)
{
	uint64_t lost = before & ~after, gained = after & ~before;
	unsigned int was = header_bytes(before), is = header_bytes(after);
	char lost_words[300], gained_words[300], header[40] = "";

	if (was != is)
		snprintf(header, sizeof(header), "header %u bytes, was %u; ", is, was);
	snprintf(room, size, "%s%s%s%s%s%s", header, lost ? "lost " : "",
		 hf_bits_to_text(&hf_virtio_features, lost, lost_words, sizeof(lost_words)),
		 lost && gained ? ", " : "", gained ? "gained " : "",
		 hf_bits_to_text(&hf_virtio_features, gained, gained_words, sizeof(gained_words)));
	return room;
}
