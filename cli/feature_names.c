/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "check.h"
#include "text.h"

#define NAMES(list)                                                                                \
	{                                                                                          \
		.bits = (list), .nr_bits = ARRAY_SIZE(list)                                        \
	}

static const struct bit_name virtio_bits[] = {
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
const struct bit_names virtio_features = NAMES(virtio_bits);

static const struct bit_name protocol_bits[] = {
	{0, "mq"},
	{1, "log_shmfd"},
	{2, "rarp"},
	{3, "reply_ack"},
	{4, "mtu"},
	{5, "backend_req"},
	{6, "cross_endian"},
	{7, "crypto_session"},
	{8, "pagefault"},
	{9, "config"},
	{10, "backend_send_fd"},
	{11, "host_notifier"},
	{12, "inflight_shmfd"},
	{13, "reset_device"},
	{14, "inband_notifications"},
	{15, "configure_mem_slots"},
	{16, "status"},
	{17, "xen_mmap"},
	{18, "shared_object"},
	{19, "device_state"},
	{20, "get_vring_base_inflight"},
	{21, "gpa_addresses"},
	{22, "shmem"},
	{23, "get_vring_base_skip_drain"},
};
const struct bit_names protocol_features = NAMES(protocol_bits);

static const struct bit_name status_bits[] = {
	{0, "acknowledge"}, {1, "driver"},	{2, "driver_ok"},
	{3, "features_ok"}, {6, "needs_reset"}, {7, "failed"},
};
const struct bit_names device_status = NAMES(status_bits);

static const struct bit_name descriptor_bits[] = {
	{0, "next"}, {1, "write"}, {2, "indirect"}, {7, "avail"}, {15, "used"},
};
const struct bit_names descriptor_flags = NAMES(descriptor_bits);

const char *bit_name(const struct bit_names *names, unsigned bit)
{
	for (size_t i = 0; i < names->nr_bits; i++)
		if (names->bits[i].bit == bit)
			return names->bits[i].name;
	return NULL;
}

static const char *name_or_number(const struct bit_names *names, unsigned bit, char *buffer)
{
	const char *name = bit_name(names, bit);

	if (name)
		return name;
	snprintf(buffer, TEXT_NUMBER_MAX, "bit_%u", bit);
	return buffer;
}

void bits_to_list(const struct bit_names *names, uint64_t mask, struct cell *ret)
{
	char buffer[TEXT_NUMBER_MAX];

	cell_list(ret);
	for (unsigned bit = 0; bit < 64; bit++)
		if (mask >> bit & 1)
			cell_list_add(ret, name_or_number(names, bit, buffer));
}

const char *bits_to_text(const struct bit_names *names, uint64_t mask, char *buffer, size_t size)
{
	char number[TEXT_NUMBER_MAX];
	size_t used = 0;

	buffer[0] = '\0';
	for (unsigned bit = 0; bit < 64 && used < size; bit++) {
		int n;

		if (!(mask >> bit & 1))
			continue;
		n = snprintf(buffer + used, size - used, "%s%s", used ? " " : "",
			     name_or_number(names, bit, number));
		used += n > 0 ? (size_t)n : 0;
	}
	return buffer;
}

/* The specification's spelling carries a prefix that nobody wants to type. */
static const char *without_prefix(const char *text)
{
	static const char *const prefixes[] = {"VIRTIO_NET_F_", "VIRTIO_RING_F_", "VIRTIO_F_",
					       "VHOST_USER_F_", "VHOST_F_"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncasecmp(text, prefixes[i], strlen(prefixes[i])))
			return text + strlen(prefixes[i]);
	return text;
}

static bool parse_number(const char *text, uint64_t *ret_mask)
{
	bool is_mask = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned long long value;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, is_mask ? 16 : 10);
	if (errno || *end || (is_mask && end == text + 2) || (!is_mask && value > 63))
		return false;
	*ret_mask = is_mask ? value : 1ull << value;
	return true;
}

bool feature_parse(const char *text, uint64_t *ret_mask)
{
	const char *name = without_prefix(text);

	if (parse_number(text, ret_mask))
		return true;
	for (size_t i = 0; i < virtio_features.nr_bits; i++) {
		if (!strcasecmp(name, virtio_features.bits[i].name)) {
			*ret_mask = 1ull << virtio_features.bits[i].bit;
			return true;
		}
	}
	return false;
}

const char *feature_nearest(const char *text)
{
	const char *name = without_prefix(text);
	const char *best = NULL;
	size_t best_distance = 4; /* farther is no typing slip */

	for (size_t i = 0; i < virtio_features.nr_bits; i++) {
		size_t distance = text_distance(name, virtio_features.bits[i].name);

		if (distance < best_distance) {
			best_distance = distance;
			best = virtio_features.bits[i].name;
		}
	}
	return best;
}
