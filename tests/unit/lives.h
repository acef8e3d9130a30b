/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One life of a primary (primary_rig.h) with its journal and store, and the next one, which finds
 * the same descriptors. REQUIREs on the way: for use inside test functions.
 */
#ifndef TESTS_LIVES_H
#define TESTS_LIVES_H

#include "primary_rig.h"

/* Store, directory in it, journal: as a life begins. */
void lives_begin(struct primary *p);
void lives_end(struct primary *p);

/* Port "p" with a front-end in the middle of its life, written down; *ret_front is its end. */
struct port *lives_session(struct rig *rig, uint32_t nr_vrings, uint32_t queue_pairs,
			   int *ret_front);

/* The next life: nothing but what the dead one had stored. */
void lives_inherit(struct primary *heir, const struct primary *dead, struct conf *conf);
void lives_inherit_directory(struct primary *heir);
/* All of it, whatever it took over. */
void lives_forget(struct primary *heir);

#endif
