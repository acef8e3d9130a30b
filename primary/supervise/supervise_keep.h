/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors by name, as sd_notify(3) has them stored and removed. */
#ifndef PRIMARY_SUPERVISE_KEEP_H
#define PRIMARY_SUPERVISE_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "handon.h"

struct keep;

struct keep *keep_create(size_t max); /* NULL: no memory */
void keep_destroy(struct keep *keep); /* closes all */
/* What a datagram says of its sender. */
enum keep_said {
	KEEP_NOTHING,
	KEEP_READY,	/* READY=1 */
	KEEP_ALIVE,	/* WATCHDOG=1 */
	KEEP_RELOADING, /* RELOADING=1: as good as not started until it is ready again */
};
/* One datagram, NUL-terminated in place; its descriptors become the keep's, or are closed. */
enum keep_said keep_datagram(struct keep *keep, char *text, int *fds, size_t nr_fds);
size_t keep_count(const struct keep *keep);
/* All of them for the program to come. 0 or -ENOMEM. */
int keep_hand_on(const struct keep *keep, struct handon *handon);

#endif
