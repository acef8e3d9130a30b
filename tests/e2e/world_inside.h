/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of world.h share. */
#ifndef E2E_WORLD_INSIDE_H
#define E2E_WORLD_INSIDE_H

#include <stdbool.h>
#include <stddef.h>

#define WAIT_MS 20000

struct world;

bool ports_are_devices(void);
/* Nobody else's: another test may run. */
void device_name(const struct world *world, const char *port, char *ret, size_t size);
/* Until the next call. */
const char *socket_path(const struct world *world, const char *name);
/* When this is back the primary has seen that we go, and is about to close its end. */
void hang_up(int *fd);

#endif
