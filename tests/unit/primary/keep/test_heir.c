/* SPDX-License-Identifier: Apache-2.0 */
/* primary/keep/resume.h: what the next life goes on with, and what it gives up. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "directory.h"
#include "faults.h"
#include "grant.h"
#include "heirs.h"
#include "journal.h"
#include "lane.h"
#include "lane_entries.h"
#include "lives.h"
#include "resume.h"
#include "session.h"
#include "store.h"
#include "suite.h"

static void a_session_goes_on_as_it_was(void)
{
	struct port *taken;
	int socket;
	struct secondary *secondary;

	begin_life();
	make_session(2);
	secondary = rig_secondary(&rig, "vsw", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	REQUIRE(journal_secondary(secondary) == 0);
	journal_welcomed(secondary);
	grant_offer_all(p);
	CHECK(port->device.owner == secondary);
	port->device.descriptors.most = 20;
	port->device.vrings[1].deaths = 2;
	port->device.vrings[0].deaths = 255; /* not ours */
	journal_port(port);
	port->device.vrings[0].base = 17;
	journal_position(&port->device.vrings[0]);
	taken = take_over();
	REQUIRE(taken->session != NULL);
	CHECK(strcmp(taken->name, "p") == 0);
	CHECK_EQ(taken->session->number, port->session->number);
	CHECK_EQ(taken->session->messages, 12);
	CHECK_EQ(taken->device.features, port->device.features);
	CHECK_EQ(taken->device.memory.count, 1);
	CHECK(taken->device.region_fds[0] >= 0);
	CHECK_EQ(taken->device.vrings[0].base, 17);
	CHECK(taken->device.vrings[1].kick >= 0 && taken->device.vrings[1].call >= 0);
	/* What it has a right to, and what it is to blame for. */
	CHECK_EQ(taken->device.descriptors.most, 20);
	CHECK(taken->device.descriptors.now > 2 && taken->device.descriptors.now < 20);
	CHECK_EQ(taken->device.vrings[1].deaths, 2);
	CHECK_EQ(taken->device.vrings[0].deaths, 7);
	REQUIRE(taken->device.owner != NULL);
	CHECK(strcmp(taken->device.owner->name, "vsw") == 0);
	CHECK_EQ(taken->device.vrings[1].grant, port->device.vrings[1].grant);
	CHECK(!taken->draft_behind && !taken->session->must_end);
	resume_go_on(&heir);
	CHECK_EQ(heir.resumed.sessions, 1);
	CHECK_EQ(heir.resumed.secondaries, 1);
	/* Nothing was taken from who runs it. */
	CHECK_EQ(rig_grant_word(&port->device.vrings[1]),
		 taken->device.vrings[1].grant | HF_GRANT_ENABLED);
	lives_forget(&heir);
	close(socket);
	end_session();
	end_life();
}

/* With the nth allocation failing. Did one? Then the next life tries, else all is there. */
static bool takes_over_without(uint32_t nth)
{
	struct secondary *secondary;
	int socket, error;
	uint32_t hit;

	begin_life();
	make_session(2);
	secondary = rig_secondary(&rig, "vsw", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	REQUIRE(journal_secondary(secondary) == 0);
	grant_offer_all(p);
	adopt();
	faults_open();
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, nth, 1);
	error = resume_secondaries(&heir);
	if (!error)
		error = resume_ports(&heir);
	faults_disarm(&hit);
	faults_close();
	CHECK_EQ(error, hit ? -ENOMEM : 0);
	for (uint32_t i = 0; !error && i < 2; i++)
		CHECK_EQ(secondary_lane_entry(heir.secondaries[0], 0, i),
			 port->device.vrings[i].lane_entry);
	lives_forget(&heir);
	close(socket);
	end_session();
	end_life();
	return hit;
}

static void nothing_is_taken_over_by_halves(void)
{
	uint32_t nth = 1;

	while (takes_over_without(nth) && nth < 100)
		nth++;
	CHECK(nth > 5 && nth < 100);
}

/* One more life, to which the nth question about a file or socket is not answered (0: all are). 0:
 * it has taken over. */
static int ask(uint32_t nth, uint32_t *ret_hit)
{
	int error;

	adopt();
	faults_open();
	faults_arm(0, FAULT_FILE, FAULT_ERROR, nth, 1);
	error = resume_secondaries(&heir);
	(void)faults_disarm(ret_hit);
	faults_close();
	/* Given up in no case. */
	CHECK_EQ(!heir.secondaries[0], error < 0);
	CHECK(journal_secondary_at(&heir, 0)->id != 0);
	lives_forget(&heir);
	return error;
}

static void who_cannot_be_asked_about_is_left_to_the_next_life(void)
{
	uint32_t hit = 1, again = 0;

	for (uint32_t nth = 1; hit && nth < 100; nth++) {
		int socket;

		begin_life();
		REQUIRE(journal_secondary(rig_secondary(
				&rig, "vsw", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket)) == 0);
		if (ask(nth, &hit) < 0) {
			CHECK_EQ(ask(0, NULL), 0);
			again++;
		}
		close(socket);
		end_life();
	}
	CHECK_EQ(hit, 0);
	CHECK(again > 1);
}

static struct journal_port *damaged(void)
{
	begin_life();
	make_session(2);
	return (struct journal_port *)(uintptr_t)journal_valid_port(p, 0);
}

/* The port is gone, nobody runs its rings, and nothing was read where nothing is. */
static void check_given_up(void)
{
	adopt();
	REQUIRE(resume_ports(&heir) == 0);
	CHECK(heir.ports[0] == NULL);
	CHECK(journal_valid_port(&heir, 0) == NULL);
	CHECK_EQ(rig_grant_word(&port->device.vrings[0]), 0);
	lives_forget(&heir);
	end_session();
	end_life();
}

static void a_port_whose_record_is_damaged_is_given_up(void)
{
	damaged()->nr_vrings = HF_SHM_MAX_VRINGS + 1;
	check_given_up();
	damaged()->nr_regions = HF_SHM_MAX_REGIONS + 1;
	check_given_up();
	damaged()->message.reply_bytes = JOURNAL_REPLY;
	check_given_up();
	damaged()->vrings[1].size = 32769;
	check_given_up();
	memset(damaged()->name, 'x', 64);
	check_given_up();
	damaged()->queue_pairs = UINT32_MAX;
	check_given_up();
}

static void a_session_whose_memory_table_is_damaged_ends(void)
{
	struct port *taken;

	damaged()->regions[0].size = UINT64_MAX;
	taken = take_over();
	CHECK(taken->session->must_end != NULL);
	CHECK_EQ(taken->device.memory.count, 0);
	resume_go_on(&heir);
	CHECK(taken->session == NULL);
	lives_forget(&heir);
	end_session();
	end_life();
}

/* It died while it published: readers would wait for ever. */
static void an_odd_count_in_the_directory_is_made_even(void)
{
	struct hf_shm_device *slot, copy;
	struct port *taken;

	begin_life();
	make_session(2);
	slot = hf_directory_device(&p->directory, 0);
	slot->seq |= 1u;
	slot->nr_vrings = 99;
	CHECK_EQ(hf_directory_snapshot(&p->directory, 0, &copy), -EBUSY);
	taken = take_over();
	CHECK(taken->draft_behind); /* all is taken back first */
	resume_go_on(&heir);
	CHECK_EQ(slot->seq & 1u, 0);
	REQUIRE(hf_directory_snapshot(&p->directory, 0, &copy) == 0);
	CHECK_EQ(copy.nr_vrings, 2);
	lives_forget(&heir);
	end_session();
	end_life();
}

static void a_message_that_was_begun_takes_everything_back(void)
{
	struct port *taken;

	begin_life();
	make_session(2);
	journal_begin(port->session);
	taken = take_over();
	CHECK(taken->draft_behind);
	resume_go_on(&heir);
	REQUIRE(taken->session != NULL);
	CHECK_EQ(journal_slot(&heir, 0)->dirty, 0);
	lives_forget(&heir);
	end_session();
	end_life();
}

static void what_a_session_needs_and_is_lost_ends_it(void)
{
	struct port *taken;
	uint32_t lost;
	char byte;

	begin_life();
	make_session(2);
	lost = port->device.regions_stored[0];
	lives_inherit(&heir, p, &rig.conf);
	store_release(heir.store, lost);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
	REQUIRE(resume_ports(&heir) == 0);
	taken = heir.ports[0];
	REQUIRE(taken != NULL);
	CHECK(taken->session->must_end != NULL);
	resume_go_on(&heir);
	CHECK(taken->session == NULL);
	CHECK_EQ(recv(front, &byte, 1, MSG_DONTWAIT), 0); /* it sees the end */
	lives_forget(&heir);
	end_session();
	end_life();
}

/* A session has acted on a message of 20 bytes, which is in its socket still; "next" is behind it.
 */
static void begin_with_a_message(const char *reply)
{
	struct session *session;

	begin_life();
	make_session(2);
	session = port->session;
	REQUIRE(send(front, "12345678901234567890next", 24, 0) == 24);
	journal_begin(session);
	session->in_socket = 20;
	session->reply.len = (uint32_t)strlen(reply);
	memcpy(session->reply.bytes, reply, strlen(reply));
	journal_acted(session);
}

static void an_answered_message_is_consumed_and_not_answered_again(void)
{
	char bytes[32];

	begin_with_a_message("yes");
	CHECK_EQ(once_send(journal_once(p), port->session->message_id, port->session->socket, "yes",
			   3),
		 0);
	/* And died. */
	take_over();
	CHECK_EQ(recv(front, bytes, sizeof(bytes), MSG_DONTWAIT), 3);
	CHECK_EQ(recv(port->session->socket, bytes, sizeof(bytes), MSG_PEEK), 4);
	CHECK(memcmp(bytes, "next", 4) == 0);
	CHECK_EQ(heir.ports[0]->session->reply.len, 0);
	lives_forget(&heir);
	end_session();
	end_life();
}

/* One more life, in which the nth transfer and all behind it fail (0: none). 0: it has taken over.
 */
static int resume_without_transfers(uint32_t nth, uint32_t *ret_hit)
{
	int error;

	adopt();
	faults_open();
	if (nth)
		faults_arm(0, FAULT_TRANSFER, FAULT_ERROR, nth, 100);
	error = resume_ports(&heir);
	faults_disarm(ret_hit);
	faults_close();
	lives_forget(&heir);
	return error;
}

/* Whichever way it was cut off, the next life takes out what is left of the message and no more. */
static void a_message_that_cannot_be_taken_out_is_left_to_the_next_life(void)
{
	uint32_t hit = 1, again = 0;
	char bytes[32];

	for (uint32_t nth = 1; hit && nth < 100; nth++) {
		begin_with_a_message("");
		if (resume_without_transfers(nth, &hit) < 0) {
			CHECK_EQ(resume_without_transfers(0, NULL), 0);
			again++;
		}
		CHECK_EQ(recv(port->session->socket, bytes, sizeof(bytes), 0), 4);
		end_session();
		end_life();
	}
	CHECK_EQ(hit, 0);
	CHECK(again > 0);
}

static void one_that_was_acted_on_is_answered_then(void)
{
	begin_with_a_message("yes");
	take_over();
	CHECK_EQ(heir.ports[0]->session->reply.len, 3);
	CHECK_EQ(heir.ports[0]->session->in_socket, 20);
	CHECK_EQ(heir.ports[0]->session->message_id, port->session->message_id);
	lives_forget(&heir);
	end_session();
	end_life();
}

static const struct sentence sentences[] = {
	SENTENCE(a_session_goes_on_as_it_was),
	SENTENCE(nothing_is_taken_over_by_halves),
	SENTENCE(who_cannot_be_asked_about_is_left_to_the_next_life),
	SENTENCE(a_port_whose_record_is_damaged_is_given_up),
	SENTENCE(a_session_whose_memory_table_is_damaged_ends),
	SENTENCE(an_odd_count_in_the_directory_is_made_even),
	SENTENCE(a_message_that_was_begun_takes_everything_back),
	SENTENCE(what_a_session_needs_and_is_lost_ends_it),
	SENTENCE(an_answered_message_is_consumed_and_not_answered_again),
	SENTENCE(a_message_that_cannot_be_taken_out_is_left_to_the_next_life),
	SENTENCE(one_that_was_acted_on_is_answered_then),
};
SUITE("heir", sentences)
