/* SPDX-License-Identifier: Apache-2.0 */
#include "bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "check.h"
#include "text.h"

#define NAMES(list)                                                                                \
	{                                                                                          \
		.bits = (list), .nr_bits = ARRAY_SIZE(list)                                        \
	}

static const struct hf_bit_name protocol_bits[] = {
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
const struct hf_bit_names protocol_features = NAMES(protocol_bits);

static const struct hf_bit_name status_bits[] = {
	{0, "acknowledge"}, {1, "driver"},	{2, "driver_ok"},
	{3, "features_ok"}, {6, "needs_reset"}, {7, "failed"},
};
const struct hf_bit_names device_status = NAMES(status_bits);

static const struct hf_bit_name descriptor_bits[] = {
	{0, "next"}, {1, "write"}, {2, "indirect"}, {7, "avail"}, {15, "used"},
};
const struct hf_bit_names descriptor_flags = NAMES(descriptor_bits);

void bits_to_list(const struct hf_bit_names *names, uint64_t mask, struct cell *ret)
{
	char buffer[HF_BIT_WORD_MAX];

	cell_list(ret);
	for (unsigned bit = 0; bit < 64; bit++)
		if (mask >> bit & 1)
			cell_list_add(ret, hf_bit_word(names, bit, buffer));
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
	for (size_t i = 0; i < hf_virtio_features.nr_bits; i++) {
		if (!strcasecmp(name, hf_virtio_features.bits[i].name)) {
			*ret_mask = 1ull << hf_virtio_features.bits[i].bit;
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

	for (size_t i = 0; i < hf_virtio_features.nr_bits; i++) {
		size_t distance = text_distance(name, hf_virtio_features.bits[i].name);

		if (distance < best_distance) {
			best_distance = distance;
			best = hf_virtio_features.bits[i].name;
		}
	}
	return best;
}
