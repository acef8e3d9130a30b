/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/keep/journal.h and resume.h: what a life writes, the next one reads; what was being
 * written when it died does not count; what another release wrote is refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allowance.h"
#include "clock.h"
#include "device.h"
#include "directory.h"
#include "faults.h"
#include "fd.h"
#include "fd_ledger.h"
#include "frame.h"
#include "grant.h"
#include "journal.h"
#include "lane.h"
#include "lane_entries.h"
#include "lives.h"
#include "log.h"
#include "resume.h"
#include "secondary_life.h"
#include "session.h"
#include "session_end.h"
#include "session_life.h"
#include "store.h"
#include "stream.h"
#include "suite.h"

static struct rig rig; /* the first life */
static struct primary *p = &rig.primary;
static struct primary heir;
static struct port *port;
static int front;
static int open_before;

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	open_before = fds_open();
	rig_open(&rig);
	lives_begin(p);
	hf_log_set_level(0); /* refusals say so */
}

static void end(void)
{
	lives_end(p);
	rig_close(&rig);
	CHECK_EQ(fds_open(), open_before);
}

static void make_session(uint32_t nr_vrings)
{
	port = lives_session(&rig, nr_vrings, 4, &front);
}

static void end_session(void)
{
	struct session *session = port->session;

	port->session = NULL;
	hf_fd_close(&session->socket);
	free(session);
	hf_fd_close(&front);
}

/* ---- copies */

static void what_was_written_is_read(void)
{
	const struct journal_port *record;

	begin();
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
	end();
}

static void the_copy_that_is_being_written_does_not_count(void)
{
	struct journal_slot *slot;

	begin();
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
	end();
}

static void what_only_the_old_copy_had_leaves_the_store(void)
{
	struct vring *vring;
	uint32_t old;
	int fd;

	begin();
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
	end();
}

/* ---- messages */

static void a_message_is_noted_step_by_step(void)
{
	struct journal_slot *slot;
	struct session *session;
	uint64_t first;

	begin();
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
	end();
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

	begin();
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
	end();
}

/* A successor would look for its tables where nothing is. */
static void a_header_that_leads_out_of_the_journal_is_refused(void)
{
	struct journal_header *h, saved;

	begin();
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
	end();
}

static void without_a_journal_there_is_nothing_to_adopt(void)
{
	begin();
	lives_inherit(&heir, p, &rig.conf);
	store_release(heir.store, STORE_JOURNAL);
	CHECK_EQ(journal_adopt(&heir), -ENOENT);
	CHECK_EQ(store_put(heir.store, STORE_JOURNAL, 'j', rig.primary.journal->once.answer[0]), 0);
	CHECK(journal_adopt(&heir) < 0); /* no memory at all */
	CHECK(heir.journal == NULL);
	lives_forget(&heir);
	end();
}

static void without_a_store_or_memory_there_is_no_journal_yet(void)
{
	struct primary storeless = {0};

	CHECK_EQ(journal_adopt(&storeless), -ENOENT);
	begin();
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
	end();
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

	begin();
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
	end();
}

/* ---- taking over */

static struct port *take_over(void)
{
	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
	REQUIRE(resume_secondaries(&heir) == 0);
	REQUIRE(resume_ports(&heir) == 0);
	REQUIRE(heir.ports[0] != NULL);
	return heir.ports[0];
}

static void a_session_goes_on_as_it_was(void)
{
	struct port *taken;
	int socket;
	struct secondary *secondary;

	begin();
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
	end();
}

/* With the nth allocation failing. Did one? Then the next life tries, else all is there. */
static bool takes_over_without(uint32_t nth)
{
	struct secondary *secondary;
	int socket, error;
	uint32_t hit;

	begin();
	make_session(2);
	secondary = rig_secondary(&rig, "vsw", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	REQUIRE(journal_secondary(secondary) == 0);
	grant_offer_all(p);
	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
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
	end();
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

	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
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

		begin();
		REQUIRE(journal_secondary(rig_secondary(
				&rig, "vsw", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket)) == 0);
		if (ask(nth, &hit) < 0) {
			CHECK_EQ(ask(0, NULL), 0);
			again++;
		}
		close(socket);
		end();
	}
	CHECK_EQ(hit, 0);
	CHECK(again > 1);
}

#define STRANGER 4711 /* a user that no rule lets in */

static void *be_thread(void *context)
{
	for (;;)
		pause();
	return context;
}

/* A process of that user's, and an end of a socket that it has made; nobody's is -1. It has two
 * threads. */
static pid_t stranger(int *ret_socket)
{
	uint8_t byte = 0, room[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = room};
	int ours[2], its[2];
	pid_t pid;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ours) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		pthread_t thread;

		if (setuid(STRANGER) == 0 && !pthread_create(&thread, NULL, be_thread, NULL) &&
		    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, its) == 0)
			(void)hf_frame_send_packed(ours[1], &byte, 1, its, 1);
		be_thread(NULL);
	}
	REQUIRE(hf_frame_receive(ours[0], &frame) == 1 && frame.nr_fds == 1);
	*ret_socket = frame.fds[0];
	hf_fd_close_all(ours, 2);
	return pid;
}

static pid_t second_thread(pid_t pid)
{
	char path[40];
	struct dirent *entry;
	pid_t found = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	REQUIRE((tasks = opendir(path)) != NULL);
	while ((entry = readdir(tasks)))
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != pid)
			found = atoi(entry->d_name);
	closedir(tasks);
	return found;
}

/* Is a stranger, who has the memory of port "p", killed by a life with this rule (NULL: none)? Else
 * it is taken over. One that is not buried does not die before we let it. */
static bool is_killed(const char *rule, bool buried)
{
	pid_t thread;
	struct secondary_identity identity = {.name = "stranger", .version = "test", .allowed = 1};
	struct secondary *secondary;
	int socket, status = 0;
	bool killed;

	begin();
	make_session(2);
	if (rule)
		REQUIRE(allow_add_attach(&rig.conf.attach_rules, rule) == 0);
	identity.pid = stranger(&socket);
	identity.uid = STRANGER;
	REQUIRE((thread = second_thread(identity.pid)) > 0);
	if (!buried)
		REQUIRE(ptrace(PTRACE_SEIZE, thread, 0, 0) == 0);
	REQUIRE(secondary_create(p, &identity, socket, pidfd_open(identity.pid, 0), &secondary) ==
		0);
	journal_sent(secondary, 0, port->session->number);
	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
	CHECK_EQ(resume_secondaries(&heir), 0);
	killed = !heir.secondaries[0];
	if (!killed)
		(void)kill(identity.pid, SIGKILL);
	if (!buried)
		CHECK_EQ(waitpid(thread, NULL, __WALL), thread);
	CHECK_EQ(waitpid(identity.pid, &status, 0), identity.pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	lives_forget(&heir);
	end_session();
	end();
	return killed;
}

static bool is_killed_by(const char *rule)
{
	return is_killed(rule, true);
}

/* It has a guest's memory, and nobody else could take it away. */
static void whom_no_rule_allows_any_more_is_killed(void)
{
	if (geteuid() != 0)
		return; /* only root can be somebody else */
	CHECK(is_killed_by(NULL));
	CHECK(is_killed_by("user:4712"));
	CHECK(!is_killed_by("user:4711=p*"));
}

static void who_has_memory_of_a_port_that_no_rule_gives_it_any_more_is_killed(void)
{
	if (geteuid() != 0)
		return;
	CHECK(is_killed_by("user:4711=q*"));
}

/* It runs nothing: its own file system, that does not answer it, would keep us from starting. */
static void whom_no_rule_allows_any_more_is_not_waited_for(void)
{
	if (geteuid() != 0)
		return;
	CHECK(is_killed(NULL, false));
}

static struct journal_port *damaged(void)
{
	begin();
	make_session(2);
	return (struct journal_port *)(uintptr_t)journal_valid_port(p, 0);
}

/* The port is gone, nobody runs its rings, and nothing was read where nothing is. */
static void check_given_up(void)
{
	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
	REQUIRE(resume_ports(&heir) == 0);
	CHECK(heir.ports[0] == NULL);
	CHECK(journal_valid_port(&heir, 0) == NULL);
	CHECK_EQ(rig_grant_word(&port->device.vrings[0]), 0);
	lives_forget(&heir);
	end_session();
	end();
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
	end();
}

/* It died while it published: readers would wait for ever. */
static void an_odd_count_in_the_directory_is_made_even(void)
{
	struct hf_shm_device *slot, copy;
	struct port *taken;

	begin();
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
	end();
}

static void a_message_that_was_begun_takes_everything_back(void)
{
	struct port *taken;

	begin();
	make_session(2);
	journal_begin(port->session);
	taken = take_over();
	CHECK(taken->draft_behind);
	resume_go_on(&heir);
	REQUIRE(taken->session != NULL);
	CHECK_EQ(journal_slot(&heir, 0)->dirty, 0);
	lives_forget(&heir);
	end_session();
	end();
}

static void what_a_session_needs_and_is_lost_ends_it(void)
{
	struct port *taken;
	uint32_t lost;
	char byte;

	begin();
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
	end();
}

static void an_answered_message_is_consumed_and_not_answered_again(void)
{
	char bytes[32];

	begin();
	make_session(2);
	REQUIRE(send(front, "12345678901234567890next", 24, 0) == 24);
	journal_begin(port->session);
	port->session->in_socket = 20;
	port->session->reply.len = 3;
	memcpy(port->session->reply.bytes, "yes", 3);
	journal_acted(port->session);
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
	end();
}

/* One more life, in which the nth transfer and all behind it fail (0: none). 0: it has taken over.
 */
static int resume_without_transfers(uint32_t nth, uint32_t *ret_hit)
{
	int error;

	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
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
		begin();
		make_session(2);
		REQUIRE(send(front, "12345678901234567890next", 24, 0) == 24);
		journal_begin(port->session);
		port->session->in_socket = 20;
		journal_acted(port->session);
		if (resume_without_transfers(nth, &hit) < 0) {
			CHECK_EQ(resume_without_transfers(0, NULL), 0);
			again++;
		}
		CHECK_EQ(recv(port->session->socket, bytes, sizeof(bytes), 0), 4);
		end_session();
		end();
	}
	CHECK_EQ(hit, 0);
	CHECK(again > 0);
}

static void one_that_was_acted_on_is_answered_then(void)
{
	begin();
	make_session(2);
	REQUIRE(send(front, "12345678901234567890next", 24, 0) == 24);
	journal_begin(port->session);
	port->session->in_socket = 20;
	port->session->reply.len = 3;
	memcpy(port->session->reply.bytes, "yes", 3);
	journal_acted(port->session);
	take_over();
	CHECK_EQ(heir.ports[0]->session->reply.len, 3);
	CHECK_EQ(heir.ports[0]->session->in_socket, 20);
	CHECK_EQ(heir.ports[0]->session->message_id, port->session->message_id);
	lives_forget(&heir);
	end_session();
	end();
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
	SENTENCE(a_session_goes_on_as_it_was),
	SENTENCE(nothing_is_taken_over_by_halves),
	SENTENCE(who_cannot_be_asked_about_is_left_to_the_next_life),
	SENTENCE(whom_no_rule_allows_any_more_is_killed),
	SENTENCE(who_has_memory_of_a_port_that_no_rule_gives_it_any_more_is_killed),
	SENTENCE(whom_no_rule_allows_any_more_is_not_waited_for),
	SENTENCE(a_port_whose_record_is_damaged_is_given_up),
	SENTENCE(a_session_whose_memory_table_is_damaged_ends),
	SENTENCE(an_odd_count_in_the_directory_is_made_even),
	SENTENCE(a_message_that_was_begun_takes_everything_back),
	SENTENCE(what_a_session_needs_and_is_lost_ends_it),
	SENTENCE(an_answered_message_is_consumed_and_not_answered_again),
	SENTENCE(a_message_that_cannot_be_taken_out_is_left_to_the_next_life),
	SENTENCE(one_that_was_acted_on_is_answered_then),
};
SUITE("journal", sentences)
