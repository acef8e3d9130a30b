/* SPDX-License-Identifier: Apache-2.0 */
/* Whole command lines against a made-up primary: output, JSON, exit codes. */
#include <errno.h>
#include <pthread.h>

#include "run.h"
#include "suite.h"
#include "test_cli_fake.h"
#include "test_cli_json.h"

#define NAME(text) ((char *)(uintptr_t)(text))

/* What the primary was asked last; read while nobody asks. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t asked_mask;
static char asked_port[64], asked_path[128];
static uint32_t asked_queues;
static bool asked_client;
static unsigned shows, asks;

static void note(const char *port, const char *path, uint64_t mask)
{
	pthread_mutex_lock(&lock);
	snprintf(asked_port, sizeof(asked_port), "%s", port);
	snprintf(asked_path, sizeof(asked_path), "%s", path);
	asked_mask = mask;
	pthread_mutex_unlock(&lock);
}

static void make_port(pb_port *port, const char *name)
{
	holdfast__control__port__init(port);
	port->name = NAME(name);
	port->path = NAME("/tmp");
	port->owner = NAME("");
	port->queue_pairs = 128;
	if (strcmp(name, "alpha") != 0)
		return;
	port->state = HOLDFAST__CONTROL__PORT_STATE__READY;
	port->owner = NAME("vsw");
	port->features = 1ull << 32 | 1u << 15 | 1u << 29;
	port->protocol_features = 9;
	port->offered_features = port->features | 1;
	port->nr_vrings = port->started_vrings = 2;
	port->nr_regions = 1;
	port->memory_bytes = 256u << 20;
	port->peer_pid = getpid();
	port->sessions = 3;
	port->mtu = 1500;
	port->status = 15;
}

static bool answer_version(int fd)
{
	Holdfast__Control__VersionReply version = HOLDFAST__CONTROL__VERSION_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	version.version = NAME("9.8.7");
	version.abi_major = 4;
	version.pid = getpid();
	version.uptime_ns = 90000000000;
	response.body_case = RESPONSE_BODY(VERSION);
	response.version = &version;
	return fake_send(fd, &response);
}

static bool answer_list(int fd, bool connected_only)
{
	static const char *const names[] = {"alpha", "be\033[31mta"};

	/* In two parts, with a name that would paint the terminal. */
	for (int i = 0; i < 2; i++) {
		Holdfast__Control__PortListReply list = HOLDFAST__CONTROL__PORT_LIST_REPLY__INIT;
		pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
		pb_port port, *ports[] = {&port};

		make_port(&port, names[i]);
		list.ports = ports;
		list.n_ports = connected_only && i ? 0 : 1;
		response.body_case = RESPONSE_BODY(PORT_LIST);
		response.port_list = &list;
		response.more = i == 0;
		if (!fake_send(fd, &response))
			return false;
	}
	return true;
}

static void make_vring(pb_vring *vring, uint32_t index, unsigned look)
{
	holdfast__control__vring__init(vring);
	vring->index = index;
	vring->size = 256;
	vring->configured = vring->started = vring->enabled = vring->mapped = vring->running = true;
	vring->desc_gpa = 0x7f000;
	vring->kick_fd = 20;
	vring->call_fd = 21;
	vring->err_fd = -1;
	vring->owner = NAME("vsw");
	vring->last_avail = vring->last_used = vring->used_idx = 10 * look;
	vring->avail_idx = index ? vring->last_avail : vring->last_avail + 100;
}

static bool answer_show(int fd, const char *name, bool with_descriptors)
{
	pb_descriptor descriptor = HOLDFAST__CONTROL__DESCRIPTOR__INIT, *one[] = {&descriptor};
	pb_region region = HOLDFAST__CONTROL__REGION__INIT, *regions[] = {&region};
	pb_port port;

	if (!strcmp(name, "nobody"))
		return fake_refuse(fd, -ENOENT, "no port 'nobody'; see holdfast port list");
	make_port(&port, name);
	descriptor.addr = 0xdead000;
	descriptor.len = 1526;
	descriptor.flags = 2;
	region.size = 256u << 20;
	region.page_bytes = 4096;
	shows++;
	/* A vring a part, as with descriptors. */
	for (uint32_t i = 0; i < 2; i++) {
		Holdfast__Control__PortShowReply show = HOLDFAST__CONTROL__PORT_SHOW_REPLY__INIT;
		pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
		pb_vring vring, *vrings[] = {&vring};

		make_vring(&vring, i, shows);
		vring.descriptors = one;
		vring.n_descriptors = with_descriptors;
		show.port = i ? NULL : &port;
		show.regions = regions;
		show.n_regions = !i && port.nr_regions;
		show.vrings = vrings;
		show.n_vrings = port.nr_vrings ? 1 : 0;
		response.body_case = RESPONSE_BODY(PORT_SHOW);
		response.port_show = &show;
		response.more = i == 0;
		if (!fake_send(fd, &response))
			return false;
	}
	return true;
}

static bool answer_secondaries(int fd, const char *name)
{
	Holdfast__Control__SecondaryListReply list = HOLDFAST__CONTROL__SECONDARY_LIST_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
	pb_secondary secondary = HOLDFAST__CONTROL__SECONDARY__INIT, *one[] = {&secondary};
	char *globs[] = {NAME("*")};

	secondary.name = NAME("vsw");
	secondary.pid = getpid();
	secondary.priority = -1;
	secondary.globs = globs;
	secondary.n_globs = 1;
	secondary.heartbeat_age_ns = 3000000;
	list.secondaries = one;
	list.n_secondaries = !*name || !strcmp(name, "vsw");
	response.body_case = RESPONSE_BODY(SECONDARY_LIST);
	response.secondary_list = &list;
	return fake_send(fd, &response);
}

static bool answer_stats(int fd)
{
	Holdfast__Control__StatsReply stats = HOLDFAST__CONTROL__STATS_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
	pb_counter good = HOLDFAST__CONTROL__COUNTER__INIT, zero = good, drop = good, own = good;
	pb_counter *counters[] = {&good, &zero, &drop}, *primary[] = {&own};
	pb_vring_stats vring = HOLDFAST__CONTROL__STATS_REPLY__VRING_STATS__INIT, *one[] = {&vring};

	good.name = NAME("good_packets");
	good.value = UINT64_MAX;
	zero.name = NAME("undersize_packets");
	drop.name = NAME("drop_too_big");
	drop.value = 7;
	own.name = NAME("refused_bad_size");
	own.value = 2;
	vring.port = NAME("alpha");
	vring.vring = 1;
	vring.counters = counters;
	vring.n_counters = 3;
	stats.vrings = one;
	stats.n_vrings = 1;
	stats.primary = primary;
	stats.n_primary = 1;
	response.body_case = RESPONSE_BODY(STATS);
	response.stats = &stats;
	return fake_send(fd, &response);
}

static bool answer_events(int fd, bool follow)
{
	Holdfast__Control__EventsReply events = HOLDFAST__CONTROL__EVENTS_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
	pb_event event = HOLDFAST__CONTROL__EVENT__INIT, *one[] = {&event};

	event.number = 5;
	event.realtime_ns = 1700000000123000000;
	event.kind = HOLDFAST__CONTROL__EVENT_KIND__VRING_REVOKED;
	event.port = NAME("alpha");
	event.duration_ns = 1500;
	event.detail = NAME("evil\n\033]0;title\a");
	events.events = one;
	events.n_events = 1;
	response.body_case = RESPONSE_BODY(EVENTS);
	response.events = &events;
	response.more = follow;
	if (!follow)
		return fake_send(fd, &response);
	fake_send(fd, &response);
	event.number = 6;
	fake_send(fd, &response);
	return false; /* the primary ends */
}

static bool answer_handover(int fd, const char *port, const char *to)
{
	Holdfast__Control__HandoverReply handover = HOLDFAST__CONTROL__HANDOVER_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	note(port, to, 0);
	if (!strcmp(to, "watch"))
		return fake_refuse(fd, -EPERM, "an observer runs nothing; attach it as vswitch");
	handover.moved = 7;
	handover.failed = !strcmp(to, "dying");
	handover.longest_pause_ns = 86000;
	response.body_case = RESPONSE_BODY(HANDOVER);
	response.handover = &handover;
	return fake_send(fd, &response);
}

/* The binary's name says what becomes of it. */
static bool answer_upgrade(int fd, const char *binary)
{
	Holdfast__Control__UpgradeReply upgrade = HOLDFAST__CONTROL__UPGRADE_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	if (binary) {
		note(binary, "", 0);
		asks = 0;
		if (strstr(binary, "foreign"))
			return fake_refuse(fd, -EPROTO, "it has abi 2; give another");
	}
	upgrade.version = NAME(binary ? "1.0.0" : "1.1.0");
	upgrade.binary = NAME("/sbin/holdfastd");
	upgrade.life = 3;
	upgrade.under_way = true;
	response.body_case = RESPONSE_BODY(UPGRADE);
	response.upgrade = &upgrade;
	/* The old one is still there at first, and hangs up then. */
	if (binary || ++asks < 3)
		return fake_send(fd, &response) && false;
	upgrade.under_way = false;
	if (strstr(asked_port, "stays")) {
		upgrade.error = -EMFILE;
		upgrade.reason = NAME("no descriptors; raise the limit");
		return fake_send(fd, &response);
	}
	upgrade.life = 4;
	upgrade.sessions = 7;
	upgrade.pause_ns = 3000000;
	if (!strstr(asked_port, "dies"))
		upgrade.from_version = NAME("1.0.0");
	return fake_send(fd, &response);
}

static bool answer_health(int fd, const char *port)
{
	Holdfast__Control__HealthReply health = HOLDFAST__CONTROL__HEALTH_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
	pb_check check = HOLDFAST__CONTROL__HEALTH_REPLY__CHECK__INIT, *checks[] = {&check};

	check.name = NAME("huge_pages");
	check.ok = true;
	health.healthy = strcmp(port, "beta") != 0;
	health.ports = 2;
	health.ports_ready = 1;
	health.checks = checks;
	health.n_checks = 1;
	response.body_case = RESPONSE_BODY(HEALTH);
	response.health = &health;
	return fake_send(fd, &response);
}

static bool answer_feature(int fd, const Holdfast__Control__FeatureRequest *request)
{
	Holdfast__Control__FeatureReply feature = HOLDFAST__CONTROL__FEATURE_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	if (request->verb != HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__GET) {
		note(request->port, "", request->mask);
		return fake_send(fd, &response);
	}
	feature.supported = 1ull << 32 | 1u << 15 | 1u << 29 | 1;
	feature.features = feature.supported & ~1ull;
	response.body_case = RESPONSE_BODY(FEATURE);
	response.feature = &feature;
	return fake_send(fd, &response);
}

static bool answer_add(int fd, const Holdfast__Control__PortAddRequest *request)
{
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	note(request->name, request->path, 0);
	asked_queues = request->queue_pairs;
	asked_client = request->client;
	if (!strcmp(request->name, "alpha"))
		return fake_refuse(fd, -EEXIST, "there is a port alpha; choose another name");
	return fake_send(fd, &response);
}

static bool answer(struct fake *fake, int fd, const pb_request *request)
{
	pb_response yes = HOLDFAST__CONTROL__RESPONSE__INIT;

	(void)fake;
	switch (request->body_case) {
	case REQUEST_BODY(VERSION):
		return answer_version(fd);
	case REQUEST_BODY(PORT_ADD):
		return answer_add(fd, request->port_add);
	case REQUEST_BODY(PORT_DEL):
		note(request->port_del->name, "", 0);
		return fake_send(fd, &yes);
	case REQUEST_BODY(PORT_LIST):
		return answer_list(fd, request->port_list->connected_only);
	case REQUEST_BODY(PORT_SHOW):
		return answer_show(fd, request->port_show->name, request->port_show->descriptors);
	case REQUEST_BODY(SECONDARY_LIST):
		return answer_secondaries(fd, request->secondary_list->name);
	case REQUEST_BODY(FEATURE):
		return answer_feature(fd, request->feature);
	case REQUEST_BODY(STATS):
		return answer_stats(fd);
	case REQUEST_BODY(EVENTS):
		return answer_events(fd, request->events->follow);
	case REQUEST_BODY(HANDOVER):
		return answer_handover(fd, request->handover->port, request->handover->to);
	case REQUEST_BODY(DRAIN):
		return answer_handover(fd, request->drain->force ? "drain by force" : "drain",
				       request->drain->name);
	case REQUEST_BODY(UPGRADE):
		return answer_upgrade(fd, request->upgrade->binary);
	case REQUEST_BODY(UPGRADE_STATUS):
		return answer_upgrade(fd, NULL);
	case REQUEST_BODY(HEALTH):
		return answer_health(fd, request->health->port);
	default:
		return fake_refuse(fd, -EOPNOTSUPP, "what?; ask something else");
	}
}

static char *out_text, *err_text;
static struct fake primary;

/* Splits at spaces; the run directory of the fake primary is added. The texts live until the next.
 */
static int run(const char *line)
{
	char copy[512], dir[96];
	char *argv[40];
	size_t out_size, err_size;
	FILE *out, *err;
	int argc = 0, code;

	free(out_text);
	free(err_text);
	out = open_memstream(&out_text, &out_size);
	err = open_memstream(&err_text, &err_size);
	REQUIRE(out && err);
	snprintf(copy, sizeof(copy), "holdfast %s", line);
	snprintf(dir, sizeof(dir), "--run-dir=%s", primary.dir);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
		argv[argc++] = word;
		if (argc == 1)
			argv[argc++] = dir;
	}
	code = cli_run(argc, argv, out, err);
	fclose(out);
	fclose(err);
	return code;
}

static bool out_has(const char *part)
{
	if (strstr(out_text, part))
		return true;
	fprintf(stderr, "not in the output: %s\n%s", part, out_text);
	return false;
}

static bool err_has(const char *part)
{
	if (strstr(err_text, part))
		return true;
	fprintf(stderr, "not in the error: %s\n%s", part, err_text);
	return false;
}

static bool err_is_one_line(void)
{
	return strchr(err_text, '\n') == err_text + strlen(err_text) - 1;
}

static void begin(void)
{
	fake_start(&primary, answer);
}

static void end(void)
{
	fake_stop(&primary);
}

static void every_command_writes_valid_json_and_safe_tables(void)
{
	static const char *const lines[] = {
		"version",
		"port list",
		"port show alpha --descriptors",
		"device list",
		"device show alpha",
		"secondary list",
		"secondary show vsw",
		"feature get",
		"feature get alpha",
		"feature enable alpha mrg_rxbuf",
		"feature disable csum",
		"stats",
		"stats alpha --all",
		"events",
		"health",
		"doctor alpha",
		"port add gamma --socket /x/y",
		"port del gamma",
		"port qemu-args alpha --tcg --qemu /no/such",
		"port libvirt-xml alpha",
	};
	char line[160];

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		bool away = strstr(lines[i], "gamma") || strstr(lines[i], "doctor");
		int code;

		code = run(lines[i]);
		CHECK(code == EXIT_OK || away);
		CHECK(!strchr(out_text, '\033') && *out_text);
		snprintf(line, sizeof(line), "-o json %s", lines[i]);
		code = run(line);
		CHECK(code == EXIT_OK || away);
		CHECK(json_is_valid(out_text));
		CHECK(out_has("\"schema\": 1"));
		snprintf(line, sizeof(line), "-o jsonl %s", lines[i]);
		run(line);
		CHECK(json_lines_are_valid(out_text));
	}
	end();
}

static void port_list_joins_the_parts_of_an_answer(void)
{
	begin();
	CHECK_EQ(run("port list"), EXIT_OK);
	CHECK(out_has("alpha") && out_has("be?[31mta") && out_has("ready") && out_has("listening"));
	CHECK_EQ(run("device list"), EXIT_OK);
	CHECK(out_has("alpha") && !strstr(out_text, "be?"));
	end();
}

static void port_show_decodes_everything(void)
{
	begin();
	CHECK_EQ(run("port show alpha --rings --descriptors"), EXIT_OK);
	CHECK(out_has("mrg_rxbuf event_idx version_1") && out_has("mq reply_ack"));
	CHECK(out_has("256 MiB") && out_has("4 KiB") && out_has("LAST_AVAIL"));
	CHECK(out_has("started enabled running") && out_has("0xdead000") && out_has("write"));
	CHECK(out_has("set up and owned"));
	CHECK_EQ(run("port show alpha -o json --rings"), EXIT_OK);
	CHECK(out_has("\"features\": 4831870976") && out_has("\"started\": true"));
	CHECK(out_has("\"kick_fd\": 20") && out_has("\"err_fd\": -1"));
	end();
}

static void a_port_without_front_end_is_shown_and_ends_with_3(void)
{
	begin();
	CHECK_EQ(run("port show beta"), EXIT_NOT_CONNECTED);
	CHECK(out_has("listening") && out_has("broken at"));
	CHECK_EQ(run("doctor beta"), EXIT_NOT_CONNECTED);
	end();
}

static void what_is_not_there_ends_with_1_and_one_line(void)
{
	begin();
	CHECK_EQ(run("port show nobody"), EXIT_FAILED);
	CHECK(err_is_one_line() && err_has("holdfast: no port 'nobody'; see holdfast port list"));
	CHECK_EQ(run("secondary show nobody"), EXIT_FAILED);
	CHECK(err_is_one_line());
	CHECK_EQ(run("port add alpha"), EXIT_FAILED);
	CHECK(err_has("choose another name"));
	end();
}

static void wrong_usage_ends_with_2_and_one_line(void)
{
	static const char *const lines[] = {
		"prot list",
		"port show",
		"port show a b",
		"port list -o xml",
		"port list --timeout never",
		"port list --timeout nan",
		"port add x --queues 0",
		"port add x --cuse --client",
		"port del x --watch",
		"stats --watch=0",
		"feature enable alpha",
		"feature enable alpha nonsense_feature",
		"feature disable mrg_rxbuf mrg_rxbuff",
		"feature get a --port b",
		"port qemu-args alpha --mem 100",
		"port qemu-args alpha --mac 01:00:00:00:00:00",
		"events --last x",
		"help nothing",
		"--frobnicate",
	};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int code = run(lines[i]);

		if (code != EXIT_USAGE || !err_is_one_line())
			fprintf(stderr, "%s: %d %s\n", lines[i], code, err_text);
		CHECK_EQ(code, EXIT_USAGE);
		CHECK(err_is_one_line());
		CHECK(!*out_text);
	}
	end();
}

static void no_primary_ends_with_3(void)
{
	snprintf(primary.dir, sizeof(primary.dir), "/tmp/hf-cli-test-nowhere");
	CHECK_EQ(run("port list"), EXIT_NOT_CONNECTED);
	CHECK(err_is_one_line() && err_has("start holdfastd"));
	CHECK_EQ(run("version -o json"), EXIT_NOT_CONNECTED);
	CHECK(json_is_valid(out_text) && out_has("\"primary\": null"));
	CHECK_EQ(run("doctor"), EXIT_NOT_CONNECTED);
	CHECK(out_has("primary answers") && out_has("huge pages"));
	CHECK_EQ(run("health"), EXIT_NOT_CONNECTED);
}

static void a_handover_says_what_moved_and_how_long_it_took(void)
{
	begin();
	CHECK_EQ(run("handover alpha --to new"), EXIT_OK);
	CHECK(!strcmp(asked_port, "alpha") && !strcmp(asked_path, "new"));
	CHECK(out_has("7") && out_has("86"));
	CHECK_EQ(run("handover all --to new -o json"), EXIT_OK);
	CHECK(!*asked_port);
	CHECK(out_has("\"moved\": 7") && out_has("\"longest_pause_ns\": 86000"));
	CHECK_EQ(run("handover alpha --to dying"), EXIT_FAILED);
	CHECK_EQ(run("handover alpha --to watch"), EXIT_FAILED);
	CHECK_EQ(run("handover alpha"), EXIT_USAGE);
	CHECK_EQ(run("handover --to new"), EXIT_USAGE);
	CHECK_EQ(run("drain old"), EXIT_OK);
	CHECK(!strcmp(asked_port, "drain") && !strcmp(asked_path, "old"));
	CHECK_EQ(run("drain old --force"), EXIT_OK);
	CHECK(!strcmp(asked_port, "drain by force"));
	CHECK_EQ(run("drain"), EXIT_USAGE);
	end();
}

static void an_upgrade_says_what_came_or_why_nothing_did(void)
{
	char here[256], wanted[300];

	begin();
	CHECK_EQ(run("upgrade"), EXIT_OK);
	CHECK(!*asked_port);
	CHECK(out_has("1.0.0") && out_has("1.1.0") && out_has("3.0 ms"));
	CHECK_EQ(run("upgrade --binary new -o json"), EXIT_OK);
	REQUIRE(getcwd(here, sizeof(here)) != NULL);
	snprintf(wanted, sizeof(wanted), "%.*s/new", (int)sizeof(asked_port) - 5, here);
	CHECK(strncmp(asked_port, wanted, sizeof(asked_port) - 1) == 0);
	CHECK(json_is_valid(out_text));
	CHECK(out_has("\"before\": \"1.0.0\"") && out_has("\"after\": \"1.1.0\""));
	CHECK(out_has("\"sessions\": 7") && out_has("\"pause_ns\": 3000000"));
	CHECK_EQ(run("upgrade --binary /foreign"), EXIT_FAILED);
	CHECK(err_is_one_line() && err_has("abi 2"));
	CHECK_EQ(run("upgrade --binary /stays"), EXIT_FAILED);
	CHECK(err_is_one_line() && err_has("raise the limit"));
	CHECK_EQ(run("upgrade --binary /dies"), EXIT_FAILED);
	CHECK(err_is_one_line() && err_has("ended at its start"));
	CHECK_EQ(run("upgrade now"), EXIT_USAGE);
	CHECK_EQ(run("upgrade --binary="), EXIT_USAGE);
	end();
}

static void health_ends_with_4_when_not_ready(void)
{
	begin();
	CHECK_EQ(run("health"), EXIT_OK);
	CHECK_EQ(run("health --port alpha"), EXIT_OK);
	CHECK_EQ(run("health --port beta"), EXIT_NOT_READY);
	CHECK(out_has("not ready"));
	end();
}

static void port_add_sends_what_was_asked(void)
{
	begin();
	CHECK_EQ(run("port add gamma --socket here.sock --client --queues 4"), EXIT_OK);
	CHECK(!strcmp(asked_port, "gamma") && asked_path[0] == '/' &&
	      strstr(asked_path, "/here.sock"));
	CHECK(asked_client);
	CHECK_EQ(asked_queues, 4);
	CHECK_EQ(run("port add gamma"), EXIT_OK);
	CHECK(asked_path[0] == '\0' && !asked_client);
	CHECK_EQ(run("port add hf0 --cuse --socket name"), EXIT_OK);
	CHECK(!strcmp(asked_path, "name"));
	end();
}

static void features_go_to_the_port_or_to_all(void)
{
	begin();
	CHECK_EQ(run("feature disable alpha mrg_rxbuf 29 0x1"), EXIT_OK);
	CHECK(!strcmp(asked_port, "alpha"));
	CHECK_EQ(asked_mask, 1u << 15 | 1u << 29 | 1);
	CHECK_EQ(run("feature enable mrg_rxbuf"), EXIT_OK);
	CHECK(asked_port[0] == '\0');
	CHECK_EQ(run("feature enable --port mq mq"), EXIT_OK);
	CHECK(!strcmp(asked_port, "mq"));
	CHECK_EQ(asked_mask, 1u << 22);
	end();
}

static void stats_show_zeros_only_when_asked(void)
{
	begin();
	CHECK_EQ(run("stats"), EXIT_OK);
	CHECK(out_has("18446744073709551615") && out_has("drop_too_big") &&
	      out_has("refused_bad_size"));
	CHECK(!strstr(out_text, "undersize_packets"));
	CHECK_EQ(run("stats --all"), EXIT_OK);
	CHECK(out_has("undersize_packets"));
	end();
}

static void followed_events_come_line_by_line_until_the_primary_ends(void)
{
	begin();
	CHECK_EQ(run("events --follow -o json"), EXIT_NOT_CONNECTED);
	CHECK(json_lines_are_valid(out_text));
	CHECK(out_has("\"number\":5") && out_has("\"number\":6") && out_has("vring_revoked"));
	CHECK_EQ(run("events --follow"), EXIT_NOT_CONNECTED);
	CHECK(strstr(out_text, "NUMBER") && !strstr(strstr(out_text, "NUMBER") + 1, "NUMBER"));
	CHECK(!strchr(out_text, '\033'));
	end();
}

static void the_doctor_finds_motion(void)
{
	begin();
	/* The path is a directory, and somebody is connected: that is what the fake says. */
	CHECK_EQ(run("doctor alpha"), EXIT_NOT_CONNECTED);
	CHECK(out_has("is no socket"));
	CHECK_EQ(run("doctor nobody -o json"), EXIT_FAILED);
	CHECK(json_is_valid(out_text) && out_has("\"step\": \"port exists\""));
	end();
}

static void help_is_there_on_every_level(void)
{
	CHECK_EQ(run("--help"), EXIT_OK);
	CHECK(out_has("port qemu-args NAME") && out_has("4 not ready"));
	CHECK_EQ(run("port --help"), EXIT_OK);
	CHECK(out_has("port add NAME") && !strstr(out_text, "secondary"));
	CHECK_EQ(run("port add --help"), EXIT_OK);
	CHECK(out_has("--queues N"));
	CHECK_EQ(run("help port add"), EXIT_OK);
	CHECK(out_has("--queues N"));
	CHECK_EQ(run("--version"), EXIT_OK);
	CHECK(out_has("holdfast "));
	CHECK_EQ(run(""), EXIT_USAGE);
	CHECK(err_has("commands:"));
}

/* As bash calls it. */
static const char *complete(const char *line)
{
	char *argv[] = {NAME("holdfast"), NAME("--bash-complete"), NULL};
	char point[24];
	size_t size;
	FILE *out;

	free(out_text);
	out = open_memstream(&out_text, &size);
	REQUIRE(out != NULL);
	snprintf(point, sizeof(point), "%zu", strlen(line));
	setenv("COMP_LINE", line, 1);
	setenv("COMP_POINT", point, 1);
	setenv("HOLDFAST_RUN_DIR", primary.dir, 1);
	CHECK_EQ(cli_run(2, argv, out, stderr), EXIT_OK);
	fclose(out);
	unsetenv("HOLDFAST_RUN_DIR");
	return out_text;
}

static void the_command_line_completes_itself(void)
{
	begin();
	CHECK(!strcmp(complete("holdfast po"), "port\n"));
	CHECK(!strcmp(complete("holdfast port qemu"), "qemu-args\n"));
	CHECK(!strcmp(complete("holdfast port show al"), "alpha\n"));
	CHECK(!strcmp(complete("holdfast port show alpha --ri"), "--rings\n"));
	CHECK(!strcmp(complete("holdfast -o jsonl"), "jsonl\n"));
	CHECK(!strcmp(complete("holdfast port list --output=t"), "table\n"));
	CHECK(!strcmp(complete("holdfast feature enable alpha mrg"), "mrg_rxbuf\n"));
	CHECK(!strcmp(complete("holdfast secondary show v"), "vsw\n"));
	CHECK(!strcmp(complete("holdfast help port qe"), "qemu-args\n"));
	CHECK(!strcmp(complete("holdfast nonsense x"), ""));
	/* A name that is no harmless word is not put into anybody's shell. */
	CHECK(!strcmp(complete("holdfast port show be"), ""));
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(every_command_writes_valid_json_and_safe_tables),
	SENTENCE(port_list_joins_the_parts_of_an_answer),
	SENTENCE(port_show_decodes_everything),
	SENTENCE(a_port_without_front_end_is_shown_and_ends_with_3),
	SENTENCE(what_is_not_there_ends_with_1_and_one_line),
	SENTENCE(wrong_usage_ends_with_2_and_one_line),
	SENTENCE(no_primary_ends_with_3),
	SENTENCE(a_handover_says_what_moved_and_how_long_it_took),
	SENTENCE(an_upgrade_says_what_came_or_why_nothing_did),
	SENTENCE(health_ends_with_4_when_not_ready),
	SENTENCE(port_add_sends_what_was_asked),
	SENTENCE(features_go_to_the_port_or_to_all),
	SENTENCE(stats_show_zeros_only_when_asked),
	SENTENCE(followed_events_come_line_by_line_until_the_primary_ends),
	SENTENCE(the_doctor_finds_motion),
	SENTENCE(help_is_there_on_every_level),
	SENTENCE(the_command_line_completes_itself),
};
SUITE("cli run", sentences)
