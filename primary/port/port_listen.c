/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener is out of the loop whenever accepting would be wrong (the old session is still being
 * taken apart) or useless (no descriptors left): the kernel's backlog keeps the client meanwhile.
 */
#include "port_listen.h"

#include <sys/epoll.h>

#include "door.h"
#include "foreign.h"
#include "log.h"
#include "loop.h"
#include "port.h"
#include "primary.h"

void port_arm_retry(struct port *port, uint64_t after_ns)
{
	if (loop_timer_set(port->primary->loop, &port->retry, after_ns) < 0)
		log_error(port->device.tag, "no memory for a timer; add the port again");
}

void port_listen_later(struct port *port, uint64_t after_ns)
{
	if (loop_timer_set(port->primary->loop, &port->retry, after_ns) == 0)
		port_stop_listening(port);
}

void port_listen_again(struct port *port)
{
	int error;

	if (port->removing || port->listener < 0 || port->listener_source.fd >= 0)
		return;
	error = loop_add(port->primary->loop, &port->listener_source, port->listener, EPOLLIN);
	if (error)
		port_arm_retry(port, PORT_BACKOFF_LAST_NS);
}

void port_stop_listening(struct port *port)
{
	loop_remove(port->primary->loop, &port->listener_source);
}

void port_close_listener(struct port *port)
{
	loop_remove(port->primary->loop, &port->listener_source);
	loop_timer_clear(port->primary->loop, &port->retry);
	port->door->close(port);
	port->listener_stored = 0;
	foreign_close_socket(&port->foreign, &port->listener);
}
