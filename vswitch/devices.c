/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The library tells in the control thread what comes and goes; each callback is one call of
 * switch.h. destroy_device promises that no worker uses the device any more, and that is what
 * vswitch_remove_port() does. A vring's `false` promises nothing: bursts on it return 0. So it
 * takes effect when whoever dispatched commits (switch.h).
 *
 * RUNNING is set at once: a vring moves packets when its own `true` has come. An enqueue queue has
 * `true` only while it is enabled, so flows are spread over such queues alone. A dequeue queue has
 * it while it is granted: run when disabled, it discards what the guest sends.
 */
#include "devices.h"

#include <errno.h>
#include <holdfast/burst.h>
#include <holdfast/device.h>
#include <holdfast/hop.h>
#include <string.h>

#include "say.h"
#include "switch.h"

#define COUNTERS_READ 8u /* at most, to reach the two below */

/* Where the library counts what it has delivered. */
static size_t packets_index, bytes_index;

struct delivered {
	uint64_t packets;
	uint64_t bytes;
};

/* False: the vring is not granted now, or this library counts elsewhere. */
static bool read_delivered(const struct port *port, uint16_t queue, struct delivered *ret)
{
	uint64_t values[COUNTERS_READ];

	if (packets_index >= COUNTERS_READ || bytes_index >= COUNTERS_READ ||
	    hf_device_counters(port->backend, queue, values,
			       1 + (packets_index > bytes_index ? packets_index : bytes_index)))
		return false;
	ret->packets = values[packets_index];
	ret->bytes = values[bytes_index];
	return true;
}

/* What the library drops, it counts itself. */
static uint16_t device_peek(struct port *port, uint16_t queue, struct hf_hop *hop,
			    struct hf_packet **packets, uint16_t nr)
{
	return hf_hop_peek(hop, port->backend, queue, packets, nr, PEEK_BYTES);
}

/* What the library took and did not deliver can never be: it counts the reason. The counters are
 * words that this very thread writes, so the difference is that of our burst. */
static uint16_t device_send(struct port *port, uint16_t queue, struct hf_hop *hop,
			    struct hf_packet *const *packets, uint16_t nr, struct port_stats *stats)
{
	struct delivered before = {0}, after;
	bool known = read_delivered(port, queue, &before);
	uint16_t taken = hop ? hf_hop_forward(hop, port->backend, queue, packets, nr)
			     : hf_enqueue_burst(port->backend, queue, packets, nr);

	if (!taken)
		return 0;
	known = known && read_delivered(port, queue, &after);
	if (known && after.packets < before.packets)
		before = (struct delivered){0}; /* a new grant: they began anew */
	if (!known || after.packets - before.packets > taken) {
		stats_sent(stats, packets, taken); /* revoked meanwhile */
		return taken;
	}
	count(&stats->tx_packets, after.packets - before.packets);
	count(&stats->tx_bytes, after.bytes - before.bytes);
	if (after.packets - before.packets < taken)
		count(&stats->tx_refused, taken - (after.packets - before.packets));
	return taken;
}

static uint16_t device_transmit(struct port *port, uint16_t queue, struct hf_packet *const *packets,
				uint16_t nr, struct port_stats *stats)
{
	return device_send(port, queue, NULL, packets, nr, stats);
}

/* A first burst makes the call that a predecessor may owe the guest. */
static void device_attend(struct port *port, uint16_t queue)
{
	(void)hf_enqueue_burst(port->backend, queue, NULL, 0);
}

static uint32_t device_walked(struct port *port, uint16_t queue, uint32_t *ret_cut)
{
	return hf_enqueue_walked(port->backend, queue, ret_cut);
}

static bool device_cuts(const struct port *port, const struct hf_offload *offload)
{
	return hf_enqueue_cuts(port->backend, offload);
}

static int device_arm(struct port *port, uint16_t queue, bool wanted)
{
	return hf_enable_guest_notification(port->backend, queue, wanted);
}

static void device_prefetch(const struct port *port, uint16_t queue)
{
	hf_prefetch(port->backend, queue);
}

static const struct port_ops device_ops = {
	.kind = "device",
	.stations = DEVICE_STATIONS,
	.peek = device_peek,
	.prefetch = device_prefetch,
	.forward = device_send,
	.transmit = device_transmit,
	.attend = device_attend,
	.walked = device_walked,
	.cuts = device_cuts,
	.arm = device_arm,
};

static size_t counter_index(const char *name)
{
	size_t index = 0;

	while (index < hf_counter_count() && strcmp(hf_counter_name(index), name))
		index++;
	return index;
}

void devices_init(void)
{
	packets_index = counter_index("good_packets");
	bytes_index = counter_index("good_bytes");
}

static int device_new(struct hf_device *device, void *context)
{
	const char *name = hf_device_name(device);
	struct port *port = vswitch_add_port(context, &device_ops, device, name);

	if (!port && errno == ENOMEM) {
		say("port %s: no memory: its guest gets no packets from here; free some and start "
		    "again",
		    name);
		return -ENOMEM;
	}
	if (!port) {
		say("port %s: all %u ports of the switch are in use; serve fewer with --ports",
		    name, MAX_PORTS);
		return -ENOSPC;
	}
	hf_device_set_user(device, port);
	hf_device_set_running(device, true);
	say("port %s: here", name);
	return 0;
}

static void device_gone(struct hf_device *device, void *context)
{
	struct port *port = hf_device_user(device);

	if (!port)
		return; /* declined */
	hf_device_set_running(device, false);
	say("port %s: gone", port->name);
	hf_device_set_user(device, NULL);
	vswitch_remove_port(context, port);
}

static void vring_changed(struct hf_device *device, uint16_t queue, bool enabled, void *context)
{
	struct port *port = hf_device_user(device);

	if (!port)
		return; /* declined */
	if (enabled)
		vswitch_queue_on(context, port, queue,
				 queue & 1 ? hf_guest_kick_fd(device, queue) : -1);
	else
		vswitch_queue_off(context, port, queue);
}

void devices_flush(void *context)
{
	vswitch_flush(context);
}

void devices_peer_state(const char *peer, const void *state, size_t bytes, void *context)
{
	vswitch_adopt(context, peer, state, bytes);
}

const struct hf_device_ops devices_callbacks = {
	.new_device = device_new,
	.destroy_device = device_gone,
	.vring_state_changed = vring_changed,
};
