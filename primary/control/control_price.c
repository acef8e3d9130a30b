/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer may walk all rings of all ports, and whoever may read may ask for it again as soon as
 * it has it, while front-ends wait for the same thread. So each user that a rule lets in has a
 * quarter of a second of the loop's time at once, and then a sixty-fourth of it, for all its
 * clients together: who has spent that is answered later, nothing is lost, nobody else waits. Root
 * and our own user have no such limit.
 */
#include "control_price.h"

#include "rate.h"
#include "users.h"

#define SHARE	   64u
#define AT_ONCE_NS (250 * NS_PER_MS)

uint64_t control_price_wait_ns(const struct user *user)
{
	return user ? rate_wait_ns(&user->requests, SHARE, AT_ONCE_NS) : 0;
}

void control_price_spend(struct user *user, uint64_t taken_ns)
{
	if (user)
		user_spend(user, SHARE * AT_ONCE_NS, SHARE * taken_ns);
}
