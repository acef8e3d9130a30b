/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test and the fault shim share: a page, mapped by both. FAULT_PAGE (environment) names its
 * file.
 *
 * While it is armed, the shim counts the calls of the chosen kinds and fails the `nth` of them and
 * the next ones, `times` in all. With nth 0 it only counts: so a sweep knows how many there are.
 */
#ifndef FAULT_PAGE_H
#define FAULT_PAGE_H

#include <stdint.h>

#define FAULT_PAGE_BYTES 4096u

/* Kinds of calls. */
enum {
	FAULT_HEAP = 1u << 0,	    /* malloc and its like */
	FAULT_MAP = 1u << 1,	    /* maps, and what is asked of them */
	FAULT_DESCRIPTOR = 1u << 2, /* what makes one; and those that a message brings */
	FAULT_TRANSFER = 1u << 3,   /* messages, reads and writes */
	FAULT_FILE = 1u << 4,	    /* what a file or a socket is asked, or made to be */
	FAULT_PROCESS = 1u << 5,    /* processes, threads, signals to them */
	FAULT_ALL = (1u << 6) - 1,
};

/* What becomes of a call that is to fail. */
enum {
	FAULT_ERROR,	 /* the error that belongs to the function */
	FAULT_INTERRUPT, /* EINTR; what no signal interrupts is not counted */
	FAULT_HANG,	 /* it sleeps for ever */
	FAULT_SPIN,	 /* it never sleeps again */
	FAULT_DIE,	 /* whoever makes it is killed before it does */
	FAULT_SHORT,	 /* half of the bytes; what cannot be cut is not counted */
};

struct fault_page {
	uint32_t armed;
	uint32_t pid; /* 0: whoever has the shim … */
	uint32_t but; /* … but this one */
	uint32_t kinds;
	uint32_t how;
	uint32_t nth;	/* from 1; 0: none fails */
	uint32_t times; /* in a row */
	uint32_t error; /* not 0: instead of the function's own */
	uint32_t every; /* not 0: each of so many, instead */
	/* What the shim says: calls counted, calls failed since it was armed, and of the first one
	 * that failed its name and who called it, as an offset into `object`. */
	uint32_t seen;
	uint32_t hit;
	char name[32];
	uint64_t from;
	char object[64];
};

#endif
