/* SPDX-License-Identifier: Apache-2.0 */
#include "cuse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "door.h"
#include "port.h"
#include "ports.h"

/* A name, or the path that says the same. */
static const char *device_name(const char *name, const char *device)
{
	if (!device || !*device)
		return name;
	return strncmp(device, "/dev/", 5) == 0 ? device + 5 : device;
}

int port_add_cuse(struct primary *primary, const char *name, const char *device,
		  uint32_t queue_pairs, const char **ret_reason)
{
	int error = port_check_new(primary, name, ret_reason), n;
	struct port *port;

	if (!error && queue_pairs > 1) {
		*ret_reason =
			"a vhost-net device is one queue pair; add a vhost-user port for more";
		error = -EINVAL;
	}
	if (error)
		return error;
	error = port_new(primary, name, &vhost_net_door, 1, &port, ret_reason);
	if (error)
		return error;
	n = snprintf(port->path, sizeof(port->path), "/dev/%s", device_name(name, device));
	if (n < 0 || (size_t)n >= sizeof(port->path)) {
		*ret_reason = "the device's name is too long; choose a shorter one";
		port_abandon(port);
		return -EINVAL;
	}
	return port_start(port, ret_reason);
}
