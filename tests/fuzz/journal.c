/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A successor that reads a damaged journal and a damaged directory: it may refuse them, end the
 * session or begin anew, but goes on with nothing that leads out of what it has.
 *
 * A first life with a port, a session and a secondary that runs its rings is made once; each input
 * damages copies of what it wrote and has an heir take over. What an heir could do to the world
 * outside is wrapped (meson.build): no process is killed, no path is listened at, no socket shut.
 */
#include "journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.h"
#include "grant.h"
#include "handover.h"
#include "listener.h"
#include "lives.h"
#include "resume.h"
#include "store.h"
#include "turn.h"

static struct rig rig;
static struct primary *p = &rig.primary;
static struct primary heir;
static struct conf heir_conf;
static struct port *port;
static uint8_t *journal_then, *directory_then;
/* Where they are when the header is whole. */
static struct journal_slot *slots[2];
static struct journal_secondary *secondary_record;
static struct hf_directory directory;

int __wrap_process_end(pid_t pid, uint64_t start, bool wait);
int __wrap_pidfd_send_signal(int pidfd, int signal, void *info, unsigned int flags);
void __wrap_port_go_on(struct port *port_to_go_on);
int __wrap_shutdown(int socket, int how);
int __wrap_listener_open(struct listener *listener, struct loop *loop, const char *run_dir,
			 const char *file, mode_t mode);
int __wrap_listener_adopt(struct listener *listener, struct loop *loop, const char *run_dir,
			  const char *file, int fd);
int __wrap_stream_give_to(const char *path, gid_t group);

int __wrap_process_end(pid_t pid, uint64_t start, bool wait)
{
	(void)pid;
	(void)start;
	(void)wait;
	return 0;
}

int __wrap_pidfd_send_signal(int pidfd, int signal, void *info, unsigned int flags)
{
	(void)pidfd;
	(void)signal;
	(void)info;
	(void)flags;
	return 0;
}

void __wrap_port_go_on(struct port *port_to_go_on)
{
	(void)port_to_go_on;
}

int __wrap_shutdown(int socket, int how)
{
	(void)socket;
	(void)how;
	return 0;
}

int __wrap_listener_open(struct listener *listener, struct loop *loop, const char *run_dir,
			 const char *file, mode_t mode)
{
	(void)listener;
	(void)loop;
	(void)run_dir;
	(void)file;
	(void)mode;
	return 0;
}

int __wrap_listener_adopt(struct listener *listener, struct loop *loop, const char *run_dir,
			  const char *file, int fd)
{
	(void)listener;
	(void)loop;
	(void)run_dir;
	(void)file;
	close(fd);
	return 0;
}

int __wrap_stream_give_to(const char *path, gid_t group)
{
	(void)path;
	(void)group;
	return 0;
}

static void set_up_once(void)
{
	struct secondary *secondary;
	int socket;

	rig_open(&rig);
	hf_log_set_level(0);
	lives_begin(p);
	port = lives_session(&rig, 2, 1, &socket);
	secondary = rig_secondary(&rig, "vsw", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	FUZZ_HOLDS(journal_secondary(secondary) == 0);
	journal_welcomed(secondary);
	grant_offer_all(p);
	FUZZ_HOLDS(port->device.owner == secondary);
	journal_port(port);
	slots[0] = journal_slot(p, 0);
	slots[1] = journal_slot(p, 1);
	secondary_record = journal_secondary_at(p, 0);
	directory = p->directory;
	journal_then = malloc(p->journal->memory.size);
	directory_then = malloc(p->directory_memory.size);
	FUZZ_HOLDS(journal_then && directory_then);
	memcpy(journal_then, p->journal->memory.base, p->journal->memory.size);
	memcpy(directory_then, p->directory_memory.base, p->directory_memory.size);
}

/* ---- damage */

static void damage_bytes(void *base, size_t size, const struct record *r)
{
	uint64_t value = r->op & 0x80 ? fuzz_number(r->c) : r->c;
	size_t at = size < 8 ? 0 : r->b % (size - 7);

	at &= ~(size_t)(r->op & 0x40 ? 7 : 3);
	memcpy((uint8_t *)base + at, &value, r->op & 0x40 ? 8 : 4);
}

static void damage(const struct record *r)
{
	struct journal_header *header = p->journal->header;
	struct journal_slot *slot = slots[r->a & 1];
	struct journal_port *copy = &slot->copies[r->a >> 1 & 1];
	struct hf_shm_device *device = hf_directory_device(&directory, r->a & 1);

	switch (r->op % 9) {
	case 0:
		damage_bytes(header, sizeof(*header), r);
		break;
	case 1: /* its live words */
		damage_bytes(&header->next_grant,
			     sizeof(*header) - offsetof(struct journal_header, next_grant), r);
		break;
	case 2:
		damage_bytes(slot, offsetof(struct journal_slot, copies), r);
		break;
	case 3: /* what comes before the long tables */
		damage_bytes(copy, offsetof(struct journal_port, removed), r);
		break;
	case 4:
		damage_bytes(copy->regions, 2 * sizeof(copy->regions[0]), r);
		break;
	case 5:
		damage_bytes(r->a & 4 ? (void *)copy->region_fds : (void *)copy->vrings,
			     3 * sizeof(copy->vrings[0]), r);
		break;
	case 6:
		damage_bytes(secondary_record, offsetof(struct journal_secondary, globs) + 256, r);
		break;
	case 7:
		damage_bytes(journal_sent_of(secondary_record), 256, r);
		break;
	default:
		damage_bytes(r->a & 4 ? (void *)&device->vrings[r->a >> 3 & 1] : (void *)device,
			     sizeof(device->vrings[0]), r);
	}
}

/* ---- the next life */

static void take_over(void)
{
	if (journal_adopt(&heir))
		return;
	/* As main.c does. */
	heir_conf.max_devices = heir.journal->header->max_devices;
	heir_conf.max_secondaries = heir.journal->header->max_secondaries;
	if (hf_memory_adopt(&heir.directory_memory, store_get(heir.store, STORE_DIRECTORY)) ||
	    hf_directory_adopt(&heir.directory, &heir.directory_memory) ||
	    heir.directory.header.max_devices != heir_conf.max_devices ||
	    heir.directory.header.max_secondaries != heir_conf.max_secondaries)
		return;
	if (attach_open(&heir) || resume_secondaries(&heir) || resume_ports(&heir))
		return;
	resume_go_on(&heir);
	fuzz_turn(heir.loop);
	fuzz_turn(heir.loop);
}

static void check_ports(void)
{
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		const struct port *taken = heir.ports[i];

		if (!taken)
			continue;
		FUZZ_HOLDS(memchr(taken->name, 0, sizeof(taken->name)));
		FUZZ_HOLDS(memchr(taken->path, 0, sizeof(taken->path)));
		FUZZ_HOLDS(taken->device.memory.count <= HF_SHM_MAX_REGIONS);
	}
}

static void put_back_part(void *base, const uint8_t *then, const void *at, size_t len)
{
	size_t offset = (size_t)((const uint8_t *)at - (const uint8_t *)base);

	memcpy((uint8_t *)base + offset, then + offset, len);
}

/* Of megabytes only what is written to. */
static void put_back(void)
{
	uint8_t *journal = p->journal->memory.base, *shared = p->directory_memory.base;

	put_back_part(journal, journal_then, journal, 4096);
	put_back_part(journal, journal_then, slots[0], 2 * sizeof(*slots[0]));
	put_back_part(journal, journal_then, secondary_record, sizeof(*secondary_record) + 16384);
	put_back_part(shared, directory_then, shared, 4096 + 8 * sizeof(struct hf_shm_secondary));
	put_back_part(shared, directory_then, hf_directory_device(&directory, 0),
		      2 * sizeof(struct hf_shm_device));
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		put_back_part(shared, directory_then, hf_directory_grant(&directory, 0, i),
			      2 * sizeof(hf_shm_grant));
}

const uint8_t fuzz_nr_ops = 255;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	struct record r;

	if (!journal_then)
		set_up_once();
	put_back();
	while (fuzz_next(&input, &r))
		damage(&r);
	heir_conf = rig.conf;
	lives_inherit(&heir, p, &heir_conf);
	take_over();
	check_ports();
	if (heir.attach)
		attach_close(&heir);
	lives_forget(&heir);
	return 0;
}
