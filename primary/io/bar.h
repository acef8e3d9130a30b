/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users who may not connect to a local socket: the kernel refuses them its file (EACCES), by the
 * file's access list. They cost us nothing then, and take nobody's place in the queue; who has to
 * wait for a place is asked again as well.
 *
 * The list only takes away: what the mode says holds for all others, and goes on to be what stat(2)
 * shows. An administrator's own list stays as it is: entries of ours are put between its, and taken
 * out again, known by what they are (--x, which nobody else gives for a socket). The file's owner,
 * root, and whom that list names cannot be barred.
 */
#ifndef PRIMARY_BAR_H
#define PRIMARY_BAR_H

#include <stddef.h>
#include <sys/types.h>

#define BAR_MOST 64u

/* These, and no others (0: nobody). At most BAR_MOST. 0; -EOPNOTSUPP: no access lists in this file
 * system; -EINVAL: one of them is no user in our user namespace; -errno. When it fails all is as it
 * was. */
int bar_users(const char *path, const uid_t *users, size_t n);

#endif
