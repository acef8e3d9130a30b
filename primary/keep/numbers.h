/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what is stored, by number: the descriptor, who references it, and what the keeper
 * has by its name. A name is a letter and the number. All names together come back in one string of
 * the environment, and the kernel bounds its length: what would not fit is refused.
 *
 * A number that a record names is taken even when nothing is stored under it (the keeper had no
 * room): given out again, it would turn the record into one that names a stranger's descriptor. So
 * is one that the keeper was told of and not yet told to forget, or, being lost, never will be: a
 * death then would leave what it has under that name to whoever got the number next.
 */
#ifndef PRIMARY_NUMBERS_H
#define PRIMARY_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "open_files.h"

#define NUMBERS_MAX	  (1u << 20)
#define NUMBERS_NAME_ROOM 16u

/* Free when there is neither a descriptor nor a reference, here or there. */
struct number {
	int fd; /* -1: none; owned */
	char kind;
	bool there; /* the keeper may have something by this name */
	bool owed;  /* it is to be told that this is nothing any more, and could not be */
	uint32_t references;
};

struct numbers {
	struct number *of;
	uint32_t count; /* above all that were ever used */
	uint32_t first; /* that are given out */
	uint32_t hint;
	size_t names_bytes, names_room;
	struct open_files files;
};

/* `first`: those below are never given out. `names_bounded`: all names have to fit into one string
 * of the environment. */
void numbers_init(struct numbers *numbers, uint32_t first, bool names_bounded);
/* Closes all. */
void numbers_destroy(struct numbers *numbers);

/* Is a descriptor there? */
bool numbers_has(const struct numbers *numbers, uint32_t number);
/* So many more names fit in, so many at all. */
uint64_t numbers_room(const struct numbers *numbers);
uint64_t numbers_most(const struct numbers *numbers);
/* Into NUMBERS_NAME_ROOM bytes. */
void numbers_name(const struct numbers *numbers, uint32_t number, char *room);

/* The next that is free. */
uint32_t numbers_free(const struct numbers *numbers);
/* Put a descriptor, which is ours from now on, also on failure. 0, -EEXIST, -ENOSPC, -ENOMEM. */
int numbers_enter(struct numbers *numbers, uint32_t number, char kind, int fd);
/* Close it. References, and what is there, remain. */
void numbers_leave(struct numbers *numbers, uint32_t number);
/* One more; without memory, none. */
void numbers_reference(struct numbers *numbers, uint32_t number);
/* What the keeper may have by this name. */
void numbers_there(struct numbers *numbers, uint32_t number, bool there);

#endif
