/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/security/privilege.h: the run directory is made and given away where it was looked for
 * first. The calls that make it are ours: between them and the next one somebody puts another
 * directory there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf.h"
#include "privilege.h"
#include "suite.h"

#define USER 4711

static char top[64];
static bool exchanging, linking;

static const char *at(const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, 128, "%s/%s", top, name);
	return path;
}

static void exchange(void)
{
	if (linking) {
		linking = false;
		REQUIRE(rmdir(at("parent/run")) == 0);
		REQUIRE(symlink("../victim", at("parent/run")) == 0);
	}
	if (!exchanging)
		return;
	exchanging = false;
	REQUIRE(rename(at("parent"), at("moved")) == 0);
	REQUIRE(symlink("victim", at("parent")) == 0);
}

int mkdirat(int parent, const char *path, mode_t mode)
{
	int result = (int)syscall(SYS_mkdirat, parent, path, mode);

	exchange();
	return result;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

static uid_t owner(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) < 0 ? UINT32_MAX : st.st_uid;
}

static int make(const char *run_dir)
{
	static struct conf conf;

	conf.user = (struct privilege_user){.given = true, .uid = USER, .gid = USER};
	snprintf(conf.run_dir, sizeof(conf.run_dir), "%s", run_dir);
	return privilege_make_run_dir(conf.run_dir, conf_is_open(&conf), &conf.user);
}

static bool begin(void)
{
	if (getuid()) {
		printf("(needs root) ");
		return false;
	}
	snprintf(top, sizeof(top), "/tmp/hf-run-dir-XXXXXX");
	REQUIRE(mkdtemp(top) != NULL);
	REQUIRE(mkdir(at("parent"), 0755) == 0);
	return true;
}

static void end(void)
{
	static const char *const directories[] = {"parent/run", "parent", "moved/run", "victim/run",
						  "moved",	"victim", ""};

	(void)unlink(at("parent"));
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		(void)rmdir(at(directories[i]));
}

static void it_is_the_users(void)
{
	if (!begin())
		return;
	CHECK_EQ(make(at("parent/run//")), 0);
	CHECK_EQ(owner("parent/run"), USER);
	CHECK_EQ(owner("parent"), 0);
	/* One that is there is left as it is. */
	REQUIRE(chown(at("parent/run"), 0, 0) == 0);
	CHECK_EQ(make(at("parent/run")), 0);
	CHECK_EQ(owner("parent/run"), 0);
	CHECK_EQ(make("/"), 0);
	CHECK_EQ(make(at("nowhere/run")), -ENOENT);
	end();
}

static void one_beside_the_working_directory_has_no_slash(void)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (!begin())
		return;
	REQUIRE(before >= 0 && chdir(at("parent")) == 0);
	CHECK_EQ(make("run"), 0);
	CHECK_EQ(owner("parent/run"), USER);
	REQUIRE(fchdir(before) == 0);
	close(before);
	end();
}

static void what_is_put_in_its_place_is_not_given_away(void)
{
	if (!begin())
		return;
	REQUIRE(mkdir(at("victim"), 0755) == 0 && mkdir(at("victim/run"), 0755) == 0);
	exchanging = true;
	CHECK_EQ(make(at("parent/run")), 0);
	CHECK(!exchanging);
	CHECK_EQ(owner("victim/run"), 0);
	CHECK_EQ(owner("moved/run"), USER);
	end();
}

static void a_link_in_its_place_is_not_followed(void)
{
	if (!begin())
		return;
	REQUIRE(mkdir(at("victim"), 0755) == 0);
	linking = true;
	CHECK_EQ(make(at("parent/run")), -ENOTDIR);
	CHECK(!linking);
	CHECK_EQ(owner("victim"), 0);
	CHECK_EQ(unlink(at("parent/run")), 0);
	CHECK_EQ(make(at("parent/run")), 0);
	CHECK_EQ(owner("parent/run"), USER);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(it_is_the_users),
	SENTENCE(one_beside_the_working_directory_has_no_slash),
	SENTENCE(what_is_put_in_its_place_is_not_given_away),
	SENTENCE(a_link_in_its_place_is_not_followed),
};

SUITE("privilege_run_dir", sentences)
