/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept and why:
 *
 *   CAP_KILL                 a secondary of another user that does not leave a guest's memory is
 *                            killed; without it only those of our own user could attach
 *   CAP_SYS_PTRACE,          with --cuse: who opens a vhost-cuse device has its memory looked up in
 *   CAP_CHECKPOINT_RESTORE,  /proc/PID/map_files, and its event descriptors taken by
 * pidfd_getfd(2); CAP_DAC_READ_SEARCH      map_files and fd there are directories that only its
 * user may enter
 */
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allow.h"
#include "check.h"
#include "fd.h"
#include "log.h"

#ifdef HAVE_CAP_NG
#include <cap-ng.h>
#endif

#define TAG "holdfastd"

/* --- whom --- */

static int find_group(struct privilege_user *user, const char *name)
{
	const struct group *group = getgrnam(name);
	char *end;
	unsigned long number;

	if (group) {
		user->gid = group->gr_gid;
		return 0;
	}
	number = strtoul(name, &end, 10);
	if (*name < '0' || *name > '9' || *end || number >= UINT32_MAX)
		return -EINVAL;
	user->gid = (gid_t)number;
	return 0;
}

/* calls: socket connect poll ppoll sendto sendmsg recvfrom recvmsg */
int privilege_find(struct privilege_user *user, const char *text)
{
	char name[sizeof(user->name)];
	const char *group = strchr(text, ':');
	size_t len = group ? (size_t)(group - text) : strlen(text);
	const struct passwd *known;
	int error;

	if (len >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, len);
	name[len] = '\0';
	*user = (struct privilege_user){0};
	error = allow_find_user(name, &user->uid);
	if (error)
		return error;
	known = getpwuid(user->uid);
	if (known)
		user->gid = known->pw_gid;
	if (known)
		snprintf(user->name, sizeof(user->name), "%s", known->pw_name);
	error = group ? find_group(user, group + 1) : known ? 0 : -EINVAL;
	user->given = !error;
	return error;
}

/* --- the run directory --- */

/* calls before the filter: setfsuid setfsgid */
void privilege_lend(const struct privilege_user *user)
{
	if (!user->given || geteuid() != 0)
		return;
	(void)setfsgid(user->gid);
	(void)setfsuid(user->uid);
}

void privilege_take_back(const struct privilege_user *user)
{
	if (!user->given || geteuid() != 0)
		return;
	(void)setfsuid(0);
	(void)setfsgid(getegid());
}

/* Where the directory is to be made, and its name there. */
static int open_parent(const char *path, char *name, size_t size)
{
	size_t len = strlen(path), parent;
	char directory[PATH_MAX];
	int fd;

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (parent = len; parent && path[parent - 1] != '/';)
		parent--;
	snprintf(name, size, "%.*s", (int)(len - parent), path + parent);
	if (!*name) /* the root */
		snprintf(name, size, ".");
	snprintf(directory, sizeof(directory), "%.*s", (int)parent, path);
	fd = open(parent ? directory : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* calls before the filter: fchown */
static int give_away(int parent, const char *name, const struct privilege_user *user)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), error = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (st.st_uid == 0 && fchown(fd, user->uid, user->gid) < 0))
		error = -errno;
	hf_fd_close(&fd);
	return error;
}

/* By descriptors: what stands at the path may be another thing from one call to the next. */
/* calls: mkdirat */
int privilege_make_run_dir(const char *run_dir, bool open, const struct privilege_user *user)
{
	char name[NAME_MAX + 1];
	int parent = open_parent(run_dir, name, sizeof(name));
	int error = parent < 0 ? parent : 0;

	if (!error && mkdirat(parent, name, open ? 0755 : 0750) < 0)
		error = -errno;
	if (!error && user->given && geteuid() == 0)
		error = give_away(parent, name, user);
	hf_fd_close(&parent);
	if (error == -EEXIST)
		return 0;
	if (error)
		log_error(TAG, "cannot create %s: %s; create it, or use --run-dir", run_dir,
			  strerror(-error));
	return error;
}

/* --- becoming it --- */

#ifdef HAVE_CAP_NG
static bool is_already(const struct privilege_user *user)
{
	return getuid() == user->uid && geteuid() == user->uid;
}
#endif

int privilege_check(const struct privilege_user *user)
{
	if (!user->given)
		return 0;
#ifndef HAVE_CAP_NG
	log_error(TAG,
		  "--user: this build has no libcap-ng; build it with -Dconfine=enabled, or let "
		  "the service manager choose the user");
	return -ENOSYS;
#else
	if (geteuid() != 0 && !is_already(user)) {
		log_error(TAG, "--user: only root can become another user; start it as root");
		return -EPERM;
	}
	return 0;
#endif
}

#ifdef HAVE_CAP_NG

/* calls: capget capset prctl */
static int keep_capabilities(bool cuse, capng_select_t set)
{
	static const struct {
		unsigned int number;
		bool cuse;
	} kept[] = {{CAP_KILL, false},
		    {CAP_SYS_PTRACE, true},
		    {CAP_CHECKPOINT_RESTORE, true},
		    {CAP_DAC_READ_SEARCH, true}};
	bool have[ARRAY_SIZE(kept)];

	if (capng_get_caps_process() < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		have[i] = (!kept[i].cuse || cuse) &&
			  capng_have_capability(CAPNG_PERMITTED, kept[i].number);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (have[i])
			(void)capng_update(CAPNG_ADD,
					   CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
						   CAPNG_AMBIENT | CAPNG_BOUNDING_SET,
					   kept[i].number);
	return capng_apply(set) < 0 ? -EPERM : 0;
}

/* Root's groups go, this user's come. */
/* calls before the filter: setgroups setresgid setresuid */
static int change_user(const struct privilege_user *user)
{
	int result = *user->name ? initgroups(user->name, user->gid) : setgroups(0, NULL);

	if (result < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	return 0;
}

static int become(const struct privilege_user *user, bool cuse)
{
	int error = 0;

	/* While root still can; where it cannot, nothing that is executed gets any by no_new_privs.
	 */
	if (geteuid() == 0)
		(void)keep_capabilities(cuse, CAPNG_SELECT_BOUNDS);
	if (!is_already(user))
		error = change_user(user);
	if (!error)
		error = keep_capabilities(cuse, CAPNG_SELECT_CAPS);
	if (!error)
		error = keep_capabilities(cuse, CAPNG_SELECT_AMBIENT);
	if (!error && !capng_have_capability(CAPNG_EFFECTIVE, CAP_KILL))
		log_warning(TAG,
			    "without CAP_KILL secondaries of other users cannot attach; start it "
			    "as root");
	return error;
}

#else

static int become(const struct privilege_user *user, bool cuse)
{
	(void)user;
	(void)cuse;
	return -ENOSYS;
}

#endif

int privilege_drop(const struct privilege_user *user, bool cuse)
{
	int error = user->given ? become(user, cuse) : 0;

	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = -errno;
	if (error)
		log_error(TAG,
			  "cannot give up root's rights: %s; start it as root with CAP_SETUID, "
			  "CAP_SETGID and CAP_SETPCAP",
			  strerror(-error));
	return error;
}
