/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the bits that virtio-net, vhost-user and the rings define. */
#ifndef CLI_FEATURE_NAMES_H
#define CLI_FEATURE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell.h"

struct bit_name {
	unsigned bit;
	const char *name; /* small letters, without VIRTIO_NET_F_ and the like */
};

struct bit_names {
	const struct bit_name *bits; /* by rising bit */
	size_t nr_bits;
};

extern const struct bit_names virtio_features;
extern const struct bit_names protocol_features;
extern const struct bit_names device_status;
extern const struct bit_names descriptor_flags;

/* NULL: no name known. */
const char *bit_name(const struct bit_names *names, unsigned bit);
/* One item per bit that is set; "bit_N" for those without a name. */
void bits_to_list(const struct bit_names *names, uint64_t mask, struct cell *ret);
/* The names in a row, as far as they go into `size`; returns `buffer`. */
const char *bits_to_text(const struct bit_names *names, uint64_t mask, char *buffer, size_t size);

/* A feature as a person writes it: "mrg_rxbuf", "VIRTIO_NET_F_MRG_RXBUF", bit number "15", or a
 * mask "0x8000". False: not one. */
bool feature_parse(const char *text, uint64_t *ret_mask);
/* The known name nearest to `text`, NULL when none is near. */
const char *feature_nearest(const char *text);

#endif
