/* SPDX-License-Identifier: Apache-2.0 */
/* Any program as a process, with what it says kept. */
#ifndef E2E_PROGRAM_H
#define E2E_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct program {
	pid_t pid; /* 0: it has ended, and its status is there */
	int status;
	int out, err;
};

/* argv NULL-terminated; NULL in the place of the program: nothing is started. */
void program_start(struct program *program, const char *const *argv);
/* Has it ended? Waits at most so long. */
bool program_ended(struct program *program, int ms);
/* End it: this signal, then, when that is not enough for twenty seconds, SIGKILL. */
void program_end(struct program *program, int signal);
/* What it has said so far on `fd` (its out or err), NUL-terminated. Bytes. */
size_t program_said(int fd, char *room, size_t size);
/* Its status is this one of exit(3). */
bool program_exited_with(const struct program *program, int status);
void program_forget(struct program *program);

#endif
