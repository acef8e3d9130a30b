/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that names memory orders.
 *
 * Every shared word is accessed through one of these, and has a row in the ordering table of
 * docs/shm-layout.md that names its writer, its readers and the partner of each access.
 *
 * Thread sanitizer does not model fences: what it must see as ordered is ordered by the
 * acquire and release accesses themselves, the fences only add the store-load order.
 */
#ifndef SHM_ORDER_H
#define SHM_ORDER_H

/* One whole access, no order. For words that another process may change at any time. */
#define hf_read_once(p)	    __atomic_load_n((p), __ATOMIC_RELAXED)
#define hf_write_once(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* Accesses that come later stay later. */
#define hf_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
/* Accesses that came before stay before. */
#define hf_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* The only read-modify-writes, and none of every burst. */
#define hf_exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define hf_add(p, v)	  ((void)__atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL))
#define hf_or(p, v)	  ((void)__atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL))
/* Clear these bits; which of them were set. */
#define hf_take_bits(p, bits) (__atomic_fetch_and((p), ~(bits), __ATOMIC_ACQ_REL) & (bits))

/* Store v if *p is 0. */
#define hf_put_if_none(p, v)                                                                       \
	((void)__atomic_compare_exchange_n((p), &(__typeof__(*(p))){0}, (v), 0, __ATOMIC_ACQ_REL,  \
					   __ATOMIC_RELAXED))

#define hf_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define hf_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
/* Our stores before are seen before our loads after: the only fence that costs. */
#define hf_fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/*
 * Orders nothing in the processor, only in the compiler. Used between `busy` and `grant` in the
 * burst: the processor's order there is made by the primary's membarrier(2), see shm/lane.h.
 */
#define hf_compiler_barrier() __asm__ __volatile__("" ::: "memory")

#endif
