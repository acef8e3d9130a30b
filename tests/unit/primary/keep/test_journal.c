/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/keep/journal.h: what a life writes, the next one reads; what was being written when it
 * died does not count; what another release wrote is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"
#include "faults.h"
#include "fd.h"
#include "heirs.h"
#include "journal.h"
#include "lives.h"
#include "session.h"
#include "store.h"
#include "stream.h"
#include "suite.h"

/* ---- copies */

static void what_was_written_is_read(void)
{
	const struct journal_port *record;

	begin_life();
	make_session(2);
	CHECK(journal_valid_port(p, 1) == NULL);
	record = journal_valid_port(p, 0);
	REQUIRE(record != NULL);
	CHECK(strcmp(record->name, "p") == 0);
	CHECK_EQ(record->session, port->device.session);
	CHECK_EQ(record->messages, 12);
	CHECK_EQ(record->nr_regions, 1);
	CHECK_EQ(record->nr_vrings, 2);
	CHECK(record->socket && record->region_fds[0] && record->vrings[1].kick);
	lives_inherit(&heir, p, &rig.conf);
	CHECK_EQ(journal_adopt(&heir), 0);
	CHECK_EQ(heir.journal->header->lives, 1);
	record = journal_valid_port(&heir, 0);
	REQUIRE(record != NULL);
	CHECK(strcmp(record->name, "p") == 0);
	CHECK_EQ(record->features, port->device.features);
	lives_forget(&heir);
	end_session();
	end_life();
}

static void the_copy_that_is_being_written_does_not_count(void)
{
	struct journal_slot *slot;

	begin_life();
	make_session(2);
	slot = journal_slot(p, 0);
	for (int i = 0; i < 4; i++) {
		struct journal_port *other = &slot->copies[slot->valid == 1 ? 1 : 0];
		uint32_t valid = slot->valid;

		/* It died while writing this. */
		memset(other, 0xa5, sizeof(*other) / 2 + (size_t)i * 100);
		CHECK_EQ(journal_valid_port(p, 0)->messages, 12 + i);
		port->session->messages++;
		journal_port(port);
		CHECK(slot->valid != valid);
		CHECK_EQ(journal_valid_port(p, 0)->messages, 13 + i);
		CHECK(strcmp(journal_valid_port(p, 0)->name, "p") == 0);
	}
	slot->valid = 3;
	CHECK(journal_valid_port(p, 0) == NULL);
	slot->valid = 0;
	CHECK(journal_valid_port(p, 0) == NULL);
	end_session();
	end_life();
}

static void what_only_the_old_copy_had_leaves_the_store(void)
{
	struct vring *vring;
	uint32_t old;
	int fd;

	begin_life();
	make_session(2);
	vring = &port->device.vrings[1];
	old = vring->stored.call;
	fd = store_get(p->store, old);
	CHECK(fd >= 0);
	hf_fd_close(&fd);
	hf_fd_close(&vring->call);
	vring->call = eventfd(0, EFD_CLOEXEC);
	vring->stored.call = 0;
	journal_port(port);
	CHECK(vring->stored.call != old);
	CHECK_EQ(store_get(p->store, old), -ENOENT);
	end_session();
	journal_port(port);
	CHECK_EQ(journal_valid_port(p, 0)->session, 0);
	CHECK_EQ(store_get(p->store, vring->stored.call), -ENOENT);
	journal_port_gone(port);
	CHECK(journal_valid_port(p, 0) == NULL);
	end_life();
}

/* ---- messages */

static void a_message_is_noted_step_by_step(void)
{
	struct journal_slot *slot;
	struct session *session;
	uint64_t first;

	begin_life();
	make_session(2);
	session = port->session;
	slot = journal_slot(p, 0);
	CHECK_EQ(slot->dirty, 0);
	journal_begin(session);
	CHECK_EQ(slot->dirty, 1);
	first = session->message_id;
	CHECK(first != 0);
	/* What a handler changes on the way is not written: it would be half of it. */
	session->messages = 99;
	journal_port(port);
	CHECK_EQ(journal_valid_port(p, 0)->messages, 12);
	session->in_socket = 20;
	session->reply.len = 4;
	memcpy(session->reply.bytes, "yes!", 4);
	CHECK(journal_store(session));
	journal_acted(session);
	CHECK_EQ(slot->dirty, 0);
	CHECK_EQ(journal_valid_port(p, 0)->messages, 99);
	CHECK_EQ(journal_valid_port(p, 0)->message.id, first);
	CHECK_EQ(journal_valid_port(p, 0)->message.bytes, 20);
	CHECK(memcmp(journal_valid_port(p, 0)->message.reply, "yes!", 4) == 0);
	CHECK(slot->answered != first && slot->consumed != first);
	journal_answered(session);
	CHECK_EQ(slot->answered, first);
	journal_consumed(session);
	CHECK_EQ(slot->consumed, first);
	journal_begin(session);
	CHECK_EQ(session->message_id, first + 1);
	journal_clean(session);
	CHECK_EQ(slot->dirty, 0);
	end_session();
	end_life();
}

/* ---- refusals */

static void check_adopt(int error)
{
	lives_inherit(&heir, p, &rig.conf);
	CHECK_EQ(journal_adopt(&heir), error);
	CHECK_EQ(heir.journal == NULL, error != 0);
	lives_forget(&heir);
}

static void what_another_release_wrote_is_refused(void)
{
	struct journal_header *h, saved;

	begin_life();
	h = p->journal->header;
	saved = *h;
	check_adopt(0);
#define REFUSE(field, value)                                                                       \
	do {                                                                                       \
		*h = saved;                                                                        \
		h->field = value;                                                                  \
		check_adopt(-EPROTO);                                                              \
	} while (0)
	REFUSE(magic, 0);
	REFUSE(version, JOURNAL_VERSION + 1);
	REFUSE(version, 0);
	REFUSE(abi_major, HF_ABI_MAJOR + 1);
	REFUSE(size, saved.size + (1 << 24));
	REFUSE(port_bytes, saved.port_bytes + 8);
	REFUSE(secondary_bytes, saved.secondary_bytes - 8);
	*h = saved;
	check_adopt(0);
	/* Its pipes were never stored: it died before it was whole. */
	h->pipes[2] = 0;
	check_adopt(-EBADF);
	*h = saved;
	end_life();
}

/* A successor would look for its tables where nothing is. */
static void a_header_that_leads_out_of_the_journal_is_refused(void)
{
	struct journal_header *h, saved;

	begin_life();
	h = p->journal->header;
	saved = *h;
#define DAMAGE(field, value)                                                                       \
	do {                                                                                       \
		*h = saved;                                                                        \
		h->field = value;                                                                  \
		check_adopt(-EINVAL);                                                              \
	} while (0)
	DAMAGE(max_devices, 0);
	DAMAGE(max_devices, saved.max_devices + 1);
	DAMAGE(max_devices, UINT32_MAX);
	DAMAGE(max_secondaries, 0);
	DAMAGE(max_secondaries, saved.max_secondaries + 65536);
	DAMAGE(max_secondaries, 65536);
	DAMAGE(lane_bytes, saved.lane_bytes + (2u << 20));
	DAMAGE(lane_bytes, UINT64_MAX);
	DAMAGE(ports_offset, saved.ports_offset + 8);
	DAMAGE(ports_offset, UINT64_MAX - 7);
	DAMAGE(secondaries_offset, saved.secondaries_offset - 8);
	DAMAGE(secondary_stride, saved.secondary_stride + 8);
	DAMAGE(secondary_stride, 1ull << 63);
	*h = saved;
	check_adopt(0);
	end_life();
}

static void without_a_journal_there_is_nothing_to_adopt(void)
{
	begin_life();
	lives_inherit(&heir, p, &rig.conf);
	store_release(heir.store, STORE_JOURNAL);
	CHECK_EQ(journal_adopt(&heir), -ENOENT);
	CHECK_EQ(store_put(heir.store, STORE_JOURNAL, 'j', rig.primary.journal->once.answer[0]), 0);
	CHECK(journal_adopt(&heir) < 0); /* no memory at all */
	CHECK(heir.journal == NULL);
	lives_forget(&heir);
	end_life();
}

static void without_a_store_or_memory_there_is_no_journal_yet(void)
{
	struct primary storeless = {0};

	CHECK_EQ(journal_adopt(&storeless), -ENOENT);
	begin_life();
	lives_inherit(&heir, p, &rig.conf);
	faults_open();
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1);
	CHECK_EQ(journal_adopt(&heir), -ENOMEM);
	(void)faults_disarm(NULL);
	faults_close();
	CHECK(heir.journal == NULL);
	CHECK_EQ(journal_adopt(&heir), 0);
	lives_inherit_directory(&heir);
	lives_forget(&heir);
	end_life();
}

/* ---- words */

static const char *in_dir(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
	return path;
}

static int listen_at(const char *name)
{
	int fd = stream_listen(in_dir(name), 0600);

	REQUIRE(fd >= 0);
	return fd;
}

static void remove_file(const char *name)
{
	CHECK_EQ(unlink(in_dir(name)), 0);
}

static void numbers_listeners_and_positions_are_words_of_their_own(void)
{
	struct vring *vring;
	uint32_t valid;
	int fd, got;

	begin_life();
	make_session(2);
	valid = journal_slot(p, 0)->valid;
	p->next_grant = 77;
	p->next_session = 78;
	p->next_secondary = 79;
	p->features_enabled = 80;
	journal_numbers(p);
	vring = &port->device.vrings[1];
	vring->base = 0xfffe;
	vring->base_used = 0xfffd;
	vring->leftovers = 3;
	journal_position(vring);
	CHECK_EQ(journal_slot(p, 0)->valid, valid);
	CHECK_EQ(journal_slot(p, 0)->positions[1],
		 (long long)(JOURNAL_POSITION | 3ull << 32 | 0xfffdull << 16 | 0xfffe));
	CHECK_EQ(journal_take_listener(p, false), -1);
	fd = listen_at("first");
	journal_listener(p, false, fd);
	close(fd);
	fd = listen_at("second"); /* another one */
	journal_listener(p, false, fd);
	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	CHECK_EQ(heir.journal->header->next_grant, 77);
	CHECK_EQ(heir.journal->header->next_session, 78);
	CHECK_EQ(heir.journal->header->next_secondary, 79);
	CHECK_EQ(heir.journal->header->features_enabled, 80);
	got = journal_take_listener(&heir, false);
	CHECK(got >= 0);
	hf_fd_close(&got);
	/* Nobody can reach it any more: it is not taken. */
	remove_file("second");
	CHECK_EQ(journal_take_listener(&heir, false), -1);
	remove_file("first");
	close(fd);
	lives_forget(&heir);
	end_session();
	end_life();
}

static const struct sentence sentences[] = {
	SENTENCE(what_was_written_is_read),
	SENTENCE(the_copy_that_is_being_written_does_not_count),
	SENTENCE(what_only_the_old_copy_had_leaves_the_store),
	SENTENCE(a_message_is_noted_step_by_step),
	SENTENCE(what_another_release_wrote_is_refused),
	SENTENCE(a_header_that_leads_out_of_the_journal_is_refused),
	SENTENCE(without_a_journal_there_is_nothing_to_adopt),
	SENTENCE(without_a_store_or_memory_there_is_no_journal_yet),
	SENTENCE(numbers_listeners_and_positions_are_words_of_their_own),
};
SUITE("journal", sentences)
