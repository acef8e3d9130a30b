/* SPDX-License-Identifier: Apache-2.0 */
#include "rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int parse_id(const char *text, unsigned int *ret_id)
{
	unsigned long number;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || number >= UINT32_MAX)
		return -EINVAL;
	*ret_id = (unsigned int)number;
	return 0;
}

static int find_group(struct rights *rights, const char *name)
{
	const struct group *group = getgrnam(name);

	if (!group)
		return parse_id(name, &rights->gid);
	rights->gid = group->gr_gid;
	return 0;
}

int rights_find(struct rights *rights, const char *text)
{
	char name[64];
	const char *group = strchr(text, ':');
	size_t len = group ? (size_t)(group - text) : strlen(text);
	const struct passwd *user;
	int count = RIGHTS_GROUPS;

	if (!len || len >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, len);
	name[len] = '\0';
	*rights = (struct rights){0};
	user = getpwnam(name);
	if (!user && parse_id(name, &rights->uid) == 0)
		user = getpwuid(rights->uid);
	else if (!user)
		return -EINVAL;
	if (user) {
		rights->uid = user->pw_uid;
		rights->gid = user->pw_gid;
	} else if (!group) {
		return -EINVAL;
	}
	if (group && find_group(rights, group + 1) < 0)
		return -EINVAL;
	if (user && getgrouplist(user->pw_name, rights->gid, rights->groups, &count) < 0)
		return -E2BIG;
	rights->nr_groups = user ? (size_t)count : 0;
	rights->given = true;
	return 0;
}

void rights_gain_none(void)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int rights_give_up(const struct rights *rights)
{
	if (!rights->given)
		return 0;
	/* Who is that user already cannot, and need not, change its groups. */
	if (geteuid() == rights->uid && getuid() == rights->uid && rights->uid != 0)
		return 0;
	if (setgroups(rights->nr_groups, rights->groups) < 0 ||
	    setresgid(rights->gid, rights->gid, rights->gid) < 0 ||
	    setresuid(rights->uid, rights->uid, rights->uid) < 0)
		return -errno;
	return 0;
}

__attribute__((no_sanitize("address", "thread", "undefined"))) bool rights_give_up_alone(
	const struct rights *rights)
{
	if (!rights->given || (uid_t)syscall(SYS_geteuid) == rights->uid)
		return true;
	return syscall(SYS_setgroups, rights->nr_groups, rights->groups) == 0 &&
	       syscall(SYS_setresgid, rights->gid, rights->gid, rights->gid) == 0 &&
	       syscall(SYS_setresuid, rights->uid, rights->uid, rights->uid) == 0;
}
