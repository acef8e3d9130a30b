/* SPDX-License-Identifier: Apache-2.0 */
/* A grant that its owner cannot use. */
#ifndef PRIMARY_REFUSED_H
#define PRIMARY_REFUSED_H

#include <stdint.h>

struct secondary;
struct vring;

/*
 * The owner says that it cannot run the vring it was given by `grant`: it is taken back. For want
 * of memory, descriptors or a map, it is offered again in a moment; else not before the front-end
 * sets it up anew. 0, also when the grant is another one by now; -EPROTO: a burst runs on it all
 * the same.
 */
int grant_refused(struct secondary *secondary, struct vring *vring, uint64_t grant, int error);

#endif
