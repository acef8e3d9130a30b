/* SPDX-License-Identifier: Apache-2.0 */
/* Which secondary may run a device, and which one is next. Pure. */
#ifndef PRIMARY_CHOOSE_H
#define PRIMARY_CHOOSE_H

#include <stdbool.h>

struct device;
struct secondary;

/* Does it serve ports of this name: may it, and does it want to? */
bool secondary_serves(const struct secondary *secondary, const char *port_name);
/* May this secondary be given the device, now or one day? */
bool grant_may_run(const struct device *device, const struct secondary *secondary);
/* Who would be given the device now if it had no owner; NULL: nobody. */
struct secondary *grant_next_owner(const struct device *device);

#endif
