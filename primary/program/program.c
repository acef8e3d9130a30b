/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exec keeps is descriptors and the environment; what is small goes the second way.
 *
 *   HOLDFAST_PROGRAM     the path of the program, when it is started by PROGRAM_OWN_IMAGE
 *   HOLDFAST_IMAGE       the number of the descriptor it was executed by
 *   HOLDFAST_UPGRADE     "NS VERSION" of the one before it
 *   HOLDFAST_EXEC_ERROR  why the one that was meant did not come: -errno of exec
 */
#include "program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "confine.h"
#include "fd.h"

static char path[PATH_MAX];
static struct program_before before;

/* The kernel says what was passed to execve, which may be relative to where we are now. */
static void find_path(const char *told)
{
	const char *started = told ? told : (const char *)getauxval(AT_EXECFN);
	char here[PATH_MAX];
	int n = -1;

	path[0] = '\0';
	if (!started)
		return;
	if (*started == '/')
		n = snprintf(path, sizeof(path), "%s", started);
	else if (getcwd(here, sizeof(here)))
		n = snprintf(path, sizeof(path), "%s/%s", here, started);
	if (n < 0 || (size_t)n >= sizeof(path))
		path[0] = '\0';
}

static void find_before(const char *upgrade, const char *error)
{
	unsigned long long ns;

	before = (struct program_before){0};
	if (!upgrade || sscanf(upgrade, "%llu %31s", &ns, before.version) != 2)
		return;
	before.left_ns = ns;
	before.error = error ? atoi(error) : 0;
}

/* The kernel names a process by the file's name, which was a number. */
/* calls: prctl */
static void forget_image(const char *image)
{
	int fd = image ? atoi(image) : -1;

	if (fd <= STDERR_FILENO)
		return;
	hf_fd_close(&fd);
	(void)prctl(PR_SET_NAME, "holdfastd");
}

void program_begin(void)
{
	find_path(getenv("HOLDFAST_PROGRAM"));
	forget_image(getenv("HOLDFAST_IMAGE"));
	find_before(getenv("HOLDFAST_UPGRADE"), getenv("HOLDFAST_EXEC_ERROR"));
	confine_hear();
	unsetenv("HOLDFAST_PROGRAM");
	unsetenv("HOLDFAST_IMAGE");
	unsetenv("HOLDFAST_UPGRADE");
	unsetenv("HOLDFAST_EXEC_ERROR");
}

const char *program_path(void)
{
	return path;
}

int program_tell_path(const char *told)
{
	return setenv("HOLDFAST_PROGRAM", told, 1) < 0 ? -ENOMEM : 0;
}

int program_tell_image(int fd)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", fd);
	return setenv("HOLDFAST_IMAGE", text, 1) < 0 ? -ENOMEM : 0;
}

void program_tell_failed(int error)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", error);
	(void)setenv("HOLDFAST_EXEC_ERROR", text, 1);
	(void)program_tell_path(path);
}

const struct program_before *program_before(void)
{
	return &before;
}

int program_tell_upgrade(uint64_t left_ns)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu %s", (unsigned long long)left_ns, HOLDFAST_VERSION);
	return setenv("HOLDFAST_UPGRADE", text, 1) < 0 ? -ENOMEM : confine_tell();
}

void program_untell_upgrade(void)
{
	unsetenv("HOLDFAST_PROGRAM");
	unsetenv("HOLDFAST_IMAGE");
	unsetenv("HOLDFAST_UPGRADE");
	confine_untell();
}
