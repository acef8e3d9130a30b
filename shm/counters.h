/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of a vring: words of the lane, written by the one data thread that runs the vring,
 * read by anyone. Names that DPDK's vhost library has mean what they mean there; packet counters
 * count delivered packets. `X(id, name)`: the order is ABI; append only, before a minor version.
 * The first five are what every burst counts, the next eight sizes: a line of the lane each.
 *
 * Two kinds of refusal: a DROP reason costs one chain or packet, a BREAK reason costs the ring
 * until the front-end sets it up again.
 */
#ifndef SHM_COUNTERS_H
#define SHM_COUNTERS_H

#define HF_COUNTERS(X)                                                                             \
	X(BURSTS, "bursts")                                                                        \
	X(EMPTY_BURSTS, "empty_bursts")                                                            \
	X(GOOD_PACKETS, "good_packets")                                                            \
	X(GOOD_BYTES, "good_bytes")                                                                \
	X(GUEST_NOTIFICATIONS_SUPPRESSED, "guest_notifications_suppressed")                        \
	X(UNDERSIZE_PACKETS, "undersize_packets")                                                  \
	X(SIZE_64_PACKETS, "size_64_packets")                                                      \
	X(SIZE_65_127_PACKETS, "size_65_127_packets")                                              \
	X(SIZE_128_255_PACKETS, "size_128_255_packets")                                            \
	X(SIZE_256_511_PACKETS, "size_256_511_packets")                                            \
	X(SIZE_512_1023_PACKETS, "size_512_1023_packets")                                          \
	X(SIZE_1024_1518_PACKETS, "size_1024_1518_packets")                                        \
	X(SIZE_1519_MAX_PACKETS, "size_1519_max_packets")                                          \
	X(MULTICAST_PACKETS, "multicast_packets")                                                  \
	X(BROADCAST_PACKETS, "broadcast_packets")                                                  \
	X(GUEST_NOTIFICATIONS, "guest_notifications")                                              \
	X(GUEST_NOTIFICATIONS_ERROR, "guest_notifications_error")                                  \
	X(SOFTWARE_CSUM, "software_checksums")                                                     \
	X(SOFTWARE_GSO, "software_segmented_packets")                                              \
	/* enqueue: the packets stay the caller's, nothing is lost here */                         \
	X(NO_GUEST_BUFFER, "no_guest_buffer")                                                      \
	/* DROP reasons */                                                                         \
	X(DROP_DISABLED, "drop_ring_disabled")                                                     \
	X(DROP_TOO_BIG, "drop_too_big")                                                            \
	X(DROP_GUEST_BUFFER_SMALL, "drop_guest_buffer_small")                                      \
	X(DROP_BAD_METADATA, "drop_bad_metadata")                                                  \
	X(DROP_BAD_ADDRESS, "drop_bad_address")                                                    \
	X(DROP_BAD_NEXT, "drop_bad_next")                                                          \
	X(DROP_LOOP, "drop_descriptor_loop")                                                       \
	X(DROP_BAD_INDIRECT, "drop_bad_indirect")                                                  \
	X(DROP_BAD_DIRECTION, "drop_bad_direction")                                                \
	X(DROP_SHORT_CHAIN, "drop_short_chain")                                                    \
	X(DROP_BAD_HEADER, "drop_bad_header")                                                      \
	/* BREAK reasons */                                                                        \
	X(BREAK_AVAIL_IDX, "break_avail_index")                                                    \
	X(BREAK_BAD_HEAD, "break_bad_head")                                                        \
	X(BREAK_BAD_CHAIN, "break_bad_chain")                                                      \
	X(BREAK_MEMORY_GONE, "break_memory_gone")                                                  \
	/* a mistake of the switch: bursts on a vring that it held open (hf_hop_peek) */           \
	X(CALLS_WHILE_HELD, "calls_while_held")

enum hf_counter {
#define X(id, name) HF_COUNTER_##id,
	HF_COUNTERS(X)
#undef X
		HF_NR_COUNTERS
};

/* "good_packets", …; NULL past the end. */
const char *hf_shm_counter_name(unsigned int counter);

#endif
