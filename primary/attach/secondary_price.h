/* SPDX-License-Identifier: Apache-2.0 */
/* What a user's secondaries together may ask, and leave behind; see secondary_price.c. */
#ifndef PRIMARY_SECONDARY_PRICE_H
#define PRIMARY_SECONDARY_PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "attach.pb-c.h"

struct foreign;
struct secondary;

/* Before each packet is read: true: its user has spent what there is, and it is not read until
 * secondary->pause fires. */
bool secondary_price_pause(struct secondary *secondary);
/* Its user has spent what there is. */
bool secondary_price_spent(const struct secondary *secondary);
/* It has asked that. False: it has a price, and there is nothing to pay it with. */
bool secondary_price_spend(struct secondary *secondary, const Holdfast__Attach__ToPrimary *request);

/* Who is charged with what hangs of its descriptors. */
struct foreign *secondary_foreign(struct secondary *secondary);
/* Some of its descriptors had to be closed elsewhere. */
void secondary_price_foreign(struct secondary *secondary);

#endif
