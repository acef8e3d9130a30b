/* SPDX-License-Identifier: Apache-2.0 */
/* Names and remedies of the reasons. A remedy is written for the person who reads the log. */
#include "refusal.h"

#include "check.h"
#include "primary.h"

#define UPGRADE "use a front-end that follows the vhost-user specification"
#define RESTART "restart the front-end"
#define LIBRARY "use the library or command that came with this primary"
#define MEMORY                                                                                     \
	"guest memory must be a memfd or a file on tmpfs or hugetlbfs (QEMU: "                     \
	"memory-backend-memfd,share=on)"
#define ADDRESSES "the front-end must share all guest memory (QEMU: share=on)"

static const char *const names[] = {
#define X(id, name) name,
	REFUSALS(X)
#undef X
};
static_assert(ARRAY_SIZE(names) == NR_REFUSALS, "one name each");
static_assert(NR_REFUSALS <= ARRAY_SIZE(((struct primary *)0)->refusals), "one counter each");

static const char *const remedies[NR_REFUSALS] = {
	[REFUSED_FDS_LOST] = "raise the limit of open files (ulimit -n) of holdfastd",
	[REFUSED_MESSAGE_TIMEOUT] = "is the front-end stopped or very slow? " RESTART,
	[REFUSED_CUT_OFF] = "see the front-end's log for why it ended",
	[REFUSED_REPLY_TIMEOUT] = "is the front-end stopped? " RESTART,
	[REFUSED_NOT_NEGOTIATED] = "negotiate the feature first, or " UPGRADE,
	[REFUSED_VRING_INDEX] = "give the port more queue pairs (--port NAME,queues=N)",
	[REFUSED_UNSUPPORTED_FEATURE] = "acknowledge offered features only (holdfast feature get)",
	[REFUSED_REGION_RANGE] = ADDRESSES,
	[REFUSED_REGION_TABLE_FULL] = "give the guest fewer memory slots",
	[REFUSED_REGION_FILE] = MEMORY,
	[REFUSED_REGION_MAP] = ADDRESSES,
	[REFUSED_RING_ADDRESS] = ADDRESSES,
	[REFUSED_FOREIGN_FD] = "close(2) of descriptors that came with messages does not return: "
			       "end who serves those files, and " RESTART,
	[REFUSED_NO_RESOURCES] = "raise the limits of memory and open files of holdfastd; for "
				 "memory on hugepages, reserve more (vm.nr_hugepages)",
	[REFUSED_CALLER] =
		"holdfastd must see the front-end's process: in the same pid namespace, or "
		"one above",
	[REFUSED_NOT_THE_OWNER] = "only the process that said SET_OWNER may set the device up",
	[REFUSED_MEMORY_PRIVATE] =
		"share the guest's memory (QEMU: -object "
		"memory-backend-memfd,id=mem,size=SIZE,share=on -machine memory-backend=mem)",
	[REFUSED_MEMORY_HIDDEN] =
		"run holdfastd as root, or with CAP_SYS_PTRACE, "
		"CAP_DAC_READ_SEARCH and CAP_CHECKPOINT_RESTORE; see docs/cuse.md",
	[REFUSED_RACED] = RESTART,
	[REFUSED_LOOK_DEADLINE] =
		"the front-end's memory could not be looked at in time: does it "
		"map a file of FUSE or NFS whose server hangs? end that, and " RESTART,
	[REFUSED_LOOKS_BUSY] = "too many front-ends' memory takes long to be looked at: see which "
			       "ones were refused memory_look_deadline, end them, and " RESTART,
	[REFUSED_GREET_DEADLINE] = "is the front-end stopped? " RESTART " (--greet-deadline)",
	[REFUSED_THROTTLED] = "raise --message-rate if the front-end is a good one",
	[REFUSED_ENDS_OWNERS] =
		"switches died in bursts of it, one after the other; it is tried "
		"again by and by, or when its guest restarts: look into why they died",
	[REFUSED_SECOND_CLIENT] = "a port serves one front-end; add another port",
	[REFUSED_CONNECTION_RATE] = "raise --connection-rate if the user is a good one",
	[REFUSED_ATTACH_PEER] = "run it as root or as the user of holdfastd, or --allow-attach it",
	[REFUSED_ATTACH_RIGHTS] = "give it a wider pattern (--allow-attach)",
	[REFUSED_ATTACH_VERSION] = LIBRARY,
	[REFUSED_ATTACH_MESSAGE] = LIBRARY,
	[REFUSED_ATTACH_NAME] = "give it another name (--name)",
	[REFUSED_ATTACH_FULL] = "raise --max-secondaries",
	[REFUSED_ATTACH_SLOW] = "the secondary must call its dispatch function; restart it",
	[REFUSED_ATTACH_UNPAID] = "a secondary asked for more than its user may, and closed; look "
				  "into what that user runs",
	[REFUSED_CONTROL_PEER] =
		"run it as root or as the user of holdfastd, or --allow-control it",
	[REFUSED_CONTROL_RIGHTS] = "give it more (--allow-control user:NAME=operate)",
	[REFUSED_CONTROL_MESSAGE] = LIBRARY,
	[REFUSED_CONTROL_SLOW] = "read faster, or ask for less",
	[REFUSED_LANE_LIES] = "the secondary's memory is damaged; restart it",
};

const char *refusal_name(enum refusal reason)
{
	return reason < NR_REFUSALS ? names[reason] : "unknown";
}

const char *refusal_remedy(enum refusal reason)
{
	return reason < NR_REFUSALS && remedies[reason] ? remedies[reason] : UPGRADE;
}

void refusal_count(struct primary *primary, enum refusal reason)
{
	if (reason < NR_REFUSALS)
		primary->refusals[reason]++;
}
