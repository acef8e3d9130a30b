/* SPDX-License-Identifier: Apache-2.0 */
/* A look for the files behind a caller's memory, which nobody waits for but who asked. */
#ifndef PRIMARY_CUSE_LOOK_H
#define PRIMARY_CUSE_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cuse_memory.h"
#include "loop.h"
#include "vu_msg.h"

struct port;
struct primary;

/* At once, of all devices; a device has one. */
#define CUSE_LOOKS	     8u
#define CUSE_LOOKS_OF_A_USER (CUSE_LOOKS / 2)

enum cuse_look_state {
	CUSE_LOOK_NONE,
	CUSE_LOOK_IN_LINE, /* for a place */
	CUSE_LOOK_RUNS,	   /* a process looks */
};

struct cuse_look {
	struct port *port;
	/* It is over: 0, `regions` have offsets, and `fds` a descriptor for each, the callee's;
	 * -EPROTO: `fault`; -EINTR: it was hurried. Not told of one that was dropped. */
	void (*done)(struct cuse_look *look, int error, int *fds);

	enum cuse_look_state state;
	struct cuse_look *next; /* in line, or of those that run */
	struct cuse_caller caller;
	uid_t user; /* of who asks */
	struct vu_region regions[VU_RAW_REGIONS];
	uint32_t count;
	struct cuse_memory_fault fault;

	int pidfd, socket;
	struct loop_source answer;
	struct loop_timer deadline; /* of what it waits for; in line also: it is its turn */
	uint64_t turn_by_ns;	    /* in line: it is refused */
	uint64_t since_ns;	    /* it runs */
	bool hurried, said;
};

void cuse_look_init(struct cuse_look *look, struct port *port,
		    void (*done)(struct cuse_look *look, int error, int *fds));
/* For the first `count` of look->regions, which are not empty and do not wrap. 0: the caller is
 * taken, and `done` is called later on; -EPROTO: look->fault. */
int cuse_look_begin(struct cuse_look *look, struct cuse_caller *caller, uid_t user, uint32_t count);
/* Who asked would rather not wait: it has a moment left. May call `done`. */
void cuse_look_hurry(struct cuse_look *look);
/* Nobody wants to know it any more. The process' end is waited for until then at most; 0: it is
 * not. No-op when there is none. */
void cuse_look_drop(struct cuse_look *look, uint64_t until_ns);
/* It is going to be dropped: with others, so that one wait is enough for all of them. */
void cuse_look_kill(struct cuse_look *look);
/* How long until any port may look: so that beginning and hearing has not more than a third of the
 * loop's time. */
uint64_t cuse_look_wait_ns(const struct primary *primary);

#endif
