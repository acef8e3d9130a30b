/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WATCHDOG=1 to who started us, when asked for by $WATCHDOG_USEC (sd_watchdog_enabled(3)): systemd,
 * or our own supervisor. It is said from the loop, so it says that the loop comes round.
 */
#ifndef PRIMARY_WATCHDOG_H
#define PRIMARY_WATCHDOG_H

struct loop;
struct store;
struct watchdog;

/* 0, also when nobody asked (*ret_watchdog NULL then); -ENOMEM. */
int watchdog_open(struct loop *loop, struct store *store, struct watchdog **ret_watchdog);
/* NULL: nothing happens. */
void watchdog_close(struct watchdog *watchdog);

#endif
