/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where devices and vrings lie: close together, in large pages where the kernel has some, so that a
 * switch that goes over a thousand of them needs few entries of the TLB for it. What is freed is
 * used again by the next of its kind; the memory itself stays the process'.
 */
#ifndef SECONDARY_ARENA_H
#define SECONDARY_ARENA_H

#include <stddef.h>

enum hf_arena_kind { HF_ARENA_DEVICE, HF_ARENA_VRING, HF_ARENA_KINDS };

/* Zeroed and on a cache line of its own; NULL when memory lacks. Any thread. */
void *hf_arena_take(enum hf_arena_kind kind);
/* NULL: nothing happens. */
void hf_arena_give(enum hf_arena_kind kind, void *thing);

#endif
