/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line said: one struct, filled once, read-only afterwards. */
#ifndef PRIMARY_CONF_H
#define PRIMARY_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "allow.h"
#include "confine.h"
#include "privilege.h"

#define CONF_MAX_PORTS 64u
#define CONF_MAX_RUNS  8u
#define CONF_RUN_BYTES 1024u

struct conf_port {
	char name[64];
	char path[108]; /* empty: RUN_DIR/NAME.sock */
	bool client;
	bool cuse;  /* path: the device's name; empty: NAME */
	int device; /* of such: made already, as root; -1: not. cuse_port.c's */
	uint32_t queue_pairs;
};

struct conf {
	char run_dir[80];
	uint32_t max_devices;	    /* default 512 */
	uint32_t max_secondaries;   /* default 64 */
	uint64_t lane_bytes;	    /* default 2 MiB: 3639 vrings */
	uint64_t fence_deadline_ns; /* how long a burst may hold up a revocation; default 1 s */
	bool fence;		    /* kill a secondary that misses it; default true */
	uint64_t watchdog_ns; /* with --supervise: a primary that says nothing for so long hangs; 0:
			       * never. Default 30 s */
	uint64_t start_deadline_ns; /* with --supervise: one that is not ready within it hangs; 0:
				     * none. Default 120 s */
	uint64_t hang_limit_ns;	  /* who shows no life for so long hangs; 0: nobody. Default 2 s */
	uint32_t message_rate;	  /* messages a second of a port; 0: as many as come. Default 500 */
	uint32_t message_burst;	  /* and so many at once; default 16,384 */
	uint32_t connection_rate; /* a second, of a user to attach or control; 0: no limit. 50 */
	uint32_t connection_burst;  /* and so many at once; default 500 */
	uint64_t greet_deadline_ns; /* for a front-end's first message; 0: none. Default 30 s */
	bool huge_pages;	    /* default true */
	mode_t attach_mode;	    /* of their sockets; default 0600, 0666 with rules */
	mode_t control_mode;
	mode_t port_mode; /* of port sockets and devices, which QEMU opens; default 0600 */
	uid_t cuse_owner; /* of devices; -1: who made them */
	gid_t cuse_group;
	gid_t socket_group; /* of the attach and the control socket; 0: as it comes */
	gid_t port_group;   /* of port sockets */
	struct allow_rules attach_rules, control_rules; /* of users that are not ours */
	struct privilege_user user;			/* to become */
	enum confine_mode seccomp;
	bool cuse; /* vhost-cuse ports are wanted: keep what they need */
	int log_level;
	bool asked_abi;				/* --abi, which main answers */
	struct conf_port ports[CONF_MAX_PORTS]; /* created at start */
	size_t nr_ports;
	char **argv; /* all of it; main's */
	bool supervise;
	char runs[CONF_MAX_RUNS][CONF_RUN_BYTES]; /* commands, for the supervisor */
	size_t nr_runs;
};

/* Has somebody else than our user to get into the run directory? */
bool conf_is_open(const struct conf *conf);
/* 0: run; > 0: help or version was printed, exit with 0; -EINVAL: one line was printed, exit 2. */
int conf_parse(struct conf *conf, int argc, char **argv);

#endif
