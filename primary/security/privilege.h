/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which user the primary is, and what of root's rights it keeps.
 *
 * Root is needed to become another user and to make the run directory, for nothing else. What is
 * kept are capabilities, in the ambient set too, so that the program of an upgrade has them: it is
 * executed as that user already.
 */
#ifndef PRIMARY_PRIVILEGE_H
#define PRIMARY_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

/* --user NAME[:GROUP] */
struct privilege_user {
	bool given;
	uid_t uid;
	gid_t gid;
	char name[64]; /* whose groups it gets besides; "": none */
};
/* 0; -EINVAL: no such user or group; -EPERM: one that stands for all whom the kernel cannot name.
 */
int privilege_find(struct privilege_user *user, const char *text);

/* Can this process become that user? 0 or -errno, said. */
int privilege_check(const struct privilege_user *user);
/* The run directory, for that user; `open`: others have to get there. 0 or -errno, said. */
int privilege_make_run_dir(const char *run_dir, bool open, const struct privilege_user *user);
/* Become that user, with the capabilities that the primary needs (`cuse`: for vhost-cuse, too) and
 * no more; from then on no program gives this process or a child any (no_new_privs). 0 or -errno,
 * said. */
int privilege_drop(const struct privilege_user *user, bool cuse);

/* For root, who stays root: what is opened between the two is opened with that user's rights, so
 * whatever it has put in the way leads nowhere that it could not go itself. */
void privilege_lend(const struct privilege_user *user);
void privilege_take_back(const struct privilege_user *user);

#endif
