/* SPDX-License-Identifier: Apache-2.0 */
/* The sizes of everything: fixed at start, so "full" is a normal answer and memory is bounded. */
#ifndef VSWITCH_SIZES_H
#define VSWITCH_SIZES_H

#include <holdfast/types.h>

#define BURST		64u   /* packets moved at once */
#define MAX_PORTS	1024u /* devices and uplinks together */
#define MAX_WORKERS	32u   /* a set of workers fits a 32-bit mask */
#define MAX_UPLINKS	16u
#define PEEK_BYTES	128u /* of a frame: the ports of every flow that is hashed by them */
#define PACKET_ROOM	(65536u + 128u) /* the largest GSO frame is 65562 bytes */
#define LEFT_SLOTS	128u		/* packets that one worker left for another */
#define STATION_BUCKETS 8192u		/* of four stations each: 32768 stations, 512 KiB */
#define CACHE_LINE	64

/*
 * Stations of one port. A guest has a few addresses, one with containers a few hundred; it must not
 * fill the table for all with made-up ones. A network may have many; two uplinks have room.
 */
#define DEVICE_STATIONS 1024u
#define UPLINK_STATIONS (STATION_BUCKETS * 4u / 2u)

_Static_assert(MAX_WORKERS <= 32, "sets of workers are 32-bit masks");
_Static_assert(BURST <= HF_MAX_BURST, "the library would clamp our bursts");

/* Between two looks at a word that another processor is about to change. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

#endif
