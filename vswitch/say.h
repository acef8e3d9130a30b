/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for the person, on standard error. An error is one line that ends with the remedy.
 *
 * Nobody waits for who reads them: the control thread, which owes the primary its heartbeat, and
 * workers in a hop. What does not fit at once is lost, and that it is missing is said later.
 */
#ifndef VSWITCH_SAY_H
#define VSWITCH_SAY_H

#include <sys/types.h>

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Standard output and standard error, where they are pipes or terminals, become open files of our
 * own that do not block; others that have the same keep theirs. Before rights are given up that
 * open them. */
void say_never_wait(void);

/* How many bytes went to `fd`: 0 when there is no room now, -errno when nothing ever will. */
ssize_t say_bytes(int fd, const char *text, size_t bytes);

/* Say it and exit with 1: for what leaves no way to keep a promise, such as no memory for the
 * table that takes a queue away from a worker. Never for anything a peer controls. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
