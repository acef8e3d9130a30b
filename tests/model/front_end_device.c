/* SPDX-License-Identifier: Apache-2.0 */
#include "front_end_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int front_end_open_device(struct front_end *fe, const char *path, int wait_ms)
{
	struct stat st;

	fe->is_device = true;
	for (int i = 0; i < wait_ms; i++) {
		if (stat(path, &st) == 0 && S_ISCHR(st.st_mode))
			fe->socket = open(path, O_RDWR | O_CLOEXEC);
		if (fe->socket >= 0)
			return 0;
		/* One that is being made, or that its last owner is about to lose. */
		if (errno != ENOENT && errno != ENODEV && errno != ENXIO)
			return -errno;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

bool front_end_device_is_gone(struct front_end *fe, int wait_ms)
{
	uint64_t features;

	for (int i = 0; i < wait_ms; i++) {
		if (ioctl(fe->socket, VHOST_GET_FEATURES, &features) < 0)
			return true;
		usleep(1000);
	}
	return false;
}

static int call(struct front_end *fe, unsigned long command, void *argument)
{
	return ioctl(fe->socket, command, argument) < 0 ? -errno : 0;
}

/* The tables are alike but for the regions' last word: there the file's offset, here flags. */
static int set_memory(struct front_end *fe, const void *payload)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region regions[8];
	} table;
	const struct vhost_memory *from = payload;

	memcpy(&table, payload, sizeof(*from) + sizeof(table.regions));
	for (uint32_t i = 0; i < from->nregions && i < 8; i++)
		table.regions[i].flags_padding = 0;
	return call(fe, VHOST_SET_MEM_TABLE, &table);
}

static int set_file(struct front_end *fe, unsigned long command, const void *payload,
		    const int *fds, size_t nr_fds)
{
	struct vhost_vring_file file = {.fd = nr_fds ? fds[0] : -1};

	memcpy(&file.index, payload, sizeof(file.index));
	return call(fe, command, &file);
}

static int set_backend(struct front_end *fe, const void *payload)
{
	struct vhost_vring_state state;
	struct vhost_vring_file file = {.fd = -1};
	int result;

	memcpy(&state, payload, sizeof(state));
	file.index = state.index;
	if (state.num)
		file.fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (state.num && file.fd < 0)
		return -errno;
	result = call(fe, VHOST_NET_SET_BACKEND, &file);
	if (file.fd >= 0)
		close(file.fd);
	return result;
}

int front_end_device_features(struct front_end *fe)
{
	uint64_t features;
	int result = call(fe, VHOST_GET_BACKEND_FEATURES, &features);

	features = 0;
	return result ? result : call(fe, VHOST_SET_BACKEND_FEATURES, &features);
}

static int call_by_request(struct front_end *fe, uint32_t request, const void *payload,
			   const int *fds, size_t nr_fds)
{
	void *argument = (void *)(uintptr_t)payload;

	switch (request) {
	case FE_GET_FEATURES:
		return call(fe, VHOST_GET_FEATURES, argument);
	case FE_SET_FEATURES:
		return call(fe, VHOST_SET_FEATURES, argument);
	case FE_SET_OWNER:
		return call(fe, VHOST_SET_OWNER, NULL);
	case FE_SET_MEM_TABLE:
		return set_memory(fe, payload);
	case FE_SET_VRING_NUM:
		return call(fe, VHOST_SET_VRING_NUM, argument);
	case FE_SET_VRING_BASE:
		return call(fe, VHOST_SET_VRING_BASE, argument);
	case FE_GET_VRING_BASE:
		return call(fe, VHOST_GET_VRING_BASE, argument);
	case FE_SET_VRING_ADDR:
		return call(fe, VHOST_SET_VRING_ADDR, argument);
	case FE_SET_VRING_KICK:
		return set_file(fe, VHOST_SET_VRING_KICK, payload, fds, nr_fds);
	case FE_SET_VRING_CALL:
		return set_file(fe, VHOST_SET_VRING_CALL, payload, fds, nr_fds);
	case FE_SET_VRING_ERR:
		return set_file(fe, VHOST_SET_VRING_ERR, payload, fds, nr_fds);
	case FE_SET_VRING_ENABLE:
		return set_backend(fe, payload);
	default:
		return -ENOTTY;
	}
}

static void *disturb(void *context)
{
	struct front_end *fe = context;

	fe->disturb(fe);
	return NULL;
}

/* An ioctl has no middle of which we could know: it is disturbed while it goes on. */
int front_end_ioctl(struct front_end *fe, uint32_t request, const void *payload, const int *fds,
		    size_t nr_fds)
{
	pthread_t thread;
	int result;

	if (!fe->disturb)
		return call_by_request(fe, request, payload, fds, nr_fds);
	if (pthread_create(&thread, NULL, disturb, fe) != 0)
		return -EAGAIN;
	result = call_by_request(fe, request, payload, fds, nr_fds);
	pthread_join(thread, NULL);
	return result;
}
