/* SPDX-License-Identifier: Apache-2.0 */
/* primary/io/loop.h: sources and timers that come and go while the loop runs. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "faults.h"
#include "loop.h"
#include "suite.h"

#define MANY 200

static struct loop *loop;

static void begin(void)
{
	loop = loop_create();
	REQUIRE(loop != NULL);
}

static void stop_now(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* Run for `ms`; it may be that it comes round only once. */
static void run(unsigned int ms)
{
	struct loop_timer end = {.fire = stop_now};

	REQUIRE(loop_timer_set(loop, &end, ms * NS_PER_MS) == 0);
	CHECK_EQ(loop_run(loop), 0);
}

struct watched {
	struct loop_source source;
	struct watched *victim; /* removed by its callback */
	int fd;
	int called;
};

static void on_ready(struct loop_source *source, uint32_t events)
{
	struct watched *w = container_of(source, struct watched, source);
	uint64_t value;

	CHECK(events & EPOLLIN);
	CHECK_EQ(read(w->fd, &value, sizeof(value)), 8);
	w->called++;
	if (w->victim)
		loop_remove(loop, &w->victim->source);
}

static void watch(struct watched *w)
{
	*w = (struct watched){.source = {.ready = on_ready, .fd = -1},
			      .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
	REQUIRE(w->fd >= 0);
	REQUIRE(loop_add(loop, &w->source, w->fd, EPOLLIN) == 0);
}

static void forget(struct watched *w)
{
	loop_remove(loop, &w->source);
	close(w->fd);
}

static void a_readable_source_is_called(void)
{
	struct watched w;

	begin();
	watch(&w);
	run(5);
	CHECK_EQ(w.called, 1);
	forget(&w);
	loop_destroy(loop);
}

static void more_sources_than_the_first_table_has_room_for_all_work(void)
{
	static struct watched w[MANY];

	begin();
	for (int i = 0; i < MANY; i++)
		watch(&w[i]);
	for (int i = 0; i < MANY; i++) /* more than one round has room for */
		run(1);
	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(w[i].called, 1);
		forget(&w[i]);
	}
	loop_destroy(loop);
}

static void a_source_removed_in_the_same_round_is_not_called(void)
{
	struct watched a, b;

	begin();
	watch(&a);
	watch(&b);
	a.victim = &b;
	b.victim = &a;
	run(5);
	CHECK_EQ(a.called + b.called, 1);
	forget(&a);
	forget(&b);
	loop_destroy(loop);
}

/* The slot of a removed source is given to another one while its old event still waits. */
static struct watched late;

static void replace(struct loop_source *source, uint32_t events)
{
	struct watched *w = container_of(source, struct watched, source);

	(void)events;
	loop_remove(loop, &w->source);
	w->called++;
	if (w->victim->source.fd < 0)
		return;
	loop_remove(loop, &w->victim->source);
	late = (struct watched){.source = {.ready = on_ready, .fd = -1},
				.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	REQUIRE(loop_add(loop, &late.source, late.fd, EPOLLIN) == 0);
}

static void a_stale_event_does_not_reach_the_next_user_of_its_slot(void)
{
	struct watched a, b;

	begin();
	watch(&a);
	watch(&b);
	a.source.ready = b.source.ready = replace;
	a.victim = &b;
	b.victim = &a;
	run(5);
	CHECK_EQ(a.called + b.called, 1);
	CHECK_EQ(late.called, 0);
	forget(&late);
	close(a.fd);
	close(b.fd);
	loop_destroy(loop);
}

static void freeing_the_owner_in_its_own_callback_is_legal(void)
{
	struct watched *w = malloc(sizeof(*w));

	begin();
	watch(w);
	w->victim = w;
	run(5);
	close(w->fd);
	free(w);
	loop_destroy(loop);
}

static void removing_twice_does_nothing(void)
{
	struct watched w;

	begin();
	watch(&w);
	loop_remove(loop, &w.source);
	loop_remove(loop, &w.source);
	CHECK_EQ(w.source.fd, -1);
	run(1);
	CHECK_EQ(w.called, 0);
	close(w.fd);
	loop_destroy(loop);
}

static void a_descriptor_that_cannot_be_polled_is_an_error(void)
{
	struct loop_source source = {.ready = on_ready, .fd = -1};

	begin();
	CHECK(loop_add(loop, &source, 9999, EPOLLIN) < 0);
	CHECK_EQ(source.fd, -1);
	loop_destroy(loop);
}

struct ordered {
	struct loop_timer timer;
	unsigned int number;
	struct loop_timer *clears;
};

static unsigned int fired[MANY], nr_fired;

static void note(struct loop_timer *timer)
{
	struct ordered *o = container_of(timer, struct ordered, timer);

	fired[nr_fired++] = o->number;
	if (o->clears)
		loop_timer_clear(loop, o->clears);
}

static void timers_fire_in_the_order_of_their_time(void)
{
	static struct ordered timers[MANY];

	begin();
	nr_fired = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		/* 73 and 200 have no common divisor: every number once, in no order. */
		unsigned int number = i * 73 % MANY;

		timers[i] = (struct ordered){.timer = {.fire = note}, .number = number};
		loop_timer_set(loop, &timers[i].timer, (1 + number) * 100 * NS_PER_US);
	}
	run(40);
	CHECK_EQ(nr_fired, MANY);
	for (unsigned int i = 0; i < nr_fired; i++)
		CHECK_EQ(fired[i], i);
	loop_destroy(loop);
}

static void cleared_timers_do_not_fire_and_leave_the_others_in_order(void)
{
	static struct ordered timers[MANY];
	unsigned int expected = 0;

	begin();
	nr_fired = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		timers[i] = (struct ordered){.timer = {.fire = note}, .number = i * 73 % MANY};
		loop_timer_set(loop, &timers[i].timer, (1 + timers[i].number) * 100 * NS_PER_US);
	}
	for (unsigned int i = 0; i < MANY; i += 3)
		loop_timer_clear(loop, &timers[i].timer);
	loop_timer_clear(loop, &timers[0].timer);
	run(40);
	for (unsigned int i = 0; i < MANY; i++)
		expected += i % 3 != 0;
	CHECK_EQ(nr_fired, expected);
	for (unsigned int i = 1; i < nr_fired; i++)
		CHECK(fired[i - 1] < fired[i]);
	loop_destroy(loop);
}

static void a_timer_cleared_by_one_that_is_due_with_it_does_not_fire(void)
{
	struct ordered a = {.timer = {.fire = note}, .number = 0};
	struct ordered b = {.timer = {.fire = note}, .number = 1};

	begin();
	nr_fired = 0;
	a.clears = &b.timer;
	loop_timer_set(loop, &a.timer, 0);
	loop_timer_set(loop, &b.timer, 1);
	usleep(1000);
	run(5);
	CHECK_EQ(nr_fired, 1);
	loop_destroy(loop);
}

static void setting_an_armed_timer_moves_it(void)
{
	struct ordered a = {.timer = {.fire = note}};

	begin();
	nr_fired = 0;
	loop_timer_set(loop, &a.timer, NS_PER_MS);
	loop_timer_set(loop, &a.timer, 3600 * NS_PER_S);
	run(5);
	CHECK_EQ(nr_fired, 0);
	loop_timer_set(loop, &a.timer, 0);
	run(5);
	CHECK_EQ(nr_fired, 1);
	CHECK_EQ(a.timer.at_ns, 0);
	loop_destroy(loop);
}

static int again;

static void rearm(struct loop_timer *timer)
{
	again++;
	loop_timer_set(loop, timer, 0);
}

static void a_timer_that_arms_itself_for_now_does_not_starve_the_sources(void)
{
	struct loop_timer timer = {.fire = rearm};
	struct watched w;

	begin();
	again = 0;
	watch(&w);
	loop_timer_set(loop, &timer, 0);
	for (int i = 0; i < 4000 && again < 2; i++)
		run(5);
	CHECK(again > 1);
	CHECK_EQ(w.called, 1);
	forget(&w);
	loop_destroy(loop);
}

static struct watched woken;

static void wake_and_stop(struct loop_timer *timer)
{
	uint64_t one = 1;

	(void)timer;
	CHECK_EQ(write(woken.fd, &one, sizeof(one)), 8);
	loop_stop(loop);
}

/* What whoever stopped it has decided, nobody undoes before loop_run has returned. */
static void a_stop_is_the_last_thing_of_its_round(void)
{
	struct loop_timer first = {.fire = wake_and_stop}, second = {.fire = rearm};
	uint64_t value;

	begin();
	again = 0;
	watch(&woken);
	CHECK_EQ(read(woken.fd, &value, sizeof(value)), 8);
	loop_timer_set(loop, &first, 0);
	loop_timer_set(loop, &second, 1);
	usleep(1000);
	CHECK_EQ(loop_run(loop), 0);
	CHECK_EQ(again, 0);
	CHECK_EQ(woken.called, 0);
	run(5);
	CHECK(again > 0);
	CHECK_EQ(woken.called, 1);
	forget(&woken);
	loop_destroy(loop);
}

/* As many as there is room for; the next one when there is more. */
static void what_there_is_no_memory_for_is_refused_and_the_others_go_on(void)
{
	static struct watched many[MANY];
	static struct loop_timer timers[MANY];
	unsigned int sources = 0, set = 0, called = 0;

	begin();
	faults_open();
	faults_arm_every(0, FAULT_HEAP, FAULT_ERROR, 1);
	while (sources < MANY) {
		struct watched *w = &many[sources];

		*w = (struct watched){.source = {.ready = on_ready, .fd = -1},
				      .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
		if (loop_add(loop, &w->source, w->fd, EPOLLIN | EPOLLET) < 0)
			break;
		sources++;
	}
	while (set < MANY && loop_timer_set(loop, &timers[set], 0) == 0)
		timers[set++].fire = stop_now;
	CHECK(sources < MANY && set < MANY);
	CHECK_EQ(loop_add(loop, &many[sources].source, many[sources].fd, EPOLLIN), -ENOMEM);
	CHECK_EQ(loop_timer_set(loop, &timers[set], 0), -ENOMEM);
	(void)faults_disarm(NULL);
	faults_close();
	for (unsigned int i = 0; i < set; i++)
		loop_timer_clear(loop, &timers[i]);
	CHECK_EQ(loop_add(loop, &many[sources].source, many[sources].fd, EPOLLIN | EPOLLET), 0);
	run(20);
	for (unsigned int i = 0; i <= sources; i++) {
		called += (unsigned int)many[i].called;
		loop_remove(loop, &many[i].source);
		close(many[i].fd);
	}
	CHECK_EQ(called, sources + 1);
	loop_destroy(loop);
}

static const struct sentence sentences[] = {
	SENTENCE(a_readable_source_is_called),
	SENTENCE(more_sources_than_the_first_table_has_room_for_all_work),
	SENTENCE(a_source_removed_in_the_same_round_is_not_called),
	SENTENCE(a_stale_event_does_not_reach_the_next_user_of_its_slot),
	SENTENCE(freeing_the_owner_in_its_own_callback_is_legal),
	SENTENCE(removing_twice_does_nothing),
	SENTENCE(a_descriptor_that_cannot_be_polled_is_an_error),
	SENTENCE(timers_fire_in_the_order_of_their_time),
	SENTENCE(cleared_timers_do_not_fire_and_leave_the_others_in_order),
	SENTENCE(a_timer_cleared_by_one_that_is_due_with_it_does_not_fire),
	SENTENCE(setting_an_armed_timer_moves_it),
	SENTENCE(a_timer_that_arms_itself_for_now_does_not_starve_the_sources),
	SENTENCE(a_stop_is_the_last_thing_of_its_round),
	SENTENCE(what_there_is_no_memory_for_is_refused_and_the_others_go_on),
};
SUITE("loop", sentences)
