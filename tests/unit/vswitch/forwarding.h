/* SPDX-License-Identifier: Apache-2.0 */
/* Workers between ports that are fakes (fake.h), with all that they share. */
#ifndef TESTS_FORWARDING_H
#define TESTS_FORWARDING_H

#include <stdint.h>

#include "deliver.h"
#include "fake.h"
#include "forward.h"

#define PORTS  5u
#define NOBODY 99u

extern struct fake fakes[PORTS];
extern struct port *ports[MAX_PORTS];
extern struct table *table;
extern struct fdb *fdb;
extern struct worker_stats *stats;
extern struct left_ring *rings;
extern struct forward workers[2];
extern struct fake_frame frames[256];
extern struct hf_packet *burst[256];

void rebuild(unsigned nr_workers);
void stop(void);
/* `nr_ports` ports with `pairs` transmit queues each. */
void start(unsigned nr_workers, unsigned nr_ports, unsigned pairs);
/* Frame number i goes from station `from` to station `to`. */
void frame(unsigned i, unsigned to, unsigned from);
void forward(unsigned worker, unsigned ingress, unsigned nr);
uint64_t count_of(const counter *c);
/* Station i is on port i. */
void learn_all(unsigned nr);

#endif
