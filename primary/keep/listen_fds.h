/* SPDX-License-Identifier: Apache-2.0 */
/* What who started us hands on: $LISTEN_FDS, by the names of $LISTEN_FDNAMES (sd_listen_fds(3)). */
#ifndef PRIMARY_LISTEN_FDS_H
#define PRIMARY_LISTEN_FDS_H

/* `take` is told each descriptor, which is its own from then on, until it says -errno. The
 * variables are gone afterwards. 0, -ENOMEM, or what `take` said. */
int listen_fds_take(int (*take)(void *context, const char *name, int fd), void *context);

#endif
