/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the protocol, one a request. */
#ifndef PRIMARY_VU_TABLE_H
#define PRIMARY_VU_TABLE_H

#include "vu_rule.h"

/* NULL: no such request. */
const struct vu_rule *vu_rule(uint32_t request);

#endif
