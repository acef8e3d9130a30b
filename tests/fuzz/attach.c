/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attach protocol: processes that say Hello, or anything else, in any order, with any
 * descriptors, to a primary with a device to grant. Whatever they do, afterwards nobody is attached
 * and nothing is granted.
 */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.pb-c.h"
#include "fd.h"
#include "handover.h"
#include "port.h"
#include "ports.h"
#include "primary_rig.h"
#include "secondary_life.h"
#include "turn.h"
#include "wire.h"

#define PEERS	  3u
#define MOST_SENT 24

static struct rig rig;
static struct port *kept;
static char path[128];
static int peers[PEERS];
static int pool[3]; /* sealed as a state has to be; not sealed; no file */

static void set_up_once(void)
{
	rig_open(&rig);
	hf_log_set_level(0);
	kept = rig_port(&rig, "p", 2);
	FUZZ_HOLDS(attach_open(&rig.primary) == 0);
	snprintf(path, sizeof(path), "%s/attach.sock", rig.dir);
	pool[0] = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	pool[1] = memfd_create("fuzz", MFD_CLOEXEC);
	pool[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	FUZZ_HOLDS(pool[0] >= 0 && pool[1] >= 0 && pool[2] >= 0);
	FUZZ_HOLDS(ftruncate(pool[0], 4096) == 0 && ftruncate(pool[1], 4096) == 0);
	FUZZ_HOLDS(fcntl(pool[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
}

static void begin(void)
{
	for (uint32_t i = 0; i < PEERS; i++)
		peers[i] = -1;
	for (uint32_t i = 0; i < 2; i++) {
		kept->device.vrings[i].broken = false;
		kept->device.vrings[i].base = kept->device.vrings[i].base_used = 0;
	}
	rig.primary.features_enabled = port_supported_features();
	kept->features_disabled = 0;
}

static bool is_run(void)
{
	return kept->device.vrings[0].owner || kept->device.vrings[1].owner;
}

static void end(void)
{
	struct primary *p = &rig.primary;

	handover_cancel_all(p);
	for (uint32_t i = 0; i < PEERS; i++) {
		/* The processes that close foreign descriptors have this one as well, for a moment.
		 */
		if (peers[i] >= 0)
			(void)shutdown(peers[i], SHUT_RDWR);
		hf_fd_close(&peers[i]);
	}
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		if (p->ports[i] && p->ports[i] != kept)
			port_stop(p->ports[i], "the input is over");
	/* Who is cut off for descriptors that hang is heard when a process of the primary's ends: a
	 * second is more than that takes. */
	for (int i = 0; i < 3 || (i < 10000 && is_run()); i++) {
		fuzz_turn(p->loop);
		if (i >= 3)
			usleep(100);
	}
	/* The process lives, so who left would linger. */
	for (uint32_t i = 0; i < RIG_SECONDARIES; i++)
		if (p->secondaries[i])
			secondary_destroy(p->secondaries[i]);
	FUZZ_HOLDS(!is_run());
	FUZZ_HOLDS(p->revocations == NULL);
	FUZZ_HOLDS(rig_grant_word(&kept->device.vrings[0]) == 0);
}

/* The upper bits of op: which peer, and descriptors. */
static int peer_of(const struct record *r)
{
	int *peer = &peers[(r->op >> 3) % PEERS];

	if (*peer < 0)
		*peer = hf_seqpacket_connect(path);
	FUZZ_HOLDS(*peer >= 0);
	return *peer;
}

static void send_bytes(const struct record *r, const void *bytes, size_t len)
{
	int fds[] = {pool[r->c % 3], pool[2]};
	uint32_t nr_fds = r->op >> 5 & 1 ? 1 + (r->op >> 6 & 1) : 0;

	/* The one port stays: PortDel of its name. */
	if (memchr(bytes, 0x2a, len) && memmem(bytes, len, "\x0a\x01p", 3))
		return;
	(void)hf_frame_send_packed(peer_of(r), bytes, len, fds, nr_fds);
}

static void send_message(const struct record *r)
{
	struct wire_value good[] = {
		{"request", r->op >> 7, NULL},
		{"abi_major", HF_ABI_MAJOR, NULL},
		{"name", 0,
		 (r->op >> 3) % PEERS == 0   ? "a"
		 : (r->op >> 3) % PEERS == 1 ? "b"
					     : "c"},
		{"version", 0, "1"},
		{"membarrier", 1, NULL},
		{"session", kept->device.session, NULL},
		{"device", kept->device.slot, NULL},
		{"grant", kept->device.vrings[0].grant, NULL},
		{"number", rig.primary.next_flush - 1, NULL},
		{"error", UINT64_MAX, NULL},
		{"port", 0, "p"},
		{"to", 0, "b"},
		{"mask", 1ull << 15, NULL},
		{NULL, 0, NULL},
	};
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct record message = *r;
	size_t len;

	message.a %= (uint8_t)wire_members(&holdfast__attach__to_primary__descriptor);
	/* A port's kind and path stay: devices and sockets are made in the rig's directory only. */
	if (message.a == 2)
		message.b &= (uint16_t)~6u;
	len = wire_build(bytes, sizeof(bytes), &holdfast__attach__to_primary__descriptor, &message,
			 good);
	send_bytes(r, bytes, len);
}

static void send_raw(struct fuzz_input *input, const struct record *r)
{
	const uint8_t *bytes;
	size_t len = fuzz_bytes(input, r->b % 8, &bytes);

	/* But no port. */
	if (len && bytes[0] != 0x22)
		send_bytes(r, bytes, len);
}

static void hello(const struct record *r)
{
	struct record message = {.op = r->op, .b = r->b & 0x38, .c = r->c};

	send_message(&message);
}

/* It runs its rings, as far as the primary can see: its lane says whatever it likes. */
static void lane(const struct record *r)
{
	struct vring *vring = &kept->device.vrings[r->a & 1];
	uint16_t *words;

	if (!vring->owner)
		return;
	words = (uint16_t *)(void *)&rig_lane(vring)->position;
	words[r->a >> 1 & 3] = (uint16_t)r->c;
}

static void leave(const struct record *r)
{
	hf_fd_close(&peers[(r->op >> 3) % PEERS]);
}

/* Its queue fills when nobody reads; now and then somebody does. */
static void read_some(void)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];

	for (uint32_t i = 0; i < PEERS; i++) {
		struct hf_frame frame = {.bytes = bytes};

		if (peers[i] < 0 || fcntl(peers[i], F_SETFL, O_NONBLOCK) < 0)
			continue;
		while (hf_frame_receive(peers[i], &frame) > 0)
			hf_frame_close_fds(&frame);
	}
}

const uint8_t fuzz_nr_ops = 255;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	struct record r;

	if (!*path)
		set_up_once();
	begin();
	for (int sent = 0; sent < MOST_SENT && fuzz_next(&input, &r); sent++) {
		switch (r.op & 7) {
		case 0:
			hello(&r);
			break;
		case 1:
			leave(&r);
			break;
		case 2:
			send_raw(&input, &r);
			break;
		case 3:
			lane(&r);
			break;
		case 4:
			read_some();
			break;
		default:
			send_message(&r);
		}
		fuzz_turn(rig.primary.loop);
		if ((r.op & 7) < 2)
			fuzz_turn(rig.primary.loop);
	}
	end();
	return 0;
}
