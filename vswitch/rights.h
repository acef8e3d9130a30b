/* SPDX-License-Identifier: Apache-2.0 */
/* Root's rights are for opening uplinks; packets need none. */
#ifndef VSWITCH_RIGHTS_H
#define VSWITCH_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RIGHTS_GROUPS 64

/* --user NAME[:GROUP] */
struct rights {
	bool given;
	uid_t uid;
	gid_t gid;
	gid_t groups[RIGHTS_GROUPS];
	size_t nr_groups;
};

/* 0; -EINVAL: no such user or group; -E2BIG: in too many groups. */
int rights_find(struct rights *rights, const char *text);

/* Before there are threads: no program that this process or a child executes gets more rights. */
void rights_gain_none(void);
/* All threads become that user, and lose every capability. No-op without one. 0 or -errno. */
int rights_give_up(const struct rights *rights);
/* The same for a task that is alone, by raw system calls. False: it failed. */
bool rights_give_up_alone(const struct rights *rights);

#endif
