/* SPDX-License-Identifier: Apache-2.0 */
/* What clients who may not do all take of the loop's time; see control_price.c. */
#ifndef PRIMARY_CONTROL_PRICE_H
#define PRIMARY_CONTROL_PRICE_H

#include <stdint.h>

struct user;

/* How long until a client of this user's (NULL: one who may do all) is answered on; 0: now. */
uint64_t control_price_wait_ns(const struct user *user);
/* Its answer has taken so much of the loop's time. */
void control_price_spend(struct user *user, uint64_t taken_ns);

#endif
