/* SPDX-License-Identifier: Apache-2.0 */
#include "cuse_request.h"

#include "cuse_channel.h"
#include "journal.h"
#include "loop.h"
#include "port.h"
#include "primary.h"

void request_forget(struct cuse *cuse, struct request *r)
{
	journal_request(cuse->port, request_number(cuse, r), 0, NULL, 0);
	r->state = REQUEST_NONE;
}

void request_refuse(struct cuse *cuse, struct request *r, int error)
{
	cuse_say_error(cuse->port->listener, r->unique, error);
	request_forget(cuse, r);
}

int cuse_wake(struct port *port)
{
	return loop_timer_set(port->primary->loop, &port->cuse->again, 0);
}
