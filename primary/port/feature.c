/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port offers what is implemented, minus what is disabled for all (primary->features_enabled),
 * minus what is disabled for it. A session that has negotiated keeps what it has.
 */
#include "feature.h"

#include <errno.h>

#include "journal.h"
#include "port.h"
#include "primary.h"

static const char no_port[] = "no such port; holdfast port list shows those there are";

static bool for_all(const char *port)
{
	return !port || !*port;
}

static void change_all(struct primary *primary, uint64_t mask, bool enable)
{
	if (!enable) {
		primary->features_enabled &= ~mask;
		journal_numbers(primary);
		return;
	}
	primary->features_enabled |= mask;
	journal_numbers(primary);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		if (!primary->ports[i])
			continue;
		primary->ports[i]->features_disabled &= ~mask;
		journal_port(primary->ports[i]);
	}
}

int feature_change(struct primary *primary, const char *port, uint64_t mask, bool enable,
		   const char **ret_reason)
{
	struct port *p;

	if (mask & ~port_supported_features()) {
		*ret_reason = "holdfastd does not implement one of these features; holdfast "
			      "feature get shows those it does";
		return -EINVAL;
	}
	if (for_all(port)) {
		change_all(primary, mask, enable);
		return 0;
	}
	p = port_find(primary, port);
	if (!p) {
		*ret_reason = no_port;
		return -ENOENT;
	}
	if (enable && (mask & ~primary->features_enabled)) {
		*ret_reason = "the feature is disabled for all ports; enable it for all first";
		return -EINVAL;
	}
	p->features_disabled = enable ? p->features_disabled & ~mask : p->features_disabled | mask;
	journal_port(p);
	return 0;
}

int feature_get(const struct primary *primary, const char *port, uint64_t *ret_features,
		const char **ret_reason)
{
	const struct port *p;

	if (for_all(port)) {
		*ret_features = primary->features_enabled;
		return 0;
	}
	p = port_find(primary, port);
	if (!p) {
		*ret_reason = no_port;
		return -ENOENT;
	}
	*ret_features = port_offered_features(p);
	return 0;
}
