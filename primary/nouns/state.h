/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state that a secondary keeps for its successor: one memfd, which the primary holds and never
 * looks into. Counted references: the secondary's own, and one of each device it ran last.
 */
#ifndef PRIMARY_STATE_H
#define PRIMARY_STATE_H

#include <stdint.h>

struct state;

#define STATE_MAX_BYTES (64ull << 20)

/* 0; -EINVAL: not a memfd sealed against shrinking and growing, of 1 byte to STATE_MAX_BYTES;
 * -ENOMEM or -EMFILE. `fd` stays the caller's. */
int state_create(struct state **ret_state, int fd);
/* One that an earlier life had; the descriptor becomes the state's. NULL: no memory, or -1. */
struct state *state_adopt(int fd);
int state_fd(const struct state *state);
struct state *state_get(struct state *state); /* NULL is taken and given back */
void state_put(struct state *state);

#endif
