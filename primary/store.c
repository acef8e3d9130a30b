/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each stored descriptor is held here as well, under a descriptor of our own, to compare with what
 * comes later. The names are a letter and the number.
 *
 * Datagrams leave in order. When the holder is slow they wait in a queue with duplicates of their
 * descriptors, and store_pending says so: whoever must not go on before a descriptor is safe waits
 * for `drained`; the loop never waits. A holder that is gone for good is said once, and from then
 * on everything works as without one.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"
#include "handon.h"
#include "log.h"

#define TAG	    "store"
#define FIRST_FD    3
#define MAX_NUMBERS (1u << 20)
#define RETRY_NS    NS_PER_MS
#define WAIT_MS	    500

struct entry {
	int fd; /* -1: free */
	char kind;
	uint32_t references;
	dev_t device;
	ino_t inode;
};

struct datagram {
	struct datagram *next;
	int fd; /* -1: none; owned */
	char text[];
};

struct store {
	struct loop *loop;
	int socket;
	bool lost;	       /* nobody else holds anything: never did, or not any more */
	struct entry *entries; /* by number */
	uint32_t nr_entries;
	uint32_t hint;
	struct datagram *first, **last;
	struct loop_timer retry;
	void (*drained)(void *context);
	void *context;
};

/* --- datagrams --- */

static int send_now(const struct store *store, const char *text, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	return sendmsg(store->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static bool is_full(int error)
{
	return error == -EAGAIN || error == -ENOBUFS || error == -ETOOMANYREFS || error == -EINTR;
}

static void drop_first(struct store *store)
{
	struct datagram *d = store->first;

	store->first = d->next;
	if (!store->first)
		store->last = &store->first;
	hf_fd_close(&d->fd);
	free(d);
}

static void lose(struct store *store, int error)
{
	if (!store->lost)
		log_error(
			TAG,
			"nobody keeps our descriptors any more (%s): a crash from now on ends all "
			"sessions; restart when it suits",
			strerror(-error));
	store->lost = true;
	while (store->first)
		drop_first(store);
}

static void flush(struct store *store)
{
	while (store->first && !store->lost) {
		int error = send_now(store, store->first->text, store->first->fd);

		if (is_full(error))
			return;
		if (error)
			lose(store, error);
		else
			drop_first(store);
	}
}

static void on_retry(struct loop_timer *timer)
{
	struct store *store = container_of(timer, struct store, retry);

	flush(store);
	if (store->first)
		(void)loop_timer_set(store->loop, timer, RETRY_NS);
	else if (store->drained)
		store->drained(store->context);
}

static void queue(struct store *store, const char *text, int fd)
{
	size_t len = strlen(text) + 1;
	struct datagram *d = malloc(sizeof(*d) + len);
	int copy = -1;

	if (d && fd >= 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (!d || (fd >= 0 && copy < 0) ||
	    loop_timer_set(store->loop, &store->retry, RETRY_NS) < 0) {
		hf_fd_close(&copy);
		free(d);
		lose(store, -ENOMEM);
		return;
	}
	*d = (struct datagram){.fd = copy};
	memcpy(d->text, text, len);
	*store->last = d;
	store->last = &d->next;
}

static void say(struct store *store, const char *text, int fd)
{
	int error;

	if (store->lost)
		return;
	/* Nothing may overtake what waits. */
	error = store->first ? -EAGAIN : send_now(store, text, fd);
	if (is_full(error))
		queue(store, text, fd);
	else if (error)
		lose(store, error);
}

void store_notify(struct store *store, const char *text)
{
	if (store)
		say(store, text, -1);
}

bool store_pending(const struct store *store)
{
	return store && store->first;
}

void store_on_drained(struct store *store, void (*drained)(void *context), void *context)
{
	store->drained = drained;
	store->context = context;
}

/* --- numbers --- */

static void name_of(const struct store *store, uint32_t number, char *room, size_t size)
{
	snprintf(room, size, "%c%u", store->entries[number].kind, number);
}

static int make_room(struct store *store, uint32_t number)
{
	uint32_t wanted = store->nr_entries ? store->nr_entries : 64;
	struct entry *bigger;

	if (number < store->nr_entries)
		return 0;
	while (wanted <= number)
		wanted *= 2;
	bigger = reallocarray(store->entries, wanted, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	for (uint32_t i = store->nr_entries; i < wanted; i++)
		bigger[i] = (struct entry){.fd = -1};
	store->entries = bigger;
	store->nr_entries = wanted;
	return 0;
}

/* The store owns `fd` from now on, also on failure. */
static int enter(struct store *store, uint32_t number, char kind, int fd)
{
	struct stat st;
	int error = number < MAX_NUMBERS ? make_room(store, number) : -ENOSPC;

	if (!error && fstat(fd, &st) < 0)
		error = -errno;
	if (!error && store->entries[number].fd >= 0)
		error = -EEXIST;
	if (error) {
		hf_fd_close(&fd);
		return error;
	}
	store->entries[number] =
		(struct entry){.fd = fd, .kind = kind, .device = st.st_dev, .inode = st.st_ino};
	return 0;
}

static bool same_file(const struct entry *entry, const struct stat *st, int fd)
{
	pid_t self = getpid();

	return entry->fd >= 0 && entry->device == st->st_dev && entry->inode == st->st_ino &&
	       syscall(SYS_kcmp, self, self, KCMP_FILE, entry->fd, fd) == 0;
}

static uint32_t find_same(const struct store *store, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	for (uint32_t i = STORE_FIRST_FREE; i < store->nr_entries; i++)
		if (same_file(&store->entries[i], &st, fd))
			return i;
	return 0;
}

static uint32_t free_number(const struct store *store)
{
	uint32_t i = store->hint < STORE_FIRST_FREE ? STORE_FIRST_FREE : store->hint;

	while (i < store->nr_entries && store->entries[i].fd >= 0)
		i++;
	return i;
}

int store_put(struct store *store, uint32_t number, char kind, int fd)
{
	char text[80], name[16];
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int error = copy < 0 ? -errno : enter(store, number, kind, copy);

	if (error)
		return error;
	store->entries[number].references = 1;
	name_of(store, number, name, sizeof(name));
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	say(store, text, fd);
	return 0;
}

uint32_t store_add(struct store *store, char kind, int fd)
{
	/* For the holder's sake alone, who keeps an open file once. */
	uint32_t number = store->lost ? 0 : find_same(store, fd);

	if (number)
		return number;
	number = free_number(store);
	if (store_put(store, number, kind, fd) < 0) {
		log_warning(TAG, "cannot keep a descriptor: %m; raise the limit of open files");
		return 0;
	}
	store->entries[number].references = 0;
	store->hint = number + 1;
	return number;
}

static bool is_stored(const struct store *store, uint32_t number)
{
	return number && number < store->nr_entries && store->entries[number].fd >= 0;
}

void store_reference(struct store *store, uint32_t number)
{
	if (is_stored(store, number))
		store->entries[number].references++;
}

static void take_out(struct store *store, uint32_t number)
{
	char text[64], name[16];

	name_of(store, number, name, sizeof(name));
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	say(store, text, -1);
	hf_fd_close(&store->entries[number].fd);
	if (number < store->hint)
		store->hint = number;
}

void store_release(struct store *store, uint32_t number)
{
	if (is_stored(store, number) && --store->entries[number].references == 0)
		take_out(store, number);
}

int store_get(const struct store *store, uint32_t number)
{
	int fd;

	if (!is_stored(store, number))
		return -ENOENT;
	fd = fcntl(store->entries[number].fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

void store_drop_unreferenced(struct store *store)
{
	for (uint32_t i = 1; i < store->nr_entries; i++)
		if (store->entries[i].fd >= 0 && !store->entries[i].references)
			take_out(store, i);
}

/* --- beginning and end --- */

/* One name of $LISTEN_FDNAMES. What is not ours is closed. */
static void take_one(struct store *store, const char *name, int fd)
{
	char *end = NULL;
	unsigned long number = *name ? strtoul(name + 1, &end, 10) : 0;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return;
	if (!number || *end || number >= MAX_NUMBERS) {
		hf_fd_close(&fd);
		return;
	}
	(void)enter(store, (uint32_t)number, *name, fd);
}

static void take_listen_fds(struct store *store)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	char *copy = strdup(names ? names : ""), *rest = copy;

	if (copy && pid && count && strtol(pid, NULL, 10) == getpid())
		for (int i = 0, n = atoi(count); i < n; i++) {
			const char *name = strsep(&rest, ":");

			take_one(store, name ? name : "", FIRST_FD + i);
		}
	free(copy);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static int connect_notify(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd;

	if ((*path != '/' && *path != '@') || len < 2 || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		int error = errno;

		hf_fd_close(&fd);
		return -error;
	}
	return fd;
}

struct store *store_open(struct loop *loop)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->loop = loop;
	store->socket = path ? connect_notify(path) : -1;
	if (path && store->socket < 0)
		log_warning(TAG, "cannot use $NOTIFY_SOCKET: %s; a crash will end all sessions",
			    strerror(-store->socket));
	store->lost = store->socket < 0;
	store->last = &store->first;
	store->retry.fire = on_retry;
	take_listen_fds(store);
	return store;
}

bool store_has_holder(const struct store *store)
{
	return store && !store->lost;
}

int store_hand_on(const struct store *store, struct handon *handon)
{
	char name[16];
	int error = 0;

	for (uint32_t i = 1; i < store->nr_entries && !error; i++) {
		if (store->entries[i].fd < 0)
			continue;
		name_of(store, i, name, sizeof(name));
		error = handon_add(handon, name, store->entries[i].fd);
	}
	return error;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	loop_timer_clear(store->loop, &store->retry);
	while (store->first)
		drop_first(store);
	for (uint32_t i = 0; i < store->nr_entries; i++)
		hf_fd_close(&store->entries[i].fd);
	hf_fd_close(&store->socket);
	free(store->entries);
	free(store);
}

void store_flush(struct store *store)
{
	for (int ms = 0; store && store->first && ms < WAIT_MS; ms++) {
		flush(store);
		if (store->first)
			usleep(1000);
	}
}

void store_forget_all(struct store *store)
{
	for (uint32_t i = 1; i < store->nr_entries; i++)
		if (store->entries[i].fd >= 0)
			take_out(store, i);
	store_flush(store);
}
