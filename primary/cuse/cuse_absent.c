/* SPDX-License-Identifier: Apache-2.0 */
/* A build without vhost-cuse (meson: -Dcuse=disabled): there is never a port that has one. */
#include <errno.h>

#include "cuse.h"
#include "door.h"

static int make(struct port *port)
{
	(void)port;
	return -EOPNOTSUPP;
}

const struct door vhost_net_door = {.make = make};

int cuse_make_early(struct conf *conf, bool again)
{
	(void)again;
	(void)conf;
	return 0;
}

void cuse_drop_early(struct primary *primary)
{
	(void)primary;
}

void cuse_rest(struct primary *primary)
{
	(void)primary;
}

void cuse_restore(struct port *port)
{
	(void)port;
}
