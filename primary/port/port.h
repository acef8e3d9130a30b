/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: the configured place of one device. Server mode listens on the socket; client mode
 * connects, and tries again forever with back-off (100 ms … 2 s). At most one session at a time;
 * a second client is refused at once, the first one is not disturbed.
 */
#ifndef PRIMARY_PORT_H
#define PRIMARY_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device.h"
#include "foreign.h"
#include "grant.h"
#include "log.h"
#include "loop.h"
#include "rate.h"

struct cuse;
struct primary;
struct session;
struct journal_port;

/* What a message with foreign descriptors costs of port->foreigners. */
#define FOREIGNER_NS (250 * NS_PER_MS)

struct port {
	struct primary *primary;
	char name[64];
	char path[108];
	bool client;
	struct cuse *cuse; /* a character device, path; NULL: a socket */
	uint32_t queue_pairs;
	uint64_t features_disabled; /* by `feature disable PORT` */

	int listener;	  /* server mode; -1 else; of a device, its descriptor */
	dev_t socket_dev; /* of the file that we bound: who replaced it keeps theirs */
	ino_t socket_ino;
	uint32_t listener_stored; /* its number in the store */
	struct loop_source listener_source;
	struct loop_timer retry; /* connect again; accept again after a lack of descriptors */
	uint64_t backoff_ns;

	struct session *session; /* NULL: no front-end */
	struct device device;
	bool draft_behind; /* resume.c: secondaries were told more than it says */
	bool removing;	   /* freed when its session's last revocation is done; keeps its slot in
			    * primary->ports until then, but port_find does not find it */

	struct rate messages;	/* that its front-end sends; allowance.c */
	struct rate seconds;	/* second clients */
	struct rate foreigners; /* messages with descriptors that may hang who closes them */
	struct foreign foreign; /* what became of those */
	struct rate events;	/* that its front-end causes; event.c */
	uint32_t events_left_out;

	/* Of the last session that was ready here: 0, none was. */
	uint64_t last_features, last_session;

	struct hf_log_limit log_limit;
	uint64_t sessions; /* that were ever opened */
	uint64_t refused_messages;
	pid_t peer_pid;
	uint64_t opening; /* of a device: the request that its session began with */
	char last_error[128];
};

/*
 * Create and start a port. `path` NULL or "": RUN_DIR/NAME.sock. *ret_reason (a static or
 * port-owned line that ends with the remedy) when it fails. 0; -EINVAL name or path; -EEXIST;
 * -ENOSPC: all device slots taken; -EADDRINUSE: a live process listens there; -errno of the socket.
 */
int port_add(struct primary *primary, const char *name, const char *path, bool client,
	     uint32_t queue_pairs, const char **ret_reason);
/* The same with a character device /dev/DEVICE (NULL or "": NAME) in place of a socket. One queue
 * pair: 0 or 1. -EOPNOTSUPP: not in this build; -ENOENT: the kernel has none. */
int port_add_cuse(struct primary *primary, const char *name, const char *device,
		  uint32_t queue_pairs, const char **ret_reason);
/* The device was cut off. */
void port_listener_lost(struct port *port, const char *why);
/* A port that an earlier life had (resume.c): its record taken over, the rest is the caller's; then
 * port_go_on. NULL: no memory. */
struct port *port_adopt(struct primary *primary, uint32_t slot, const struct journal_port *record);
void port_go_on(struct port *port);
/* What their sessions waited for is in the store. */
void port_stored_all(struct primary *primary);
/* Remove: the session ends, vrings are revoked first; port_find does not find it any more, and it
 * is freed when that is done (at once without a session). 0 or -ENOENT. */
int port_del(struct primary *primary, const char *name);
/* The same, of one that its name does not find: another may have it by now. */
void port_stop(struct port *port, const char *why);
/* By name; not those that are being removed. */
struct port *port_find(const struct primary *primary, const char *name);
/* Orderly end: no new sessions, the present ones are ended (revoked first). */
void port_stop_all(struct primary *primary);
/* Is no session left? */
bool port_all_idle(const struct primary *primary);
/* Is no session in the middle of a message? */
bool port_all_at_rest(const struct primary *primary);
/* All ports at once, at the end of the primary's life: sockets removed, nothing waits. */
void port_destroy_all(struct primary *primary);

/* virtio feature bits offered to a front-end of this port now, bit 30 included. */
uint64_t port_offered_features(const struct port *port);
/* All the bits this primary implements. */
uint64_t port_supported_features(void);

/* session.c tells: the connection is over and everything is revoked; accept or connect again. */
void port_session_ended(struct port *port);

#endif
