/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a primary has published, read as any reader would read it: from its own descriptor of the
 * directory.
 */
#ifndef E2E_PUBLISHED_H
#define E2E_PUBLISHED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "directory.h"

/* False: it has none. The test detaches. */
bool published_open(struct hf_directory *directory, pid_t primary);
/* The slot of this port's device; -1: none. */
int published_slot(const struct hf_directory *directory, uint32_t slots, const char *port);

#endif
