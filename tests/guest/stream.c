/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP connection for as long as it is wanted: does it live, and does every byte arrive as it was sent? Runs inside the test
 * guests (static).
 *
 *   stream pour ADDRESS PORT
 *   stream drain PORT
 *
 * pour sends until SIGTERM, then ends its side and waits for the other end's figures, which come over the same connection; it
 * prints both as one line of name=value words, and fails where they differ. drain serves one connection.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A prime: no length of a segment or a page goes into it, so what is moved, doubled or left out is seen. */
#define PERIOD 65521u

struct figures {
	uint64_t bytes, corrupt;
};

static uint8_t pattern[PERIOD], buffer[PERIOD];
static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void make_pattern(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < PERIOD; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		pattern[i] = (uint8_t)state;
	}
}

static int pour(struct sockaddr_in to)
{
	struct sigaction on_term = {.sa_handler = stop};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct figures theirs;
	struct tcp_info info;
	socklen_t length = sizeof(info);
	uint64_t sent = 0;

	if (fd < 0 || sigaction(SIGTERM, &on_term, NULL) < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("stream: connect");
		return 1;
	}
	while (!stopped) {
		ssize_t n = send(fd, pattern + sent % PERIOD, PERIOD - sent % PERIOD, MSG_NOSIGNAL);

		if (n < 0 && !stopped) {
			perror("stream: send");
			return 1;
		}
		sent += n > 0 ? (uint64_t)n : 0;
	}
	if (shutdown(fd, SHUT_WR) < 0 || recv(fd, &theirs, sizeof(theirs), MSG_WAITALL) != sizeof(theirs) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) {
		perror("stream: the other end says nothing");
		return 1;
	}
	printf("sent=%llu received=%llu corrupt=%llu again=%u\n", (unsigned long long)sent, (unsigned long long)theirs.bytes,
	       (unsigned long long)theirs.corrupt, info.tcpi_total_retrans);
	return theirs.bytes != sent || theirs.corrupt || !sent;
}

static int drain(struct sockaddr_in at)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct figures ours = {0};
	ssize_t n;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0 ||
	    (fd = accept(listener, NULL, NULL)) < 0) {
		perror("stream: listen");
		return 1;
	}
	while ((n = recv(fd, buffer, PERIOD - ours.bytes % PERIOD, 0)) > 0) {
		ours.corrupt += memcmp(buffer, pattern + ours.bytes % PERIOD, (size_t)n) != 0;
		ours.bytes += (uint64_t)n;
	}
	return n < 0 || send(fd, &ours, sizeof(ours), MSG_NOSIGNAL) != sizeof(ours);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int port = argc > 2 ? atoi(argv[argc - 1]) : 0;

	make_pattern();
	address.sin_port = htons((uint16_t)port);
	if (argc == 4 && strcmp(argv[1], "pour") == 0 && port > 0 && inet_pton(AF_INET, argv[2], &address.sin_addr) == 1)
		return pour(address);
	if (argc == 3 && strcmp(argv[1], "drain") == 0 && port > 0)
		return drain(address);
	fprintf(stderr, "usage: stream pour ADDRESS PORT | stream drain PORT\n");
	return 2;
}
