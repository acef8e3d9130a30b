/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control protocol: a client that may ask anything, on a real socket, of a primary with a port
 * and its front-end. What it answers has to parse, and a refusal to say why.
 *
 * Not asked: an upgrade, which starts a program.
 */
#include "control.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.pb-c.h"
#include "fd.h"
#include "port.h"
#include "ports.h"
#include "primary_rig.h"
#include "turn.h"
#include "wire.h"

#define KEPT	 "p"
#define MOST_ASK 24

static struct rig rig;
static char path[128];
static int client;

static void set_up_once(void)
{
	rig_open(&rig);
	hf_log_set_level(0);
	(void)rig_port(&rig, KEPT, 2);
	FUZZ_HOLDS(control_open(&rig.primary) == 0);
	snprintf(path, sizeof(path), "%s/control.sock", rig.dir);
}

static void check_answer(const uint8_t *bytes, size_t len)
{
	Holdfast__Control__Response *response = (Holdfast__Control__Response *)hf_frame_unpack(
		&holdfast__control__response__descriptor, bytes, len);

	FUZZ_HOLDS(response != NULL);
	FUZZ_HOLDS(response->error <= 0);
	if (response->error)
		FUZZ_HOLDS(response->reason && *response->reason && !response->more);
	hf_frame_free_unpacked(&response->base);
}

static void read_answers(void)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];

	for (int rounds = 0; rounds < 8; rounds++) {
		ssize_t n;

		fuzz_turn(rig.primary.loop);
		n = recv(client, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n <= 0)
			return;
		check_answer(bytes, (size_t)n);
	}
}

/* Only the port that was there at first. */
static void end(void)
{
	hf_fd_close(&client);
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		if (rig.primary.ports[i] && strcmp(rig.primary.ports[i]->name, KEPT) != 0)
			port_stop(rig.primary.ports[i], "the input is over");
	for (int i = 0; i < 3; i++)
		fuzz_turn(rig.primary.loop);
	rig.primary.features_enabled = port_supported_features();
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		if (rig.primary.ports[i])
			rig.primary.ports[i]->features_disabled = 0;
}

static void send_bytes(const uint8_t *bytes, size_t len)
{
	/* The one port stays: PortDelRequest of its name. */
	if (memchr(bytes, 0x22, len) && memmem(bytes, len, "\x0a\x01" KEPT, 3))
		return;
	(void)!send(client, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void ask(const struct record *r)
{
	static const struct wire_value good[] = {
		{"protocol", 1, NULL}, {"name", 0, KEPT},	{"port", 0, KEPT},
		{"to", 0, "vsw"},      {"secondary", 0, "vsw"}, {"mask", 1ull << 15, NULL},
		{NULL, 0, NULL}};
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct record request = *r;
	size_t len;

	/* The last two are upgrades. */
	request.a %= (uint8_t)(wire_members(&holdfast__control__request__descriptor) - 2);
	/* Sockets only below the rig's directory: `path` is field 2. */
	if (request.a == 1)
		request.b &= (uint16_t)~4u;
	len = wire_build(bytes, sizeof(bytes), &holdfast__control__request__descriptor, &request,
			 good);
	if (len && (r->op & 0x80))
		bytes[r->c % len] ^= (uint8_t)(1u << (r->c >> 16) % 8);
	/* A byte that changed may have made it an upgrade, or a path. */
	if (r->op & 0x80 && len > 3 && ((bytes[2] >> 3) >= 14 || bytes[2] == 0x1a))
		return;
	send_bytes(bytes, len);
}

static void send_raw(struct fuzz_input *input, const struct record *r)
{
	const uint8_t *bytes;
	size_t len = fuzz_bytes(input, r->b % 8, &bytes);

	/* Nothing that parses as a port with a path, or an upgrade. */
	if (len && bytes[0] != 0x1a && bytes[0] < 0x70)
		send_bytes(bytes, len);
}

const uint8_t fuzz_nr_ops = 8;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	struct record r;

	if (!*path)
		set_up_once();
	client = hf_seqpacket_connect(path);
	FUZZ_HOLDS(client >= 0);
	fuzz_turn(rig.primary.loop);
	for (int asked = 0; asked < MOST_ASK && fuzz_next(&input, &r); asked++) {
		switch ((r.op & 0x7f) % fuzz_nr_ops) {
		case 0:
			send_raw(&input, &r);
			break;
		case 1:
			(void)shutdown(client, r.a & 1 ? SHUT_WR : SHUT_RD);
			break;
		default:
			ask(&r);
		}
		read_answers();
	}
	end();
	return 0;
}
