/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's own functions, called in this process against a real primary: ports and features
 * that a secondary asks for, what a device says of itself, hand-over and drain from within, state
 * for a successor, packets; and what each of them says when it cannot.
 */
#include <errno.h>
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define CSUM  (1ull << 0)
#define RINGS 2u
#define WAITS 20000u /* milliseconds, of states that come at once */

static const char *const all[] = {"*", NULL};
static const struct session_shape shape = {.features = FE_VERSION_1 | FE_MRG_RXBUF};
static struct world world;
static struct front_end fe;
static struct hf_service *service;
static pthread_t thread;

/* What the callbacks saw. */
static _Atomic(struct hf_device *) device;
static atomic_uint running, destroyed, flushed;
static _Atomic uint64_t peer_said;

static int new_device(struct hf_device *d, void *context)
{
	hf_device_set_user(d, context);
	hf_device_set_running(d, true);
	atomic_store(&device, d);
	return 0;
}

static void destroy_device(struct hf_device *d, void *context)
{
	(void)context;
	hf_device_set_running(d, false);
	atomic_store(&device, NULL);
	atomic_fetch_add(&destroyed, 1);
}

static void vring_state_changed(struct hf_device *d, uint16_t queue, bool enabled, void *context)
{
	static atomic_bool runs[HF_MAX_VRINGS];

	(void)d, (void)context;
	if (atomic_exchange(&runs[queue], enabled) == enabled)
		return;
	if (enabled)
		atomic_fetch_add(&running, 1);
	else
		atomic_fetch_sub(&running, 1);
}

static void flush(void *context)
{
	(void)context;
	atomic_fetch_add(&flushed, 1);
}

static void peer_state(const char *peer, const void *state, size_t bytes, void *context)
{
	uint64_t word = 0;

	(void)context;
	if (bytes >= sizeof(word) && !strcmp(peer, "here"))
		memcpy(&word, state, sizeof(word));
	atomic_store(&peer_said, word);
}

static const struct hf_device_ops ops = {.new_device = new_device,
					 .destroy_device = destroy_device,
					 .vring_state_changed = vring_state_changed};

static struct hf_service *attach(const char *name, enum hf_role role)
{
	struct hf_service_config config = {
		.run_dir = world.dir, .name = name, .role = role, .ports = all, .nr_ports = 1};
	struct hf_service *s = NULL;

	CHECK_EQ(hf_service_connect(&config, &s), 0);
	REQUIRE(s != NULL);
	CHECK(hf_service_attached(s));
	CHECK(hf_service_fd(s) >= 0);
	return s;
}

static void *run_session(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)hf_driver_session_start(service);
}

/* This process serves: its control thread is another one until stop_serving. */
static void start_serving(void)
{
	REQUIRE(pthread_create(&thread, NULL, run_session, NULL) == 0);
}

static void stop_serving(void)
{
	void *result;

	hf_driver_session_stop(service);
	REQUIRE(pthread_join(thread, &result) == 0);
	CHECK_EQ((intptr_t)result, 0);
}

static bool becomes(const atomic_uint *number, unsigned int wanted)
{
	for (unsigned int i = 0; i < WAITS && atomic_load(number) != wanted; i++)
		usleep(1000);
	return atomic_load(number) == wanted;
}

static void open_world(void)
{
	static const char *const arguments[] = {"--no-huge-pages", NULL};

	world_open(&world, arguments);
	world_add_port(&world, "p0", false, NULL);
	atomic_store(&running, 0);
	atomic_store(&destroyed, 0);
	atomic_store(&flushed, 0);
	service = attach("here", HF_ROLE_VSWITCH);
	CHECK_EQ(hf_driver_callback_register(service, &ops, &world), 0);
}

static void come(void)
{
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	REQUIRE(becomes(&running, RINGS));
}

static void close_world(void)
{
	hf_service_disconnect(service);
	world_close(&world);
}

static void a_secondary_asks_for_ports(void)
{
	open_world();
	CHECK_EQ(hf_driver_register(service, "mine", NULL, 0), 0);
	CHECK(world_has_port(&world, "mine"));
	CHECK_EQ(hf_driver_register(service, "mine", NULL, 0), -EEXIST);
	CHECK_EQ(hf_driver_register(service, "../mine", NULL, 0), -EINVAL);
	CHECK_EQ(hf_driver_register(service, "mine2", NULL, 1u << 7), -EINVAL);
	CHECK_EQ(hf_driver_register(service, NULL, NULL, 0), -EINVAL);
	CHECK_EQ(hf_driver_register(service, "other", "/nowhere/at/all.sock", HF_DRIVER_CLIENT), 0);
	CHECK_EQ(hf_driver_unregister(service, "other"), 0);
	CHECK_EQ(hf_driver_unregister(service, "mine"), 0);
	CHECK(!world_has_port(&world, "mine"));
	CHECK_EQ(hf_driver_unregister(service, "mine"), -ENOENT);
	CHECK_EQ(hf_driver_unregister(service, NULL), -EINVAL);
	close_world();
}

static void a_secondary_switches_features(void)
{
	uint64_t before = 0, after = 0;

	open_world();
	CHECK_EQ(hf_feature_get(service, "p0", &before), 0);
	CHECK(before & CSUM);
	CHECK_EQ(hf_feature_disable(service, "p0", CSUM), 0);
	CHECK_EQ(hf_feature_get(service, "p0", &after), 0);
	CHECK_EQ(after, before & ~CSUM);
	CHECK_EQ(hf_feature_enable(service, NULL, CSUM), 0);
	CHECK_EQ(hf_feature_get(service, "p0", &after), 0);
	CHECK_EQ(after, before);
	CHECK_EQ(hf_feature_enable(service, "p0", 1ull << 63), -EINVAL);
	CHECK_EQ(hf_feature_get(service, "nobody", &after), -ENOENT);
	close_world();
}

static void a_device_says_what_it_is(void)
{
	uint64_t values[128], good = 0;
	struct hf_device *d;
	struct hf_packet_pool *pool;

	open_world();
	start_serving();
	come();
	d = atomic_load(&device);
	REQUIRE(d != NULL);
	CHECK(!strcmp(hf_device_name(d), "p0"));
	CHECK(hf_device_id(d) < 1024);
	CHECK_EQ(hf_device_features(d) & FE_VERSION_1, FE_VERSION_1);
	CHECK_EQ(hf_device_mtu(d), 0);
	CHECK(hf_device_node(d) >= -1);
	CHECK_EQ(hf_device_nr_vrings(d), RINGS);
	CHECK(hf_device_vring_enabled(d, 0) && hf_device_vring_enabled(d, 1));
	CHECK(!hf_device_vring_enabled(d, RINGS) && !hf_device_vring_enabled(d, UINT16_MAX));
	CHECK(hf_device_running(d));
	CHECK(hf_device_user(d) == &world);
	CHECK(hf_counter_count() <= ARRAY_SIZE(values));
	CHECK_EQ(hf_device_counters(d, 1, values, ARRAY_SIZE(values)), 0);
	CHECK(hf_device_counters(d, UINT16_MAX, values, ARRAY_SIZE(values)) < 0);
	for (size_t i = 0; i < hf_counter_count(); i++) {
		CHECK(hf_counter_name(i) != NULL);
		good += !strcmp(hf_counter_name(i), "good_packets");
	}
	CHECK_EQ(good, 1);
	CHECK(hf_counter_name(hf_counter_count()) == NULL);
	CHECK(hf_guest_kick_fd(d, 1) >= 0);
	CHECK_EQ(hf_guest_kick_fd(d, UINT16_MAX), -1);
	pool = hf_packet_pool_create(d, 10, 2048);
	REQUIRE(pool != NULL);
	CHECK(hf_packet_pool_node(pool) >= -1);
	hf_packet_pool_destroy(pool);
	front_end_close(&fe);
	CHECK(becomes(&destroyed, 1));
	stop_serving();
	close_world();
}

static void a_switch_hands_over_and_drains_itself(void)
{
	static const char *const globs[] = {"p0", NULL};
	uint32_t next = 0;

	open_world();
	CHECK_EQ(hf_flush_callback_register(service, flush, NULL), 0);
	start_serving();
	come();
	world_start_echo(&world, 0, "spare", "vswitch", globs);
	CHECK(world_secondaries_become(&world, 2));
	stop_serving(); /* from here on this is the control thread */
	CHECK_EQ(hf_handover(service, "p0", NULL), -EINVAL);
	CHECK_EQ(hf_handover(service, "p0", "nobody"), -ENOENT);
	CHECK(hf_handover(service, "p9", "spare") < 0);
	CHECK(hf_drain(service, false) >= 0);
	start_serving();
	CHECK(becomes(&running, 0));
	front_end_post_buffers(&fe, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	front_end_close(&fe);
	CHECK(becomes(&destroyed, 1));
	stop_serving();
	close_world();
}

static void what_a_peer_knew_comes_with_its_devices(void)
{
	struct hf_service *first;
	void *state = NULL;

	open_world();
	CHECK_EQ(hf_service_set_state(service, 0, &state), -EINVAL);
	CHECK_EQ(hf_service_set_state(service, (size_t)1 << 40, &state), -EINVAL);
	CHECK(state == NULL);
	REQUIRE(hf_service_set_state(service, 4096, &state) == 0);
	CHECK_EQ(hf_service_set_state(service, 4096, &state), -EBUSY);
	*(uint64_t *)state = 0x6b6e6f776e;
	start_serving();
	come();
	first = service;
	/* The successor, in the same process: its control thread is ours. */
	stop_serving();
	service = attach("there", HF_ROLE_VSWITCH);
	CHECK_EQ(hf_driver_callback_register(service, &ops, &world), 0);
	CHECK_EQ(hf_peer_state_callback_register(service, peer_state, NULL), 0);
	start_serving();
	for (unsigned int i = 0; i < 20; i++) /* it is prepared meanwhile */
		(void)hf_service_dispatch(first);
	hf_service_disconnect(first);
	CHECK(becomes(&running, RINGS));
	for (unsigned int i = 0; i < WAITS && !atomic_load(&peer_said); i++)
		usleep(1000);
	CHECK_EQ(atomic_load(&peer_said), 0x6b6e6f776e);
	front_end_close(&fe);
	stop_serving();
	close_world();
}

static void nobody_answers_without_a_primary(void)
{
	struct hf_service_config config = {.run_dir = "/nowhere/at/all", .name = "here"};
	struct hf_service *none = NULL;
	void *state = NULL;
	uint64_t bits;

	CHECK(hf_service_connect(&config, &none) < 0);
	CHECK(none == NULL);
	open_world();
	world_lose_primary(&world);
	for (unsigned int i = 0; i < WAITS && hf_service_attached(service); i++) {
		(void)hf_service_dispatch(service);
		usleep(1000);
	}
	CHECK(!hf_service_attached(service));
	CHECK_EQ(hf_driver_register(service, "mine", NULL, 0), -ENOTCONN);
	CHECK_EQ(hf_driver_unregister(service, "mine"), -ENOTCONN);
	CHECK_EQ(hf_feature_get(service, NULL, &bits), -ENOTCONN);
	CHECK_EQ(hf_feature_enable(service, NULL, CSUM), -ENOTCONN);
	CHECK_EQ(hf_handover(service, NULL, "spare"), -ENOTCONN);
	CHECK_EQ(hf_drain(service, true), -ENOTCONN);
	CHECK_EQ(hf_service_set_state(service, 4096, &state), -ENOTCONN);
	close_world();
}

static unsigned int lines;

static void take_line(void *context, int priority, const char *tag, const char *line)
{
	(void)context, (void)priority, (void)tag, (void)line;
	lines++;
}

static void arguments_that_make_no_sense_are_refused(void)
{
	struct hf_service_config config = {.run_dir = "/nowhere/at/all", .name = "here"};
	struct hf_device_ops less = {.new_device = new_device};
	struct hf_service *none = NULL;

	open_world();
	CHECK_EQ(hf_driver_callback_register(service, NULL, NULL), -EINVAL);
	CHECK_EQ(hf_driver_callback_register(service, &less, NULL), -EINVAL);
	CHECK_EQ(hf_flush_callback_register(service, NULL, NULL), -EINVAL);
	CHECK_EQ(hf_peer_state_callback_register(service, NULL, NULL), -EINVAL);
	close_world();
	hf_set_log_sink(take_line, NULL);
	CHECK(hf_service_connect(&config, &none) < 0);
	CHECK(lines > 0);
	hf_set_log_sink(NULL, NULL);
	CHECK(strlen(hf_version()) > 0);
}

static void a_pool_has_so_many_packets_with_so_much_room(void)
{
	struct hf_packet_pool *pool = hf_packet_pool_create(NULL, 33, 1500);

	REQUIRE(pool != NULL);
	for (size_t i = 0; i < 33; i++) {
		struct hf_packet *p = hf_packet_pool_get(pool, i);

		REQUIRE(p != NULL && p->data && p->room == 1500 && !p->next);
		memset(p->data, (int)i, p->room);
	}
	for (size_t i = 0; i < 33; i++) /* none has another's bytes */
		CHECK(hf_packet_pool_get(pool, i)->data[0] == i &&
		      hf_packet_pool_get(pool, i)->data[1499] == i);
	CHECK(hf_packet_pool_get(pool, 33) == NULL);
	hf_packet_pool_destroy(pool);
	hf_packet_pool_destroy(NULL);
	errno = 0;
	CHECK(!hf_packet_pool_create(NULL, 0, 1500) && errno == EINVAL);
	CHECK(!hf_packet_pool_create(NULL, 1, 0) && errno == EINVAL);
	CHECK(!hf_packet_pool_create(NULL, 1, UINT32_MAX) && errno == EINVAL);
	CHECK(!hf_packet_pool_create(NULL, SIZE_MAX / 4, 1500) && errno == EOVERFLOW);
}

static const struct sentence sentences[] = {
	SENTENCE(a_secondary_asks_for_ports),
	SENTENCE(a_secondary_switches_features),
	SENTENCE(a_device_says_what_it_is),
	SENTENCE(a_switch_hands_over_and_drains_itself),
	SENTENCE(what_a_peer_knew_comes_with_its_devices),
	SENTENCE(nobody_answers_without_a_primary),
	SENTENCE(arguments_that_make_no_sense_are_refused),
	SENTENCE(a_pool_has_so_many_packets_with_so_much_room),
};
SUITE("library against a primary", sentences)
