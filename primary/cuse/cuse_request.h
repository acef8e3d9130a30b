/* SPDX-License-Identifier: Apache-2.0 */
/* A device's requests, between the kernel and the session: private to cuse*.c. */
#ifndef PRIMARY_CUSE_REQUEST_H
#define PRIMARY_CUSE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cuse_look.h"
#include "cuse_wire.h"
#include "loop.h"

struct port;
struct session;

enum request_state {
	REQUEST_NONE,
	REQUEST_WAITING, /* for its turn */
	REQUEST_LOOKING, /* the memory it names is looked for */
	REQUEST_IN_HAND, /* its message is the session's */
	REQUEST_CLOSING, /* a release, whose session ends */
};

struct request {
	enum request_state state;
	bool interrupted; /* while it was looked for: the kernel says it once */
	uint32_t len;
	uint64_t unique; /* only grows: the lowest came first */
	uint8_t bytes[CUSE_REQUEST_BYTES];
};

struct cuse {
	struct port *port;
	struct loop_timer again;  /* look at what waits */
	struct loop_timer hold;	  /* the device is not listened to for a moment */
	struct loop_timer permit; /* the node's mode and owner, once more */
	uint32_t permits;
	struct cuse_look look;
	struct request requests[CUSE_REQUESTS];
};

static inline struct fuse_in_header request_header(const struct request *r)
{
	struct fuse_in_header header;

	memcpy(&header, r->bytes, sizeof(header));
	return header;
}

/* Its place, by which the journal and the session know it. */
static inline uint32_t request_number(const struct cuse *cuse, const struct request *r)
{
	return (uint32_t)(r - cuse->requests);
}

/* It was answered. */
void request_forget(struct cuse *cuse, struct request *r);
/* Answer without data, 0 or -errno, and forget it. */
void request_refuse(struct cuse *cuse, struct request *r, int error);
/* The session may have become free for a message. 0 or -ENOMEM. */
int cuse_wake(struct port *port);

#endif
