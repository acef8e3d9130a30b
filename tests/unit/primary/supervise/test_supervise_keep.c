/* SPDX-License-Identifier: Apache-2.0 */
/* primary/supervise/supervise_keep.h: what a child may send, and what of it is kept. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "faults.h"
#include "fd_ledger.h"
#include "log.h"
#include "suite.h"
#include "supervise_keep.h"

static struct keep *keep;
static int open_before;

static void begin(size_t max)
{
	hf_log_set_level(0);
	open_before = fds_open();
	keep = keep_create(max);
	REQUIRE(keep != NULL);
}

/* Destroying it closes all it has; nothing else is left either. */
static void end(void)
{
	keep_destroy(keep);
	CHECK_EQ(fds_open(), open_before);
}

/* A datagram with so many descriptors. */
static enum keep_said hear(const char *text, size_t nr_fds)
{
	char copy[1024];
	int fds[8];

	REQUIRE(nr_fds <= 8);
	for (size_t i = 0; i < nr_fds; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
		REQUIRE(fds[i] >= 0);
	}
	snprintf(copy, sizeof(copy), "%s", text);
	return keep_datagram(keep, copy, fds, nr_fds);
}

static void what_is_stored_is_kept_until_it_is_removed(void)
{
	begin(10);
	hear("FDSTORE=1\nFDNAME=k1\nFDPOLL=0", 1);
	hear("FDNAME=k2\nFDSTORE=1", 1);
	CHECK_EQ(keep_count(keep), 2);
	CHECK_EQ(fds_open(), open_before + 2);
	hear("FDSTOREREMOVE=1\nFDNAME=k1", 0);
	CHECK_EQ(keep_count(keep), 1);
	hear("FDSTOREREMOVE=1\nFDNAME=k1", 0);
	CHECK_EQ(keep_count(keep), 1);
	end();
}

static void one_name_may_stand_for_many(void)
{
	begin(10);
	hear("FDSTORE=1\nFDNAME=k1", 3);
	CHECK_EQ(keep_count(keep), 3);
	hear("FDSTORE=1\nFDNAME=k2", 1);
	hear("FDSTOREREMOVE=1\nFDNAME=k1", 0);
	CHECK_EQ(keep_count(keep), 1);
	end();
}

static void no_more_are_kept_than_were_agreed(void)
{
	begin(3);
	hear("FDSTORE=1\nFDNAME=k1", 2);
	hear("FDSTORE=1\nFDNAME=k2", 8);
	CHECK_EQ(keep_count(keep), 3);
	CHECK_EQ(fds_open(), open_before + 3);
	hear("FDSTOREREMOVE=1\nFDNAME=k1", 0);
	hear("FDSTORE=1\nFDNAME=k3", 1);
	CHECK_EQ(keep_count(keep), 2);
	end();
	begin(0);
	hear("FDSTORE=1\nFDNAME=k1", 1);
	CHECK_EQ(keep_count(keep), 0);
	end();
}

static void what_makes_no_sense_keeps_and_leaks_nothing(void)
{
	static const char *const texts[] = {
		"",
		"\n",
		"\n\n\n",
		"=",
		"FDSTORE=1",
		"FDSTORE=1\nFDNAME=",
		"FDSTORE=1\nFDNAME=a:b",
		"FDSTORE=1\nFDNAME=a b",
		"FDSTORE=1\nFDNAME=a\x7f",
		"FDSTORE=1\nFDNAME=\xc3\xa4",
		"FDSTORE=1\nFDNAME=a\tb",
		"FDNAME=k1",
		"FDSTORE=2\nFDNAME=k1",
		"fdstore=1\nFDNAME=k1",
		"FDSTORE=1 \nFDNAME=k1",
		"FDSTOREREMOVE=1\nFDSTORE=1\nFDNAME=k1",
		"READY=1",
		"STATUS=serving",
	};
	char text[400];

	begin(10);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		hear(texts[i], 2);
		if (keep_count(keep))
			printf("\n    %s\n    ", texts[i]);
		CHECK_EQ(keep_count(keep), 0);
	}
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%0256d", 1);
	hear(text, 1);
	CHECK_EQ(keep_count(keep), 0);
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%0255d", 1);
	hear(text, 1);
	CHECK_EQ(keep_count(keep), 1);
	hear("FDSTORE=1\nFDNAME=k1", 0);
	CHECK_EQ(keep_count(keep), 1);
	/* The last name counts. */
	hear("FDSTORE=1\nFDNAME=k1\nFDNAME=", 1);
	CHECK_EQ(keep_count(keep), 1);
	end();
}

static void what_its_sender_says_of_itself_is_heard(void)
{
	begin(10);
	CHECK_EQ(hear("READY=1\nSTATUS=serving", 0), KEEP_READY);
	CHECK_EQ(hear("RELOADING=1\nMONOTONIC_USEC=7", 0), KEEP_RELOADING);
	CHECK_EQ(hear("RELOADING=1\nREADY=1", 0), KEEP_READY);
	CHECK_EQ(hear("READY=0", 0), KEEP_NOTHING);
	CHECK_EQ(hear("READY=10", 0), KEEP_NOTHING);
	CHECK_EQ(hear("STATUS=READY=1", 0), KEEP_NOTHING);
	CHECK_EQ(hear("FDSTORE=1\nFDNAME=k1\nREADY=1", 1), KEEP_READY);
	CHECK_EQ(keep_count(keep), 1);
	end();
}

/* Each allocation: what cannot be noted is closed, and what is kept stays. */
static void what_there_is_no_memory_for_is_not_kept(void)
{
	uint32_t hit = 1, refused = 0;

	for (uint32_t nth = 1; hit && nth < 10; nth++) {
		size_t kept;

		begin(1000);
		for (int i = 0; i < 16; i++)
			hear("FDSTORE=1\nFDNAME=k1", 4); /* the first table is full */
		faults_open();
		faults_arm(0, FAULT_HEAP, FAULT_ERROR, nth, 1);
		hear("FDSTORE=1\nFDNAME=k2", 1);
		(void)faults_disarm(&hit);
		faults_close();
		kept = keep_count(keep);
		CHECK_EQ(kept, hit ? 64 : 65);
		CHECK_EQ(fds_open(), open_before + (int)kept);
		refused += hit;
		hear("FDSTORE=1\nFDNAME=k3", 1);
		CHECK_EQ(keep_count(keep), kept + 1);
		end();
	}
	CHECK(!hit && refused > 1);
}

static void all_of_it_is_handed_on(void)
{
	struct handon *handon = handon_create();

	begin(1000);
	for (int i = 0; i < 100; i++)
		hear("FDSTORE=1\nFDNAME=k1", 5);
	CHECK_EQ(keep_count(keep), 500);
	CHECK_EQ(keep_hand_on(keep, handon), 0);
	handon_destroy(handon);
	CHECK_EQ(keep_count(keep), 500);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(what_is_stored_is_kept_until_it_is_removed),
	SENTENCE(one_name_may_stand_for_many),
	SENTENCE(no_more_are_kept_than_were_agreed),
	SENTENCE(what_makes_no_sense_keeps_and_leaks_nothing),
	SENTENCE(what_its_sender_says_of_itself_is_heard),
	SENTENCE(what_there_is_no_memory_for_is_not_kept),
	SENTENCE(all_of_it_is_handed_on),
};
SUITE("supervise_keep", sentences)
