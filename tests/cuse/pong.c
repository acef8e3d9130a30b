/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second machine that is cheap: the front-end model on a device (or socket) answers ARP for one
 * address, and ICMP echo. Until it is killed.
 *
 *   cuse-pong PATH A.B.C.D
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "front_end.h"

#define HEADER 12u
#define SLOT   2048u

enum { ETHER = 14, ARP_BYTES = 28, IP = ETHER, ICMP = ETHER + 20 };

static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x00, 0x00, 0x02};
static struct front_end fe;
static uint8_t address[4];

static uint64_t slot(uint32_t ring, uint32_t i)
{
	return fe.buffers + ((uint64_t)ring * fe.rings[ring].size + i) * SLOT;
}

static void post_all(void)
{
	struct driver *d = &fe.rings[0];

	while (d->descs_free) {
		struct piece piece = {slot(0, d->next_desc), SLOT, DRIVER_WRITE};

		if (driver_put(d, &piece, 1) < 0)
			break;
	}
	driver_publish(d);
	(void)eventfd_write(fe.kicks[0], 1);
}

/* Into a reply, in place. False: nothing to say to that. */
static bool answer_arp(uint8_t *arp, size_t len)
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};

	if (len < ARP_BYTES || memcmp(arp, request, 8) != 0 || memcmp(arp + 24, address, 4) != 0)
		return false;
	arp[7] = 2;
	memcpy(arp + 18, arp + 8, 10); /* to who asked */
	memcpy(arp + 8, mac, 6);
	memcpy(arp + 14, address, 4);
	return true;
}

/* Addresses that change places, and 8 that becomes 0: the header's sum stays, ICMP's grows by
 * 0x800.
 */
static bool answer_ip(uint8_t *frame, size_t len)
{
	uint8_t *ip = frame + IP, *icmp = frame + ICMP;
	uint32_t sum;

	if (len < ICMP + 8 || ip[0] != 0x45 || ip[9] != IPPROTO_ICMP || icmp[0] != 8 ||
	    memcmp(ip + 16, address, 4) != 0)
		return false;
	memcpy(ip + 16, ip + 12, 4);
	memcpy(ip + 12, address, 4);
	icmp[0] = 0;
	sum = (uint32_t)(icmp[2] << 8 | icmp[3]) + 0x800;
	sum = (sum & 0xffff) + (sum >> 16);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	return true;
}

static bool answer(uint8_t *frame, size_t len)
{
	bool known = false;

	if (len < ETHER)
		return false;
	if (frame[12] == 8 && frame[13] == 6)
		known = answer_arp(frame + ETHER, len - ETHER);
	else if (frame[12] == 8 && frame[13] == 0)
		known = answer_ip(frame, len);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, mac, 6);
	return known;
}

static void send_frame(const uint8_t *frame, size_t len)
{
	struct driver *d = &fe.rings[1];
	struct piece piece = {slot(1, d->next_desc), (uint32_t)(HEADER + len), 0};
	static const uint8_t header[HEADER];

	driver_consume_all(d);
	guest_write(&fe.guest, piece.gpa, header, sizeof(header));
	guest_write(&fe.guest, piece.gpa + HEADER, frame, len);
	if (driver_post(d, &piece, 1) >= 0)
		(void)eventfd_write(fe.kicks[1], 1);
}

static void serve(void)
{
	struct driver *d = &fe.rings[0];
	uint8_t frame[SLOT];
	struct driver_used used;

	while (driver_consume(d, &used)) {
		if (used.len <= HEADER || used.len > SLOT)
			continue;
		memcpy(frame, guest_at(&fe.guest, slot(0, used.id % d->size) + HEADER),
		       used.len - HEADER);
		if (answer(frame, used.len - HEADER))
			send_frame(frame, used.len - HEADER);
	}
	post_all();
}

int main(int argc, char **argv)
{
	static const struct session_shape shape = {.memory = 2u << 20};
	int error;

	if (argc != 3 || inet_pton(AF_INET, argv[2], address) != 1) {
		fprintf(stderr, "usage: cuse-pong PATH ADDRESS\n");
		return 2;
	}
	error = front_end_connect(&fe, argv[1]);
	if (!error)
		error = front_end_setup(&fe, &shape);
	if (error) {
		fprintf(stderr, "cuse-pong: %s: %s\n", argv[1], strerror(-error));
		return 1;
	}
	post_all();
	for (;;) {
		serve();
		usleep(1000);
	}
}
