/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_names.h"

#include <stdio.h>

#include "check.h"

static const struct hf_bit_name virtio_bits[] = {
	{0, "csum"},
	{1, "guest_csum"},
	{2, "ctrl_guest_offloads"},
	{3, "mtu"},
	{5, "mac"},
	{6, "gso"},
	{7, "guest_tso4"},
	{8, "guest_tso6"},
	{9, "guest_ecn"},
	{10, "guest_ufo"},
	{11, "host_tso4"},
	{12, "host_tso6"},
	{13, "host_ecn"},
	{14, "host_ufo"},
	{15, "mrg_rxbuf"},
	{16, "status"},
	{17, "ctrl_vq"},
	{18, "ctrl_rx"},
	{19, "ctrl_vlan"},
	{20, "ctrl_rx_extra"},
	{21, "guest_announce"},
	{22, "mq"},
	{23, "ctrl_mac_addr"},
	{24, "notify_on_empty"},
	{26, "log_all"},
	{27, "any_layout"},
	{28, "indirect_desc"},
	{29, "event_idx"},
	{30, "protocol_features"},
	{32, "version_1"},
	{33, "iommu_platform"},
	{34, "ring_packed"},
	{35, "in_order"},
	{36, "order_platform"},
	{37, "sr_iov"},
	{38, "notification_data"},
	{39, "notif_config_data"},
	{40, "ring_reset"},
	{54, "guest_uso4"},
	{55, "guest_uso6"},
	{56, "host_uso"},
	{57, "hash_report"},
	{59, "guest_hdrlen"},
	{60, "rss"},
	{61, "rsc_ext"},
	{62, "standby"},
	{63, "speed_duplex"},
};
const struct hf_bit_names hf_virtio_features = {virtio_bits, ARRAY_SIZE(virtio_bits)};

const char *hf_bit_name(const struct hf_bit_names *names, unsigned bit)
{
	for (size_t i = 0; i < names->nr_bits; i++)
		if (names->bits[i].bit == bit)
			return names->bits[i].name;
	return NULL;
}

const char *hf_bit_word(const struct hf_bit_names *names, unsigned bit, char *room)
{
	const char *name = hf_bit_name(names, bit);

	if (name)
		return name;
	snprintf(room, HF_BIT_WORD_MAX, "bit_%u", bit);
	return room;
}

const char *hf_bits_to_text(const struct hf_bit_names *names, uint64_t mask, char *room,
			    size_t size)
{
	char number[HF_BIT_WORD_MAX];
	size_t used = 0;

	room[0] = '\0';
	for (unsigned bit = 0; bit < 64 && used < size; bit++) {
		int n;

		if (!(mask >> bit & 1))
			continue;
		n = snprintf(room + used, size - used, "%s%s", used ? " " : "",
			     hf_bit_word(names, bit, number));
		used += n > 0 ? (size_t)n : 0;
	}
	return room;
}
