/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A primary starts, and each call in turn that it makes for it fails. It serves nevertheless, or
 * ends with a status of failure and a line that says why; and the next one finds nothing in its
 * way.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "fd.h"
#include "frame.h"
#include "front_end.h"
#include "program.h"
#include "suite.h"

#define MOST	60u /* of one kind, without HF_TEST_LONG */
#define WAIT_MS 20000
#define BROKEN	3u /* so many that are wrong say enough */

static char dir[64];
static const char *supervise, *seccomp = "off";

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/hf-e2e-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	signal(SIGPIPE, SIG_IGN);
	faults_open();
}

static void end(void)
{
	DIR *entries = opendir(dir);
	struct dirent *e;

	while (entries && (e = readdir(entries)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(entries), e->d_name, 0);
	closedir(entries);
	rmdir(dir);
	faults_close();
}

static void start(struct program *primary)
{
	const char *argv[] = {getenv("HOLDFASTD"), "--run-dir", dir,  "--log-level", "notice",
			      "--no-huge-pages",   "--port",	"p0", "--seccomp",   seccomp,
			      supervise,	   NULL};

	REQUIRE(argv[0] != NULL);
	faults_begin();
	program_start(primary, argv);
	faults_end();
}

static bool connects(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.sock", dir, name);
	fd = hf_seqpacket_connect(path);
	if (fd < 0)
		return false;
	hf_fd_close(&fd);
	return true;
}

/* False: it has ended, or does neither. */
static bool serves(struct program *primary)
{
	for (int i = 0; i < WAIT_MS / 2 && !program_ended(primary, 0); i++, usleep(2000))
		if (connects("control") && connects("attach"))
			return true;
	return false;
}

static bool takes_a_session(void)
{
	static const struct session_shape shape = {.memory = 128u << 10, .size = 64};
	struct front_end fe;
	char path[128];
	bool good;

	snprintf(path, sizeof(path), "%s/p0.sock", dir);
	good = front_end_connect(&fe, path) == 0 && front_end_setup(&fe, &shape) == 0;
	front_end_close(&fe);
	return good;
}

/* It is there, or says why not. */
static bool is_right(struct program *primary, bool serving)
{
	char said[8192];

	if (serving && takes_a_session()) {
		program_end(primary, SIGTERM);
		return program_exited_with(primary, EXIT_SUCCESS);
	}
	/* Its doors open before its start is over, which may still fail. */
	if (serving && !program_ended(primary, WAIT_MS))
		return false;
	(void)program_said(primary->err, said, sizeof(said));
	return WIFEXITED(primary->status) && WEXITSTATUS(primary->status) && strchr(said, '\n');
}

static bool one_start(uint32_t kinds, uint32_t how, uint32_t nth, uint32_t *ret_seen)
{
	struct program primary;
	uint32_t seen;
	bool serving, right;
	char said[8192];

	faults_arm(0, kinds, how, nth, 1);
	start(&primary);
	serving = serves(&primary);
	seen = faults_disarm(NULL);
	right = is_right(&primary, serving);
	if (!right) {
		(void)program_said(primary.err, said, sizeof(said));
		printf("    call %u: %s; %s, status 0x%x, and said:\n%s", nth, faults_where(),
		       serving ? "served" : "did not serve", (unsigned int)primary.status, said);
	}
	program_end(&primary, SIGTERM);
	program_forget(&primary);
	if (ret_seen)
		*ret_seen = seen;
	return right;
}

static void sweep_start(uint32_t kinds)
{
	struct sweep sweep;
	uint32_t of, wrong = 0;

	begin();
	CHECK(one_start(kinds, FAULT_ERROR, 0, &of));
	sweep = sweep_over(of, MOST);
	CHECK(of > 0);
	while (wrong < BROKEN && sweep_next(&sweep)) {
		bool right = one_start(kinds, FAULT_ERROR, sweep.at, NULL);

		wrong += !right;
		CHECK(right);
	}
	CHECK(one_start(kinds, FAULT_ERROR, 0, NULL));
	end();
}

static void a_primary_without_memory_or_maps_serves_or_says_why_not(void)
{
	supervise = NULL;
	sweep_start(FAULT_HEAP | FAULT_MAP);
}

static void a_primary_without_descriptors_serves_or_says_why_not(void)
{
	supervise = NULL;
	sweep_start(FAULT_DESCRIPTOR);
}

/* With its filter: libseccomp's own allocations are not swept, since it goes on without what it
 * lacks, and makes a filter that kills us. */
static void a_primary_with_a_filter_serves_or_says_why_not(void)
{
	supervise = NULL;
	/* What a sanitizer does at its end is not in the filter. */
	seccomp = getenv("FAULT_SHIM") ? "kill" : "off";
	sweep_start(FAULT_DESCRIPTOR | FAULT_MAP | FAULT_TRANSFER | FAULT_FILE | FAULT_PROCESS);
	seccomp = "off";
}

static void a_primary_to_which_anything_else_is_refused_serves_or_says_why_not(void)
{
	supervise = NULL;
	sweep_start(FAULT_TRANSFER | FAULT_FILE | FAULT_PROCESS);
}

static void a_supervised_primary_serves_or_its_supervisor_says_why_not(void)
{
	supervise = "--supervise";
	sweep_start(FAULT_ALL);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_primary_without_memory_or_maps_serves_or_says_why_not, "[F-7]"),
	CATALOGUE(a_primary_without_descriptors_serves_or_says_why_not, "[F-7]"),
	SENTENCE(a_primary_with_a_filter_serves_or_says_why_not),
	SENTENCE(a_primary_to_which_anything_else_is_refused_serves_or_says_why_not),
	SENTENCE(a_supervised_primary_serves_or_its_supervisor_says_why_not),
};
SUITE("sweep_start", sentences)
