/* SPDX-License-Identifier: Apache-2.0 */
#include "attach_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "fd.h"
#include "suite.h"

void open_attach(struct rig *rig)
{
	rig_open(rig);
	REQUIRE(attach_open(&rig->primary) == 0);
}

int dial(const struct rig *rig)
{
	struct timeval limit = {.tv_sec = 20};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/attach.sock", rig->dir);
	fd = hf_seqpacket_connect(path);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

Holdfast__Attach__Hello good_hello(void)
{
	Holdfast__Attach__Hello hello = HOLDFAST__ATTACH__HELLO__INIT;

	hello.abi_major = HF_ABI_MAJOR;
	hello.name = (char *)(uintptr_t) "vsw";
	hello.version = (char *)(uintptr_t) "1\n2";
	hello.membarrier = true;
	return hello;
}

void send_hello(int fd, Holdfast__Attach__Hello *hello)
{
	Request request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = TO_PRIMARY(HELLO);
	request.hello = hello;
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
}

bool is_readable(void *context)
{
	char byte;

	return recv(*(int *)context, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

Answer *answer_on(struct rig *rig, int fd)
{
	if (!rig_until(rig, is_readable, &fd, 20000))
		return NULL;
	return rig_message(fd, NULL);
}

bool is_closed(struct rig *rig, int fd)
{
	Answer *answer = answer_on(rig, fd);
	bool closed = answer == NULL;

	rig_message_free(answer);
	return closed;
}

int attached(struct rig *rig, Holdfast__Attach__Role role)
{
	static unsigned int number;
	Holdfast__Attach__Hello hello = good_hello();
	int fd = dial(rig);
	char name[16];
	Answer *answer;

	REQUIRE(fd >= 0);
	snprintf(name, sizeof(name), "vsw%u", number++);
	hello.name = name;
	hello.role = role;
	send_hello(fd, &hello);
	answer = answer_on(rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(WELCOME));
	rig_message_free(answer);
	return fd;
}

int refused(struct rig *rig, Holdfast__Attach__Hello *hello, const char *word)
{
	int fd = dial(rig), error;
	Answer *answer;

	REQUIRE(fd >= 0);
	send_hello(fd, hello);
	answer = answer_on(rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REFUSED));
	error = answer->refused->error;
	if (!strstr(answer->refused->reason, word))
		printf("\n    reason: %s ", answer->refused->reason);
	CHECK(strstr(answer->refused->reason, word) != NULL);
	rig_message_free(answer);
	CHECK(is_closed(rig, fd));
	hf_fd_close(&fd);
	return error;
}

bool nobody_is_attached(void *context)
{
	struct rig *rig = context;

	return rig->primary.secondaries[0] == NULL;
}

int attach_as(struct rig *rig, uid_t uid, bool die)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		Holdfast__Attach__Hello hello = good_hello();
		Answer *answer;
		int fd;

		if (uid && setuid(uid) < 0)
			_exit(1);
		fd = dial(rig);
		if (fd < 0)
			_exit(2);
		send_hello(fd, &hello);
		if (die)
			_exit(0);
		answer = rig_message(fd, NULL);
		_exit(answer && answer->body_case == TO_SECONDARY(REFUSED) ? -answer->refused->error
									   : 3);
	}
	REQUIRE(pid > 0);
	if (die)
		waitpid(pid, &status, 0);
	else
		status = rig_until_ended(rig, pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
