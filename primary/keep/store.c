/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each stored descriptor is held here as well, under a descriptor of our own, to compare with what
 * comes later. The names are a letter and the number. All names together come back in one string of
 * the environment, and the kernel bounds its length: what would not fit is refused.
 *
 * Datagrams leave in order. When the holder is slow they wait in a queue with duplicates of their
 * descriptors, and store_pending says so: whoever must not go on before a descriptor is safe waits
 * for `drained`; the loop never waits. A holder that stands still is not waited for longer than a
 * second: survival is worth less than service. A datagram that cannot be sent or queued fails
 * alone. A holder that is gone for good is said once, and no descriptor goes there any more; what
 * keeps this process alive (the signs of the watchdog) is tried all the same, and overtakes what
 * waits.
 *
 * A number that a record names is taken even when nothing is stored under it (the holder had no
 * room): given out again, it would turn the record into one that names a stranger's descriptor. So
 * is one that the holder was told of and not yet told to forget, or, being lost, never will be: a
 * death then would leave what it has under that name to whoever got the number next.
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
#define SIGN	    "WATCHDOG=1"
#define LOST	    "HOLDFAST_KEEPER_LOST"
#define LATE_NS	    NS_PER_S
/* Of the 128 KiB that one string of the environment may have. */
#define NAMES_BYTES (120u * 1024)
#define NAME_BYTES  16u
/* What one takes, about. */
#define USUAL_NAME_BYTES 8u

/* Free when there is neither a descriptor nor a reference, here or there. */
struct entry {
	int fd; /* -1: none */
	char kind;
	bool there; /* the holder may have something by this name */
	uint32_t references;
};

struct datagram {
	struct datagram *next;
	uint32_t number; /* of what it stores or, without a descriptor, takes out; 0: neither */
	int fd;		 /* -1: none; owned */
	char text[];
};

struct store {
	struct loop *loop;
	int socket;
	bool nobody; /* there never was a holder: `lost` from the beginning */
	bool lost;
	bool sign; /* one is to be sent */
	bool late; /* what waits has waited too long */
	uint64_t waiting_since_ns;
	struct entry *entries; /* by number */
	uint32_t nr_entries;
	uint32_t max; /* that the holder keeps: one more would be dropped without a word */
	uint32_t hint;
	size_t names_bytes;
	/* Numbers of what is stored, in the kernel's order of open files, to find one again. */
	uint32_t *order;
	uint32_t nr_order;
	struct hf_log_limit log_limit;
	struct datagram *first, **last;
	struct loop_timer retry;
	void (*drained)(void *context);
	void *context;
};

static bool is_kept(const struct store *store, int fd);

/* --- datagrams --- */

/* calls: sendmsg */
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
	return error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM ||
	       error == -ETOOMANYREFS || error == -EINTR;
}

/* Its socket is closed. Every other error is of the datagram. */
static bool is_gone(int error)
{
	return error == -ECONNREFUSED || error == -ENOTCONN || error == -ECONNRESET ||
	       error == -EPIPE || error == -EBADF;
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

static void send_sign(struct store *store)
{
	if (store->sign && store->socket >= 0 && !is_full(send_now(store, SIGN, -1)))
		store->sign = false;
}

/* One datagram; its descriptor has not reached the holder, or is not taken out there. */
static void has_failed(struct store *store, int error)
{
	if (is_gone(error))
		lose(store, error);
	else if (hf_log_allowed(&store->log_limit))
		log_warning(TAG,
			    "cannot tell who keeps our descriptors about one: %s; a crash would "
			    "end its session; free memory or descriptors",
			    strerror(-error));
}

static bool is_free(const struct store *store, uint32_t number)
{
	const struct entry *entry = &store->entries[number];

	return entry->fd < 0 && !entry->references && !entry->there;
}

static void look_here_first(struct store *store, uint32_t number)
{
	if (number < store->hint && is_free(store, number))
		store->hint = number;
}

/* The holder reads in order: what has left counts as done. */
static void has_left(struct store *store, uint32_t number, bool stores)
{
	if (!number)
		return;
	store->entries[number].there = stores;
	look_here_first(store, number);
}

static void flush(struct store *store)
{
	send_sign(store);
	while (store->first && !store->lost) {
		int error = send_now(store, store->first->text, store->first->fd);

		if (is_full(error))
			return;
		if (error)
			has_failed(store, error);
		else
			has_left(store, store->first->number, store->first->fd >= 0);
		if (store->first)
			drop_first(store);
	}
}

static void tell_drained(struct store *store)
{
	if (store->drained)
		store->drained(store->context);
}

static void become_late(struct store *store)
{
	store->late = true;
	log_error(TAG, "who keeps our descriptors does not read: going on, and a crash would end "
		       "what is new; look whether the supervisor is stopped");
	tell_drained(store);
}

static void caught_up(struct store *store)
{
	if (store->late)
		log_notice(TAG, "who keeps our descriptors reads again");
	store->late = false;
	tell_drained(store);
}

static void on_retry(struct loop_timer *timer)
{
	struct store *store = container_of(timer, struct store, retry);

	flush(store);
	if (store->first)
		(void)loop_timer_set(store->loop, timer, RETRY_NS);
	if (store->first && !store->late && hf_now_ns() - store->waiting_since_ns > LATE_NS)
		become_late(store);
	else if (!store->first)
		caught_up(store);
}

/* 0 or -ENOMEM. */
static int queue(struct store *store, const char *text, uint32_t number, int fd)
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
		return -ENOMEM;
	}
	if (!store->first)
		store->waiting_since_ns = hf_now_ns();
	*d = (struct datagram){.number = number, .fd = copy};
	memcpy(d->text, text, len);
	*store->last = d;
	store->last = &d->next;
	return 0;
}

/* 0, also when there is nobody; -errno: just this one has failed. */
static int say(struct store *store, const char *text, uint32_t number, int fd)
{
	int error;

	if (store->lost)
		return 0;
	/* Nothing may overtake what waits. */
	error = store->first ? -EAGAIN : send_now(store, text, fd);
	if (!error)
		has_left(store, number, fd >= 0);
	if (is_full(error))
		error = queue(store, text, number, fd);
	if (error)
		has_failed(store, error);
	return store->lost ? 0 : error;
}

/* What is taken out before it has left need not leave: so no more waits than is stored, here or
 * there, whatever comes and goes while the holder does not read. False: it has left. */
static bool never_mind(struct store *store, uint32_t number)
{
	struct datagram **at = &store->first, *d;

	while (*at && ((*at)->number != number || (*at)->fd < 0))
		at = &(*at)->next;
	d = *at;
	if (!d)
		return false;
	*at = d->next;
	if (store->last == &d->next)
		store->last = at;
	hf_fd_close(&d->fd);
	free(d);
	return true;
}

void store_notify(struct store *store, const char *text)
{
	if (store && store->lost && store->socket >= 0)
		(void)send_now(store, text, -1);
	else if (store)
		(void)say(store, text, 0, -1);
}

bool store_alive(struct store *store)
{
	store->sign = true;
	send_sign(store);
	return store->socket < 0 || !store->sign;
}

/* So many names fit into so many bytes. */
static uint32_t names_in(size_t bytes)
{
	return bytes > NAME_BYTES ? (uint32_t)((bytes - NAME_BYTES) / USUAL_NAME_BYTES) : 0;
}

/* Nobody is worse off without a holder, but that such a primary cannot be upgraded. */
static bool names_count(const struct store *store)
{
	return !store->nobody;
}

uint32_t store_max(const struct store *store)
{
	if (!store)
		return UINT32_MAX;
	return names_count(store) ? (uint32_t)min_u64(store->max, names_in(NAMES_BYTES))
				  : store->max;
}

uint32_t store_room(const struct store *store)
{
	uint32_t room;

	if (!store)
		return UINT32_MAX;
	room = store->nr_order < store->max ? store->max - store->nr_order : 0;
	return names_count(store)
		       ? (uint32_t)min_u64(room, names_in(NAMES_BYTES - store->names_bytes))
		       : room;
}

uint32_t store_needs(const struct store *store, const int *fds, size_t nr_fds)
{
	uint32_t needed = 0;

	for (size_t i = 0; store && i < nr_fds; i++)
		needed += !is_kept(store, fds[i]);
	return needed;
}

bool store_pending(const struct store *store)
{
	return store && store->first && !store->late;
}

bool store_at_rest(const struct store *store)
{
	return !store->first;
}

enum store_keeps store_keeps(const struct store *store)
{
	if (!store || store->nobody)
		return STORE_NOBODY;
	if (store->lost)
		return STORE_LOST;
	return store->late ? STORE_LATE : STORE_KEEPS;
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

/* In the environment, with the colon behind it. */
static size_t name_bytes(const struct store *store, uint32_t number)
{
	char name[NAME_BYTES];

	name_of(store, number, name, sizeof(name));
	return strlen(name) + 1;
}

static int make_room(struct store *store, uint32_t number)
{
	uint32_t wanted = store->nr_entries ? store->nr_entries : 64;
	struct entry *bigger;
	uint32_t *order;

	if (number < store->nr_entries)
		return 0;
	while (wanted <= number)
		wanted *= 2;
	order = reallocarray(store->order, wanted, sizeof(*order));
	if (!order)
		return -ENOMEM;
	store->order = order;
	bigger = reallocarray(store->entries, wanted, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	for (uint32_t i = store->nr_entries; i < wanted; i++)
		bigger[i] = (struct entry){.fd = -1};
	store->entries = bigger;
	store->nr_entries = wanted;
	return 0;
}

/* The kernel's order of two open files; 0: the same one. Without kcmp(2) none is the same. */
/* calls: kcmp */
static int compare(int a, int b)
{
	pid_t self = getpid();
	long order = syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);

	return order == 0 ? 0 : order == 1 ? -1 : 1;
}

/* Where `fd` is in the order, or would be. */
static uint32_t place_of(const struct store *store, int fd, bool *ret_found)
{
	uint32_t from = 0, to = store->nr_order;

	*ret_found = false;
	while (from < to && !*ret_found) {
		uint32_t middle = from + (to - from) / 2;
		int order = compare(fd, store->entries[store->order[middle]].fd);

		*ret_found = order == 0;
		if (order == 0)
			from = middle;
		else if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

static void put_in_order(struct store *store, uint32_t number)
{
	bool same;
	uint32_t place = place_of(store, store->entries[number].fd, &same);

	memmove(store->order + place + 1, store->order + place,
		(store->nr_order - place) * sizeof(store->order[0]));
	store->order[place] = number;
	store->nr_order++;
}

/* By number: of the same open file there may be two, of an earlier life. */
static void take_out_of_order(struct store *store, uint32_t number)
{
	uint32_t place = 0;

	while (place < store->nr_order && store->order[place] != number)
		place++;
	if (place == store->nr_order)
		return;
	store->nr_order--;
	memmove(store->order + place, store->order + place + 1,
		(store->nr_order - place) * sizeof(store->order[0]));
}

/* The store owns `fd` from now on, also on failure. */
static int enter(struct store *store, uint32_t number, char kind, int fd)
{
	int error = number < MAX_NUMBERS ? make_room(store, number) : -ENOSPC;

	if (!error && store->entries[number].fd >= 0)
		error = -EEXIST;
	if (!error && names_count(store) && store->names_bytes + NAME_BYTES > NAMES_BYTES)
		error = -ENOSPC;
	if (error) {
		hf_fd_close(&fd);
		return error;
	}
	store->entries[number].fd = fd;
	store->entries[number].kind = kind;
	store->names_bytes += name_bytes(store, number);
	put_in_order(store, number);
	return 0;
}

static void leave(struct store *store, uint32_t number)
{
	take_out_of_order(store, number);
	store->names_bytes -= name_bytes(store, number);
	hf_fd_close(&store->entries[number].fd);
	look_here_first(store, number);
}

static uint32_t free_number(const struct store *store)
{
	uint32_t i = store->hint < STORE_FIRST_FREE ? STORE_FIRST_FREE : store->hint;

	while (i < store->nr_entries && !is_free(store, i))
		i++;
	return i;
}

int store_put(struct store *store, uint32_t number, char kind, int fd)
{
	char text[80], name[NAME_BYTES];
	int copy = store->nr_order < store->max ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	int error = copy >= 0 ? enter(store, number, kind, copy) : -EMFILE;

	if (error)
		return error;
	store->entries[number].references = 1;
	name_of(store, number, name, sizeof(name));
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	error = say(store, text, number, fd);
	if (error) {
		store->entries[number].references = 0;
		leave(store, number);
	}
	return error;
}

static bool is_kept(const struct store *store, int fd)
{
	bool found;

	(void)place_of(store, fd, &found);
	return found;
}

static void cannot_keep(struct store *store, int error)
{
	if (hf_log_allowed(&store->log_limit))
		log_warning(TAG, "cannot keep a descriptor: %s; %s", strerrordesc_np(-error),
			    error == -ENOSPC ? "17,000 are the most that can be handed on"
					     : "raise the limit of open files (ulimit -n, "
					       "systemd: FileDescriptorStoreMax=)");
}

uint32_t store_add(struct store *store, char kind, int fd)
{
	bool found;
	uint32_t place = place_of(store, fd, &found), number;
	int error;

	/* Those with numbers of their own are never anybody else's. */
	if (found && store->order[place] >= STORE_FIRST_FREE)
		return store->order[place];
	number = free_number(store);
	error = store_put(store, number, kind, fd);
	if (error) {
		cannot_keep(store, error);
		return 0;
	}
	store->entries[number].references = 0;
	store->hint = number + 1;
	return number;
}

void store_reference(struct store *store, uint32_t number)
{
	if (number && number < MAX_NUMBERS && make_room(store, number) == 0)
		store->entries[number].references++;
}

/* calls: shutdown */
static void take_out(struct store *store, uint32_t number)
{
	struct entry *entry = &store->entries[number];
	char text[64], name[NAME_BYTES];

	if (!never_mind(store, number)) {
		name_of(store, number, name, sizeof(name));
		snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
		(void)say(store, text, number, -1);
	}
	/* Who still waits at a socket that nobody will accept from learns it now. */
	if (entry->kind == STORE_LISTENER)
		(void)shutdown(entry->fd, SHUT_RDWR);
	leave(store, number);
}

static bool is_stored(const struct store *store, uint32_t number)
{
	return number && number < store->nr_entries && store->entries[number].fd >= 0;
}

void store_release(struct store *store, uint32_t number)
{
	if (!number || number >= store->nr_entries || !store->entries[number].references)
		return;
	if (--store->entries[number].references == 0 && is_stored(store, number))
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

void store_drop_listeners(struct store *store, bool (*named)(const void *context, uint32_t number),
			  const void *context)
{
	for (uint32_t i = STORE_FIRST_FREE; i < store->nr_entries; i++)
		if (is_stored(store, i) && store->entries[i].kind == STORE_LISTENER &&
		    !named(context, i))
			take_out(store, i);
}

/* --- beginning and end --- */

/* One name of $LISTEN_FDNAMES. What is not ours is closed. */
static int take_one(struct store *store, const char *name, int fd)
{
	char *end = NULL;
	unsigned long number = *name ? strtoul(name + 1, &end, 10) : 0;
	int error;

	/* Not there: a lie. Else without it we would take nothing for what is left, and drop the
	 * rest. */
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return errno == EBADF ? 0 : -errno;
	if (!number || *end || number >= MAX_NUMBERS) {
		hf_fd_close(&fd);
		return 0;
	}
	error = enter(store, (uint32_t)number, *name, fd);
	if (!error)
		store->entries[number].there = !store->nobody;
	return error == -EEXIST ? 0 : error;
}

static int take_listen_fds(struct store *store)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	char *copy = strdup(names ? names : ""), *rest = copy;
	int error = copy ? 0 : -ENOMEM;

	if (!error && pid && count && strtol(pid, NULL, 10) == getpid())
		for (int i = 0, n = atoi(count); i < n && !error; i++) {
			const char *name = strsep(&rest, ":");

			error = take_one(store, name ? name : "", FIRST_FD + i);
		}
	free(copy);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return error;
}

/* calls: socket connect */
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

/* As systemd says it since its version 254, and our supervisor does. */
static uint32_t most_kept(void)
{
	const char *text = getenv("FDSTORE");
	unsigned long max = text ? strtoul(text, NULL, 10) : 0;

	return max && max < MAX_NUMBERS ? (uint32_t)max : MAX_NUMBERS;
}

int store_open(struct loop *loop, struct store **ret_store)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct store *store = calloc(1, sizeof(*store));

	*ret_store = store;
	if (!store)
		return -ENOMEM;
	store->loop = loop;
	store->socket = path ? connect_notify(path) : -1;
	if (path && store->socket < 0)
		log_warning(TAG, "cannot use $NOTIFY_SOCKET: %s; a crash will end all sessions",
			    strerror(-store->socket));
	store->nobody = !path;
	store->lost = store->socket < 0 || getenv(LOST);
	store->last = &store->first;
	store->retry.fire = on_retry;
	store->max = most_kept();
	return take_listen_fds(store);
}

int store_hand_on(const struct store *store, struct handon *handon)
{
	char name[NAME_BYTES];
	int error = 0;

	for (uint32_t i = 1; i < store->nr_entries && !error; i++) {
		if (store->entries[i].fd < 0)
			continue;
		name_of(store, i, name, sizeof(name));
		error = handon_add(handon, name, store->entries[i].fd);
	}
	/* Who listens there now, or again, has other things by our names; but it may be the one who
	 * asks for signs. */
	if (!error && store->lost && !store->nobody && setenv(LOST, "1", 1) < 0)
		error = -ENOMEM;
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
	free(store->order);
	free(store);
}

/* calls: clock_nanosleep nanosleep */
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
	/* Without the journal the rest is nothing; the other way round it could not be used. */
	if (is_stored(store, STORE_JOURNAL))
		take_out(store, STORE_JOURNAL);
	for (uint32_t i = 1; i < store->nr_entries; i++)
		if (store->entries[i].fd >= 0)
			take_out(store, i);
	store_flush(store);
}
