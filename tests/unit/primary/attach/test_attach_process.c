/* SPDX-License-Identifier: Apache-2.0 */
/* The process that connects, where the kernel does not show it or not let it be killed; and
 * processes of our own that nobody looks after. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "attach_check.h"
#include "clock.h"
#include "fd.h"
#include "foreign.h"
#include "primary_rig.h"
#include "suite.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static bool is_hidden, is_protected;
static bool is_old; /* the kernel: it has no pidfds of peers */

/* These two in the place of libc's. */
int getsockopt(int socket, int level, int name, void *value, socklen_t *len)
{
	if (is_hidden && level == SOL_SOCKET && name == SO_PEERPIDFD) {
		errno = is_old ? ENOPROTOOPT : EPERM;
		return -1;
	}
	return (int)syscall(SYS_getsockopt, socket, level, name, value, len);
}

int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned int flags)
{
	if (is_protected) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags);
}

/* True: let in. Else why not is told, and counted, as said. */
static bool is_let_in(bool fence, int error, const char *word)
{
	struct conf conf = {.fence = fence};
	struct attach_refused refused = {.counter = NR_REFUSALS};
	struct peer peer;
	int sockets[2], pidfd;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
	peer_of(sockets[0], &peer);
	pidfd = attach_identify(&conf, sockets[0], &peer, &refused);
	if (pidfd < 0) {
		CHECK_EQ(pidfd, error);
		CHECK_EQ(refused.error, error);
		CHECK_EQ(refused.counter, REFUSED_ATTACH_PEER);
		CHECK(strstr(refused.reason, word) != NULL);
	}
	hf_fd_close_all(sockets, 2);
	if (pidfd < 0)
		return false;
	hf_fd_close(&pidfd);
	return true;
}

static void a_process_that_the_kernel_does_not_show_is_told_why_it_is_not_let_in(void)
{
	is_hidden = true;
	CHECK(!is_let_in(false, -EPERM, "cannot be watched (Operation not permitted)"));
	CHECK(!is_let_in(true, -EPERM, "cannot be watched (Operation not permitted)"));
	is_hidden = false;
}

/* Who it was by number, whether it is still there, and whether that is who has connected. */
static void where_a_kernel_knows_numbers_only_who_is_gone_is_not_let_in(void)
{
	struct conf conf = {.fence = true};
	struct attach_refused refused = {.counter = NR_REFUSALS};
	pid_t gone = fork();
	struct peer peer;
	int sockets[2];

	if (gone == 0)
		_exit(0);
	REQUIRE(gone > 0 && waitpid(gone, NULL, 0) == gone);
	is_hidden = is_old = true;
	CHECK(is_let_in(true, 0, ""));
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
	peer_of(sockets[0], &peer);
	peer.pid = gone;
	CHECK_EQ(attach_identify(&conf, sockets[0], &peer, &refused), -ESRCH);
	peer.pid = 0; /* of another pid namespace */
	CHECK_EQ(attach_identify(&conf, sockets[0], &peer, &refused), -ESRCH);
	peer.pid = getpid();
	hf_fd_close(&sockets[1]); /* another process may have the number by now */
	CHECK_EQ(attach_identify(&conf, sockets[0], &peer, &refused), -ESRCH);
	CHECK_EQ(refused.counter, REFUSED_ATTACH_PEER);
	CHECK(strstr(refused.reason, "No such process") != NULL);
	hf_fd_close(&sockets[0]);
	is_hidden = is_old = false;
}

static void one_that_may_not_be_killed_is_let_in_where_nobody_is_fenced(void)
{
	CHECK(is_let_in(true, 0, ""));
	is_protected = true;
	CHECK(!is_let_in(true, -EACCES, "may not kill"));
	CHECK(is_let_in(false, 0, ""));
	is_protected = false;
}

static void hang(void *unused)
{
	(void)unused;
	for (;;)
		(void)pause();
}

/* Not only dead: who is not buried can be sent a signal. */
static bool is_buried(void *pid)
{
	return kill(*(pid_t *)pid, 0) < 0 && errno == ESRCH;
}

/* Dead, and not buried. */
static pid_t end_of(int pidfd)
{
	siginfo_t ended = {0};

	CHECK_EQ(pidfd_send_signal(pidfd, SIGKILL, NULL, 0), 0);
	REQUIRE(waitid(P_PIDFD, (id_t)pidfd, &ended, WEXITED | WNOWAIT | __WALL) == 0);
	return ended.si_pid;
}

/* A port is removed while somebody looks for it. */
static void who_ends_when_nobody_watches_it_any_more_is_buried(void)
{
	struct foreign foreign;
	struct rig rig;
	int pidfd, ours;
	pid_t pid;

	rig_open(&rig);
	REQUIRE(attach_open(&rig.primary) == 0);
	foreign_init(&foreign, rig.primary.loop);
	pidfd = foreign_start(hang, NULL, &(int){0}, 0);
	ours = dup(pidfd);
	REQUIRE(ours >= 0);
	foreign_end(&foreign, pidfd, 0);
	CHECK(!foreign_is_idle(&foreign));
	foreign_forget(&foreign);
	pid = end_of(ours);
	CHECK(!is_buried(&pid));
	CHECK(rig_until(&rig, is_buried, &pid, 20000));
	hf_fd_close(&ours);
	rig_close(&rig);
}

/* A child holds the end of one that is gone, whose number has gone on. */
static void where_a_kernel_knows_numbers_only_who_came_later_is_not_let_in(void)
{
	struct conf conf = {.fence = true};
	struct attach_refused refused = {0};
	struct peer peer;
	int sockets[2], pidfd;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
	peer_of(sockets[0], &peer);
	usleep(50000); /* some ticks of the clock by which its start is known */
	peer.pid = fork();
	REQUIRE(peer.pid >= 0);
	if (peer.pid == 0)
		for (;;)
			pause();
	is_hidden = is_old = true;
	pidfd = attach_identify(&conf, sockets[0], &peer, &refused);
	CHECK_EQ(pidfd, -ESRCH);
	CHECK_EQ(refused.counter, REFUSED_ATTACH_PEER);
	/* It is good for who was met after that. */
	peer.met_ns += 3600 * NS_PER_S;
	pidfd = attach_identify(&conf, sockets[0], &peer, &refused);
	CHECK(pidfd >= 0);
	is_hidden = is_old = false;
	hf_fd_close(&pidfd);
	hf_fd_close_all(sockets, 2);
	(void)kill(peer.pid, SIGKILL);
	CHECK_EQ(waitpid(peer.pid, NULL, 0), peer.pid);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_process_that_the_kernel_does_not_show_is_told_why_it_is_not_let_in, "[C-4]"),
	CATALOGUE(where_a_kernel_knows_numbers_only_who_is_gone_is_not_let_in, "[C-4]"),
	CATALOGUE(where_a_kernel_knows_numbers_only_who_came_later_is_not_let_in, "[C-4]"),
	SENTENCE(one_that_may_not_be_killed_is_let_in_where_nobody_is_fenced),
	SENTENCE(who_ends_when_nobody_watches_it_any_more_is_buried),
};
SUITE("attach_process", sentences)
