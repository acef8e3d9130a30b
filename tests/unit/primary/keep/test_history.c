/* SPDX-License-Identifier: Apache-2.0 */
/* primary/keep/history.h: what is told of the past outlives a life that had no room for it. */
#include "history.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "event.h"
#include "fd_ledger.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "primary.h"
#include "store.h"
#include "suite.h"

static struct conf conf = {.max_devices = 1, .max_secondaries = 1, .lane_bytes = 4096};
static struct primary life, heir;

static void begin(struct primary *primary)
{
	*primary = (struct primary){.conf = &conf, .loop = loop_create()};
	REQUIRE(primary->loop && store_open(primary->loop, &primary->store) == 0);
}

static void end(struct primary *primary)
{
	history_close(primary);
	journal_close(primary);
	store_close(primary->store);
	loop_destroy(primary->loop);
}

static void first_life(void)
{
	unsetenv("NOTIFY_SOCKET");
	hf_log_set_level(0);
	begin(&life);
	REQUIRE(journal_create(&life) == 0);
	REQUIRE(history_open(&life) == 0 && life.history);
	life.continuity.takeovers = 7;
	history_note(&life);
}

/* Everything has one reference, so one release is what drops that which no record names. */
static void inherit(struct primary *next, const struct primary *from)
{
	begin(next);
	for (uint32_t i = 1; i < 64; i++) {
		int fd = store_get(from->store, i);

		if (fd < 0)
			continue;
		REQUIRE(store_put(next->store, i, 'x', fd) == 0);
		close(fd);
	}
	REQUIRE(journal_adopt(next) == 0);
}

static void open_without_descriptors(struct primary *primary)
{
	struct rlimit old, tight;

	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	tight = old;
	tight.rlim_cur = 3;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK_EQ(history_open(primary), 0);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

static void the_next_life_knows_it(void)
{
	int open_before = fds_open();

	first_life();
	inherit(&heir, &life);
	CHECK_EQ(history_open(&heir), 0);
	CHECK_EQ(heir.continuity.takeovers, 7);
	end(&heir);
	end(&life);
	CHECK_EQ(fds_open(), open_before);
}

static void without_a_descriptor_for_it_the_life_after_knows_it(void)
{
	int open_before = fds_open();
	uint32_t number;

	first_life();
	inherit(&heir, &life);
	number = heir.journal->header->history;
	REQUIRE(number != 0);
	open_without_descriptors(&heir);
	CHECK(heir.history == NULL && heir.events != NULL);
	/* It counts on its own, and spoils nothing. */
	heir.continuity.takeovers = 1;
	history_note(&heir);
	store_release(heir.store, number);
	CHECK_EQ(heir.journal->header->history, number);
	end(&life);
	inherit(&life, &heir);
	CHECK_EQ(history_open(&life), 0);
	CHECK_EQ(life.continuity.takeovers, 7);
	end(&life);
	end(&heir);
	CHECK_EQ(fds_open(), open_before);
}

/* Its first word says whose it is. */
static void one_of_another_release_is_not_believed(void)
{
	int open_before = fds_open(), fd;
	uint64_t *past;

	first_life();
	inherit(&heir, &life);
	fd = store_get(heir.store, heir.journal->header->history);
	past = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(past != MAP_FAILED);
	past[0]++;
	munmap(past, 4096);
	close(fd);
	CHECK_EQ(history_open(&heir), 0);
	CHECK(heir.history != NULL);
	CHECK_EQ(heir.continuity.takeovers, 0);
	end(&heir);
	end(&life);
	CHECK_EQ(fds_open(), open_before);
}

static const struct sentence sentences[] = {
	SENTENCE(the_next_life_knows_it),
	SENTENCE(one_of_another_release_is_not_believed),
	SENTENCE(without_a_descriptor_for_it_the_life_after_knows_it),
};
SUITE("history", sentences)
