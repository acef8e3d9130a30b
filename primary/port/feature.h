/* SPDX-License-Identifier: Apache-2.0 */
/* Feature switches: what the attach and the control socket do to ports' offers. */
#ifndef PRIMARY_FEATURE_H
#define PRIMARY_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

struct primary;

/*
 * Offer (or not) the bits of `mask` to front-ends that negotiate from now on. `port` NULL or "":
 * all ports, now and to come; enabling for all undoes what was disabled for single ports.
 * 0; -EINVAL: a bit that is not implemented, or one that is disabled for all ports; -ENOENT. The
 * reason, static, ends with the remedy.
 */
int feature_change(struct primary *primary, const char *port, uint64_t mask, bool enable,
		   const char **ret_reason);
/* What is offered now. 0 or -ENOENT. */
int feature_get(const struct primary *primary, const char *port, uint64_t *ret_features,
		const char **ret_reason);

#endif
