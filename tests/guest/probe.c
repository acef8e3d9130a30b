/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ping cannot tell: whether each datagram arrived once, in order and with the right bytes, and how long the longest
 * silence was. Runs inside the test guests (static), and on the host side of an uplink.
 *
 *   probe send ADDRESS PORT COUNT INTERVAL_US MIN_SIZE MAX_SIZE [WINDOW]
 *   probe recv PORT COUNT IDLE_MS
 *
 * Sizes are those of the UDP payload. Datagram n is as long and filled as its number says, so the receiver needs no list.
 * recv ends when COUNT datagrams are there or when none came for IDLE_MS (counted from the start until the first one), and
 * prints one line of name=value words.
 *
 * With a WINDOW no more than so many datagrams are under way, as the receiver answers: a guest that the machine does not run for
 * a while has room for them in its ring, so what is lost was not lost there. On SIGTERM send ends early, and tells how many it were.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PROBE_MAGIC 0x48664670u
#define PROBE_ASKED 0x48664671u /* the sender waits for an answer: the number */
#define PROBE_END 0x48664672u	/* there are no more than `number` */
#define PROBE_ENDED UINT32_MAX	/* the answer to that */
#define AFTER_END_MS 3000
#define PROBE_MAX 65507u
#define PROBE_COUNT_MAX 100000000u

struct probe_head {
	uint32_t magic;
	uint32_t number;
	uint32_t size;
};

static uint8_t buffer[PROBE_MAX], expected[PROBE_MAX];
static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

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

static void fill(uint8_t *to, struct probe_head head)
{
	uint32_t state = head.number * 2654435761u | 1u;

	for (uint32_t i = sizeof(head); i < head.size; i++)
		to[i] = (uint8_t)next(&state);
	memcpy(to, &head, sizeof(head));
}

struct sender {
	struct sockaddr_in to;
	int fd;
	uint64_t answered; /* behind the highest number that was */
};

static void send_one(struct sender *s, struct probe_head head)
{
	fill(buffer, head);
	/* ENOBUFS, EAGAIN: the interface is busy. Anything else is a hole the receiver will report as lost. */
	while (sendto(s->fd, buffer, head.size, 0, (struct sockaddr *)&s->to, sizeof(s->to)) < 0 &&
	       (errno == ENOBUFS || errno == EAGAIN))
		poll(NULL, 0, 1);
}

static void read_answers(struct sender *s, int wait_ms)
{
	uint32_t number;

	poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, wait_ms);
	while (recv(s->fd, &number, sizeof(number), MSG_DONTWAIT) == sizeof(number))
		if (number >= s->answered)
			s->answered = (uint64_t)number + 1;
}

/* Until there is room for number n, or nobody has answered for a second: where datagrams are lost, answers are, too. */
static void wait_for_room(struct sender *s, uint32_t n, uint32_t window)
{
	uint64_t end = now_us() + 1000000;

	read_answers(s, 0);
	while (!stopped && n >= s->answered + window && now_us() < end)
		read_answers(s, 100);
}

/* Said until it is answered, which a receiver that has gone never does. */
static void say_end(struct sender *s, uint32_t count)
{
	for (int i = 0; i < 100 && s->answered <= PROBE_ENDED; i++) {
		send_one(s, (struct probe_head){PROBE_END, count, sizeof(struct probe_head)});
		read_answers(s, 100);
	}
}

static int send_all(struct sender *s, uint32_t count, uint32_t interval_us, uint32_t min, uint32_t max, uint32_t window)
{
	uint32_t magic = window ? PROBE_ASKED : PROBE_MAGIC, state = 1, n;
	uint64_t due = now_us();

	for (n = 0; n < count && !stopped; n++) {
		uint64_t now;

		if (window)
			wait_for_room(s, n, window);
		send_one(s, (struct probe_head){magic, n, min + next(&state) % (max - min + 1)});
		due += interval_us;
		now = now_us();
		if (due > now)
			nanosleep(&(struct timespec){(time_t)((due - now) / 1000000u),
						     (long)((due - now) % 1000000u) * 1000},
				  NULL);
	}
	if (n < count)
		say_end(s, n);
	printf("sent=%u\n", n);
	return 0;
}

static int open_sender(struct sender *s, const char *address, int port)
{
	struct sigaction on_term = {.sa_handler = stop};

	*s = (struct sender){.to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
	s->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (s->fd < 0 || inet_pton(AF_INET, address, &s->to.sin_addr) != 1 || sigaction(SIGTERM, &on_term, NULL) < 0) {
		fprintf(stderr, "probe: no socket or bad address %s\n", address);
		return -1;
	}
	return 0;
}

struct tally {
	uint32_t received, unique, duplicate, reordered, corrupt;
	uint64_t longest_gap_us;
};

/* Is it one of them, with the right bytes? */
static bool is_whole(struct probe_head head, uint32_t count, ssize_t size)
{
	if ((head.magic != PROBE_MAGIC && head.magic != PROBE_ASKED) || head.number >= count || head.size != (size_t)size)
		return false;
	fill(expected, head);
	return memcmp(buffer, expected, (size_t)size) == 0;
}

static void take(struct tally *t, uint8_t *seen, uint32_t count, uint32_t *highest, struct probe_head head, ssize_t size)
{
	t->received++;
	if (!is_whole(head, count, size)) {
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

static void answer(int fd, const struct sockaddr_in *to, uint32_t number)
{
	(void)!sendto(fd, &number, sizeof(number), 0, (const struct sockaddr *)to, sizeof(*to));
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
		struct sockaddr_in from;
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &length);
		struct probe_head head = {0};
		uint64_t now = now_us();

		if (size < 0)
			continue;
		if ((size_t)size >= sizeof(head))
			memcpy(&head, buffer, sizeof(head));
		if (head.magic == PROBE_END && head.size == (size_t)size && head.number <= count) {
			count = head.number;
			/* It came behind all of them. */
			idle_ms = idle_ms < AFTER_END_MS ? idle_ms : AFTER_END_MS;
			answer(fd, &from, PROBE_ENDED);
			continue;
		}
		if (last && now - last > t.longest_gap_us)
			t.longest_gap_us = now - last;
		last = now;
		take(&t, seen, count, &highest, head, size);
		if (head.magic == PROBE_ASKED)
			answer(fd, &from, head.number);
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
	if ((argc == 8 || argc == 9) && strcmp(argv[1], "send") == 0) {
		uint32_t min = number(argv[6], sizeof(struct probe_head), PROBE_MAX);
		struct sender s;

		if (open_sender(&s, argv[2], (int)number(argv[3], 1, 65535)) < 0)
			return 1;
		return send_all(&s, number(argv[4], 0, PROBE_COUNT_MAX), number(argv[5], 0, 1000000000), min,
				number(argv[7], min, PROBE_MAX), argc == 9 ? number(argv[8], 1, PROBE_COUNT_MAX) : 0);
	}
	if (argc == 5 && strcmp(argv[1], "recv") == 0)
		return receive_all((int)number(argv[2], 1, 65535), number(argv[3], 0, PROBE_COUNT_MAX),
				   (int)number(argv[4], 1, 3600000));
	fprintf(stderr, "usage: probe send ADDRESS PORT COUNT INTERVAL_US MIN_SIZE MAX_SIZE [WINDOW] | probe recv PORT COUNT IDLE_MS\n");
	return 2;
}
