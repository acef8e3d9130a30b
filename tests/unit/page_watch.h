/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each access of a piece of code to watched memory. The machine may have no counters and no
 * watchpoints; page protection it has: an access faults, is told, and is then let through alone
 * (one instruction with the trap flag).
 *
 * An access is told by its first byte. One thread; nothing else may handle SIGSEGV or SIGTRAP.
 */
#ifndef TESTS_PAGE_WATCH_H
#define TESTS_PAGE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access {
	uintptr_t at;
	uintptr_t by; /* the instruction */
	bool writes;
};

/* Watch the pages of [start, start + bytes). Whole pages: what else lies there is seen as well. */
void watch_add(void *start, size_t bytes);
/* From here on `note` is told of what `prot` (PROT_NONE, PROT_READ) does not allow … */
void watch_begin(int prot, void (*note)(const struct access *access));
/* … to here. Everything is allowed again, and nothing is watched any more. */
void watch_end(void);

#endif
