/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <string.h>

#include "check.h"
#include "log.h"
#include "primary.h"
#include "suite.h"

#define KIND HOLDFAST__CONTROL__EVENT_KIND__PORT_ADDED

static struct primary fresh(void)
{
	struct primary primary = {.events = events_create()};

	hf_log_set_level(HF_LOG_ERROR);
	REQUIRE(primary.events != NULL);
	return primary;
}

static void an_event_says_what_it_was_told(void)
{
	struct primary p = fresh();
	const struct event *e;

	CHECK_EQ(events_newest(p.events), 0);
	CHECK(events_get(p.events, 0) == NULL);
	CHECK(events_get(p.events, 1) == NULL);
	event_emit(&p, KIND, "vm0", "vsw", 3, 500, "%d and %s", 7, "more");
	REQUIRE((e = events_get(p.events, 1)) != NULL);
	CHECK_EQ(e->number, 1);
	CHECK_EQ(e->kind, KIND);
	CHECK_EQ(e->vring, 3);
	CHECK_EQ(e->duration_ns, 500);
	CHECK(e->realtime_ns > 1500000000ull * 1000000000ull);
	CHECK(!strcmp(e->port, "vm0") && !strcmp(e->secondary, "vsw"));
	CHECK(!strcmp(e->detail, "7 and more"));
	events_destroy(p.events);
}

static void an_event_without_names_has_empty_ones(void)
{
	struct primary p = fresh();
	const struct event *e;

	event_emit(&p, KIND, NULL, NULL, -1, 0, "%s", "");
	REQUIRE((e = events_get(p.events, 1)) != NULL);
	CHECK(!*e->port && !*e->secondary && !*e->detail);
	CHECK_EQ(e->vring, UINT32_MAX);
	events_destroy(p.events);
}

static void what_a_peer_wrote_is_printable_and_cut(void)
{
	struct primary p = fresh();
	char longer[400];
	const struct event *e;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	event_emit(&p, KIND, "a\033[2Jb\n", longer, 0, 0, "%s\x7f", longer);
	REQUIRE((e = events_get(p.events, 1)) != NULL);
	CHECK(!strcmp(e->port, "a?[2Jb?"));
	CHECK_EQ(strlen(e->secondary), sizeof(e->secondary) - 1);
	CHECK_EQ(strlen(e->detail), sizeof(e->detail) - 1);
	events_destroy(p.events);
}

static void the_ring_keeps_the_last_and_forgets_the_first(void)
{
	struct primary p = fresh();

	for (unsigned int i = 1; i <= EVENT_RING + 10; i++)
		event_emit(&p, KIND, NULL, NULL, (int)i, 0, "%s", "");
	CHECK_EQ(events_newest(p.events), EVENT_RING + 10);
	CHECK(events_get(p.events, 10) == NULL);
	REQUIRE(events_get(p.events, 11) != NULL);
	CHECK_EQ(events_get(p.events, 11)->vring, 11);
	CHECK_EQ(events_get(p.events, EVENT_RING + 10)->vring, EVENT_RING + 10);
	CHECK(events_get(p.events, EVENT_RING + 11) == NULL);
	events_destroy(p.events);
}

static void those_of_an_earlier_life_stay_and_numbers_go_on(void)
{
	static struct event_ring ring;
	struct primary p = fresh();

	memset(&ring, 0, sizeof(ring));
	events_use(p.events, &ring);
	for (int i = 1; i <= 5; i++)
		event_emit(&p, KIND, "vm0", NULL, i, 0, "%s", "");
	events_destroy(p.events);
	/* It died at writing the sixth. */
	memset(&ring.ring[6], 0x55, sizeof(ring.ring[6]));
	ring.ring[6].number = 0;
	p = fresh();
	events_use(p.events, &ring);
	CHECK_EQ(events_newest(p.events), 5);
	CHECK(events_get(p.events, 6) == NULL);
	event_emit(&p, KIND, "vm1", NULL, 6, 0, "%s", "");
	REQUIRE(events_get(p.events, 5) != NULL && events_get(p.events, 6) != NULL);
	CHECK_EQ(events_get(p.events, 5)->vring, 5);
	CHECK(!strcmp(events_get(p.events, 6)->port, "vm1"));
	events_destroy(p.events);
}

struct counting {
	struct event_follower follower;
	struct events *events;
	unsigned int seen;
	uint64_t last;
	bool leave;
};

static void count(struct event_follower *follower, const struct event *event)
{
	struct counting *c = container_of(follower, struct counting, follower);

	c->seen++;
	c->last = event->number;
	if (c->leave)
		events_unfollow(c->events, follower);
}

static void followers_see_every_event_until_they_leave(void)
{
	struct primary p = fresh();
	struct counting a = {.follower = {.event = count}, .events = p.events};
	struct counting b = a;

	b.leave = true;
	event_emit(&p, KIND, NULL, NULL, 0, 0, "%s", "");
	events_follow(p.events, &a.follower);
	events_follow(p.events, &b.follower);
	event_emit(&p, KIND, NULL, NULL, 0, 0, "%s", "");
	event_emit(&p, KIND, NULL, NULL, 0, 0, "%s", "");
	CHECK_EQ(a.seen, 2);
	CHECK_EQ(a.last, 3);
	CHECK_EQ(b.seen, 1);
	events_unfollow(p.events, &a.follower);
	events_unfollow(p.events, &a.follower);
	event_emit(&p, KIND, NULL, NULL, 0, 0, "%s", "");
	CHECK_EQ(a.seen, 2);
	events_destroy(p.events);
}

static void take_line(void *context, int priority, const char *tag, const char *line)
{
	snprintf(context, 256, "%d %s|%s", priority, tag, line);
}

static void an_event_is_one_line_of_the_log(void)
{
	struct primary p = fresh();
	char line[256] = "";

	hf_log_set_sink(take_line, line);
	event_emit(&p, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED, NULL, "vsw", -1, 2500000,
		   "process %d", 12);
	CHECK(!*line);
	hf_log_set_level(HF_LOG_WARNING);
	event_emit(&p, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED, NULL, "vsw", -1, 2500000,
		   "process %d", 12);
	CHECK(!strcmp(line, "4 secondary vsw|secondary fenced: process 12, 2500 us"));
	hf_log_set_sink(NULL, NULL);
	events_destroy(p.events);
}

static const struct sentence sentences[] = {
	SENTENCE(an_event_says_what_it_was_told),
	SENTENCE(an_event_without_names_has_empty_ones),
	SENTENCE(what_a_peer_wrote_is_printable_and_cut),
	SENTENCE(the_ring_keeps_the_last_and_forgets_the_first),
	SENTENCE(those_of_an_earlier_life_stay_and_numbers_go_on),
	SENTENCE(followers_see_every_event_until_they_leave),
	SENTENCE(an_event_is_one_line_of_the_log),
};
SUITE("event", sentences)
