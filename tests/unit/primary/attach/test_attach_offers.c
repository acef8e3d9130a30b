/* SPDX-License-Identifier: Apache-2.0 */
/* Who attaches is offered what waits for somebody. */
#include <errno.h>

#include "attach_client.h"
#include "clock.h"
#include "fd.h"
#include "suite.h"
#include "unusable.h"

static void who_attaches_is_offered_what_waits(void)
{
	struct port *port;
	struct rig rig;
	Answer *answer;
	int observer, vswitch;

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 2);
	observer = attached(&rig, ROLE(OBSERVER));
	CHECK(port->device.owner == NULL);
	vswitch = attached(&rig, ROLE(VSWITCH));
	CHECK(port->device.owner == rig.primary.secondaries[1]);
	answer = answer_on(&rig, vswitch);
	CHECK(answer && answer->body_case == TO_SECONDARY(DEVICE_MEMORY));
	rig_message_free(answer);
	rig_until(&rig, NULL, NULL, 5);
	CHECK(!is_readable(&observer));
	hf_fd_close(&observer);
	hf_fd_close(&vswitch);
	rig_close(&rig);
}

static void who_attaches_has_at_once_what_another_one_lacks_for(void)
{
	uint64_t far = hf_now_ns() + 100 * NS_PER_S;
	struct secondary *poor, *rich;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[3];

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	s[0] = attached(&rig, ROLE(VSWITCH));
	poor = rig.primary.secondaries[0];
	for (int i = 0; i < 7; i++) {
		grant_offer_again(&rig.primary, far);
		REQUIRE(vring->owner == poor);
		CHECK_EQ(grant_unusable(poor, vring, vring->grant, -EMFILE), 0);
	}
	s[1] = attached(&rig, ROLE(OBSERVER)); /* runs nothing */
	CHECK(vring->owner == NULL && port->device.owner == poor);
	s[2] = attached(&rig, ROLE(VSWITCH));
	rich = rig.primary.secondaries[2];
	CHECK(vring->owner == rich && port->device.owner == rich);
	hf_fd_close_all(s, 3);
	rig_close(&rig);
}

/* Its owner has what it takes by now, or it will soon go to the other one. */
static void who_attaches_ends_the_wait_of_a_ring(void)
{
	struct vring *vring;
	struct port *port;
	struct rig rig;
	int s[2];

	open_attach(&rig);
	port = rig_port(&rig, "vm0", 1);
	vring = &port->device.vrings[0];
	s[0] = attached(&rig, ROLE(VSWITCH));
	REQUIRE(vring->owner != NULL);
	CHECK_EQ(grant_unusable(vring->owner, vring, vring->grant, -EMFILE), 0);
	vring->put_off_ns = UINT64_MAX;
	s[1] = attached(&rig, ROLE(STANDBY));
	CHECK(vring->owner && vring->owner == rig.primary.secondaries[0]);
	CHECK_EQ(vring->lacked, 1);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	SENTENCE(who_attaches_is_offered_what_waits),
	SENTENCE(who_attaches_has_at_once_what_another_one_lacks_for),
	SENTENCE(who_attaches_ends_the_wait_of_a_ring),
};
SUITE("attach offers", sentences)
