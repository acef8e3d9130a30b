/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first session's guest memory, to be moved under its feet: above all its tail, behind rings
 * and buffers, where nobody looks.
 */
#ifndef CUSE_TAIL_H
#define CUSE_TAIL_H

#include <stddef.h>
#include <sys/types.h>

#include "scene.h"

#define SIZE	   (256u << 10)
#define TAIL	   (192u << 10)
#define TAIL_BYTES (SIZE - TAIL)

/* One region of SIZE bytes. */
extern const struct session_shape whole;

/* A scene whose shape has SIZE bytes. */
void tail_open(const struct session_shape *shape);

/* [at, at + len) of the guest is at `offset` of the file now, mapped like that. */
void memory_map(size_t at, size_t len, int protection, int flags, int fd, off_t offset);
void tail_map(int protection, int flags, int fd, off_t offset);
/* It is as it was in the beginning, and the primary knows. */
void tail_restore(void);

#endif
