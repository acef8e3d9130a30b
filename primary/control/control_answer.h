/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer in progress. A request is answered by calling its step function for one Response after
 * the other, each when the client has taken the one before: an answer of any length costs one
 * packet of memory, and a client that does not read costs nothing more.
 */
#ifndef PRIMARY_CONTROL_ANSWER_H
#define PRIMARY_CONTROL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.pb-c.h"
#include "handover.h"
#include "upgrade.h"

struct primary;
struct port;
struct vring;

/* Room for the largest Response's parts; every step bounds what it takes by constants. */
#define ANSWER_ARENA_BYTES ((size_t)256 * 1024)

struct answer {
	struct primary *primary;
	const Holdfast__Control__Request *request;
	bool by_rule;	/* who asks may not all: a rule let it in */
	uint8_t *arena; /* of the control socket, reset for every Response */
	size_t arena_used;

	/* Where the answer is; what the numbers mean is the step's own. */
	uint32_t phase;
	uint32_t port;
	uint32_t item;
	uint32_t part;
	uint64_t number;
	uint64_t session; /* of the device being shown: when it changes, the answer ends */

	/* control_handover.c, control_upgrade.c: what the answer waits for, and whom to tell that
	 * it is there. */
	struct handover_waiter waiter;
	struct handover_result result;
	struct upgrade_waiter upgrade;
	int error;
	const char *reason;
	void (*wake)(struct answer *answer);
};

/*
 * Fill one Response. `response->more` set: call again. 0; -errno with a static response->reason
 * that ends with the remedy; ANSWER_WAIT: nothing to say now, call again after the next event, or
 * after answer->wake.
 */
#define ANSWER_WAIT 1
typedef int control_step(struct answer *answer, Holdfast__Control__Response *response);

/* Zeroed memory until the Response is packed. */
void *answer_alloc(struct answer *answer, size_t count, size_t size);
char *answer_text(struct answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The messages copy nothing that outlives the packing, so const strings go in as they are. */
char *answer_borrow(const char *text);
int answer_refuse(Holdfast__Control__Response *response, int error, const char *reason);

control_step control_port_add, control_port_del, control_port_list, control_port_show;
control_step control_secondary_list, control_feature, control_stats, control_events;
control_step control_health, control_handover, control_upgrade, control_upgrade_status;

extern const char control_no_port[];

/* control_ring.c: the vring as guest memory and lane have it now. */
void control_fill_vring(Holdfast__Control__Vring *to, const struct vring *vring);
/* Descriptors [first, first + at most a packet's worth); 0 when there are no more. */
uint32_t control_fill_descriptors(struct answer *answer, Holdfast__Control__Vring *to,
				  const struct vring *vring, uint32_t first);

#endif
