/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cache lines a piece of code writes, store by store (page_watch.h). A store is noted by its
 * first byte. One thread.
 */
#ifndef TESTS_STORES_H
#define TESTS_STORES_H

#include <stdbool.h>
#include <stddef.h>

/* Watch the pages of [start, start + bytes). Whole pages: what else lies there is seen as well. */
void stores_watch(void *start, size_t bytes);
/* From here on … */
void stores_begin(void);
/* … to here. Everything may be written again, and nothing is watched any more. */
void stores_end(void);

/* How many lines of [start, start + bytes) were written between the two. */
size_t stores_lines(const void *start, size_t bytes);
/* Was the line at this place? */
bool stores_hit(const void *at);

#endif
