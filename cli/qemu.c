/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be in the line, and why:
 *  - memory-backend-memfd with share=on: the back-end maps the guest's memory by its descriptor;
 *  - a port in server mode listens, so QEMU is the client and reconnects: `reconnect` in seconds
 *    until 9.1, `reconnect-ms` since 9.2, which deprecates the other;
 *  - a port in client mode needs a QEMU that listens but does not wait for us (wait=off);
 *  - queues: two MSI-X vectors a pair, one for the configuration and one spare;
 *  - an address per port: QEMU gives every card the same one, and a switch must tell them apart;
 *  - TCG: QEMU 7.2 crashes when a vhost-user device is started with MSI-X, so vectors=0.
 */
#include "qemu.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "text.h"

#define PROBE_MS 5000u
#define CUSE_FD	 9 /* the number in the shell's redirection */

extern char **environ;

bool qemu_parse_version(const char *text, struct qemu_version *ret)
{
	const char *at = strstr(text, "version ");
	char end;

	return at &&
	       sscanf(at + strlen("version "), "%3u.%3u%c", &ret->major, &ret->minor, &end) >= 2;
}

/* Until the end of file or the deadline. */
static void read_all(int fd, char *buffer, size_t size)
{
	uint64_t deadline = hf_now_ns() + PROBE_MS * NS_PER_MS;
	size_t used = 0;

	while (used < size - 1 && hf_now_ns() < deadline) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&wait, 1, 100) <= 0)
			continue;
		n = read(fd, buffer + used, size - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	buffer[used] = '\0';
}

static pid_t start_probe(const char *program, int out)
{
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--version", NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	if (posix_spawn_file_actions_init(&actions))
		return -1;
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, program, &actions, NULL, argv, environ))
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

struct qemu_version qemu_probe(const char *program)
{
	struct qemu_version version = {0, 0};
	char text[512];
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return version;
	pid = start_probe(program, ends[1]);
	hf_fd_close(&ends[1]);
	if (pid > 0) {
		read_all(ends[0], text, sizeof(text));
		kill(pid, SIGKILL); /* it has said what it had to, or hangs */
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (!qemu_parse_version(text, &version))
			version = (struct qemu_version){0, 0};
	}
	hf_fd_close(&ends[0]);
	return version;
}

__attribute__((format(printf, 2, 3))) static void add(struct qemu_args *args, const char *format,
						      ...)
{
	va_list values;
	char *text;

	va_start(values, format);
	text = text_formatv(format, values);
	va_end(values);
	if (args->nr_args < QEMU_MAX_ARGS)
		args->args[args->nr_args++] = text;
	else
		free(text);
}

/* In an option's value a comma is written twice. */
static char *escape_commas(const char *text)
{
	char *escaped = text_alloc(2 * strlen(text) + 1, 1);
	char *to = escaped;

	for (; *text; text++) {
		*to++ = *text;
		if (*text == ',')
			*to++ = ',';
	}
	return escaped;
}

/* QEMU's ids are letters, digits, '-', '.', '_', and begin with a letter. */
static char *make_id(const char *port)
{
	char *id = text_format("hf-%s", port);

	for (char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.' && *c != '_')
			*c = '_';
	return id;
}

static void add_memory(struct qemu_args *args, const char *mem)
{
	add(args, "-m");
	add(args, "%s", mem);
	add(args, "-object");
	add(args, "memory-backend-memfd,id=hf-mem,size=%s,share=on", mem);
	add(args, "-numa");
	add(args, "node,memdev=hf-mem");
}

static const char *reconnect(const struct qemu_version *version)
{
	bool in_ms = version->major > 9 || (version->major == 9 && version->minor >= 2);

	return in_ms ? "reconnect-ms=1000" : "reconnect=1";
}

static void add_socket(struct qemu_args *args, const struct guest *guest,
		       const struct qemu_choice *choice, const char *id)
{
	char *path = escape_commas(guest->port->path);

	add(args, "-chardev");
	add(args, "socket,id=%s,path=%s,%s", id, path,
	    guest->port->client ? "server=on,wait=off" : reconnect(&choice->version));
	add(args, "-netdev");
	if (guest->queues > 1)
		add(args, "vhost-user,id=%s-net,chardev=%s,queues=%u", id, id, guest->queues);
	else
		add(args, "vhost-user,id=%s-net,chardev=%s", id, id);
	free(path);
}

/* A character device stands for /dev/vhost-net; the tap is only there to be named. */
static void add_cuse(struct qemu_args *args, const struct guest *guest, const char *id)
{
	const char *path = guest->port->path;

	add(args, "-netdev");
	add(args, "tap,id=%s-net,ifname=%.12s,script=no,downscript=no,vhost=on,vhostfd=%d", id, id,
	    CUSE_FD);
	args->redirect = text_format("%s%s", *path == '/' ? "" : "/dev/", path);
}

static void add_card(struct qemu_args *args, const struct guest *guest, bool tcg, const char *id)
{
	char queues[64] = "";

	if (guest->queues > 1 && tcg)
		snprintf(queues, sizeof(queues), ",mq=on");
	else if (guest->queues > 1)
		snprintf(queues, sizeof(queues), ",mq=on,vectors=%u", 2 * guest->queues + 2);
	add(args, "-device");
	add(args, "virtio-net-pci,netdev=%s-net,mac=%s%s%s", id, guest->mac, queues,
	    tcg ? ",vectors=0" : "");
}

void qemu_build(const struct guest *guest, const struct qemu_choice *choice, struct qemu_args *ret)
{
	char *id = make_id(guest->port->name);

	*ret = (struct qemu_args){0};
	if (choice->tcg) {
		add(ret, "-accel");
		add(ret, "tcg");
	} else {
		add(ret, "-enable-kvm");
	}
	add_memory(ret, choice->mem);
	if (guest->port->kind == HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE)
		add_cuse(ret, guest, id);
	else
		add_socket(ret, guest, choice, id);
	add_card(ret, guest, choice->tcg, id);
	free(id);
}

void qemu_args_free(struct qemu_args *args)
{
	for (size_t i = 0; i < args->nr_args; i++)
		free(args->args[i]);
	free(args->redirect);
	*args = (struct qemu_args){0};
}

static void put_quoted(FILE *stream, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789,=./_:+-@%";

	if (*word && word[strspn(word, plain)] == '\0') {
		fputs(word, stream);
		return;
	}
	fputc('\'', stream);
	for (; *word; word++)
		if (*word == '\'')
			fputs("'\\''", stream);
		else
			fputc(*word, stream);
	fputc('\'', stream);
}

char *qemu_line(const struct qemu_choice *choice, const struct qemu_args *args)
{
	char *line = NULL;
	size_t size;
	FILE *stream = open_memstream(&line, &size);

	if (!stream)
		text_no_memory();
	put_quoted(stream, choice->program);
	for (size_t i = 0; i < args->nr_args; i++) {
		fputc(' ', stream);
		put_quoted(stream, args->args[i]);
	}
	if (args->redirect) {
		fprintf(stream, " %d<>", CUSE_FD);
		put_quoted(stream, args->redirect);
	}
	if (fclose(stream))
		text_no_memory();
	return line;
}
