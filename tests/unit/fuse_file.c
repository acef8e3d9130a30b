/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define BUFFER	 (256 * 1024)
#define WAIT_MS	 20000
#define LINGER_S 3600
#define LIFE_S	 250

/* --- the server --- */

static void answer(int device, uint64_t id, const void *body, size_t size)
{
	char bytes[8192];
	struct fuse_out_header header = {.len = (uint32_t)(sizeof(header) + size), .unique = id};

	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), body, size);
	(void)!write(device, bytes, header.len);
}

/* A page of zeros, or less. */
static void answer_read(int device, uint64_t id, const struct fuse_read_in *in)
{
	static const uint8_t zeros[4096];

	answer(device, id, zeros, in->size < sizeof(zeros) ? in->size : sizeof(zeros));
}

static bool is_called(uint32_t pid, const char *name)
{
	char path[32], found[32] = "";
	FILE *comm;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	comm = fopen(path, "re");
	if (comm && fgets(found, sizeof(found), comm))
		found[strcspn(found, "\n")] = '\0';
	if (comm)
		fclose(comm);
	return strcmp(found, name) == 0;
}

static void answer_one(int device, const struct fuse_file *file, const char *answered,
		       const struct fuse_in_header *in)
{
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
				     .minor = FUSE_KERNEL_MINOR_VERSION,
				     .max_readahead = 4096,
				     .max_write = 4096};
	struct fuse_attr_out attr = {
		.attr_valid = 3600,
		.attr = {.ino = 1, .mode = S_IFREG | 0600, .nlink = 1, .size = 1 << 20}};
	struct fuse_open_out open = {.fh = 1};

	switch (in->opcode) {
	case FUSE_INIT:
		answer(device, in->unique, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		answer(device, in->unique, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(device, in->unique, &open, sizeof(open));
		break;
	case FUSE_FLUSH:
		if (answered && is_called(in->pid, answered))
			answer(device, in->unique, NULL, 0);
		else
			atomic_fetch_add(file->flushes, 1);
		break;
	case FUSE_READ:
		answer_read(device, in->unique,
			    (const struct fuse_read_in *)(const void *)(in + 1));
		break;
	case FUSE_WRITE:
		atomic_fetch_add(file->writes, 1);
		break;
	default:
		break; /* nor anything else */
	}
}

/* Not longer than a test may take, whatever happens to it. */
static _Noreturn void serve(int device, const struct fuse_file *file, const char *answered)
{
	static char buffer[BUFFER];
	ssize_t n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIFE_S);
	while ((n = read(device, buffer, BUFFER)) > 0 || errno == EINTR)
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer_one(device, file, answered,
				   (const struct fuse_in_header *)(const void *)buffer);
	_exit(0);
}

static bool mount_it(struct fuse_file *file, int device)
{
	char options[96];
	int target;

	snprintf(file->path, sizeof(file->path), "/tmp/hf-fuse-XXXXXX");
	target = mkstemp(file->path);
	REQUIRE(target >= 0);
	close(target);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100600,user_id=0,group_id=0", device);
	if (mount("holdfast-test", file->path, "fuse", MS_NOSUID | MS_NODEV, options) == 0)
		return true;
	unlink(file->path);
	return false;
}

bool fuse_file_begin_answering(struct fuse_file *file, const char *answered)
{
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	*file = (struct fuse_file){.fd = -1};
	if (device < 0 || !mount_it(file, device)) {
		close(device);
		return false;
	}
	file->flushes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(file->flushes != MAP_FAILED);
	file->writes = file->flushes + 1;
	file->server = fork();
	if (file->server == 0)
		serve(device, file, answered);
	REQUIRE(file->server > 0);
	close(device);
	file->fd = open(file->path, O_RDWR | O_CLOEXEC);
	REQUIRE(file->fd >= 0);
	return true;
}

bool fuse_file_begin(struct fuse_file *file)
{
	return fuse_file_begin_answering(file, NULL);
}

void fuse_file_end(struct fuse_file *file)
{
	/* Its end aborts the connection: all that waits fails. */
	CHECK_EQ(kill(file->server, SIGKILL), 0);
	CHECK_EQ(waitpid(file->server, NULL, 0), file->server);
	close(file->fd);
	CHECK_EQ(umount2(file->path, MNT_DETACH), 0);
	unlink(file->path);
	munmap(file->flushes, 4096);
}

bool fuse_file_hangs(struct fuse_file *file, unsigned int closes)
{
	for (int ms = 0; ms < WAIT_MS && atomic_load(file->flushes) < closes; ms++)
		usleep(1000);
	return atomic_load(file->flushes) >= closes;
}

bool fuse_file_is_written(const struct fuse_file *file)
{
	return atomic_load(file->writes) > 0;
}

/* --- the socket --- */

/* Connected, and so full that what is left can never be sent. */
void lingerer_begin(struct lingerer *lingerer)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger linger = {.l_onoff = 1, .l_linger = LINGER_S};
	socklen_t len = sizeof(address);
	static char bytes[65536];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(bind(listener, (struct sockaddr *)&address, len) == 0);
	REQUIRE(listen(listener, 1) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
	lingerer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connect(lingerer->fd, (struct sockaddr *)&address, len) == 0);
	lingerer->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	REQUIRE(lingerer->peer >= 0);
	close(listener);
	while (send(lingerer->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	REQUIRE(setsockopt(lingerer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
}

void lingerer_end(struct lingerer *lingerer)
{
	struct linger none = {.l_onoff = 1};

	/* A reset: whoever waits goes on. */
	(void)setsockopt(lingerer->peer, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(lingerer->peer);
	if (lingerer->fd >= 0)
		close(lingerer->fd);
}
