/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second door: a character device /dev/NAME that takes the ioctls of the kernel's vhost-net.
 * What they say goes the way of a vhost-user message (docs/cuse.md).
 *
 * A port has one of its own: its `listener` is the device's descriptor. In a build without it
 * (meson: cuse) there is cuse_absent.c.
 */
#ifndef PRIMARY_CUSE_H
#define PRIMARY_CUSE_H

#include <stdbool.h>
#include <stdint.h>

struct conf;
struct port;
struct primary;

/* As port_add with a character device /dev/DEVICE (NULL or "": NAME) in place of a socket. One
 * queue pair: 0 or 1. -EOPNOTSUPP: not in this build; -ENOENT: the kernel has none. */
int port_add_cuse(struct primary *primary, const char *name, const char *device,
		  uint32_t queue_pairs, const char **ret_reason);
/* Make what conf->ports names, while we may; cuse_open takes it from there. `again`: an earlier
 * life may have made it. 0 or -errno, said. */
int cuse_make_early(struct conf *conf, bool again);
/* Give up what it has made for ports that are not there. */
void cuse_drop_early(struct primary *primary);

/* Looks at callers' memory that are under way are given up, to be begun again, by us or by the
 * program that we become: it would know nothing of the processes. */
void cuse_rest(struct primary *primary);
/* Requests that an earlier life has left: before any device is read. */
void cuse_restore(struct port *port);

#endif
