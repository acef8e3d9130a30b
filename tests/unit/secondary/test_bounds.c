/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one burst may cost, and what a front-end may do to the thread that runs it: hostile guests
 * bounded in work, hostile descriptors bounded in time.
 */
#include <errno.h>
#include <fcntl.h>
#include <holdfast/burst.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "enqueue.h"
#include "fd.h"
#include "notify.h"
#include "rig.h"
#include "suite.h"

#define BIG   4096u
#define SMALL 8u

static struct rig rig;
static uint8_t bytes[64];
static struct hf_packet packet;

static void open_rig(uint16_t size)
{
	struct rig_shape shape = {.features = V1, .size = size};

	REQUIRE(rig_create(&rig, &shape));
}

static uint16_t move(uint16_t queue, uint16_t n)
{
	struct hf_packet *packets[256];

	packet = (struct hf_packet){.data = bytes, .room = 64, .len = 60, .total = 60};
	for (uint16_t i = 0; i < n; i++)
		packets[i] = &packet;
	return queue ? hf_dequeue_burst(rig.device, 1, packets, n)
		     : hf_enqueue_burst(rig.device, 0, packets, n);
}

/* Every head names the same endless loop of empty descriptors. */
static void fill_with_loops(struct driver *d, uint16_t size, uint16_t flags)
{
	driver_write_desc(d, d->desc, 0, rig.buffers, 0, (uint16_t)(flags | DRIVER_NEXT), 1);
	driver_write_desc(d, d->desc, 1, rig.buffers, 0, (uint16_t)(flags | DRIVER_NEXT), 0);
	for (uint32_t i = 0; i < size; i++)
		driver_put_head(d, 0);
	driver_publish(d);
}

/* One chain may be as long as the ring; the next is not begun when the budget is spent. */
static void a_burst_of_endless_chains_ends_with_its_budget(void)
{
	for (uint16_t queue = 0; queue < 2; queue++) {
		struct driver *d;
		uint64_t dropped;

		open_rig(BIG);
		d = queue ? &rig.tx : &rig.rx;
		fill_with_loops(d, BIG, queue ? 0 : DRIVER_WRITE);
		CHECK_EQ(move(queue, 32), 0);
		dropped = rig_counter(&rig, queue, HF_COUNTER_DROP_LOOP);
		CHECK(dropped >= 1);
		CHECK(dropped <= HF_BURST_BUDGET / BIG + 1);
		/* They are back with the guest, and the rest follows, burst by burst. */
		CHECK_EQ(driver_used_idx(d), dropped);
		for (uint32_t i = 0; i < BIG; i++)
			(void)move(queue, 32);
		CHECK_EQ(rig_counter(&rig, queue, HF_COUNTER_DROP_LOOP), BIG);
		rig_destroy(&rig);
	}
}

/* ---- enqueue: what one packet may cost */

#define LARGEST	  HF_VRING_MAX_SIZE
#define MERGEABLE (V1 | HF_FEATURE(VIRTIO_NET_F_MRG_RXBUF))

static uint8_t large[16000];

static void open_large(uint64_t features, uint16_t size)
{
	struct rig_shape shape = {.features = features, .size = size, .memory = 8u << 20};

	REQUIRE(rig_create(&rig, &shape));
}

/* Enqueue the same packet `n` times; how many were taken. */
static uint16_t enqueue(const struct hf_packet *what, uint16_t n)
{
	struct hf_packet *packets[256];

	packet = *what;
	for (uint16_t i = 0; i < n; i++)
		packets[i] = &packet;
	return hf_enqueue_burst(rig.device, 0, packets, n);
}

static struct hf_packet packet_of(uint32_t len)
{
	return (struct hf_packet){.data = large, .room = len, .len = len, .total = len};
}

/* Descriptors that the last enqueue burst has looked at. */
static int64_t looked_at(void)
{
	return HF_BURST_BUDGET - (int64_t)rig.device->vrings[0]->budget;
}

/* In the ring's table from `first` on: n - 1 empty descriptors, then one of `len` bytes. */
static void write_hollow_chain(uint16_t first, uint16_t n, uint32_t len)
{
	for (uint32_t i = 0; i < n; i++) {
		bool last = i + 1u == n;

		driver_write_desc(&rig.rx, rig.rx.desc, first + i, rig.buffers, last ? len : 0,
				  last ? DRIVER_WRITE : DRIVER_WRITE | DRIVER_NEXT,
				  (uint16_t)(first + i + 1));
	}
}

static void fill_split_with_one_chain(void)
{
	write_hollow_chain(0, LARGEST - 1, 1);
	for (uint32_t i = 0; i < LARGEST; i++)
		driver_put_head(&rig.rx, 0);
	driver_publish(&rig.rx);
}

/* The same in a packed ring: every descriptor refers to one table. */
static void fill_packed_with_one_chain(void)
{
	const uint32_t n = LARGEST - 1;
	uint64_t table = rig.buffers + 4096;

	for (uint32_t i = 0; i < n; i++)
		driver_write_desc(&rig.rx, table, i, rig.buffers, i + 1 == n, 0, DRIVER_WRITE);
	for (uint32_t i = 0; i < LARGEST; i++) {
		uint16_t at = driver_index(&rig.rx, i);

		driver_write_packed(&rig.rx, at, table, 16 * n, (uint16_t)i,
				    driver_available(at) | DRIVER_INDIRECT);
	}
}

/* Legal all of it: a byte in each of 32,768 chains, at 32,767 descriptors a byte. */
static void a_packet_that_would_cost_every_burst_its_budget_is_dropped_as_too_big(void)
{
	for (int packed = 0; packed < 2; packed++) {
		struct hf_packet wanted = packet_of(1500);

		open_large(MERGEABLE | (packed ? PACKED | HF_FEATURE(HF_F_INDIRECT_DESC) : 0),
			   LARGEST);
		packed ? fill_packed_with_one_chain() : fill_split_with_one_chain();
		for (uint64_t burst = 1; burst <= 3; burst++) {
			CHECK_EQ(enqueue(&wanted, 32), 1);
			CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_TOO_BIG), burst);
			CHECK(looked_at() <= HF_BURST_BUDGET + 2 * (int64_t)LARGEST);
		}
		CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GOOD_PACKETS), 0);
		CHECK(!rig.device->vrings[0]->broken);
		rig_destroy(&rig);
	}
}

/* A store to the available index posts the whole ring again: every head names an indirect table of
 * no entries. It need not be negotiated. */
static void chains_that_begin_with_a_bad_indirect_descriptor_are_paid_for(void)
{
	struct hf_packet wanted = packet_of(60);
	uint32_t cut;

	open_large(V1, LARGEST);
	driver_write_desc(&rig.rx, rig.rx.desc, 0, rig.buffers, 0, DRIVER_WRITE | DRIVER_INDIRECT,
			  0);
	for (uint32_t i = 0; i < LARGEST; i++)
		driver_put_head(&rig.rx, 0);
	driver_publish(&rig.rx);
	for (uint64_t burst = 1; burst <= LARGEST / HF_BURST_BUDGET; burst++) {
		CHECK_EQ(enqueue(&wanted, 32), 0);
		CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_INDIRECT),
			 burst * HF_BURST_BUDGET);
		CHECK_EQ(hf_enqueue_walked(rig.device, 0, &cut), HF_BURST_BUDGET);
	}
	CHECK_EQ(enqueue(&wanted, 32), 0);
	CHECK_EQ(hf_enqueue_walked(rig.device, 0, &cut), 0);
	rig_destroy(&rig);
}

/* Two chains of 3000 descriptors each: the second packet runs out of budget half-way. */
static void a_packet_for_which_the_rest_of_a_budget_is_too_little_waits_for_the_next_burst(void)
{
	struct hf_packet wanted = packet_of(1500);

	open_large(MERGEABLE, 16384);
	for (uint16_t i = 0; i < 4; i++) {
		write_hollow_chain((uint16_t)(i * 3000), 3000, 1000);
		driver_put_head(&rig.rx, (uint16_t)(i * 3000));
	}
	driver_publish(&rig.rx);
	CHECK_EQ(enqueue(&wanted, 2), 1);
	CHECK_EQ(driver_used_idx(&rig.rx), 2);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_TOO_BIG), 0);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_NO_GUEST_BUFFER), 1);
	CHECK_EQ(enqueue(&wanted, 1), 1);
	CHECK_EQ(driver_used_idx(&rig.rx), 4);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GOOD_PACKETS), 2);
	rig_destroy(&rig);
}

/* How many chains a packed ring has is known by looking at their descriptors. */
static void to_count_a_packed_rings_chains_before_a_segmentation_is_paid_for(void)
{
	struct hf_packet wanted = packet_of(9000);

	static const uint8_t headers[54] = {
		[12] = 8,    0, 0x45, [23] = 6, /* IPv4, TCP */
		[46] = 0x50,
	};
	memcpy(large, headers, sizeof(headers));
	wanted.offload = (struct hf_offload){.flags = HF_OFFLOAD_NEEDS_CSUM,
					     .gso_type = HF_GSO_TCPV4,
					     .hdr_len = 54,
					     .gso_size = 1460,
					     .csum_start = 34,
					     .csum_offset = 16};
	open_large(MERGEABLE | PACKED, LARGEST);
	for (uint32_t i = 0; i < LARGEST; i++) {
		uint16_t at = driver_index(&rig.rx, i);
		bool last = i % 8192 == 8191;

		driver_write_packed(&rig.rx, at, rig.buffers, 2000, (uint16_t)i,
				    driver_available(at) | DRIVER_WRITE | (last ? 0 : DRIVER_NEXT));
	}
	CHECK_EQ(enqueue(&wanted, 32), 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_TOO_BIG), 1);
	CHECK(looked_at() <= HF_BURST_BUDGET + (int64_t)LARGEST);
	CHECK(!rig.device->vrings[0]->broken);
	rig_destroy(&rig);
	memset(large, 0, sizeof(headers));
}

static void an_available_index_that_goes_back_breaks_the_ring(void)
{
	struct piece piece = {0};

	open_rig(SMALL);
	piece = (struct piece){rig.buffers, 200, DRIVER_WRITE};
	for (uint32_t i = 0; i < SMALL; i++)
		REQUIRE(driver_put(&rig.rx, &piece, 1) >= 0);
	driver_publish(&rig.rx);
	CHECK_EQ(move(0, 4), 4);
	/* Seven are known to be there; now the guest says that there were only six. Nothing that it
	 * said is believed any more. */
	rig.device->vrings[0]->avail_seen = 7;
	guest_write16(&rig.guest, rig.rx.avail + 2, 6);
	CHECK_EQ(move(0, 4), 0);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_BREAK_AVAIL_IDX), 1);
	CHECK_EQ(move(0, 256), 0);
	CHECK_EQ(driver_used_idx(&rig.rx), 4);
	rig_destroy(&rig);
}

/* Whatever the guest puts its index to meanwhile. */
static void nothing_more_is_begun_in_a_burst_that_broke_its_ring(void)
{
	for (int packed = 0; packed < 2; packed++) {
		struct rig_shape shape = {.features = MERGEABLE | (packed ? PACKED : 0),
					  .size = SMALL};
		struct hf_packet wanted = packet_of(60);
		struct hf_vring *v;
		struct piece piece;
		uint16_t used = 0;

		REQUIRE(rig_create(&rig, &shape));
		v = rig.device->vrings[0];
		piece = (struct piece){rig.buffers, 200, DRIVER_WRITE};
		REQUIRE(driver_post(&rig.rx, &piece, 1) >= 0);
		v->budget = HF_BURST_BUDGET;
		hf_vring_break(v, HF_COUNTER_BREAK_AVAIL_IDX);
		CHECK_EQ(hf_enqueue_packet(v, &wanted, &used), HF_ENQUEUE_NO_BUFFER);
		CHECK_EQ(used, 0);
		rig_destroy(&rig);
	}
}

static uint64_t read_number(int fd)
{
	uint64_t value = 0;

	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

static void *burst_once(void *arg)
{
	(void)arg;
	return (void *)(uintptr_t)move(0, 1);
}

/*
 * The call descriptor is the front-end's as well: it fills the counter and makes writes wait. The
 * burst is over by then (nobody is fenced for it), and the control thread ends the write.
 */
static void a_call_that_hangs_holds_up_no_burst_and_is_ended(void)
{
	struct hf_vring *v;
	struct piece piece;
	pthread_t thread;
	void *moved;

	open_rig(SMALL);
	v = rig.device->vrings[0];
	piece = (struct piece){rig.buffers, 200, DRIVER_WRITE};
	REQUIRE(driver_post(&rig.rx, &piece, 1) >= 0);
	REQUIRE(fcntl(rig.calls[0], F_SETFL, 0) == 0);
	REQUIRE(eventfd_write(rig.calls[0], UINT64_MAX - 1) == 0);
	REQUIRE(pthread_create(&thread, NULL, burst_once, NULL) == 0);
	while (hf_read_once(&v->writes) == hf_read_once(&v->writes_done))
		usleep(100);
	CHECK_EQ(hf_load_acquire(&rig.lanes[0].busy), 0);
	CHECK_EQ(driver_used_idx(&rig.rx), 1);
	CHECK(hf_notify_rescue(v));
	REQUIRE(pthread_join(thread, &moved) == 0);
	CHECK_EQ((uintptr_t)moved, 1);
	CHECK(!v->has_call);
	rig_destroy(&rig);
}

/* So that the next write has to wait. */
static void fill_calls(void)
{
	REQUIRE(fcntl(rig.calls[0], F_SETFL, O_NONBLOCK) == 0);
	(void)read_number(rig.calls[0]);
	REQUIRE(eventfd_write(rig.calls[0], UINT64_MAX - 1) == 0);
	REQUIRE(fcntl(rig.calls[0], F_SETFL, 0) == 0);
}

/* None of them is there at two looks. */
static void a_call_that_hangs_for_less_than_two_looks_is_the_last_one(void)
{
	struct hf_vring *v;
	struct piece piece;
	pthread_t thread;

	open_rig(SMALL);
	v = rig.device->vrings[0];
	piece = (struct piece){rig.buffers, 200, DRIVER_WRITE};
	for (int i = 0; i < 3; i++) {
		uint32_t before = hf_read_once(&v->writes);

		REQUIRE(driver_post(&rig.rx, &piece, 1) >= 0);
		fill_calls();
		REQUIRE(pthread_create(&thread, NULL, burst_once, NULL) == 0);
		while (v->has_call && hf_read_once(&v->writes) == before)
			usleep(100);
		CHECK_EQ(hf_notify_rescue(v), !i);
		(void)read_number(rig.calls[0]); /* and lets it go */
		REQUIRE(pthread_join(thread, NULL) == 0);
		CHECK(!v->has_call);
		(void)driver_consume_all(&rig.rx);
	}
	CHECK_EQ(v->writes, 1);
	rig_destroy(&rig);
}

/* A thread that got no processor between the two counters looks like one that hangs. */
static void a_write_that_need_not_wait_is_not_taken_for_one_that_hangs(void)
{
	struct hf_vring *v;

	open_rig(SMALL);
	v = rig.device->vrings[0];
	v->writes++;
	for (int i = 0; i < 4; i++)
		CHECK(!hf_notify_rescue(v));
	CHECK(v->has_call && v->has_err);
	v->writes_done++;
	rig_destroy(&rig);
}

/* The front-end brings a new call descriptor while a thread hangs in the old one. */
static void a_call_that_hangs_is_ended_in_the_file_in_which_it_hangs(void)
{
	struct hf_vring *v;
	struct piece piece;
	pthread_t thread;
	int fresh = eventfd(0, EFD_NONBLOCK), another = eventfd(0, EFD_NONBLOCK);

	open_rig(SMALL);
	v = rig.device->vrings[0];
	piece = (struct piece){rig.buffers, 200, DRIVER_WRITE};
	REQUIRE(driver_post(&rig.rx, &piece, 1) >= 0);
	REQUIRE(fcntl(rig.calls[0], F_SETFL, 0) == 0);
	REQUIRE(eventfd_write(rig.calls[0], UINT64_MAX - 1) == 0);
	REQUIRE(eventfd_write(fresh, 5) == 0);
	REQUIRE(pthread_create(&thread, NULL, burst_once, NULL) == 0);
	while (hf_read_once(&v->writes) == hf_read_once(&v->writes_done))
		usleep(100);
	CHECK_EQ(hf_notify_put_call(v, &fresh), 0);
	CHECK(v->has_call);
	CHECK(hf_notify_rescue(v));
	REQUIRE(pthread_join(thread, NULL) == 0);
	/* What is in the new one is the front-end's. And no call for it: it does this on purpose.
	 */
	CHECK_EQ(read_number(fresh), 5);
	CHECK(!v->has_call);
	CHECK_EQ(hf_notify_put_call(v, &another), 0);
	CHECK(!v->has_call);
	CHECK(!hf_notify_rescue(v));
	CHECK_EQ(v->kept_fd, -1);
	close(fresh);
	close(another);
	rig_destroy(&rig);
}

struct writer {
	pthread_t thread;
	struct hf_vring *vring;
};

static void *write_call(void *arg)
{
	struct writer *writer = arg;

	hf_notify_write(writer->vring, (struct hf_notify_due){writer->vring->call_fd, -1});
	return NULL;
}

/* Of several hops to the same guest: each of their threads has a seat, or no signal would find it.
 */
static void as_many_threads_as_may_hang_in_one_vrings_calls_have_a_seat_each(void)
{
	struct writer writers[32];
	struct hf_vring *v;
	uint32_t seats = 0;

	open_rig(SMALL);
	v = rig.device->vrings[0];
	fill_calls();
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		writers[i].vring = v;
		REQUIRE(!pthread_create(&writers[i].thread, NULL, write_call, &writers[i]));
	}
	while (hf_load_acquire(&v->writes) < ARRAY_SIZE(writers))
		usleep(1000);
	for (size_t i = 0; i < ARRAY_SIZE(v->writers); i++)
		seats += hf_read_once(&v->writers[i]) != 0;
	CHECK_EQ(seats, ARRAY_SIZE(writers));
	CHECK(hf_notify_rescue(v));
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		REQUIRE(!pthread_join(writers[i].thread, NULL));
	rig_destroy(&rig);
}

/* Else the seat is another thread's that has its number later, and the write never ends. */
static void a_thread_that_is_cancelled_in_a_call_that_hangs_leaves_no_seat(void)
{
	struct hf_vring *v;
	struct piece piece;
	pthread_t thread;

	open_rig(SMALL);
	v = rig.device->vrings[0];
	piece = (struct piece){rig.buffers, 200, DRIVER_WRITE};
	REQUIRE(driver_post(&rig.rx, &piece, 1) >= 0);
	REQUIRE(fcntl(rig.calls[0], F_SETFL, 0) == 0);
	REQUIRE(eventfd_write(rig.calls[0], UINT64_MAX - 1) == 0);
	REQUIRE(pthread_create(&thread, NULL, burst_once, NULL) == 0);
	while (hf_read_once(&v->writes) == hf_read_once(&v->writes_done))
		usleep(100);
	REQUIRE(pthread_cancel(thread) == 0);
	CHECK(hf_notify_rescue(v));
	REQUIRE(pthread_join(thread, NULL) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(v->writers); i++)
		CHECK_EQ(v->writers[i], 0);
	CHECK_EQ(v->writes_done, v->writes);
	rig_destroy(&rig);
}

static void a_burst_that_calls_is_not_rescued(void)
{
	struct hf_vring *v;
	struct piece piece;

	open_rig(SMALL);
	v = rig.device->vrings[0];
	piece = (struct piece){rig.buffers, 200, DRIVER_WRITE};
	REQUIRE(driver_post(&rig.rx, &piece, 1) >= 0);
	CHECK_EQ(move(0, 1), 1);
	hf_notify_rescue(v);
	hf_notify_rescue(v);
	CHECK(v->has_call);
	CHECK(rig_calls(&rig, 0) >= 1);
	rig_destroy(&rig);
}

static void a_broken_ring_is_not_asked_for_kicks(void)
{
	open_rig(SMALL);
	guest_write16(&rig.guest, rig.tx.avail + 2, SMALL + 1);
	CHECK_EQ(move(1, 1), 0);
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_BREAK_AVAIL_IDX), 1);
	CHECK_EQ(hf_enable_guest_notification(rig.device, 1, true), 0);
	CHECK_EQ(hf_available_entries(rig.device, 1), 0);
	rig_destroy(&rig);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_burst_of_endless_chains_ends_with_its_budget, "[26] [R-1]"),
	SENTENCE(a_packet_that_would_cost_every_burst_its_budget_is_dropped_as_too_big),
	SENTENCE(chains_that_begin_with_a_bad_indirect_descriptor_are_paid_for),
	SENTENCE(a_packet_for_which_the_rest_of_a_budget_is_too_little_waits_for_the_next_burst),
	SENTENCE(to_count_a_packed_rings_chains_before_a_segmentation_is_paid_for),
	CATALOGUE(an_available_index_that_goes_back_breaks_the_ring, "[33]"),
	SENTENCE(nothing_more_is_begun_in_a_burst_that_broke_its_ring),
	SENTENCE(a_call_that_hangs_holds_up_no_burst_and_is_ended),
	SENTENCE(a_call_that_hangs_for_less_than_two_looks_is_the_last_one),
	SENTENCE(a_write_that_need_not_wait_is_not_taken_for_one_that_hangs),
	SENTENCE(a_call_that_hangs_is_ended_in_the_file_in_which_it_hangs),
	SENTENCE(as_many_threads_as_may_hang_in_one_vrings_calls_have_a_seat_each),
	SENTENCE(a_thread_that_is_cancelled_in_a_call_that_hangs_leaves_no_seat),
	SENTENCE(a_burst_that_calls_is_not_rescued),
	SENTENCE(a_broken_ring_is_not_asked_for_kicks),
};
SUITE("bounds", sentences)
