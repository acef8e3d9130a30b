/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet is the caller's memory: the library never allocates, frees or keeps one.
 *
 * A packet is a chain of segments. For dequeue the caller says where bytes may go (`data`, `room`,
 * `next`), the library says what came (`len` of each segment, `total` and `offload` of the first).
 * For enqueue the caller fills all of them and the library only reads. A packet must not be
 * touched by another thread while a burst has it.
 */
#ifndef HOLDFAST_PACKET_H
#define HOLDFAST_PACKET_H

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* hf_offload.flags (virtio 1.1, 5.1.6: flags of struct virtio_net_hdr) */
#define HF_OFFLOAD_NEEDS_CSUM 0x01u /* the checksum at csum_start + csum_offset is to be filled */
#define HF_OFFLOAD_DATA_VALID 0x02u /* the checksum was checked by whoever sent it */

/* hf_offload.gso_type */
#define HF_GSO_NONE  0x00u
#define HF_GSO_TCPV4 0x01u
#define HF_GSO_UDP   0x03u /* UDP fragmentation (UFO), IPv4 or IPv6 */
#define HF_GSO_TCPV6 0x04u
#define HF_GSO_ECN   0x80u /* or-ed to a TCP type: CWR only in the first segment */

/*
 * Offload metadata, host byte order; offsets count from the first byte of the Ethernet header.
 * After a dequeue every offset was checked: it lies inside the packet's own length. A gso_type goes
 * with NEEDS_CSUM and the place of the checksum in the frame's own TCP or UDP header, or not at
 * all.
 */
struct hf_offload {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size; /* payload bytes of a segment */
	uint16_t csum_start;
	uint16_t csum_offset;
};

/* One segment; exactly one cache line. */
struct hf_packet {
	uint8_t *data;		   /* caller: first byte */
	struct hf_packet *next;	   /* caller: next segment, or NULL */
	uint32_t room;		   /* caller: bytes that fit at data */
	uint32_t len;		   /* bytes that are there, in this segment */
	uint32_t total;		   /* first segment only: bytes of the whole packet */
	struct hf_offload offload; /* first segment only */
	uint16_t peeked;	   /* the library's, of an open hop (hop.h) */
	uint64_t user[3];	   /* the caller's; never read or written by the library */
};

#ifndef __cplusplus
_Static_assert(sizeof(struct hf_packet) == 64, "one cache line");
#endif

struct hf_packet_pool;

/*
 * Allocate `count` single-segment packets with `room` bytes each, on hugepages of the NUMA node
 * where the device's memory lies (`device` NULL: the caller's node), or on ordinary pages where
 * the pool is empty. Buffers are skewed so that equal offsets of neighbours do not share a cache
 * set. Any thread. NULL with errno set when memory lacks.
 */
HF_API struct hf_packet_pool *hf_packet_pool_create(const struct hf_device *device, size_t count,
						    size_t room);
/* Free a pool and all its packets. None may be in use. */
HF_API void hf_packet_pool_destroy(struct hf_packet_pool *pool);
/* The pool's packet number `index` (0 … count - 1). Any thread. */
HF_API struct hf_packet *hf_packet_pool_get(struct hf_packet_pool *pool, size_t index);
/* NUMA node the pool was placed on, or -1 where that is unknown. */
HF_API int hf_packet_pool_node(const struct hf_packet_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
