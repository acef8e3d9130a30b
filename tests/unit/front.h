/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a session in a unit test: one primary without secondaries (fake_grants.h), one
 * loop that is turned by hand, and a front-end that may send anything.
 */
#ifndef TESTS_FRONT_H
#define TESTS_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "port.h"
#include "primary.h"
#include "vu_wire.h"

#define FRONT_MEMORY (1u << 20)
#define FRONT_USER   0x7f0000000000ull /* the front-end's address of guest address 0 */
#define FRONT_SIZE   256u	       /* ring entries */

struct front {
	int socket;
	int memory;	      /* memfd, FRONT_MEMORY bytes */
	uint8_t *guest;	      /* it, mapped */
	int kick[4], call[4]; /* front-end's own ends */
};

extern struct primary primary;
extern struct conf front_conf; /* its; front_begin sets all of it */

/* A primary with one listening port "p". `queue_pairs` 2. */
void front_begin(void);
/* Everything is taken down; no descriptor may be left over. */
void front_end(void);
struct port *front_port(void);
/* Turn the loop until nothing moves. */
void front_turn(void);
/* Turn it for so long. */
void front_wait(unsigned int ms);

void front_connect(struct front *front);
void front_close(struct front *front);

/* Send raw bytes; descriptors stay the caller's. */
void front_send_bytes(struct front *front, const void *bytes, size_t size, const int *fds,
		      unsigned int nr_fds);
void front_send(struct front *front, uint32_t request, uint32_t flags, const void *payload,
		uint32_t size, const int *fds, unsigned int nr_fds);
void front_u64(struct front *front, uint32_t request, uint64_t value);
void front_state(struct front *front, uint32_t request, uint32_t index, uint32_t num);
void front_vring_fd(struct front *front, uint32_t request, uint32_t index, int fd);

/* Turn, then a reply's payload into `payload`. Its size; -1: none came; -2: closed by us. */
int front_reply(struct front *front, uint32_t request, void *payload, uint32_t room);
/* Of a reply with a u64; UINT64_MAX - 1 when there is none. */
uint64_t front_reply_u64(struct front *front, uint32_t request);
/* Send with NEED_REPLY. 0 accepted, 1 refused, -1 no answer, -2 closed. */
int front_ask(struct front *front, uint32_t request, const void *payload, uint32_t size,
	      const int *fds, unsigned int nr_fds);
bool front_is_closed(struct front *front);

/* Parts of a good set-up. Ring i lies at 0x10000 * i + {0x1000, 0x3000, 0x4000}. */
void front_greet(struct front *front, uint64_t features);
void front_memory(struct front *front);
struct vu_vring_addr front_addr(uint32_t index);
void front_ring(struct front *front, uint32_t index);
void front_setup(struct front *front); /* all of it, rings 0 and 1, enabled, not kicked */
void front_kick(struct front *front, uint32_t index);
/* Words of ring `index` in guest memory. */
uint16_t *front_avail_idx(struct front *front, uint32_t index);
uint16_t *front_used(struct front *front, uint32_t index); /* [0] flags, [1] idx */
uint16_t *front_avail_event(struct front *front, uint32_t index);

#endif
