/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch: ports, workers, and what they share. Everything here is for the control thread.
 *
 * Queues that are turned on or off are so for the workers with the next vswitch_commit(); on its
 * return no worker uses one that is off. A port is gone on return from vswitch_remove_port(); the
 * switch may rest from then until the next vswitch_commit().
 */
#ifndef VSWITCH_SWITCH_H
#define VSWITCH_SWITCH_H

#include <stdio.h>

#include "fdb.h"
#include "knowledge.h"
#include "port.h"
#include "quiesce.h"
#include "worker.h"

struct vswitch {
	struct fdb *fdb;
	struct knowledge *knowledge; /* where the fdb lies; NULL: in memory of its own */
	struct worker_stats *stats;  /* one set per worker */
	struct left_ring *rings;     /* nr_workers * nr_workers, [producer][consumer] */
	struct worker *workers;
	unsigned nr_workers;
	unsigned nr_running;
	struct quiesce quiesce;
	struct port *ports[MAX_PORTS];
	uint32_t next_serial;
	bool changed;	   /* the table says less or more than the ports */
	bool resting;	   /* the workers have an empty table */
	unsigned removals; /* of ports, since the last commit */
};

struct vswitch_config {
	unsigned nr_workers;
	const int *cores; /* nr_workers of them, or NULL */
	enum worker_mode mode;
	uint32_t ageing; /* seconds */
	void *memory;	 /* zeroed, knowledge_bytes(), for successors to read; or NULL */
};

/* Create the switch and start its workers, without ports. 0, or -errno with a line said. */
int vswitch_start(const struct vswitch_config *config, struct vswitch **ret_sw);
/* Stop the workers and close the uplinks: on return nothing uses config.memory but calls on the
 * ports that are left. */
void vswitch_halt(struct vswitch *sw);
/* Halt, close the ports that are left, free everything. */
void vswitch_stop(struct vswitch *sw);

/* Add a port with all its queues off. NULL: MAX_PORTS are in use, or no memory. */
struct port *vswitch_add_port(struct vswitch *sw, const struct port_ops *ops, void *backend,
			      const char *name);
/* Take a port away, forget its stations, close and free it. */
void vswitch_remove_port(struct vswitch *sw, struct port *port);

/* Turn a queue (numbered as vrings) on or off. `wait_fd`: of a receive queue that is turned on,
 * readable when packets wait; -1: it must be polled. The descriptor stays the caller's. */
void vswitch_queue_on(struct vswitch *sw, struct port *port, uint16_t queue, int wait_fd);
void vswitch_queue_off(struct vswitch *sw, struct port *port, uint16_t queue);
/* Let the workers have what was changed. */
void vswitch_commit(struct vswitch *sw);
/* The same; and on return they have passed on everything they had received before. */
void vswitch_flush(struct vswitch *sw);

/* The switch `peer` ran devices until now that are ours, and left `memory`. */
void vswitch_adopt(struct vswitch *sw, const char *peer, const void *memory, size_t bytes);
/* Free the room of stations that have not been heard for too long. */
void vswitch_age(struct vswitch *sw);
void vswitch_print_stats(const struct vswitch *sw, FILE *out);

#endif
