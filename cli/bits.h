/* SPDX-License-Identifier: Apache-2.0 */
/* Bits that vhost-user and the rings define, by name; and a feature as a person writes it. */
#ifndef CLI_BITS_H
#define CLI_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell.h"
#include "feature_names.h"

extern const struct hf_bit_names protocol_features;
extern const struct hf_bit_names device_status;
extern const struct hf_bit_names descriptor_flags;

/* One item per bit that is set; "bit_N" for those without a name. */
void bits_to_list(const struct hf_bit_names *names, uint64_t mask, struct cell *ret);

/* A feature as a person writes it: "mrg_rxbuf", "VIRTIO_NET_F_MRG_RXBUF", bit number "15", or a
 * mask "0x8000". False: not one. */
bool feature_parse(const char *text, uint64_t *ret_mask);
/* The known name nearest to `text`, NULL when none is near. */
const char *feature_nearest(const char *text);

#endif
