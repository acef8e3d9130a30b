/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A primary with two devices, ports p0 and p1, a secondary that echoes both, and a front-end
 * with a whole session on the first: what hostile cases disturb and must not break. Needs a kernel
 * with CUSE (scripts/vm).
 */
#ifndef CUSE_SCENE_H
#define CUSE_SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "front_end.h"
#include "world.h"

extern struct world world;
extern struct front_end fe;

void scene_open(const struct session_shape *shape);
/* The first session still echoes, without a packet missing. */
void scene_check_works(void);
void scene_close(void);
/* The rings of the first session, which go on where they stopped. */
extern uint16_t scene_bases[2];
void scene_stop_rings(void);
void scene_start_rings(void);

/* A session on a device; one that is over in a moment is waited for. */
void scene_join(struct front_end *front_end, const char *port, const struct session_shape *shape);
/* That it echoes, from packet 0 on. */
void scene_check_echo(struct front_end *front_end);

/* What the primary and the secondary hold. */
struct ledger {
	size_t fds[2], maps[2];
};
/* When nothing changes any more. */
struct ledger scene_ledger(void);
/* It becomes the same again. */
void scene_check_ledger(const struct ledger *before);

/* Run `child` in a process of its own: what it returns, or 128 and the signal that ended it. */
int scene_in_child(int (*child)(void *context), void *context);

#endif
