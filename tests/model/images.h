/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: guest memory with a ring in it that was valid until a few of its fields were spoiled.
 *
 * Rings of pure noise die at the first check; so chains, tables, frames and headers are built as a
 * driver would, of random shapes, and then some words are changed to values that are worth trying.
 * The same seed makes the same image.
 */
#ifndef MODEL_IMAGES_H
#define MODEL_IMAGES_H

#include "rig.h"

#define IMAGES_MEMORY (256u << 10)
#define IMAGES_GPA    0x40000000ull

void images_seed(uint64_t seed);
uint32_t images_any(uint32_t below);
bool images_chance(uint32_t percent);

/* A guest whose rings are of a random size at a random place; `ring` may say PACKED. */
bool images_create(struct rig *rig, uint64_t ring);
/* Both rings empty again, as they were created. */
bool images_reset(struct rig *rig);
/* A random number of chains, some spoiled. to_guest: of buffers, else of frames. */
void images_fill(struct rig *rig, bool to_guest);

#endif
