/* SPDX-License-Identifier: Apache-2.0 */
/* A port: the configured place of one device. */
#ifndef PRIMARY_PORT_H
#define PRIMARY_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device.h"
#include "foreign.h"
#include "log.h"
#include "loop.h"
#include "rate.h"

struct cuse;
struct door;
struct primary;
struct session;

/* What a message with foreign descriptors costs of port->foreigners. */
#define FOREIGNER_NS (250 * NS_PER_MS)

struct port {
	struct primary *primary;
	char name[64];
	char path[108];
	bool client;
	const struct door *door;
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

	struct rate messages;	 /* that its front-end sends; allowance.c */
	struct rate revocations; /* that they cause; session_pause.c */
	struct rate firsts;	 /* connections that become sessions */
	struct rate seconds;	 /* second clients */
	struct rate foreigners;	 /* messages with descriptors that may hang who closes them */
	struct foreign foreign;	 /* what became of those */
	struct port *next_left;	 /* ports.c: removed, while they hang */
	struct rate events;	 /* that its front-end causes; event.c */
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

/* By name; not those that are being removed. */
struct port *port_find(const struct primary *primary, const char *name);

/* virtio feature bits offered to a front-end of this port now, bit 30 included. */
uint64_t port_offered_features(const struct port *port);
/* All the bits this primary implements. */
uint64_t port_supported_features(void);

#endif
