/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ioctl of vhost or vhost-net → the raw message that says the same in vhost-user, and the answer
 * back. One row of a table each (cuse_ioctl.c).
 */
#ifndef PRIMARY_CUSE_IOCTL_H
#define PRIMARY_CUSE_IOCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cuse_caller.h"
#include "cuse_look.h"
#include "cuse_wire.h"
#include "vu_table.h"

struct session;

/* A request, whole: its length and the lengths in it were compared. */
struct cuse_call {
	uint32_t thread;
	struct fuse_ioctl_in in;
	const uint8_t *data; /* in.in_size bytes */
};

enum cuse_step {
	CUSE_STEP_REFUSE, /* `error` */
	CUSE_STEP_RETRY,  /* once more, with `in_bytes` from arg, and room for `out_bytes` there */
	CUSE_STEP_ANSWER, /* without the session: `value`, in_size bytes were nothing to do for */
	CUSE_STEP_HANDLE, /* session->raw has the message: session_handle with `rule` */
	CUSE_STEP_LOOK,	  /* for the memory of `caller`, taken; then cuse_ioctl_looked */
};

struct cuse_next {
	enum cuse_step step;
	int error; /* -errno */
	uint32_t in_bytes, out_bytes;
	uint64_t value;
	const struct vu_rule *rule;
	struct cuse_caller caller;
};

/* What is to be done about it. Counts and logs what it refuses. */
void cuse_ioctl_begin(struct session *session, const struct cuse_call *call,
		      struct cuse_next *ret_next);
/* The look is over, and was not hurried; its descriptors are taken. */
void cuse_ioctl_looked(struct session *session, const struct cuse_call *call,
		       const struct cuse_look *look, int error, const int *fds,
		       struct cuse_next *ret_next);
/* The bytes that the caller gets for session->reply, or -errno. `bytes` has room for 8. */
int cuse_ioctl_answer(struct session *session, uint32_t cmd, void *bytes);

#endif
