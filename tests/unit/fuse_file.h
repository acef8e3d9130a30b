/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file whose server answers until it is open, and when it is read, and else never again: close(2)
 * of any descriptor of it does not return, and no signal ends that, until fuse_file_end; nor, on
 * kernels that write back in place, does munmap(2) of a page that was written to. And a TCP socket
 * that lingers: the last close(2) of it does not return for an hour.
 */
#ifndef TESTS_FUSE_FILE_H
#define TESTS_FUSE_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct fuse_file {
	int fd; /* the file, open */
	char path[64];
	/* A process: when the test dies it dies, and whoever hangs goes on. */
	pid_t server;
	/* Asked for, not answered; shared with the server. */
	atomic_uint *flushes, *writes;
};

/* False: this machine cannot (no /dev/fuse, or not root). */
bool fuse_file_begin(struct fuse_file *file);
/* The same, and processes of this name are answered after all. */
bool fuse_file_begin_answering(struct fuse_file *file, const char *answered);
/* The server ends: whoever hangs goes on. */
void fuse_file_end(struct fuse_file *file);
/* Are there at least so many unanswered closes, within a bounded time? */
bool fuse_file_hangs(struct fuse_file *file, unsigned int closes);
/* Is a page of it being written back? At this moment. */
bool fuse_file_is_written(const struct fuse_file *file);

struct lingerer {
	int fd; /* hand it to others and close it: theirs is the last then */
	int peer;
};

void lingerer_begin(struct lingerer *lingerer);
void lingerer_end(struct lingerer *lingerer);

#endif
