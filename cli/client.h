/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation with the primary over its control socket. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>

#include "frame.h"
#include "messages.h"

/* Bounds on one answer, so that no primary can make us eat the machine. */
#define CLIENT_MAX_RESPONSES 8192u
#define CLIENT_MAX_BYTES     (64u * 1024u * 1024u)

enum client_status {
	CLIENT_OK,
	CLIENT_UNREACHABLE, /* nobody listens, or no answer in time */
	CLIENT_REFUSED,	    /* the primary said no; `error` and `reason` are its own */
	CLIENT_GARBAGE,	    /* an answer that is none */
};

struct client {
	const char *run_dir; /* caller's */
	unsigned timeout_ms; /* for a whole answer; 0 waits for ever */
	int fd;		     /* -1: not connected; the first call connects */
	struct hf_frame frame;
	int error;	  /* -errno of a refusal */
	char reason[512]; /* one line for people when the status is not OK */
};

/* The Responses of one answer; all of the expected kind. */
struct reply {
	pb_response **parts;
	size_t nr_parts;
};

void client_init(struct client *client, const char *run_dir, unsigned timeout_ms);
void client_close(struct client *client);
/* The next call connects anew. */
void client_hang_up(struct client *client);

/*
 * Send a request and collect its answer. `body` is the kind of Response expected, RESPONSE_NO_BODY
 * when only the yes counts. On success the caller frees with reply_free.
 */
enum client_status client_call(struct client *client, pb_request *request, int body,
			       struct reply *ret);
void reply_free(struct reply *reply);

/* Send, then hand each Response over until `each` returns false. Waits without a time limit: on a
 * stream silence is no fault.
 */
enum client_status client_stream(struct client *client, pb_request *request, int body,
				 bool (*each)(void *context, const pb_response *response),
				 void *context);

#endif
