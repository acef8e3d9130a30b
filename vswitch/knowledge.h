/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a switch knows, where a successor can find it: the names of its ports and its stations, in
 * memory that the library keeps for whoever comes next (hf_service_set_state).
 *
 * The switch works on that memory itself: there is nothing to save, and nothing is lost when it is
 * killed.
 */
#ifndef VSWITCH_KNOWLEDGE_H
#define VSWITCH_KNOWLEDGE_H

#include <stddef.h>
#include <stdint.h>

#include "fdb.h"

struct port;
struct knowledge;

/* Bytes that it takes. */
size_t knowledge_bytes(void);
/* Begin in zeroed memory of that size. */
struct knowledge *knowledge_begin(void *memory);
/* Where the stations lie: FDB_BYTES of STATION_BUCKETS. */
void *knowledge_stations(struct knowledge *knowledge);
/* A port came, or goes. No-op when `knowledge` is NULL. */
void knowledge_add_port(struct knowledge *knowledge, const struct port *port);
void knowledge_remove_port(struct knowledge *knowledge, const struct port *port);

/*
 * Learn what another switch knew, from `memory` that it may have left half-written, may still be
 * writing to, and may have filled with anything: the stations behind ports of names that we have
 * too. `ports` [MAX_PORTS] are ours. How many were new to us.
 */
unsigned knowledge_adopt(struct fdb *fdb, struct port *const *ports, const void *memory,
			 size_t bytes, uint32_t now);

#endif
