/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Echo requests at a steady pace, and when each answer came: how long was the longest silence around any event, and which
 * answers never came? Runs inside the test guests (static), and on the host side of an uplink.
 *
 *   pace ping ADDRESS INTERVAL_US FILE
 *   pace gaps FILE FROM
 *
 * ping runs until it is killed and appends to FILE as the answers come. gaps looks at the answers from number FROM of the file
 * on (0: the first there is), and prints one line of name=value words; next= is the FROM of the next window, so that windows
 * leave nothing out and count nothing twice.
 *
 * Not the system's ping: that of busybox gives its socket 7 KiB, and loses answers itself when the guest has not run for 0.1 s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct answer {
	uint64_t us;
	uint64_t number;
};

struct window {
	uint64_t answers, lost, late, longest_gap_us;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The number on the wire has 16 bits: `newest` says which of those that end so it is. */
static uint64_t widen(uint16_t seen, uint64_t newest)
{
	return newest + (uint64_t)(int64_t)(int16_t)(uint16_t)(seen - (uint16_t)newest);
}

static uint16_t checksum(const void *data, size_t bytes)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < bytes / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* Answers only, and room for all that come while nobody lets us run. */
static int open_socket(const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct icmp_filter {
		uint32_t data;
	} filter = {~(1u << ICMP_ECHOREPLY)};
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP), room = 8 << 20;

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    setsockopt(fd, SOL_RAW, 1 /* ICMP_FILTER */, &filter, sizeof(filter)) < 0) {
		fprintf(stderr, "pace: no socket, or bad address %s: %m\n", address);
		return -1;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return fd;
}

/* 56 bytes of payload, as everybody sends. Busy or no route is a hole that the answers will show. */
static void send_one(int fd, uint16_t id, uint64_t number)
{
	struct {
		struct icmphdr head;
		uint8_t payload[56];
	} echo = {.head = {.type = ICMP_ECHO}};

	echo.head.un.echo.id = htons(id);
	echo.head.un.echo.sequence = htons((uint16_t)number);
	echo.head.checksum = checksum(&echo, sizeof(echo));
	(void)!send(fd, &echo, sizeof(echo), 0);
}

/* False: it is no answer to us. */
static bool read_one(int fd, uint16_t id, uint64_t *newest, struct answer *ret_answer)
{
	uint8_t packet[256];
	ssize_t size = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	struct icmphdr head;
	size_t at = (size_t)(packet[0] & 15) * 4;

	if (size < 0 || (size_t)size < at + sizeof(head))
		return false;
	memcpy(&head, packet + at, sizeof(head));
	if (head.type != ICMP_ECHOREPLY || ntohs(head.un.echo.id) != id)
		return false;
	ret_answer->us = now_us();
	ret_answer->number = widen(ntohs(head.un.echo.sequence), *newest);
	*newest = ret_answer->number > *newest ? ret_answer->number : *newest;
	return true;
}

static int ping(const char *address, uint64_t interval_us, const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600), fd = open_socket(address);
	uint64_t due = now_us(), number = 0, newest = 0;
	uint16_t id = (uint16_t)getpid();

	if (fd < 0 || file < 0)
		return 1;
	for (;;) {
		uint64_t now = now_us(), wait_us = due > now ? due - now : 0;
		struct answer answer;

		if (!wait_us) {
			send_one(fd, id, number++);
			/* After a time in which we did not run, at the same pace and not in a heap. */
			due = now - due > interval_us ? now + interval_us : due + interval_us;
			continue;
		}
		ppoll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, &(struct timespec){0, (long)wait_us * 1000}, NULL);
		while (read_one(fd, id, &newest, &answer))
			if (write(file, &answer, sizeof(answer)) != sizeof(answer))
				return 1;
	}
}

/* `all[from - 1]` is the last answer of the window before. */
static struct window look(const struct answer *all, size_t from, size_t count)
{
	uint64_t before = 0, newest, fresh = 0;
	struct window w = {0};

	for (size_t i = 0; i < from; i++)
		before = all[i].number > before ? all[i].number : before;
	/* Numbers begin with 0. */
	newest = from ? before : UINT64_MAX;
	for (size_t i = from; i < count; i++) {
		uint64_t gap = i ? all[i].us - all[i - 1].us : 0;

		w.answers++;
		w.longest_gap_us = gap > w.longest_gap_us ? gap : w.longest_gap_us;
		if (from && all[i].number <= before)
			w.late++;
		else
			fresh++;
		if (newest == UINT64_MAX || all[i].number > newest)
			newest = all[i].number;
	}
	/* An answer that came twice would make this one too few: UINT64_MAX in print is seen. */
	w.lost = count > from ? newest - (from ? before : UINT64_MAX) - fresh : 0;
	return w;
}

static int gaps(const char *path, size_t from)
{
	int fd = open(path, O_RDONLY);
	struct stat status;
	struct answer *all;
	struct window w;
	size_t count;

	if (fd < 0 || fstat(fd, &status) < 0) {
		fprintf(stderr, "pace: cannot read %s: %m\n", path);
		return 1;
	}
	count = (size_t)status.st_size / sizeof(*all);
	all = calloc(count + 1, sizeof(*all));
	if (!all || from > count || read(fd, all, count * sizeof(*all)) != (ssize_t)(count * sizeof(*all))) {
		fprintf(stderr, "pace: %s has %zu answers\n", path, count);
		return 1;
	}
	w = look(all, from, count);
	printf("answers=%llu lost=%lld late=%llu longest_gap_us=%llu next=%zu\n", (unsigned long long)w.answers,
	       (long long)w.lost, (unsigned long long)w.late, (unsigned long long)w.longest_gap_us, count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "ping") == 0 && atol(argv[3]) > 0 && atol(argv[3]) < 1000000)
		return ping(argv[2], (uint64_t)atol(argv[3]), argv[4]);
	if (argc == 4 && strcmp(argv[1], "gaps") == 0)
		return gaps(argv[2], strtoul(argv[3], NULL, 10));
	fprintf(stderr, "usage: pace ping ADDRESS INTERVAL_US FILE | pace gaps FILE FROM\n");
	return 2;
}
