/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reason why a front-end's, a secondary's or a control client's input is refused: one
 * counter each, shown by `holdfast stats`. `X(id, name)`. A refusal without a reason does not
 * exist: who refuses names it, by session_refuse, attach_refuse or refusal_count.
 */
#ifndef PRIMARY_REFUSAL_H
#define PRIMARY_REFUSAL_H

#include <stdint.h>

#define REFUSALS(X)                                                                                \
	/* step 1: bytes → raw */                                                                \
	X(HEADER_VERSION, "header_version")                                                        \
	X(HEADER_FLAGS, "header_flags")                                                            \
	X(PAYLOAD_TOO_LARGE, "payload_too_large")                                                  \
	X(FDS_LOST, "descriptors_lost")                                                            \
	X(TOO_MANY_FDS, "too_many_descriptors")                                                    \
	X(MESSAGE_TIMEOUT, "message_timeout")                                                      \
	X(CUT_OFF, "cut_off_in_message")                                                           \
	X(REPLY_TIMEOUT, "peer_does_not_read")                                                     \
	/* step 2: raw → checked */                                                              \
	X(UNKNOWN_REQUEST, "unknown_request")                                                      \
	X(UNSUPPORTED_REQUEST, "unsupported_request")                                              \
	X(PAYLOAD_SIZE, "payload_size")                                                            \
	X(FD_COUNT, "descriptor_count")                                                            \
	X(NOT_NEGOTIATED, "feature_not_negotiated")                                                \
	X(NO_OWNER, "before_set_owner")                                                            \
	X(VRING_INDEX, "vring_index")                                                              \
	X(VRING_STATE, "vring_state")                                                              \
	X(PAYLOAD_VALUE, "payload_value")                                                          \
	X(UNSUPPORTED_FEATURE, "unsupported_feature")                                              \
	/* step 3: checked → draft */                                                            \
	X(REGION_RANGE, "region_range")                                                            \
	X(REGION_OVERLAP, "region_overlap")                                                        \
	X(REGION_TABLE_FULL, "region_table_full")                                                  \
	X(REGION_UNKNOWN, "region_unknown")                                                        \
	X(REGION_FILE, "region_file")                                                              \
	X(REGION_MAP, "region_map")                                                                \
	X(RING_ADDRESS, "ring_address")                                                            \
	X(RING_ALIGNMENT, "ring_alignment")                                                        \
	X(RING_SIZE, "ring_size")                                                                  \
	X(EVENT_FD, "not_an_eventfd")                                                              \
	X(FOREIGN_FD, "descriptors_that_hang")                                                     \
	X(NO_RESOURCES, "no_resources")                                                            \
	X(SECOND_CLIENT, "second_client")                                                          \
	X(GREET_DEADLINE, "greet_deadline")                                                        \
	/* not refused, but made to wait: its allowance is spent */                                \
	X(THROTTLED, "messages_throttled")                                                         \
	/* a ring that ends whoever runs it: granted to nobody (blame.h) */                        \
	X(ENDS_OWNERS, "rings_that_end_their_owners")                                              \
	/* vhost-cuse: what a socket would have brought along */                                   \
	X(CALLER, "caller_unknown")                                                                \
	X(NOT_THE_OWNER, "not_the_owner")                                                          \
	X(MEMORY_PRIVATE, "memory_private")                                                        \
	X(MEMORY_HIDDEN, "memory_not_accessible")                                                  \
	X(RACED, "changed_between_phases")                                                         \
	X(LOOK_DEADLINE, "memory_look_deadline")                                                   \
	X(LOOKS_BUSY, "memory_looks_busy")                                                         \
	/* attach and control sockets */                                                           \
	X(CONNECTION_RATE, "connections_beyond_allowance")                                         \
	X(ATTACH_PEER, "attach_peer_not_allowed")                                                  \
	X(ATTACH_RIGHTS, "attach_beyond_rule")                                                     \
	X(ATTACH_VERSION, "attach_version")                                                        \
	X(ATTACH_MESSAGE, "attach_bad_message")                                                    \
	X(ATTACH_NAME, "attach_name_taken")                                                        \
	X(ATTACH_FULL, "attach_table_full")                                                        \
	X(ATTACH_SLOW, "attach_peer_does_not_read")                                                \
	X(ATTACH_UNPAID, "attach_beyond_allowance")                                                \
	X(CONTROL_PEER, "control_peer_not_allowed")                                                \
	X(CONTROL_RIGHTS, "control_beyond_rule")                                                   \
	X(CONTROL_MESSAGE, "control_bad_message")                                                  \
	X(CONTROL_SLOW, "control_peer_does_not_read")                                              \
	X(LANE_LIES, "lane_out_of_range")

enum refusal {
#define X(id, name) REFUSED_##id,
	REFUSALS(X)
#undef X
		NR_REFUSALS
};

struct primary;

const char *refusal_name(enum refusal reason);
/* What the other side should do instead: the end of a log line. */
const char *refusal_remedy(enum refusal reason);
/* Count it. The caller answers the peer and logs through its limiter. */
void refusal_count(struct primary *primary, enum refusal reason);

#endif
