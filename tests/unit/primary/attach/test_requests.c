/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a switch asks the primary through the library: ports, features, hand-overs, its state; and
 * the answers as return values. The primary runs in a thread of its own.
 */
#include <errno.h>
#include <holdfast/continuity.h>
#include <holdfast/device.h>
#include <holdfast/driver.h>
#include <holdfast/service.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "attach.h"
#include "order.h"
#include "ports.h"
#include "primary_rig.h"
#include "suite.h"

#define TURNS 2000

static struct rig rig;
static struct port *port;
static pthread_t thread;
static uint32_t over;
static struct hf_service *a, *b;
static struct hf_device *device; /* of a, or of b when it went there */
static unsigned int destroyed, flushes;
static char knew[8];

static bool is_over(void *context)
{
	(void)context;
	return hf_load_acquire(&over);
}

static void *run_primary(void *context)
{
	(void)rig_until(&rig, is_over, NULL, 120 * 1000);
	return context;
}

static int new_device(struct hf_device *new, void *context)
{
	(void)context;
	device = new;
	return 0;
}

static void destroy_device(struct hf_device *old, void *context)
{
	(void)old;
	(void)context;
	destroyed++;
}

static const struct hf_device_ops ops = {.new_device = new_device,
					 .destroy_device = destroy_device};

static void on_flush(void *context)
{
	(void)context;
	flushes++;
}

static void on_peer_state(const char *peer, const void *state, size_t bytes, void *context)
{
	(void)context;
	CHECK(strcmp(peer, "a") == 0);
	CHECK_EQ(bytes, 4096);
	memcpy(knew, state, sizeof(knew));
}

static struct hf_service *join(const char *name, enum hf_role role)
{
	struct hf_service_config config = {.run_dir = rig.dir, .name = name, .role = role};
	struct hf_service *service = NULL;

	REQUIRE(hf_service_connect(&config, &service) == 0);
	CHECK_EQ(hf_driver_callback_register(service, &ops, NULL), 0);
	return service;
}

static void begin(void)
{
	hf_write_once(&over, 0u);
	device = NULL;
	destroyed = flushes = 0;
	memset(knew, 0, sizeof(knew));
	rig_open(&rig);
	port = rig_port(&rig, "p", 2);
	port->session = (struct session *)(void *)port; /* only looked at for being there */
	REQUIRE(attach_open(&rig.primary) == 0);
	REQUIRE(pthread_create(&thread, NULL, run_primary, NULL) == 0);
	a = join("a", HF_ROLE_VSWITCH);
}

static void end(void)
{
	hf_service_disconnect(a);
	hf_store_release(&over, 1u);
	REQUIRE(pthread_join(thread, NULL) == 0);
	port->session = NULL;
	/* What is added here has a socket of its own. */
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		if (rig.primary.ports[i] && rig.primary.ports[i]->listener >= 0)
			port_stop(rig.primary.ports[i], "the test is over");
	rig_close(&rig);
}

/* Dispatch both until `is` holds. */
static bool until(bool (*is)(void))
{
	for (int i = 0; i < TURNS && !is(); i++) {
		struct pollfd fds[2] = {{.fd = hf_service_fd(a), .events = POLLIN},
					{.fd = b ? hf_service_fd(b) : -1, .events = POLLIN}};

		(void)poll(fds, 2, 10);
		CHECK_EQ(hf_service_dispatch(a), 0);
		if (b)
			CHECK_EQ(hf_service_dispatch(b), 0);
	}
	return is();
}

static bool runs(void)
{
	return device && hf_device_vring_enabled(device, 0) && hf_device_vring_enabled(device, 1);
}

static bool is_lost(void)
{
	return !hf_service_attached(a);
}

static void ports_come_and_go_on_request(void)
{
	begin();
	CHECK_EQ(hf_driver_register(a, NULL, NULL, 0), -EINVAL);
	CHECK_EQ(hf_driver_register(a, "new", NULL, 4), -EINVAL);
	CHECK_EQ(hf_driver_unregister(a, NULL), -EINVAL);
	CHECK_EQ(hf_driver_register(a, "new", NULL, 0), 0);
	CHECK_EQ(hf_driver_register(a, "new", NULL, 0), -EEXIST);
	CHECK_EQ(hf_driver_register(a, "no such name", NULL, 0), -EINVAL);
	CHECK_EQ(hf_driver_register(a, "client", "/nonexistent/socket", HF_DRIVER_CLIENT), 0);
	CHECK_EQ(hf_driver_unregister(a, "client"), 0);
	CHECK_EQ(hf_driver_unregister(a, "new"), 0);
	CHECK_EQ(hf_driver_unregister(a, "new"), -ENOENT);
	end();
}

static void features_are_switched_for_one_port_or_for_all(void)
{
	const uint64_t mrg = 1ull << 15;
	uint64_t all = 0, now = 0;

	begin();
	CHECK_EQ(hf_feature_get(a, NULL, &all), 0);
	CHECK(all & mrg);
	CHECK_EQ(hf_feature_disable(a, "p", mrg), 0);
	CHECK_EQ(hf_feature_get(a, "p", &now), 0);
	CHECK_EQ(now & mrg, 0);
	CHECK_EQ(hf_feature_get(a, NULL, &now), 0);
	CHECK_EQ(now, all);
	CHECK_EQ(hf_feature_enable(a, "p", mrg), 0);
	CHECK_EQ(hf_feature_get(a, "p", &now), 0);
	CHECK(now & mrg);
	CHECK_EQ(hf_feature_get(a, "nobody", &now), -ENOENT);
	CHECK_EQ(hf_feature_disable(a, "nobody", mrg), -ENOENT);
	end();
}

static void an_observer_is_refused_what_changes_something(void)
{
	uint64_t now;

	begin();
	b = join("watcher", HF_ROLE_OBSERVER);
	CHECK_EQ(hf_driver_register(b, "new", NULL, 0), -EPERM);
	CHECK_EQ(hf_feature_disable(b, "p", 1ull << 15), -EPERM);
	CHECK_EQ(hf_handover(b, "p", "a"), -EPERM);
	CHECK_EQ(hf_drain(b, true), -EPERM);
	CHECK_EQ(hf_feature_get(b, "p", &now), 0);
	hf_service_disconnect(b);
	b = NULL;
	end();
}

static struct hf_device *first;

static bool moved(void)
{
	return device != first && runs();
}

/* In the thread that asks nothing is dispatched meanwhile, so b has one of its own. */
static void *dispatch_b(void *context)
{
	while (!hf_load_acquire((uint32_t *)context)) {
		struct pollfd fd = {.fd = hf_service_fd(b), .events = POLLIN};

		(void)poll(&fd, 1, 10);
		(void)hf_service_dispatch(b);
	}
	return NULL;
}

static void a_device_is_handed_over_with_what_its_owner_knew(void)
{
	uint32_t stop = 0;
	void *state = NULL;
	pthread_t other;

	begin();
	CHECK_EQ(hf_service_set_state(a, 0, &state), -EINVAL);
	CHECK_EQ(hf_service_set_state(a, 4096, &state), 0);
	CHECK_EQ(hf_service_set_state(a, 4096, &state), -EBUSY);
	memcpy(state, "learned", 8);
	CHECK_EQ(hf_flush_callback_register(a, NULL, NULL), -EINVAL);
	CHECK_EQ(hf_flush_callback_register(a, on_flush, NULL), 0);
	REQUIRE(until(runs));
	first = device;
	CHECK_EQ(hf_handover(a, "p", NULL), -EINVAL);
	CHECK_EQ(hf_handover(a, "p", "nobody"), -ENOENT);
	b = join("b", HF_ROLE_VSWITCH);
	CHECK_EQ(hf_peer_state_callback_register(b, on_peer_state, NULL), 0);
	REQUIRE(pthread_create(&other, NULL, dispatch_b, &stop) == 0);
	CHECK_EQ(hf_handover(a, "p", "b"), 1);
	hf_store_release(&stop, 1u);
	REQUIRE(pthread_join(other, NULL) == 0);
	REQUIRE(until(moved));
	CHECK(strcmp(knew, "learned") == 0);
	CHECK(strcmp(hf_device_name(device), "p") == 0);
	/* Nothing of a's is left to drain, and nobody is left to take what is b's but a. */
	CHECK_EQ(hf_drain(a, false), 0);
	hf_service_disconnect(b);
	b = NULL;
	end();
	CHECK(destroyed > 0);
}

/* What hangs on the answer is said when there can be none. */
static void without_a_primary_nothing_is_asked(void)
{
	void *state;

	begin();
	hf_store_release(&over, 1u);
	REQUIRE(pthread_join(thread, NULL) == 0);
	attach_close(&rig.primary);
	CHECK_EQ(hf_driver_register(a, "new", NULL, 0), -ENOTCONN);
	(void)hf_service_dispatch(a);
	CHECK(!hf_service_attached(a));
	CHECK_EQ(hf_driver_unregister(a, "p"), -ENOTCONN);
	CHECK_EQ(hf_drain(a, true), -ENOTCONN);
	CHECK_EQ(hf_service_set_state(a, 4096, &state), -ENOTCONN);
	hf_service_disconnect(a);
	port->session = NULL;
	rig_close(&rig);
}

static int answer;

static void destroy_and_ask(struct hf_device *old, void *context)
{
	(void)old;
	answer = hf_driver_unregister(context, "p");
}

/* As in a callback that takes apart what belonged to the device. */
static void nor_is_it_while_the_end_of_the_primary_is_told(void)
{
	static const struct hf_device_ops asking = {.new_device = new_device,
						    .destroy_device = destroy_and_ask};

	begin();
	answer = 0;
	CHECK_EQ(hf_driver_callback_register(a, &asking, a), 0);
	REQUIRE(until(runs));
	hf_store_release(&over, 1u);
	REQUIRE(pthread_join(thread, NULL) == 0);
	attach_close(&rig.primary);
	REQUIRE(until(is_lost));
	CHECK_EQ(answer, -ENOTCONN);
	hf_service_disconnect(a);
	port->session = NULL;
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(ports_come_and_go_on_request),
	SENTENCE(features_are_switched_for_one_port_or_for_all),
	SENTENCE(an_observer_is_refused_what_changes_something),
	SENTENCE(a_device_is_handed_over_with_what_its_owner_knew),
	SENTENCE(without_a_primary_nothing_is_asked),
	SENTENCE(nor_is_it_while_the_end_of_the_primary_is_told),
};
SUITE("requests", sentences)
