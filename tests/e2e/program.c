/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

void program_start(struct program *program, const char *const *argv)
{
	*program = (struct program){.out = memfd_create("out", MFD_CLOEXEC),
				    .err = memfd_create("err", MFD_CLOEXEC)};
	REQUIRE(program->out >= 0 && program->err >= 0);
	program->pid = fork();
	if (program->pid == 0) {
		dup2(program->out, STDOUT_FILENO);
		dup2(program->err, STDERR_FILENO);
		close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	REQUIRE(program->pid > 0);
}

bool program_ended(struct program *program, int ms)
{
	for (int i = 0; program->pid && i <= ms; i++) {
		if (waitpid(program->pid, &program->status, WNOHANG) == program->pid)
			program->pid = 0;
		else if (i < ms)
			usleep(1000);
	}
	return !program->pid;
}

void program_end(struct program *program, int signal)
{
	if (!program->pid)
		return;
	kill(program->pid, signal);
	if (program_ended(program, 20000))
		return;
	kill(program->pid, SIGKILL);
	(void)program_ended(program, 20000);
}

size_t program_said(int fd, char *room, size_t size)
{
	ssize_t n = pread(fd, room, size - 1, 0);

	room[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

bool program_exited_with(const struct program *program, int status)
{
	return !program->pid && WIFEXITED(program->status) &&
	       WEXITSTATUS(program->status) == status;
}

void program_forget(struct program *program)
{
	close(program->out);
	close(program->err);
}
