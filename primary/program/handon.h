/* SPDX-License-Identifier: Apache-2.0 */
/* Give named descriptors to the program that this process becomes, as sd_listen_fds(3) has it. */
#ifndef PRIMARY_HANDON_H
#define PRIMARY_HANDON_H

struct handon;

struct handon *handon_create(void); /* NULL: no memory */
void handon_destroy(struct handon *handon);
/* The descriptor stays the caller's. 0; -ENOMEM; -E2BIG: more names than fit into one variable of
 * the environment, some ten thousands of them. */
int handon_add(struct handon *handon, const char *name, int fd);
/*
 * Become `program` (the file that is open as `image`, whatever stands at the path by now; -1: what
 * does), with them as descriptors 3, 4, … and LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID in the
 * environment; none: without those. Returns -errno while nothing has changed. When exec itself
 * fails the image that runs now is executed anew in its place (program.h tells it why); should
 * that fail as well the process ends with 127.
 */
int handon_exec(struct handon *handon, const char *program, int image, char **argv);

#endif
