/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ping cannot tell: whether each datagram arrived once, in order and with the right bytes, and how long the longest
 * silence was. Runs inside the test guests (static), and on the host side of an uplink.
 *
 *   probe send ADDRESS PORT COUNT INTERVAL_US MIN_SIZE MAX_SIZE
 *   probe recv PORT COUNT IDLE_MS
 *
 * Sizes are those of the UDP payload. Datagram n is as long and filled as its number says, so the receiver needs no list.
 * recv ends when COUNT datagrams are there or when none came for IDLE_MS (counted from the start until the first one), and
 * prints one line of name=value words.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PROBE_MAGIC 0x48664670u
#define PROBE_MAX 65507u
#define PROBE_COUNT_MAX 100000000u

struct probe_head {
	uint32_t magic;
	uint32_t number;
	uint32_t size;
};

static uint8_t buffer[PROBE_MAX], expected[PROBE_MAX];

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* xorshift: cheap under emulation, and every datagram looks different from its neighbours. */
static uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void fill(uint8_t *to, uint32_t number, uint32_t size)
{
	struct probe_head head = {PROBE_MAGIC, number, size};
	uint32_t state = number * 2654435761u | 1u;

	for (uint32_t i = sizeof(head); i < size; i++)
		to[i] = (uint8_t)next(&state);
	memcpy(to, &head, sizeof(head));
}

static int send_all(const char *address, int port, uint32_t count, uint32_t interval_us, uint32_t min, uint32_t max)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint32_t state = 1;
	uint64_t due = now_us();

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1) {
		fprintf(stderr, "probe: no socket or bad address %s\n", address);
		return 1;
	}
	for (uint32_t n = 0; n < count; n++) {
		uint32_t size = min + next(&state) % (max - min + 1);
		uint64_t now;

		fill(buffer, n, size);
		/* ENOBUFS, EAGAIN: the interface is busy. Anything else is a hole the receiver will report as lost. */
		while (sendto(fd, buffer, size, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
		       (errno == ENOBUFS || errno == EAGAIN))
			poll(NULL, 0, 1);
		due += interval_us;
		now = now_us();
		if (due > now)
			nanosleep(&(struct timespec){(time_t)((due - now) / 1000000u),
						     (long)((due - now) % 1000000u) * 1000},
				  NULL);
	}
	printf("sent=%u\n", count);
	return 0;
}

struct tally {
	uint32_t received, unique, duplicate, reordered, corrupt;
	uint64_t longest_gap_us;
};

static void take(struct tally *t, uint8_t *seen, uint32_t count, uint32_t *highest, ssize_t size)
{
	struct probe_head head;

	t->received++;
	if ((size_t)size < sizeof(head)) {
		t->corrupt++;
		return;
	}
	memcpy(&head, buffer, sizeof(head));
	if (head.magic != PROBE_MAGIC || head.number >= count || head.size != (size_t)size) {
		t->corrupt++;
		return;
	}
	fill(expected, head.number, head.size);
	if (memcmp(buffer, expected, (size_t)size) != 0) {
		t->corrupt++;
		return;
	}
	if (seen[head.number]) {
		t->duplicate++;
		return;
	}
	seen[head.number] = 1;
	t->unique++;
	if (head.number < *highest)
		t->reordered++;
	else
		*highest = head.number;
}

static int receive_all(int port, uint32_t count, int idle_ms)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
	uint8_t *seen = calloc(count ? count : 1, 1);
	struct tally t = {0};
	uint32_t highest = 0;
	uint64_t last = 0;

	if (fd < 0 || !seen || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		fprintf(stderr, "probe: cannot listen on port %d: %s\n", port, strerror(errno));
		return 1;
	}
	/* The socket must not be what loses datagrams; FORCE needs root, which the guest's init is. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	while (t.unique < count && poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, idle_ms) == 1) {
		ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
		uint64_t now = now_us();

		if (size < 0)
			continue;
		if (last && now - last > t.longest_gap_us)
			t.longest_gap_us = now - last;
		last = now;
		take(&t, seen, count, &highest, size);
	}
	printf("received=%u unique=%u lost=%u duplicate=%u reordered=%u corrupt=%u longest_gap_us=%llu\n", t.received, t.unique,
	       count - t.unique, t.duplicate, t.reordered, t.corrupt, (unsigned long long)t.longest_gap_us);
	return 0;
}

/* A number within [min, max], or the program ends: every caller would only do the same. */
static uint32_t number(const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value < min || value > max) {
		fprintf(stderr, "probe: %s is not a number from %u to %u\n", text, min, max);
		exit(2);
	}
	return (uint32_t)value;
}

int main(int argc, char **argv)
{
	if (argc == 8 && strcmp(argv[1], "send") == 0) {
		uint32_t min = number(argv[6], sizeof(struct probe_head), PROBE_MAX);

		return send_all(argv[2], (int)number(argv[3], 1, 65535), number(argv[4], 0, PROBE_COUNT_MAX),
				number(argv[5], 0, 1000000000), min, number(argv[7], min, PROBE_MAX));
	}
	if (argc == 5 && strcmp(argv[1], "recv") == 0)
		return receive_all((int)number(argv[2], 1, 65535), number(argv[3], 0, PROBE_COUNT_MAX),
				   (int)number(argv[4], 1, 3600000));
	fprintf(stderr, "usage: probe send ADDRESS PORT COUNT INTERVAL_US MIN_SIZE MAX_SIZE | probe recv PORT COUNT IDLE_MS\n");
	return 2;
}
