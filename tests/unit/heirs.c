/* SPDX-License-Identifier: Apache-2.0 */
#include "heirs.h"

#include <signal.h>
#include <stdlib.h>

#include "fd.h"
#include "fd_ledger.h"
#include "journal.h"
#include "lives.h"
#include "log.h"
#include "resume.h"
#include "session.h"
#include "suite.h"

struct rig rig;
struct primary *const p = &rig.primary;
struct primary heir;
struct port *port;
int front;
static int open_before;

void begin_life(void)
{
	signal(SIGPIPE, SIG_IGN);
	open_before = fds_open();
	rig_open(&rig);
	lives_begin(p);
	hf_log_set_level(0); /* refusals say so */
}

void end_life(void)
{
	lives_end(p);
	rig_close(&rig);
	CHECK_EQ(fds_open(), open_before);
}

void make_session(uint32_t nr_vrings)
{
	port = lives_session(&rig, nr_vrings, 4, &front);
}

void end_session(void)
{
	struct session *session = port->session;

	port->session = NULL;
	hf_fd_close(&session->socket);
	free(session);
	hf_fd_close(&front);
}

void adopt(void)
{
	lives_inherit(&heir, p, &rig.conf);
	REQUIRE(journal_adopt(&heir) == 0);
	lives_inherit_directory(&heir);
}

struct port *take_over(void)
{
	adopt();
	REQUIRE(resume_secondaries(&heir) == 0);
	REQUIRE(resume_ports(&heir) == 0);
	REQUIRE(heir.ports[0] != NULL);
	return heir.ports[0];
}
