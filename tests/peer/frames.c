/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames for the DPDK peer tests, as capture files that the pcap driver sends and writes.
 *
 *   frames make FILE DESTINATION SOURCE FIRST COUNT MIN MAX
 *   frames check FIRST COUNT MIN MAX FILE...
 *
 * Frame n's length and bytes follow from n, MIN and MAX, so check needs no copy of what was sent: it makes each frame again and
 * compares byte by byte, link addresses aside (some forwarding modes swap them). It prints one line of name=value words.
 * Each frame is a UDP/IPv4 packet of its own flow, so that a device with several queues has something to spread.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETHER_LEN 14u
#define IP_LEN 20u
#define UDP_LEN 8u
#define HEADERS (ETHER_LEN + IP_LEN + UDP_LEN)
#define FRAME_MIN 60u
#define FRAME_MAX 9014u
#define MARK 0x48664672u

struct pcap_file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, sigfigs, snaplen, linktype;
};

struct pcap_record {
	uint32_t seconds, micros, captured, length;
};

static uint8_t frame[FRAME_MAX], wanted[FRAME_MAX];

static uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint16_t ip_checksum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < IP_LEN; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Everything but the link addresses; returns the frame's length. */
static uint32_t make_frame(uint8_t *to, uint32_t number, uint32_t min, uint32_t max)
{
	uint32_t state = number * 2654435761u | 1u, length = min + next(&state) % (max - min + 1);
	uint8_t *ip = to + ETHER_LEN, *udp = ip + IP_LEN, *body = udp + UDP_LEN;

	memset(to, 0, HEADERS);
	put16(to + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, length - ETHER_LEN);
	ip[8] = 64;
	ip[9] = 17;
	put32(ip + 12, 0xc6120001); /* 198.18.0.1 and .2: for benchmarks, RFC 2544 */
	put32(ip + 16, 0xc6120002);
	put16(ip + 10, ip_checksum(ip));
	put16(udp, 1024 + number % 60000);
	put16(udp + 2, 9);
	put16(udp + 4, length - ETHER_LEN - IP_LEN); /* checksum 0: none, allowed over IPv4 */
	for (uint32_t i = HEADERS; i < length; i++)
		to[i] = (uint8_t)next(&state);
	put32(body, MARK);
	put32(body + 4, number);
	return length;
}

static int parse_mac(const char *text, uint8_t *to)
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3, to + 4, to + 5) == 6 ? 0 : -1;
}

static int make(char **argv, uint32_t first, uint32_t count, uint32_t min, uint32_t max)
{
	struct pcap_file_header header = {0xa1b2c3d4, 2, 4, 0, 0, 65535, 1};
	uint8_t addresses[12];
	FILE *f = fopen(argv[0], "wb");
	int bad;

	if (!f || parse_mac(argv[1], addresses) || parse_mac(argv[2], addresses + 6)) {
		fprintf(stderr, "frames: cannot write %s, or a bad address\n", argv[0]);
		return 1;
	}
	fwrite(&header, sizeof(header), 1, f);
	for (uint32_t n = first; n < first + count; n++) {
		uint32_t length = make_frame(frame, n, min, max);
		struct pcap_record record = {n, 0, length, length};

		memcpy(frame, addresses, sizeof(addresses));
		fwrite(&record, sizeof(record), 1, f);
		fwrite(frame, length, 1, f);
	}
	bad = ferror(f);
	return fclose(f) || bad ? 1 : 0;
}

struct tally {
	uint32_t unique, duplicate, reordered, corrupt, foreign;
};

struct span {
	uint32_t first, count, min, max;
};

/* One captured frame. Foreign: not of our making (a neighbour discovery, say). Corrupt: of our making and not as made. */
static void judge(struct tally *t, uint8_t *seen, const struct span *s, uint32_t *highest, uint32_t length)
{
	uint32_t number;

	if (length < FRAME_MIN || get32(frame + HEADERS) != MARK) {
		t->foreign++;
		return;
	}
	number = get32(frame + HEADERS + 4);
	if (number < s->first || number >= s->first + s->count || make_frame(wanted, number, s->min, s->max) != length ||
	    memcmp(frame + 12, wanted + 12, length - 12) != 0) {
		t->corrupt++;
		return;
	}
	if (seen[number - s->first]++) {
		t->duplicate++;
		return;
	}
	t->unique++;
	if (number < *highest)
		t->reordered++;
	else
		*highest = number;
}

static int check_file(const char *name, struct tally *t, uint8_t *seen, const struct span *s)
{
	struct pcap_file_header header;
	struct pcap_record record;
	uint32_t highest = 0; /* order is promised within a queue, and a file is a queue */
	FILE *f = fopen(name, "rb");

	if (!f || fread(&header, sizeof(header), 1, f) != 1 || (header.magic != 0xa1b2c3d4 && header.magic != 0xa1b23c4d)) {
		fprintf(stderr, "frames: %s is no capture file\n", name);
		return 1;
	}
	while (fread(&record, sizeof(record), 1, f) == 1) {
		if (record.captured != record.length || record.captured > FRAME_MAX) {
			t->corrupt++;
			if (fseek(f, (long)record.captured, SEEK_CUR))
				break;
			continue;
		}
		if (fread(frame, 1, record.captured, f) != record.captured)
			break;
		judge(t, seen, s, &highest, record.captured);
	}
	fclose(f);
	return 0;
}

static int check(char **files, int file_count, const struct span *s)
{
	uint8_t *seen = calloc(s->count, 1);
	struct tally t = {0};
	int unreadable = !seen;

	for (int i = 0; seen && i < file_count; i++)
		unreadable |= check_file(files[i], &t, seen, s);
	free(seen);
	printf("unique=%u lost=%u duplicate=%u reordered=%u corrupt=%u foreign=%u\n", t.unique, s->count - t.unique, t.duplicate,
	       t.reordered, t.corrupt, t.foreign);
	return !unreadable && t.unique == s->count && !t.duplicate && !t.corrupt ? 0 : 1;
}

static uint32_t number(const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value < min || value > max) {
		fprintf(stderr, "frames: %s is not a number from %u to %u\n", text, min, max);
		exit(2);
	}
	return (uint32_t)value;
}

int main(int argc, char **argv)
{
	int at = argc == 9 && strcmp(argv[1], "make") == 0 ? 5 : argc >= 7 && strcmp(argv[1], "check") == 0 ? 2 : 0;
	struct span s;

	if (!at) {
		fprintf(stderr, "usage: frames make FILE DESTINATION SOURCE FIRST COUNT MIN MAX | "
				"frames check FIRST COUNT MIN MAX FILE...\n");
		return 2;
	}
	s.first = number(argv[at], 0, 1000000000);
	s.count = number(argv[at + 1], 1, 10000000);
	s.min = number(argv[at + 2], FRAME_MIN, FRAME_MAX);
	s.max = number(argv[at + 3], s.min, FRAME_MAX);
	return at == 5 ? make(argv + 2, s.first, s.count, s.min, s.max) : check(argv + 6, argc - 6, &s);
}
