/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of open files, in the kernel's order of them (kcmp(2)), to find the number of one again
 * by whatever descriptor. Without kcmp(2) none is the same as another.
 */
#ifndef PRIMARY_OPEN_FILES_H
#define PRIMARY_OPEN_FILES_H

#include <stdint.h>

struct open_file {
	int fd; /* not owned */
	uint32_t number;
};

struct open_files {
	struct open_file *files;
	uint32_t count, room;
};

/* Of the same open file there may be two, of an earlier life. 0 or -ENOMEM. */
int open_files_add(struct open_files *files, int fd, uint32_t number);
void open_files_remove(struct open_files *files, uint32_t number);
/* The number of the open file that `fd` is one of, or 0. */
uint32_t open_files_find(const struct open_files *files, int fd);
void open_files_free(struct open_files *files);

#endif
