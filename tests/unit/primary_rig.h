/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A primary without sockets to the outside: loop, directory, tables, and drafts that are filled by
 * hand as a session would. Secondaries are made as the attach socket would, their ends of the
 * sockets are the test's. REQUIREs on the way: for use inside test functions.
 */
#ifndef TESTS_PRIMARY_RIG_H
#define TESTS_PRIMARY_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "attach.pb-c.h"
#include "conf.h"
#include "event.h"
#include "frame.h"
#include "grant.h"
#include "loop.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"

#define RIG_PORTS	16u
#define RIG_SECONDARIES 8u
#define RIG_RING_SIZE	256u
#define RIG_MEMORY	(1u << 20) /* of one device, one region at guest address 0 */

struct rig {
	struct conf conf;
	struct primary primary;
	char dir[64];
	/* rig_until */
	struct loop_timer timer;
	bool (*condition)(void *context);
	void *context;
	uint64_t give_up_ns;
	unsigned int looks_left;
	bool met;
};

void rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* Run the loop until `condition` holds, at most `ms`; does it hold? NULL: just run that long. In
 * either case it comes round more than `ms` times: time that the processor was somebody else's
 * keeps nothing from being handled. */
bool rig_until(struct rig *rig, bool (*condition)(void *context), void *context, unsigned int ms);
/* Run it until that child has ended, and bury it: its status as of waitpid(2). -1: it had to be
 * killed. */
int rig_until_ended(struct rig *rig, pid_t pid);

/* A port with a front-end: memory, and `nr_vrings` vrings that are set up and started. */
struct port *rig_port(struct rig *rig, const char *name, uint32_t nr_vrings);
/* Take the port away as the end of its session does: everything revoked before. */
void rig_port_free(struct rig *rig, struct port *port);
/* [gpa, gpa + len) of the guest's memory, mapped; NULL: not in its one region. */
void *rig_guest(const struct device *device, uint64_t gpa, uint64_t len);
/* used->idx of a vring in the guest's memory. */
uint16_t *rig_used_idx(const struct vring *vring);

/* A secondary whose process is ours; *ret_socket is its end, blocking with a time limit. */
struct secondary *rig_secondary(struct rig *rig, const char *name, Holdfast__Attach__Role role,
				const char *glob, int *ret_socket);
/* As it stands in the directory now. */
uint64_t rig_grant_word(const struct vring *vring);
struct hf_lane_vring *rig_lane(const struct vring *vring);

/* How many events of this kind there were; the last of them, if asked. */
unsigned int rig_events(const struct rig *rig, Holdfast__Control__EventKind kind,
			const struct event **ret_last);

/* The next message on a secondary's socket; NULL: none came in time, or it was closed. Free with
 * rig_message_free. The descriptors are closed, their number is in *ret_fds. */
Holdfast__Attach__ToSecondary *rig_message(int socket, size_t *ret_fds);
void rig_message_free(Holdfast__Attach__ToSecondary *message);
/* The next message is of this kind, with so many descriptors: checked. Free it; or it is. */
Holdfast__Attach__ToSecondary *rig_expect(int socket, Holdfast__Attach__ToSecondary__BodyCase body,
					  size_t nr_fds);
void rig_expect_only(int socket, Holdfast__Attach__ToSecondary__BodyCase body, size_t nr_fds);
/* Read up to the first of this kind, and that one; how many came before it. */
size_t rig_skip_to(int socket, Holdfast__Attach__ToSecondary__BodyCase body);
/* Is there one now? */
bool rig_has_message(int socket);
/* Throw away what is there. */
void rig_drain(int socket);

#endif
