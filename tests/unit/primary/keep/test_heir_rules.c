/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the next life finds attached, and its rules would not let in. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allow.h"
#include "fd.h"
#include "frame.h"
#include "heirs.h"
#include "journal.h"
#include "lives.h"
#include "resume.h"
#include "secondary_life.h"
#include "session.h"
#include "suite.h"

#define STRANGER 4711 /* a user that no rule lets in */

static void *be_thread(void *context)
{
	for (;;)
		pause();
	return context;
}

/* A process of that user's, and an end of a socket that it has made; nobody's is -1. It has two
 * threads. */
static pid_t stranger(int *ret_socket)
{
	uint8_t byte = 0, room[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = room};
	int ours[2], its[2];
	pid_t pid;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ours) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		pthread_t thread;

		if (setuid(STRANGER) == 0 && !pthread_create(&thread, NULL, be_thread, NULL) &&
		    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, its) == 0)
			(void)hf_frame_send_packed(ours[1], &byte, 1, its, 1);
		be_thread(NULL);
	}
	REQUIRE(hf_frame_receive(ours[0], &frame) == 1 && frame.nr_fds == 1);
	*ret_socket = frame.fds[0];
	hf_fd_close_all(ours, 2);
	return pid;
}

static pid_t second_thread(pid_t pid)
{
	char path[40];
	struct dirent *entry;
	pid_t found = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	REQUIRE((tasks = opendir(path)) != NULL);
	while ((entry = readdir(tasks)))
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != pid)
			found = atoi(entry->d_name);
	closedir(tasks);
	return found;
}

/* Is a stranger, who has the memory of port "p", killed by a life with this rule (NULL: none)? Else
 * it is taken over. One that is not buried does not die before we let it. */
static bool is_killed(const char *rule, bool buried)
{
	pid_t thread;
	struct secondary_identity identity = {.name = "stranger", .version = "test", .allowed = 1};
	struct secondary *secondary;
	int socket, status = 0;
	bool killed;

	begin_life();
	make_session(2);
	if (rule)
		REQUIRE(allow_add_attach(&rig.conf.attach_rules, rule) == 0);
	identity.pid = stranger(&socket);
	identity.uid = STRANGER;
	REQUIRE((thread = second_thread(identity.pid)) > 0);
	if (!buried)
		REQUIRE(ptrace(PTRACE_SEIZE, thread, 0, 0) == 0);
	REQUIRE(secondary_create(p, &identity, socket, pidfd_open(identity.pid, 0), &secondary) ==
		0);
	journal_sent(secondary, 0, port->session->number);
	adopt();
	CHECK_EQ(resume_secondaries(&heir), 0);
	killed = !heir.secondaries[0];
	if (!killed)
		(void)kill(identity.pid, SIGKILL);
	if (!buried)
		CHECK_EQ(waitpid(thread, NULL, __WALL), thread);
	CHECK_EQ(waitpid(identity.pid, &status, 0), identity.pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	lives_forget(&heir);
	end_session();
	end_life();
	return killed;
}

static bool is_killed_by(const char *rule)
{
	return is_killed(rule, true);
}

/* It has a guest's memory, and nobody else could take it away. */
static void whom_no_rule_allows_any_more_is_killed(void)
{
	if (geteuid() != 0)
		return; /* only root can be somebody else */
	CHECK(is_killed_by(NULL));
	CHECK(is_killed_by("user:4712"));
	CHECK(!is_killed_by("user:4711=p*"));
}

static void who_has_memory_of_a_port_that_no_rule_gives_it_any_more_is_killed(void)
{
	if (geteuid() != 0)
		return;
	CHECK(is_killed_by("user:4711=q*"));
}

/* It runs nothing: its own file system, that does not answer it, would keep us from starting. */
static void whom_no_rule_allows_any_more_is_not_waited_for(void)
{
	if (geteuid() != 0)
		return;
	CHECK(is_killed(NULL, false));
}

static const struct sentence sentences[] = {
	SENTENCE(whom_no_rule_allows_any_more_is_killed),
	SENTENCE(who_has_memory_of_a_port_that_no_rule_gives_it_any_more_is_killed),
	SENTENCE(whom_no_rule_allows_any_more_is_not_waited_for),
};
SUITE("heir rules", sentences)
