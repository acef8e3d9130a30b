/* SPDX-License-Identifier: Apache-2.0 */
/* A secondary from Welcome to its end. */
#ifndef PRIMARY_SECONDARY_LIFE_H
#define PRIMARY_SECONDARY_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct primary;
struct secondary;

/*
 * `socket` and `pidfd` become the secondary's
 * when this succeeds. 0; -EBUSY: no slot; -EMFILE: its descriptors cannot be stored, so it would
 * run rings that a successor knows nothing of; -errno of the lane's memory.
 */
struct secondary_identity {
	const char *name;
	uint32_t role;
	int32_t priority;
	char *const *globs;
	size_t nr_globs;
	const char *version;
	bool membarrier;
	pid_t pid;
	uid_t uid;
	uint32_t allowed;
};
int secondary_create(struct primary *primary, const struct secondary_identity *identity, int socket,
		     int pidfd, struct secondary **ret_secondary);
/* One that an earlier life had (resume.c). The descriptors become the secondary's when this
 * succeeds. 0 or -errno. */
int secondary_adopt(struct primary *primary, uint32_t slot,
		    const struct secondary_identity *identity, uint64_t id, int socket, int pidfd,
		    int lane, struct secondary **ret_secondary);
/* Have the loop call us for its socket and its pidfd. 0 or -errno. */
int secondary_listen(struct secondary *secondary);
/* It says Bye, or its socket is closed: take everything back, then forget it, maybe before this
 * returns. */
void secondary_leave(struct secondary *secondary, bool said_bye);
/* At once; nothing is taken back. For the end of the primary's life and failed attaches. */
void secondary_destroy(struct secondary *secondary);

#endif
