/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever sends is our own child, but it may be out of its mind: the number of descriptors is
 * bounded, names are short and printable, and what does not parse costs nothing but a line.
 */
#include "supervise_keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"

#define TAG	  "supervisor"
#define NAME_MAX_ 255u
/* All names are handed on in one string of the environment, which may have 128 KiB. */
#define NAMES_BYTES (124u * 1024)

struct kept {
	char *name;
	int fd;
};

struct keep {
	struct kept *all;
	size_t count, room, max;
	size_t names_bytes; /* with the colons between them */
	struct hf_log_limit log_limit;
};

struct keep *keep_create(size_t max)
{
	struct keep *keep = calloc(1, sizeof(*keep));

	if (keep)
		keep->max = max;
	return keep;
}

void keep_destroy(struct keep *keep)
{
	if (!keep)
		return;
	for (size_t i = 0; i < keep->count; i++) {
		hf_fd_close(&keep->all[i].fd);
		free(keep->all[i].name);
	}
	free(keep->all);
	free(keep);
}

size_t keep_count(const struct keep *keep)
{
	return keep->count;
}

static bool name_ok(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (!len || len > NAME_MAX_)
		return false;
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == ':')
			return false;
	return true;
}

static int make_room(struct keep *keep)
{
	size_t room = keep->room ? 2 * keep->room : 64;
	struct kept *all;

	if (keep->count >= keep->max || keep->names_bytes + NAME_MAX_ + 1 > NAMES_BYTES)
		return -ENOSPC;
	if (keep->count < keep->room)
		return 0;
	all = reallocarray(keep->all, room, sizeof(*all));
	if (!all)
		return -ENOMEM;
	keep->all = all;
	keep->room = room;
	return 0;
}

static void add(struct keep *keep, const char *name, int *fd)
{
	char *copy = NULL;
	int error = make_room(keep);

	if (!error)
		copy = strdup(name);
	if (copy) {
		keep->all[keep->count++] = (struct kept){.name = copy, .fd = hf_fd_take(fd)};
		keep->names_bytes += strlen(copy) + 1;
		return;
	}
	hf_fd_close(fd);
	if (hf_log_allowed(&keep->log_limit))
		log_error(TAG, "cannot keep descriptor %s: %s; %zu are kept", name,
			  error == -ENOSPC ? "too many" : "no memory", keep->count);
}

static void drop(struct keep *keep, const char *name)
{
	size_t to = 0;

	for (size_t i = 0; i < keep->count; i++) {
		struct kept *k = &keep->all[i];

		if (strcmp(k->name, name) == 0) {
			keep->names_bytes -= strlen(k->name) + 1;
			hf_fd_close(&k->fd);
			free(k->name);
		} else {
			keep->all[to++] = *k;
		}
	}
	keep->count = to;
}

enum keep_said keep_datagram(struct keep *keep, char *text, int *fds, size_t nr_fds)
{
	const char *name = NULL;
	enum keep_said said = KEEP_NOTHING;
	bool store = false, remove = false;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		store |= strcmp(line, "FDSTORE=1") == 0;
		remove |= strcmp(line, "FDSTOREREMOVE=1") == 0;
		if (strcmp(line, "READY=1") == 0)
			said = KEEP_READY;
		else if (strcmp(line, "RELOADING=1") == 0)
			said = KEEP_RELOADING;
		else if (strcmp(line, "WATCHDOG=1") == 0)
			said = KEEP_ALIVE;
		if (strncmp(line, "FDNAME=", 7) == 0)
			name = line + 7;
	}
	if (name_ok(name)) {
		if (remove)
			drop(keep, name);
		for (size_t i = 0; store && !remove && i < nr_fds; i++)
			add(keep, name, &fds[i]);
	}
	hf_fd_close_all(fds, nr_fds);
	return said;
}

int keep_hand_on(const struct keep *keep, struct handon *handon)
{
	int error = 0;

	for (size_t i = 0; i < keep->count && !error; i++)
		error = handon_add(handon, keep->all[i].name, keep->all[i].fd);
	return error;
}
