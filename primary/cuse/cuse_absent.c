/* SPDX-License-Identifier: Apache-2.0 */
/* A build without vhost-cuse (meson: -Dcuse=disabled): there is never a port that has one. */
#include <errno.h>

#include "cuse.h"

int cuse_new(struct port *port)
{
	(void)port;
	return -EOPNOTSUPP;
}

int cuse_make_early(struct conf *conf, bool again)
{
	(void)again;
	(void)conf;
	return 0;
}

int cuse_open(struct port *port, const char **ret_reason)
{
	(void)port;
	*ret_reason = "this build has no vhost-cuse";
	return -EOPNOTSUPP;
}

void cuse_restore(struct port *port)
{
	(void)port;
}

void cuse_go_on(struct port *port)
{
	(void)port;
}

void cuse_drop_early(struct primary *primary)
{
	(void)primary;
}

void cuse_session_ended(struct port *port)
{
	(void)port;
}

void cuse_close(struct port *port)
{
	(void)port;
}

void cuse_free(struct port *port)
{
	(void)port;
}

int cuse_wake(struct port *port)
{
	(void)port;
	return -EOPNOTSUPP;
}

int cuse_watch(struct session *session)
{
	(void)session;
	return -EOPNOTSUPP;
}

void cuse_unwatch(struct session *session)
{
	(void)session;
}

void cuse_answer(struct session *session)
{
	(void)session;
}

void cuse_forget(struct session *session)
{
	(void)session;
}

int cuse_error(enum refusal reason)
{
	(void)reason;
	return -EOPNOTSUPP;
}
