/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end that takes its memory away while bursts run: the rings of its device break, each
 * once, and nothing else happens to anybody. What is a SIGBUS of somebody else's stays one.
 *
 * The model must not look at a guest's memory once it is cut: what came of a burst is told by the
 * lane and the eventfds. The first sentences fork before there is any handler of the library's.
 */
#include "sigbus.h"

#include <fcntl.h>
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "notify.h"
#include "order.h"
#include "rig.h"
#include "suite.h"

#define HUGE	   (2u << 20)
#define FRAME	   200u
#define SLOT	   512u
#define FILE_BYTES 8192u
/* Some sanitizers take memory at any time. */
#ifdef __SANITIZE_THREAD__
#define MAPS_OF_ITS_OWN 1
#else
#define MAPS_OF_ITS_OWN 0
#endif

static struct rig bad, good;
static uint8_t data[64][FRAME];
static struct hf_packet packets[64];

/* ---- other people's faults */

static uint8_t *volatile file_map; /* of a file that ends before it; the handler looks at it */
static atomic_int handled, sent;

static void *map_file(void *where, size_t bytes)
{
	int fd = memfd_create("other", MFD_CLOEXEC), flags = where ? MAP_FIXED : 0;
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
		map = mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
	if (map == MAP_FAILED || ftruncate(fd, 0) < 0)
		_exit(100);
	close(fd);
	return map;
}

static void application_handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_code <= 0) {
		atomic_fetch_add(&sent, 1);
		return;
	}
	if ((uintptr_t)info->si_addr - (uintptr_t)file_map >= FILE_BYTES ||
	    mmap(file_map, FILE_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(101);
	atomic_fetch_add(&handled, 1);
}

static void install_applications(void)
{
	struct sigaction action = {.sa_sigaction = application_handler, .sa_flags = SA_SIGINFO};

	REQUIRE(sigaction(SIGBUS, &action, NULL) == 0);
}

/* What becomes of a process that does this after hf_sigbus_install, with `handler` there before.
 * Of wait(2). */
static int end_of(void (*deed)(void), void (*handler)(int))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (signal(SIGBUS, handler) == SIG_ERR || hf_sigbus_install())
			_exit(102);
		deed();
		_exit(0);
	}
	REQUIRE(pid > 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return status;
}

static void touch_what_is_gone(void)
{
	volatile uint8_t *file = map_file(NULL, FILE_BYTES);

	*file = 1;
}

static void send_it(void)
{
	kill(getpid(), SIGBUS);
}

static void exit_103(int number)
{
	(void)number;
	_exit(103);
}

static void without_an_earlier_handler_a_fault_elsewhere_ends_the_process(void)
{
	int status = end_of(touch_what_is_gone, SIG_DFL);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	/* Not to be ignored, either. */
	status = end_of(touch_what_is_gone, SIG_IGN);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = end_of(send_it, SIG_DFL);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	CHECK_EQ(end_of(send_it, SIG_IGN), 0);
}

static void a_plain_handler_of_before_gets_what_is_not_ours(void)
{
	CHECK_EQ(WEXITSTATUS(end_of(touch_what_is_gone, exit_103)), 103);
	CHECK_EQ(WEXITSTATUS(end_of(send_it, exit_103)), 103);
}

static void the_applications_handler_gets_what_is_not_ours(void)
{
	install_applications();
	REQUIRE(hf_sigbus_install() == 0);
	file_map = map_file(NULL, FILE_BYTES);
	*(volatile uint8_t *)file_map = 1;
	CHECK_EQ(atomic_load(&handled), 1);
	CHECK_EQ(file_map[0], 1);
	REQUIRE(raise(SIGBUS) == 0);
	CHECK_EQ(atomic_load(&sent), 1);
	munmap(file_map, FILE_BYTES);
}

/* ---- guests */

static void open_guest(struct rig *rig, uint64_t features, uint16_t base, bool huge)
{
	struct rig_shape shape = {.features = V1 | features,
				  .size = 64,
				  .base = base,
				  .huge = huge,
				  .memory = huge ? HUGE : 0};

	REQUIRE(rig_create(rig, &shape));
	REQUIRE(hf_sigbus_guard(rig->device, rig->device->map) == 0);
	for (uint32_t i = 0; i < 32; i++) {
		struct piece in = {rig->buffers + i * SLOT, SLOT, DRIVER_WRITE};
		struct piece out = {rig->buffers + (64 + i) * SLOT, 12 + FRAME, 0};
		uint8_t bytes[12 + FRAME] = {[12] = 0x52, [12 + FRAME - 1] = (uint8_t)i};

		guest_write(&rig->guest, out.gpa, bytes, sizeof(bytes));
		REQUIRE(driver_put(&rig->rx, &in, 1) >= 0);
		REQUIRE(driver_put(&rig->tx, &out, 1) >= 0);
	}
	driver_publish(&rig->rx);
	driver_publish(&rig->tx);
}

static void reset_packets(void)
{
	for (uint32_t i = 0; i < 64; i++)
		packets[i] = (struct hf_packet){
			.data = data[i], .room = FRAME, .len = FRAME, .total = FRAME};
}

static uint16_t burst(struct rig *rig, uint16_t queue, uint32_t first, uint16_t n)
{
	struct hf_packet *list[32];

	for (uint16_t i = 0; i < n; i++)
		list[i] = &packets[first + i];
	return queue ? hf_dequeue_burst(rig->device, 1, list, n)
		     : hf_enqueue_burst(rig->device, 0, list, n);
}

static void lower(int what, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(what, &limit) < 0)
		_exit(104);
	limit.rlim_cur = most;
	if (setrlimit(what, &limit) < 0)
		_exit(105);
}

static void lose_memory(void)
{
	if (!guest_cut(&bad.guest, 0))
		_exit(106);
	(void)burst(&bad, 1, 0, 4);
	(void)burst(&bad, 1, 0, 4);
	if (rig_counter(&bad, 1, HF_COUNTER_BREAK_MEMORY_GONE) != 1)
		_exit(107);
}

/* As one is that is charged whole and may not be: no page more may be a private map's. */
static void lose_memory_where_private_maps_are_refused(void)
{
	open_guest(&bad, 0, 0, false);
	reset_packets();
	lower(RLIMIT_DATA, 4096);
	lose_memory();
}

static void lose_memory_without_descriptors(void)
{
	open_guest(&bad, 0, 0, false);
	reset_packets();
	lower(RLIMIT_NOFILE, 0);
	lose_memory();
}

/* To go beyond that limit is a signal. */
static void lose_memory_where_no_file_may_be_so_long(void)
{
	open_guest(&bad, 0, 0, false);
	reset_packets();
	lower(RLIMIT_FSIZE, 4096);
	lose_memory();
}

static void memory_that_goes_is_replaced_at_each_limit_of_the_process(void)
{
	if (!MAPS_OF_ITS_OWN)
		CHECK_EQ(end_of(lose_memory_where_private_maps_are_refused, SIG_DFL), 0);
	CHECK_EQ(end_of(lose_memory_without_descriptors, SIG_DFL), 0);
	CHECK_EQ(end_of(lose_memory_where_no_file_may_be_so_long, SIG_DFL), 0);
}

static unsigned faults;

static void fault_again_and_again(void)
{
	const struct hf_mapped_region *region;

	open_guest(&bad, 0, 0, false);
	region = &bad.device->map->regions[0];
	while (faults--) {
		(void)map_file(region->base, region->mapped);
		*(volatile uint8_t *)region->base = 1;
	}
}

/* As where there is no memory at all: the zeros' own pages cannot be had. */
static void what_faults_for_ever_ends_the_process(void)
{
	int status;

	faults = 1000;
	CHECK_EQ(end_of(fault_again_and_again, SIG_DFL), 0);
	faults = 2000;
	status = end_of(fault_again_and_again, SIG_DFL);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void check_broken_once(struct rig *rig, uint16_t queue)
{
	for (int i = 0; i < 5; i++)
		CHECK_EQ(burst(rig, queue, 0, 4), 0);
	CHECK_EQ(rig_counter(rig, queue, HF_COUNTER_BREAK_MEMORY_GONE), 1);
	CHECK_EQ(rig_counter(rig, queue, HF_COUNTER_BREAK_AVAIL_IDX), 0);
	CHECK_EQ(rig_counter(rig, queue, HF_COUNTER_BREAK_BAD_CHAIN), 0);
	CHECK_EQ(rig->lanes[queue].broken, HF_COUNTER_BREAK_MEMORY_GONE + 1);
	CHECK_EQ(rig_errors(rig, queue), 1);
}

static void check_good(uint16_t n)
{
	reset_packets();
	CHECK_EQ(burst(&good, 1, 0, n), n);
	CHECK_EQ(burst(&good, 0, 0, n), n);
	CHECK_EQ(rig_errors(&good, 0) + rig_errors(&good, 1), 0);
	CHECK_EQ(driver_consume_all(&good.rx), n);
	CHECK_EQ(driver_check(&good.rx), 0);
}

static void cut_and_check(uint64_t features, uint16_t base, bool huge, uint16_t first_queue)
{
	open_guest(&bad, features, base, huge);
	open_guest(&good, 0, 0, false);
	reset_packets();
	CHECK_EQ(burst(&bad, 1, 0, 4), 4);
	REQUIRE(guest_cut(&bad.guest, 0));
	(void)burst(&bad, first_queue, 0, 4); /* whatever comes of it, it ends */
	check_good(4);
	check_broken_once(&bad, first_queue);
	check_broken_once(&bad, first_queue ^ 1);
	check_good(4);
	rig_destroy(&bad);
	rig_destroy(&good);
}

static void memory_that_is_cut_breaks_each_ring_once_and_nobody_elses(void)
{
	for (uint16_t queue = 0; queue < 2; queue++) {
		cut_and_check(0, 0, false, queue);
		cut_and_check(0, 60000, false, queue);
		cut_and_check(PACKED, 0, false, queue);
		cut_and_check(PACKED, 70, false, queue);
		cut_and_check(HF_FEATURE(HF_F_EVENT_IDX), 7, false, queue);
	}
}

static void so_does_memory_on_hugepages(void)
{
	if (hf_huge_pages_free(NULL) < 1) {
		printf("\n    skipped: no hugepage of 2 MiB is free\n    ");
		return;
	}
	for (uint16_t queue = 0; queue < 2; queue++)
		cut_and_check(0, 0, true, queue);
}

/* The rings stay, what they name is gone: the burst ends as it began, in the guest's own ring. */
static void a_burst_whose_buffers_go_ends_and_the_next_one_breaks_the_ring(void)
{
	static const struct guest_span spans[] = {{0, 64 << 10}, {64 << 10, 64 << 10}};
	struct rig_shape shape = {
		.features = V1, .size = 64, .memory = 128 << 10, .spans = spans, .nr_spans = 2};
	struct piece piece;

	REQUIRE(rig_create(&bad, &shape));
	REQUIRE(hf_sigbus_guard(bad.device, bad.device->map) == 0);
	piece = (struct piece){100 << 10, SLOT, DRIVER_WRITE};
	for (int i = 0; i < 8; i++)
		REQUIRE(driver_put(&bad.rx, &piece, 1) >= 0);
	driver_publish(&bad.rx);
	reset_packets();
	CHECK_EQ(burst(&bad, 0, 0, 2), 2);
	REQUIRE(guest_cut(&bad.guest, 64 << 10));
	CHECK_EQ(burst(&bad, 0, 0, 2), 2);
	CHECK_EQ(driver_used_idx(&bad.rx), 4);
	check_broken_once(&bad, 0);
	CHECK_EQ(driver_used_idx(&bad.rx), 4);
	rig_destroy(&bad);
}

/* What was decided on is private; what follows it is zeros, and the receiver is well. */
static void memory_that_goes_between_peek_and_forward_is_forwarded_as_zeros(void)
{
	struct hf_hop *hop = hf_hop_create();
	struct hf_packet *list[4] = {&packets[0], &packets[1], &packets[2], &packets[3]};
	struct driver_used used;

	REQUIRE(hop != NULL);
	open_guest(&bad, 0, 0, false);
	open_guest(&good, 0, 0, false);
	reset_packets();
	CHECK_EQ(hf_hop_peek(hop, bad.device, 1, list, 4, 64), 4);
	REQUIRE(guest_cut(&bad.guest, 0));
	CHECK_EQ(hf_hop_forward(hop, good.device, 0, list, 3), 3);
	hf_hop_copy(hop, list + 3, 1);
	CHECK_EQ(packets[3].len, FRAME);
	CHECK_EQ(packets[3].data[0], 0x52);
	CHECK_EQ(packets[3].data[FRAME - 1], 0);
	hf_hop_complete(hop, 4);
	for (uint8_t i = 0; i < 3; i++) {
		uint64_t buffer = good.buffers + i * SLOT;

		REQUIRE(driver_consume(&good.rx, &used));
		CHECK_EQ(used.len, 12 + FRAME);
		CHECK_EQ(*guest_at(&good.guest, buffer + 12), 0x52);
		CHECK_EQ(*guest_at(&good.guest, buffer + 12 + FRAME - 1), 0);
	}
	CHECK_EQ(hf_hop_peek(hop, bad.device, 1, list, 4, 64), 0);
	check_broken_once(&bad, 1);
	hf_hop_destroy(hop);
	rig_destroy(&bad);
	rig_destroy(&good);
}

/* The destination's memory goes: the source loses nothing but those packets. */
static void a_destination_whose_memory_goes_breaks_and_the_source_goes_on(void)
{
	struct hf_hop *hop = hf_hop_create();
	struct hf_packet *list[4] = {&packets[0], &packets[1], &packets[2], &packets[3]};

	REQUIRE(hop != NULL);
	open_guest(&bad, 0, 0, false);
	open_guest(&good, 0, 0, false);
	reset_packets();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(hf_hop_peek(hop, good.device, 1, list, 4, 64), 4);
		if (!i)
			REQUIRE(guest_cut(&bad.guest, 0));
		(void)hf_hop_forward(hop, bad.device, 0, list, 4);
		hf_hop_complete(hop, 4);
	}
	CHECK_EQ(driver_consume_all(&good.tx), 12);
	CHECK_EQ(driver_check(&good.tx), 0);
	check_broken_once(&bad, 0);
	hf_hop_destroy(hop);
	rig_destroy(&bad);
	rig_destroy(&good);
}

/* The front-end starts the ring again in the memory that is gone. */
static void a_ring_that_is_granted_again_in_memory_that_is_gone_breaks_again(void)
{
	struct hf_vring *v;

	open_guest(&bad, 0, 0, false);
	v = bad.device->vrings[1];
	REQUIRE(guest_cut(&bad.guest, 0));
	check_broken_once(&bad, 1);
	bad.lanes[1] = (struct hf_lane_vring){0};
	bad.grants[1] = (RIG_GRANT + 2) | HF_GRANT_ENABLED;
	hf_vring_grant(v, RIG_GRANT + 2, 0, 0);
	check_broken_once(&bad, 1);
	rig_destroy(&bad);
}

/* With none of our mappings, and perhaps something else in their place. */
static void a_child_is_not_helped_with_a_map_of_its_own_in_the_place_of_ours(void)
{
	int status = -1;
	pid_t pid;

	open_guest(&bad, 0, 0, false);
	/* The child of a test must not take part in its assertions. */
	pid = fork();
	if (pid == 0) {
		volatile uint8_t *own = map_file(bad.device->map->regions[0].base, FILE_BYTES);

		*own = 1; /* application_handler does not know it */
		_exit(0);
	}
	REQUIRE(pid > 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(WEXITSTATUS(status), 101);
	rig_destroy(&bad);
}

static void to_prefault_a_ring_that_is_gone_does_no_harm(void)
{
	open_guest(&bad, 0, 0, false);
	REQUIRE(guest_cut(&bad.guest, 0));
	hf_vring_prefault(bad.device->vrings[0]);
	hf_vring_prefault(bad.device->vrings[1]);
	CHECK_EQ(bad.device->map->gone, 0);
	rig_destroy(&bad);
}

/* ---- threads */

#define ROUNDS 100u

static pthread_barrier_t start_line;

static void *run_queue(void *arg)
{
	uint16_t queue = (uint16_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&start_line); /* it is cut */
		for (int k = 0; k < 3; k++)
			(void)burst(&bad, queue, 32u * queue, 8);
		pthread_barrier_wait(&start_line); /* look */
	}
	return NULL;
}

static void two_threads_that_fault_at_once_break_a_ring_each(void)
{
	pthread_t threads[2];
	uint64_t broken = 0, errors = 0;

	REQUIRE(pthread_barrier_init(&start_line, NULL, 3) == 0);
	for (uintptr_t i = 0; i < 2; i++)
		REQUIRE(pthread_create(&threads[i], NULL, run_queue, (void *)i) == 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		open_guest(&bad, 0, (uint16_t)i, false);
		reset_packets();
		REQUIRE(guest_cut(&bad.guest, 0));
		pthread_barrier_wait(&start_line);
		pthread_barrier_wait(&start_line);
		for (uint16_t q = 0; q < 2; q++) {
			broken += rig_counter(&bad, q, HF_COUNTER_BREAK_MEMORY_GONE);
			errors += rig_errors(&bad, q);
		}
		rig_destroy(&bad);
	}
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
	CHECK_EQ(broken, 2 * ROUNDS);
	CHECK_EQ(errors, 2 * ROUNDS);
	pthread_barrier_destroy(&start_line);
}

static atomic_bool over;

/* Rows come and go in front of those that are looked for. */
static void *change_maps(void *arg)
{
	struct hf_device *device = hf_device_create(NULL, 1, 1);
	struct guest guest;

	(void)arg;
	if (!device || !guest_create(&guest, 16 << 10, 0, NULL, 0))
		return NULL;
	while (!atomic_load(&over)) {
		struct hf_guestmap *map = NULL;

		if (hf_guestmap_create(&map, guest.regions, &guest.fd, 1) ||
		    hf_device_put_map(device, map))
			break;
		(void)hf_device_put_map(device, NULL);
	}
	hf_device_free(device);
	guest_destroy(&guest);
	return NULL;
}

static void maps_that_come_and_go_meanwhile_are_not_in_the_way(void)
{
	pthread_t thread;

	atomic_store(&over, false);
	REQUIRE(pthread_create(&thread, NULL, change_maps, NULL) == 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		open_guest(&bad, 0, (uint16_t)i, false);
		reset_packets();
		REQUIRE(guest_cut(&bad.guest, 0));
		for (uint16_t q = 0; q < 2; q++)
			check_broken_once(&bad, q);
		rig_destroy(&bad);
	}
	atomic_store(&over, true);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

/* ---- interruption: the signal is of use for that, too */

#define RIVALS 64u

static atomic_uint begun, ended;

static void *write_in_rivalry(void *arg)
{
	const uint64_t most = UINT64_MAX - 1;

	atomic_fetch_add(&begun, 1);
	while (!atomic_load(&over))
		(void)!write(*(int *)arg, &most, sizeof(most));
	atomic_fetch_add(&ended, 1);
	return NULL;
}

static void *enqueue_one(void *arg)
{
	struct rig *rig = (struct rig *)arg;

	CHECK_EQ(burst(rig, 0, 0, 1), 1);
	return NULL;
}

static bool has_written(struct hf_vring *v)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (hf_load_acquire(&v->writes_done) == hf_load_acquire(&v->writes))
			return true;
		usleep(1000);
	}
	return false;
}

/* Each time that its eventfd is emptied, one of them is faster. */
static void a_call_that_hangs_among_a_front_ends_own_writers_is_ended(void)
{
	pthread_t rivals[RIVALS], thread;
	uint64_t number;
	struct hf_vring *v;

	open_guest(&bad, 0, 0, false);
	v = bad.device->vrings[0];
	atomic_store(&over, false);
	REQUIRE(fcntl(bad.calls[0], F_SETFL, 0) == 0);
	REQUIRE(eventfd_write(bad.calls[0], UINT64_MAX - 1) == 0);
	for (unsigned i = 0; i < RIVALS; i++)
		REQUIRE(!pthread_create(&rivals[i], NULL, write_in_rivalry, &bad.calls[0]));
	while (atomic_load(&begun) < RIVALS)
		usleep(1000);
	REQUIRE(pthread_create(&thread, NULL, enqueue_one, &bad) == 0);
	while (hf_load_acquire(&v->writes) == hf_load_acquire(&v->writes_done))
		usleep(100);
	CHECK(hf_notify_rescue(v));
	/* It may not have been in the call yet: the next look ends it then. */
	for (unsigned i = 0; i < 20 && !has_written(v); i++)
		(void)hf_notify_rescue(v);
	CHECK(has_written(v));
	CHECK_EQ(hf_read_once(&v->writers[0]), 0);
	CHECK(!v->has_call);
	/* Nobody who waits is left. */
	atomic_store(&over, true);
	REQUIRE(fcntl(bad.calls[0], F_SETFL, O_NONBLOCK) == 0);
	while (atomic_load(&ended) < RIVALS || !has_written(v)) {
		(void)!read(bad.calls[0], &number, sizeof(number));
		usleep(100);
	}
	REQUIRE(pthread_join(thread, NULL) == 0);
	for (unsigned i = 0; i < RIVALS; i++)
		REQUIRE(pthread_join(rivals[i], NULL) == 0);
	rig_destroy(&bad);
}

/* The mark is what tells it. */
static void a_signal_of_the_same_kind_from_somebody_else_is_his(void)
{
	const union sigval other = {.sival_int = 1};
	int before = atomic_load(&sent);

	REQUIRE(sigqueue(getpid(), SIGBUS, other) == 0);
	CHECK_EQ(atomic_load(&sent), before + 1);
	hf_sigbus_interrupt(gettid());
	CHECK_EQ(atomic_load(&sent), before + 1);
}

/* Each device takes rows of one table; none of what was refused stays in it. */
static void a_map_that_the_table_has_no_row_for_is_refused_whole(void)
{
	unsigned int guarded = 0;
	struct rig rig;
	int error;

	open_guest(&rig, 0, 0, false);
	do
		error = hf_sigbus_guard(rig.device, rig.device->map);
	while (!error && ++guarded < 1u << 20);
	CHECK_EQ(error, -ENOMEM);
	CHECK(guarded > 1000);
	hf_sigbus_unguard(rig.device->map);
	CHECK_EQ(hf_sigbus_guard(rig.device, rig.device->map), 0);
	hf_sigbus_unguard(rig.device->map);
	rig_destroy(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(without_an_earlier_handler_a_fault_elsewhere_ends_the_process),
	SENTENCE(a_plain_handler_of_before_gets_what_is_not_ours),
	SENTENCE(memory_that_goes_is_replaced_at_each_limit_of_the_process),
	SENTENCE(what_faults_for_ever_ends_the_process),
	SENTENCE(the_applications_handler_gets_what_is_not_ours),
	SENTENCE(memory_that_is_cut_breaks_each_ring_once_and_nobody_elses),
	SENTENCE(so_does_memory_on_hugepages),
	SENTENCE(a_burst_whose_buffers_go_ends_and_the_next_one_breaks_the_ring),
	SENTENCE(memory_that_goes_between_peek_and_forward_is_forwarded_as_zeros),
	SENTENCE(a_destination_whose_memory_goes_breaks_and_the_source_goes_on),
	SENTENCE(a_ring_that_is_granted_again_in_memory_that_is_gone_breaks_again),
	SENTENCE(a_child_is_not_helped_with_a_map_of_its_own_in_the_place_of_ours),
	SENTENCE(to_prefault_a_ring_that_is_gone_does_no_harm),
	SENTENCE(two_threads_that_fault_at_once_break_a_ring_each),
	SENTENCE(maps_that_come_and_go_meanwhile_are_not_in_the_way),
	SENTENCE(a_call_that_hangs_among_a_front_ends_own_writers_is_ended),
	SENTENCE(a_signal_of_the_same_kind_from_somebody_else_is_his),
	SENTENCE(a_map_that_the_table_has_no_row_for_is_refused_whole),
};
SUITE("sigbus", sentences)
