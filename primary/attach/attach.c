/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attach handshake.
 *
 * Whoever connects is a newcomer of this file until its Hello was good: it has two seconds, one
 * packet, and one of a few places. Everything about it that matters comes from the kernel: its
 * user and process by the socket's peer credentials, and a pidfd of that process, which stays true
 * when the number is given to another process. Only then does it get memory: a lane of its own,
 * and a descriptor of the directory that cannot be mapped writable.
 *
 * A process that we could not kill is not let in: fencing it is what keeps a stuck burst from
 * storing into memory that a front-end was told is its own again.
 */
#include "attach.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "attach_check.h"
#include "check.h"
#include "clock.h"
#include "directory.h"
#include "event.h"
#include "fd.h"
#include "foreign.h"
#include "frame.h"
#include "grant.h"
#include "headroom.h"
#include "journal.h"
#include "lane.h"
#include "listener.h"
#include "log.h"
#include "outbox.h"
#include "primary.h"
#include "refusal.h"
#include "retire.h"
#include "revoke.h"
#include "secondary.h"
#include "secondary_life.h"
#include "stream.h"
#include "unusable.h"

#define TAG		"attach"
#define HELLO_NS	(2 * NS_PER_S)
#define MAX_NEWCOMERS	64u
#define MAX_NAMED	48u
#define MAX_STRANGERS	16u
#define HOUSEKEEPING_NS NS_PER_S

struct newcomer {
	struct attach *attach;
	int socket; /* -1: free place */
	struct peer peer;
	uint32_t allowed; /* rules that fit it (allow.h); 0: it will be refused */
	struct loop_source source;
	struct loop_timer deadline;
};

struct attach {
	struct primary *primary;
	struct listener listener;
	int directory_fd; /* read-only */
	struct newcomer newcomers[MAX_NEWCOMERS];
	struct loop_timer housekeeping;
	struct hf_log_limit log_limit;
	uint8_t bytes[HF_FRAME_MAX_BYTES]; /* one packet */
};

/* Say why, count, and close. */
static void turn_away(struct attach *attach, int socket, const struct peer *peer,
		      struct attach_refused *refused)
{
	Holdfast__Attach__Refused body = HOLDFAST__ATTACH__REFUSED__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	body.error = refused->error;
	body.reason = refused->reason;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_REFUSED;
	message.refused = &body;
	listener_turn_away(&attach->listener, socket, &message.base);
	refusal_count(attach->primary, refused->counter);
	if (!hf_log_allowed(&attach->log_limit))
		return;
	event_emit(attach->primary, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_REFUSED, NULL, NULL,
		   -1, 0, "process %d, user %u: %s", peer->pid, peer->uid, refused->reason);
}

/* The place is free; the socket is the caller's. */
static int newcomer_leaves(struct newcomer *newcomer)
{
	struct loop *loop = newcomer->attach->primary->loop;

	loop_remove(loop, &newcomer->source);
	loop_timer_clear(loop, &newcomer->deadline);
	return hf_fd_take(&newcomer->socket);
}

static void newcomer_gone(struct newcomer *newcomer)
{
	int socket = newcomer_leaves(newcomer);

	listener_drop(&newcomer->attach->listener, &socket);
}

void attach_welcome(struct secondary *secondary)
{
	struct primary *primary = secondary->primary;
	struct attach *attach = primary->attach;
	Holdfast__Attach__Welcome welcome = HOLDFAST__ATTACH__WELCOME__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	int fds[2] = {attach->directory_fd, secondary->lane.fd};
	char version[] = HOLDFAST_VERSION;

	welcome.secondary = secondary->slot;
	welcome.id = secondary->id;
	welcome.epoch = primary->directory.header.epoch;
	welcome.lane_bytes = secondary->lane.size;
	welcome.version = version;
	welcome.fence = !hf_lane_can_fence();
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_WELCOME;
	message.welcome = &welcome;
	secondary_send(secondary, &message, fds, ARRAY_SIZE(fds));
	journal_welcomed(secondary);
}

static void printable(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from);
	for (; *to; to++)
		if (!isprint((unsigned char)*to))
			*to = '?';
}

static int create(struct newcomer *newcomer, const Holdfast__Attach__Hello *hello, int pidfd,
		  struct secondary **ret_secondary)
{
	char version[32];
	struct secondary_identity identity = {
		.name = hello->name,
		.role = hello->role,
		.priority = hello->priority,
		.globs = hello->ports,
		.nr_globs = hello->n_ports,
		.version = version,
		.membarrier = hello->membarrier,
		.pid = newcomer->peer.pid,
		.uid = newcomer->peer.uid,
		.allowed = newcomer->allowed,
	};
	int error;

	printable(version, sizeof(version), hello->version);
	error = secondary_create(newcomer->attach->primary, &identity, newcomer->socket, pidfd,
				 ret_secondary);
	if (error)
		return error;
	(void)newcomer_leaves(newcomer); /* the socket is the secondary's */
	error = secondary_listen(*ret_secondary);
	if (error)
		secondary_destroy(*ret_secondary);
	return error;
}

/* A rule let that one in, and who is `allowed` this may all: a name is no more than a word, and
 * would keep a switch of root's out. */
static bool outranks(uint32_t allowed, const struct secondary *namesake)
{
	return allowed == ALLOW_ANY_PORT && namesake->allowed != ALLOW_ANY_PORT;
}

/* Somebody of that name who is really there; one that is just going does not count. Of those whom
 * one that is `allowed` this outranks, or of the others. */
static struct secondary *namesake(const struct primary *primary, const char *name, uint32_t allowed,
				  bool outranked)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (s && (s->storing || secondary_usable(s)) && strcmp(s->name, name) == 0 &&
		    outranks(allowed, s) == outranked && !attach_hung_up(s->socket))
			return s;
	}
	return NULL;
}

static void cut_off(struct secondary *namesake)
{
	log_warning(namesake->tag,
		    "cut off: a secondary that may serve any port has come with its name; give "
		    "this one another: --name");
	refusal_count(namesake->primary, REFUSED_ATTACH_NAME);
	secondary_leave(namesake, false); /* may be its end */
}

/* Whom a rule lets in cannot take the places of those who may all. */
static bool is_crowded(const struct primary *primary, uint32_t allowed)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i] && primary->secondaries[i]->allowed != ALLOW_ANY_PORT)
			count++;
	return allowed != ALLOW_ANY_PORT && count >= (primary->conf->max_secondaries + 1) / 2;
}

static void begin(struct secondary *secondary)
{
	struct secondary *other;

	attach_welcome(secondary);
	event_emit(secondary->primary, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_ATTACHED, NULL,
		   secondary->name, -1, 0, "process %d", secondary->pid);
	if (secondary->role != HOLDFAST__ATTACH__ROLE__OBSERVER) {
		grant_relief_came(secondary);
		grant_offer_all(secondary->primary);
	}
	/* Not before this one may run anything: or its ports would be with nobody. */
	other = namesake(secondary->primary, secondary->name, secondary->allowed, true);
	if (other)
		cut_off(other);
}

static bool let_in(struct newcomer *newcomer, const Holdfast__Attach__Hello *hello,
		   struct attach_refused *refused)
{
	struct attach *attach = newcomer->attach;
	struct secondary *secondary;
	int pidfd, error;

	if (namesake(attach->primary, hello->name, newcomer->allowed, false)) {
		attach_refuse(refused, -EEXIST, REFUSED_ATTACH_NAME,
			      "a secondary named %s is attached; give this one another: --name",
			      hello->name);
		return false;
	}
	if (is_crowded(attach->primary, newcomer->allowed)) {
		attach_refuse(refused, -EBUSY, REFUSED_ATTACH_FULL,
			      "half of the places for secondaries are taken by those that a rule "
			      "let in; start holdfastd with more (--max-secondaries)");
		return false;
	}
	if (!headroom_for_new(attach->primary, NEW_SECONDARY, newcomer->socket)) {
		attach_refuse(refused, -EMFILE, REFUSED_NO_RESOURCES,
			      "too few descriptors are left for one more secondary; raise the "
			      "limit of open files of holdfastd (ulimit -n)");
		return false;
	}
	pidfd = attach_identify(attach->primary->conf, newcomer->socket, &newcomer->peer, refused);
	if (pidfd < 0)
		return false;
	error = create(newcomer, hello, pidfd, &secondary);
	if (error && newcomer->socket >= 0)
		hf_fd_close(&pidfd);
	if (error == -EBUSY)
		attach_refuse(refused, -EBUSY, REFUSED_ATTACH_FULL,
			      "all %u places for secondaries are taken; start holdfastd with more "
			      "(--max-secondaries)",
			      attach->primary->conf->max_secondaries);
	else if (error == -EMFILE)
		attach_refuse(refused, error, REFUSED_NO_RESOURCES,
			      "its descriptors cannot be kept for holdfastd's next life; raise the "
			      "limit of open files, or FileDescriptorStoreMax=");
	else if (error)
		attach_refuse(refused, error, REFUSED_NO_RESOURCES,
			      "no lane for it (%s); give holdfastd more memory or open files",
			      strerrordesc_np(-error));
	if (error)
		return false;
	if (!secondary->storing)
		begin(secondary);
	return true;
}

void attach_stored_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (!s || !s->storing)
			continue;
		s->storing = false;
		if (secondary_usable(s))
			begin(s);
	}
}

static void on_hello(struct newcomer *newcomer, const struct hf_frame *frame)
{
	struct attach_refused refused = {0};
	ProtobufCMessage *message = hf_frame_unpack(&holdfast__attach__to_primary__descriptor,
						    frame->bytes, frame->len);
	const Holdfast__Attach__ToPrimary *to = (const Holdfast__Attach__ToPrimary *)message;
	bool in = false;

	if (!to || to->body_case != HOLDFAST__ATTACH__TO_PRIMARY__BODY_HELLO || frame->nr_fds)
		attach_refuse(
			&refused, -EPROTO, REFUSED_ATTACH_MESSAGE,
			"the first message is not a Hello; use the library that came with the "
			"primary");
	else
		in = attach_hello_ok(to->hello, &refused) && let_in(newcomer, to->hello, &refused);
	if (!in && newcomer->socket >= 0)
		turn_away(newcomer->attach, newcomer_leaves(newcomer), &newcomer->peer, &refused);
	hf_frame_free_unpacked(message);
}

/* Not before it has spoken: a peer that is still writing its Hello would not read our answer. */
static void refuse_user(struct newcomer *newcomer)
{
	struct attach_refused refused;

	attach_refuse(
		&refused, -EACCES, REFUSED_ATTACH_PEER,
		"user %u may not attach; run it as root or as the primary's user, or let it in "
		"(--allow-attach)",
		newcomer->peer.uid);
	turn_away(newcomer->attach, newcomer_leaves(newcomer), &newcomer->peer, &refused);
}

/* No Hello has any: none is ever installed. */
static void refuse_descriptors(struct newcomer *newcomer)
{
	struct attach_refused refused;

	attach_refuse(&refused, -EPROTO, REFUSED_ATTACH_MESSAGE,
		      "the first message is not a Hello; use the library that came with the "
		      "primary");
	turn_away(newcomer->attach, newcomer_leaves(newcomer), &newcomer->peer, &refused);
}

static void on_newcomer(struct loop_source *source, uint32_t events)
{
	struct newcomer *newcomer = container_of(source, struct newcomer, source);
	struct hf_frame frame = {.bytes = newcomer->attach->bytes};
	ssize_t n;

	(void)events;
	if (foreign_in_queue(newcomer->socket)) {
		refuse_descriptors(newcomer);
		return;
	}
	n = hf_frame_receive(newcomer->socket, &frame);
	if (n == -EAGAIN)
		return;
	if (n > 0 && newcomer->allowed)
		on_hello(newcomer, &frame);
	else if (n > 0)
		refuse_user(newcomer);
	else if (n == -EMSGSIZE)
		refusal_count(newcomer->attach->primary, REFUSED_ATTACH_MESSAGE);
	hf_frame_close_fds(&frame);
	if (newcomer->socket >= 0)
		newcomer_gone(newcomer);
}

static void on_deadline(struct loop_timer *timer)
{
	struct newcomer *newcomer = container_of(timer, struct newcomer, deadline);
	struct attach_refused refused;

	attach_refuse(&refused, -ETIMEDOUT, REFUSED_ATTACH_MESSAGE,
		      "no Hello within 2 seconds; use the library that came with the primary");
	turn_away(newcomer->attach, newcomer_leaves(newcomer), &newcomer->peer, &refused);
}

/* Who will be refused anyway has only the first few places; whom a rule lets in leaves some for
 * those who may all. */
static struct newcomer *free_place(struct attach *attach, uint32_t allowed)
{
	size_t places = allowed == ALLOW_ANY_PORT ? MAX_NEWCOMERS
			: allowed		  ? MAX_NAMED
						  : MAX_STRANGERS;

	for (size_t i = 0; i < places; i++)
		if (attach->newcomers[i].socket < 0)
			return &attach->newcomers[i];
	return NULL;
}

static_assert(ALLOW_RULES <= USERS_RULES, "an allowance for each");

static int rule_of(struct listener *listener, const struct peer *peer)
{
	struct attach *attach = container_of(listener, struct attach, listener);

	return allow_rule_of(&attach->primary->conf->attach_rules, peer);
}

static void on_over(struct listener *listener)
{
	struct attach *attach = container_of(listener, struct attach, listener);

	refusal_count(attach->primary, REFUSED_CONNECTION_RATE);
}

static void on_shut(struct listener *listener)
{
	struct attach *attach = container_of(listener, struct attach, listener);

	refusal_count(attach->primary, REFUSED_FOREIGN_FD);
}

static void on_accepted(struct listener *listener, int socket, const struct peer *peer)
{
	struct attach *attach = container_of(listener, struct attach, listener);
	struct loop *loop = attach->primary->loop;
	uint32_t allowed = allow_attach(&attach->primary->conf->attach_rules, peer);
	struct newcomer *newcomer = free_place(attach, allowed);
	struct attach_refused refused;

	if (!newcomer) {
		attach_refuse(&refused, -EBUSY, REFUSED_ATTACH_FULL,
			      "too many processes are attaching at once; try again");
		turn_away(attach, socket, peer, &refused);
		return;
	}
	newcomer->socket = socket;
	newcomer->peer = *peer;
	newcomer->allowed = allowed;
	newcomer->source = (struct loop_source){.ready = on_newcomer, .fd = -1};
	newcomer->deadline = (struct loop_timer){.fire = on_deadline};
	if (loop_add(loop, &newcomer->source, socket, EPOLLIN) < 0 ||
	    loop_timer_set(loop, &newcomer->deadline, HELLO_NS) < 0)
		newcomer_gone(newcomer);
}

static void on_housekeeping(struct loop_timer *timer)
{
	struct attach *attach = container_of(timer, struct attach, housekeeping);

	grant_check_broken(attach->primary);
	grant_offer_again(attach->primary, hf_now_ns());
	grant_forgive(attach->primary, hf_now_ns());
	revoke_look_again(attach->primary);
	secondaries_look(attach->primary, hf_now_ns());
	foreign_bury_ended();
	(void)loop_timer_set(attach->primary->loop, timer, HOUSEKEEPING_NS);
}

int attach_open(struct primary *primary)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	int error, listening;

	if (!attach)
		return -ENOMEM;
	attach->primary = primary;
	attach->listener = (struct listener){.accepted = on_accepted,
					     .rule_of = rule_of,
					     .over = on_over,
					     .shut = on_shut,
					     .rate = primary->conf->connection_rate,
					     .burst = primary->conf->connection_burst,
					     .fd = -1};
	attach->housekeeping = (struct loop_timer){.fire = on_housekeeping};
	for (size_t i = 0; i < MAX_NEWCOMERS; i++)
		attach->newcomers[i] = (struct newcomer){.attach = attach, .socket = -1};
	primary->attach = attach;
	attach->directory_fd = hf_memory_readonly_fd(&primary->directory_memory);
	error = attach->directory_fd < 0 ? attach->directory_fd : 0;
	listening = journal_take_listener(primary, false);
	if (!error && listening >= 0)
		error = listener_adopt(&attach->listener, primary->loop, primary->conf->run_dir,
				       "attach.sock", listening);
	else if (!error)
		error = listener_open(&attach->listener, primary->loop, primary->conf->run_dir,
				      "attach.sock", primary->conf->attach_mode);
	if (!error && listening < 0)
		error = stream_give_to(attach->listener.path, primary->conf->socket_group);
	if (!error)
		journal_listener(primary, false, attach->listener.fd);
	if (!error)
		error = loop_timer_set(primary->loop, &attach->housekeeping, HOUSEKEEPING_NS);
	if (error)
		attach_close(primary);
	return error;
}

void attach_hold(struct primary *primary, bool hold)
{
	listener_hold(&primary->attach->listener, hold);
}

bool attach_at_rest(const struct primary *primary)
{
	for (size_t i = 0; i < MAX_NEWCOMERS; i++)
		if (primary->attach->newcomers[i].socket >= 0)
			return false;
	return true;
}

struct user *attach_user(const struct secondary *secondary)
{
	struct attach *attach = secondary->primary->attach;
	struct peer peer;

	peer_of(secondary->socket, &peer);
	return attach && !peer_is_own(&peer) ? listener_user(&attach->listener, &peer) : NULL;
}

void attach_left_foreign(const struct secondary *secondary)
{
	struct attach *attach = secondary->primary->attach;
	struct peer peer;

	peer_of(secondary->socket, &peer);
	if (attach && !peer_is_own(&peer))
		listener_charge(&attach->listener, &peer);
}

void attach_drop(struct secondary *secondary)
{
	struct attach *attach = secondary->primary->attach;

	if (attach)
		listener_drop(&attach->listener, &secondary->socket);
	else
		foreign_close_socket(&secondary->foreign, &secondary->socket);
}

void attach_close(struct primary *primary)
{
	struct attach *attach = primary->attach;

	if (!attach)
		return;
	loop_timer_clear(primary->loop, &attach->housekeeping);
	for (size_t i = 0; i < MAX_NEWCOMERS; i++)
		newcomer_gone(&attach->newcomers[i]);
	grant_withdraw_all(primary);
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			secondary_destroy(primary->secondaries[i]);
	listener_close(&attach->listener);
	hf_fd_close(&attach->directory_fd);
	free(attach);
	primary->attach = NULL;
}
