/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user messages of the front-end: sent one at a time, each answered. */
#ifndef BENCH_FRONT_MESSAGE_H
#define BENCH_FRONT_MESSAGE_H

#include <stdint.h>

/* Message numbers of the vhost-user specification. */
enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

#define FRONT_MESSAGE_VERSION 1u

struct front_message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t count, padding;
			uint64_t gpa, size, user, offset;
		} table;
	} body;
} __attribute__((packed));

/* All return 0, or -EPROTO after a line on standard error. */

/* As it is; `fd` -1: none. */
int front_send(int socket, struct front_message *message, int fd);
/* A request whose answer is its data: it comes back in *message. */
int front_ask(int socket, struct front_message *message);
/* A request whose answer is whether it was taken (REPLY_ACK), `size` bytes of body. */
int front_tell(int socket, struct front_message *message, uint32_t size, int fd);
int front_tell_u64(int socket, uint32_t request, uint64_t value, int fd);
int front_tell_state(int socket, uint32_t request, uint32_t index, uint32_t num);
/* Say what is wrong with `request`. */
int front_refuse(const char *what, uint32_t request);

#endif
