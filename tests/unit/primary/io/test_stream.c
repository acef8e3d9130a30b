/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "stream.h"
#include "suite.h"

static char dir[64], path[96];
static int fd;
static uint64_t dev, ino;

static void listen_somewhere(void)
{
	snprintf(dir, sizeof(dir), "/tmp/hf-stream-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/socket", dir);
	fd = stream_listen(path, 0600);
	REQUIRE(fd >= 0);
	CHECK_EQ(stream_file(fd, &dev, &ino), 0);
}

static void clean_up(void)
{
	hf_fd_close(&fd);
	(void)unlink(path);
	rmdir(dir);
}

static void a_socket_that_listens_is_told_from_one_that_was_shut_down(void)
{
	listen_somewhere();
	CHECK(stream_listens(fd, dev, ino));
	CHECK_EQ(shutdown(fd, SHUT_RDWR), 0);
	CHECK(!stream_listens(fd, dev, ino));
	clean_up();
}

static void a_socket_whose_file_is_gone_does_not_listen(void)
{
	listen_somewhere();
	CHECK_EQ(unlink(path), 0);
	CHECK(!stream_listens(fd, dev, ino));
	clean_up();
}

static void a_file_that_another_has_put_there_is_not_ours(void)
{
	int other;

	listen_somewhere();
	CHECK_EQ(unlink(path), 0);
	other = stream_listen(path, 0600);
	CHECK(other >= 0);
	CHECK(!stream_listens(fd, dev, ino));
	hf_fd_close(&other);
	clean_up();
}

static void a_path_where_somebody_listens_is_refused(void)
{
	listen_somewhere();
	CHECK_EQ(stream_listen(path, 0600), -EADDRINUSE);
	hf_fd_close(&fd);
	fd = stream_listen(path, 0600);
	CHECK(fd >= 0);
	clean_up();
}

static void a_path_that_no_socket_can_have_is_refused(void)
{
	char too_long[109];

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	CHECK_EQ(stream_connect(too_long), -ENAMETOOLONG);
	CHECK_EQ(stream_listen(too_long, 0600), -ENAMETOOLONG);
}

static const struct sentence sentences[] = {
	SENTENCE(a_socket_that_listens_is_told_from_one_that_was_shut_down),
	SENTENCE(a_socket_whose_file_is_gone_does_not_listen),
	SENTENCE(a_file_that_another_has_put_there_is_not_ours),
	SENTENCE(a_path_where_somebody_listens_is_refused),
	SENTENCE(a_path_that_no_socket_can_have_is_refused),
};
SUITE("stream", sentences)
