/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/security/privilege.h: who is nobody's root becomes no other user. In a process of its
 * own, which has given up root for it.
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "privilege.h"
#include "suite.h"

#define NOBODY 65534
#define OTHER  4711

static const struct privilege_user self = {.given = true, .uid = NOBODY, .gid = NOBODY};
static const struct privilege_user other = {.given = true, .uid = OTHER, .gid = OTHER};

/* What `try` says there. */
static int as_nobody(int (*try)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		hf_log_set_level(0);
		if (getuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
			_exit(255);
		_exit(-try());
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int check_self(void)
{
	return privilege_check(&self);
}

static int check_other(void)
{
	return privilege_check(&other);
}

/* It stays who it was. */
static int become_other(void)
{
	uid_t real = 0, effective = 0, saved = 0;
	int error = privilege_drop(&other, false);

	(void)getresuid(&real, &effective, &saved);
	return real == getuid() && effective == real && saved == real && real != OTHER ? error : 0;
}

static void whoever_is_not_root_is_refused_another_user(void)
{
	CHECK_EQ(as_nobody(check_other), -EPERM);
	CHECK_EQ(as_nobody(become_other), -EPERM);
}

static void whoever_is_that_user_already_may_stay_it(void)
{
	if (getuid() && getuid() != NOBODY)
		return; /* cannot be it */
	CHECK_EQ(as_nobody(check_self), 0);
}

static const struct sentence sentences[] = {
	SENTENCE(whoever_is_not_root_is_refused_another_user),
	SENTENCE(whoever_is_that_user_already_may_stay_it),
};
SUITE("privilege", sentences)
