/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_words.h"

#include <stdio.h>

#include "check.h"
#include "vu_wire.h"

static const struct {
	uint8_t bit;
	const char *name;
} names[] = {
	{VIRTIO_NET_F_CSUM, "csum"},
	{VIRTIO_NET_F_GUEST_CSUM, "guest_csum"},
	{VIRTIO_NET_F_MTU, "mtu"},
	{VIRTIO_NET_F_GUEST_TSO4, "guest_tso4"},
	{VIRTIO_NET_F_GUEST_TSO6, "guest_tso6"},
	{VIRTIO_NET_F_GUEST_ECN, "guest_ecn"},
	{VIRTIO_NET_F_GUEST_UFO, "guest_ufo"},
	{VIRTIO_NET_F_HOST_TSO4, "host_tso4"},
	{VIRTIO_NET_F_HOST_TSO6, "host_tso6"},
	{VIRTIO_NET_F_HOST_ECN, "host_ecn"},
	{VIRTIO_NET_F_HOST_UFO, "host_ufo"},
	{VIRTIO_NET_F_MRG_RXBUF, "mrg_rxbuf"},
	{VIRTIO_NET_F_CTRL_VQ, "ctrl_vq"},
	{VIRTIO_NET_F_CTRL_RX, "ctrl_rx"},
	{VIRTIO_NET_F_GUEST_ANNOUNCE, "guest_announce"},
	{VIRTIO_NET_F_MQ, "mq"},
	{VIRTIO_F_ANY_LAYOUT, "any_layout"},
	{VIRTIO_F_INDIRECT_DESC, "indirect_desc"},
	{VIRTIO_F_EVENT_IDX, "event_idx"},
	{VU_F_PROTOCOL_FEATURES, "protocol_features"},
	{VIRTIO_F_VERSION_1, "version_1"},
	{VIRTIO_F_IN_ORDER, "in_order"},
};

static size_t put(char *room, size_t size, size_t at, const char *word)
{
	int n = at < size ? snprintf(room + at, size - at, "%s%s", at ? " " : "", word) : 0;

	return at + (size_t)n;
}

const char *feature_words(uint64_t features, char *room, size_t size)
{
	size_t at = 0;

	room[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(features & VIRTIO_BIT(names[i].bit)))
			continue;
		at = put(room, size, at, names[i].name);
		features &= ~VIRTIO_BIT(names[i].bit);
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		char word[16];

		if (!(features & VIRTIO_BIT(bit)))
			continue;
		snprintf(word, sizeof(word), "bit_%u", bit);
		at = put(room, size, at, word);
	}
	return room;
}

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
		 feature_words(lost, lost_words, sizeof(lost_words)), lost && gained ? ", " : "",
		 gained ? "gained " : "",
		 feature_words(gained, gained_words, sizeof(gained_words)));
	return room;
}
