/* SPDX-License-Identifier: Apache-2.0 */
#include "sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "seq.h"

/* A process has no more mappings than this by default (vm.max_map_count), and each is one region's.
 */
#define ROWS 65536u

/* Faults in one region: more than there are threads that may meet in the first one. */
#define TRIES 1024u

/* A region of a map that is in use; bytes 0: free. */
struct row {
	uint32_t seq;
	uint32_t tries; /* faults in it; any thread */
	uintptr_t base;
	size_t bytes;
	struct hf_device *device;
	struct hf_guestmap *map;
};

/* All of it is wiped in a child of fork: no rows, and a lock that nobody holds. */
struct table {
	pthread_mutex_t lock; /* of who changes rows; zeros are an open one */
	uint32_t rows;	      /* that were ever used; the handler looks no further */
	struct row row[ROWS];
};

static struct table *table; /* NULL: no handler */
static struct sigaction before;

/* ---- in the handler: no lock, no allocation, nothing but atomic accesses and system calls */

/* The row of the region that has `address`, and a copy. NULL: there is none. */
static struct row *find(uintptr_t address, struct row *ret_row)
{
	uint32_t rows = hf_load_acquire(&table->rows);

	for (uint32_t i = 0; i < rows; i++) {
		struct row *r = &table->row[i];
		uint32_t seq = hf_seq_read_begin(&r->seq);

		*ret_row = (struct row){.base = hf_read_once(&r->base),
					.bytes = hf_read_once(&r->bytes),
					.device = hf_read_once(&r->device),
					.map = hf_read_once(&r->map)};
		/* One that changes meanwhile is not the one we are in. */
		if (!hf_seq_read_retry(&r->seq, seq) && address - ret_row->base < ret_row->bytes)
			return r;
	}
	return NULL;
}

static void ask_to_break(struct hf_device *device)
{
	for (uint32_t q = 0; q < HF_MAX_VRINGS; q++) {
		struct hf_vring *v = hf_load_acquire(&device->vrings[q]);

		if (v)
			hf_or(&v->asked, HF_ASKED_BREAK);
	}
}

/* A file without pages, or -1. */
static int empty_file(size_t bytes)
{
	struct rlimit most;
	int fd;

	/* To go beyond that limit would be a signal. */
	if (getrlimit(RLIMIT_FSIZE, &most) < 0 || bytes > most.rlim_cur)
		return -1;
	fd = memfd_create("holdfast-gone", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)bytes) < 0)
		hf_fd_close(&fd);
	return fd;
}

/*
 * Zeros at the row's place. Of a file, since that costs only what is touched: private ones are
 * charged whole where the kernel overcommits nothing, and a map that is refused for it is gone all
 * the same. With no descriptor left they have to do.
 */
static bool map_zeros(const struct row *row)
{
	int fd = empty_file(row->bytes);
	int kind = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *base = mmap((void *)row->base, row->bytes, PROT_READ | PROT_WRITE,
			  kind | MAP_NORESERVE | MAP_FIXED, fd, 0);

	hf_fd_close(&fd);
	if (base == MAP_FAILED)
		return false;
	/* As the region was (shm/guard.c): other guests' packets may still be written there. */
	(void)madvise(base, row->bytes, MADV_DONTDUMP);
	(void)madvise(base, row->bytes, MADV_DONTFORK);
	return true;
}

/* False: it is not ours, or cannot be helped. */
static bool put_zeros(uintptr_t address)
{
	struct row row, *found = find(address, &row);

	/* Not for ever: when there is no memory at all, its page cannot be had either. */
	if (!found || hf_read_once(&found->tries) >= TRIES)
		return false;
	hf_add(&found->tries, 1u);
	/* First: who sees the zeros sees why. */
	hf_store_release(&row.map->gone, 1u);
	ask_to_break(row.device);
	return map_zeros(&row);
}

/* A touch that failed, not a signal that somebody sent. */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
	       info->si_code == BUS_MCEERR_AR;
}

/* What would have happened without us. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	struct sigaction fall_back = {.sa_handler = SIG_DFL};

	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(number, info, context);
		return;
	}
	if (before.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(number);
		return;
	}
	/* The touch comes again, and ends the process where it was; what was sent we send again. */
	(void)sigaction(number, &fall_back, NULL);
	if (!is_fault(info))
		(void)raise(number);
}

/* What hf_sigbus_interrupt sends points here. */
static int interruption;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &interruption)
		return;
	if (!is_fault(info) || !put_zeros((uintptr_t)info->si_addr))
		pass_on(number, info, context);
	errno = saved;
}

/* ---- control thread */

static int make_table(void)
{
	struct table *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (made == MAP_FAILED)
		return -errno;
	if (madvise(made, sizeof(*made), MADV_WIPEONFORK) < 0) {
		int error = -errno;

		(void)munmap(made, sizeof(*made));
		return error;
	}
	hf_store_release(&table, made);
	return 0;
}

static int install(void)
{
	/* No SA_RESTART: see hf_sigbus_interrupt. A fault is in no system call. */
	struct sigaction ours = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	int error;

	/* Known before ours can run. */
	if (sigaction(SIGBUS, NULL, &before) < 0)
		return -errno;
	ours.sa_mask = before.sa_mask;
	error = make_table();
	if (!error && sigaction(SIGBUS, &ours, NULL) < 0)
		error = -errno;
	return error;
}

int hf_sigbus_install(void)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	int error = 0;

	pthread_mutex_lock(&once);
	if (!table)
		error = install();
	pthread_mutex_unlock(&once);
	return error;
}

static bool is_still_there(void)
{
	struct sigaction now;

	return sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
	       now.sa_sigaction == on_sigbus;
}

void hf_sigbus_interrupt(pid_t thread)
{
	siginfo_t info = {.si_signo = SIGBUS, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_ptr = &interruption;
	if (hf_load_acquire(&table) && is_still_there())
		(void)syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, SIGBUS, &info);
}

/* We do not take it back: the new one may call ours, and would be called by it. */
static void check_still_there(void)
{
	static bool said; /* benign race: at worst two lines */

	if (said || is_still_there())
		return;
	said = true;
	log_warning("sigbus",
		    "the handler of SIGBUS is another one now: unless it calls the one it found, a "
		    "front-end that cuts its memory short ends this process; install it before "
		    "hf_service_connect");
}

static void write_row(struct row *row, const struct row *to)
{
	hf_seq_write_begin(&row->seq);
	hf_write_once(&row->base, to->base);
	hf_write_once(&row->bytes, to->bytes);
	hf_write_once(&row->device, to->device);
	hf_write_once(&row->map, to->map);
	hf_write_once(&row->tries, 0u);
	hf_seq_write_end(&row->seq);
}

/* A free row from number *at on, under the lock. NULL: there is none. */
static struct row *free_row(uint32_t *at)
{
	for (; *at < ROWS; (*at)++)
		if (*at == table->rows || !table->row[*at].bytes)
			break;
	if (*at == ROWS)
		return NULL;
	return &table->row[(*at)++];
}

static void forget(const struct hf_guestmap *map)
{
	static const struct row none;

	for (uint32_t i = 0; i < table->rows; i++)
		if (table->row[i].map == map)
			write_row(&table->row[i], &none);
}

int hf_sigbus_guard(struct hf_device *device, struct hf_guestmap *map)
{
	uint32_t at = 0, i;

	if (!table)
		return 0;
	check_still_there();
	pthread_mutex_lock(&table->lock);
	for (i = 0; i < map->count; i++) {
		struct row *row = free_row(&at);

		if (!row)
			break;
		write_row(row, &(struct row){.base = (uintptr_t)map->regions[i].base,
					     .bytes = map->regions[i].mapped,
					     .device = device,
					     .map = map});
		if (at > table->rows)
			hf_store_release(&table->rows, at);
	}
	if (i < map->count)
		forget(map);
	pthread_mutex_unlock(&table->lock);
	return i < map->count ? -ENOMEM : 0;
}

void hf_sigbus_unguard(const struct hf_guestmap *map)
{
	if (!table || !map)
		return;
	pthread_mutex_lock(&table->lock);
	forget(map);
	pthread_mutex_unlock(&table->lock);
}
