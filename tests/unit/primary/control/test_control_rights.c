/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask for what. */
#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "control_client.h"
#include "ports.h"
#include "primary_scene.h"
#include "refusal.h"
#include "suite.h"

/* In the child, where no loop runs. */
static int error_on(int fd)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};
	Response *response;
	int error;

	if (hf_frame_receive(fd, &frame) <= 0)
		abort();
	response = (Response *)hf_frame_unpack(&holdfast__control__response__descriptor, bytes,
					       frame.len);
	if (!response)
		abort();
	error = response->error;
	free_response(response);
	return error;
}

/* Every user gets as far as being looked at. */
static void open_to_all(void)
{
	scene_open();
	scene.rig.conf.control_mode = 0666;
	REQUIRE(chmod(scene.rig.dir, 0755) == 0);
}

static void another_user_is_refused_in_words(void)
{
	int status = 0;
	pid_t pid;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	open_to_all();
	control_serve();
	pid = fork();
	if (pid == 0) {
		Holdfast__Control__PortDelRequest body = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;
		Request request = REQUEST_INIT;
		int fd;

		if (setuid(65534) < 0)
			_exit(1);
		fd = dial();
		request.body_case = ASK(PORT_DEL);
		request.port_del = &body;
		ask(fd, &request);
		_exit(-error_on(fd));
	}
	REQUIRE(pid > 0);
	status = rig_until_ended(&scene.rig, pid);
	CHECK_EQ(WEXITSTATUS(status), EACCES);
	CHECK_EQ(scene.primary->refusals[REFUSED_CONTROL_PEER], 1);
	scene_end();
}

/* What a process of user 4711 is answered to these requests: 0 or the error, one bit a request. */
static unsigned int answered_to(Request *const *requests, size_t count)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		unsigned int refused = 0;

		if (setgroups(0, NULL) < 0 || setgid(4711) < 0 || setuid(4711) < 0)
			abort();
		for (size_t i = 0; i < count; i++) {
			int fd = dial();

			ask(fd, requests[i]);
			refused |= (unsigned int)(error_on(fd) == -EACCES) << i;
			close(fd);
		}
		_exit((int)refused);
	}
	REQUIRE(pid > 0);
	status = rig_until_ended(&scene.rig, pid);
	return WIFEXITED(status) ? (unsigned int)WEXITSTATUS(status) : UINT_MAX;
}

/* Which of the requests, from reading to executing a program, a rule of this kind is refused. */
static unsigned int refused_by(const char *rule)
{
	Request version = REQUEST_INIT, get = REQUEST_INIT, rings = REQUEST_INIT;
	Request change = REQUEST_INIT, add = REQUEST_INIT, path = REQUEST_INIT;
	Request device = REQUEST_INIT, upgrade = REQUEST_INIT;
	Holdfast__Control__VersionRequest v = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__FeatureRequest g = HOLDFAST__CONTROL__FEATURE_REQUEST__INIT, c = g;
	Holdfast__Control__PortShowRequest s = HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;
	Holdfast__Control__PortAddRequest a = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT, p = a,
					  d = a;
	Holdfast__Control__UpgradeRequest u = HOLDFAST__CONTROL__UPGRADE_REQUEST__INIT;
	Request *const all[] = {&version, &get, &rings, &change, &add, &path, &upgrade, &device};
	unsigned int refused;

	version.body_case = ASK(VERSION);
	version.version = &v;
	get.body_case = change.body_case = ASK(FEATURE);
	get.feature = &g;
	c.verb = HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__DISABLE;
	c.mask = 1;
	change.feature = &c;
	s.name = a.name = TEXT("vm0");
	s.descriptors = true;
	rings.body_case = ASK(PORT_SHOW);
	rings.port_show = &s;
	add.body_case = path.body_case = ASK(PORT_ADD);
	add.port_add = &a;
	p.name = TEXT("vm1");
	p.path = TEXT("/nowhere/at/all");
	path.port_add = &p;
	d.name = TEXT("vm2");
	d.kind = HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
	device.body_case = ASK(PORT_ADD);
	device.port_add = &d;
	upgrade.body_case = ASK(UPGRADE);
	u.binary = TEXT("/bin/true");
	upgrade.upgrade = &u;

	open_to_all();
	REQUIRE(allow_add_control(&scene.rig.conf.control_rules, rule) == 0);
	control_serve();
	refused = answered_to(all, ARRAY_SIZE(all));
	CHECK_EQ(scene.primary->refusals[REFUSED_CONTROL_RIGHTS] +
			 scene.primary->refusals[REFUSED_CONTROL_PEER],
		 __builtin_popcount(refused));
	if (port_find(scene.primary, "vm0"))
		CHECK_EQ(port_del(scene.primary, "vm0"), 0);
	scene_end();
	return refused;
}

static void a_rule_lets_look_or_operate_and_never_execute(void)
{
	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	CHECK_EQ(refused_by("user:4712=operate"), 0xff);
	CHECK_EQ(refused_by("user:4711"), 0xfc);
	CHECK_EQ(refused_by("group:4711=operate"), 0xe0);
}

static const struct sentence sentences[] = {
	CATALOGUE(another_user_is_refused_in_words, "[C-4]"),
	CATALOGUE(a_rule_lets_look_or_operate_and_never_execute, "[C-4]"),
};
SUITE("control_rights", sentences)
