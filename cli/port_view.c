/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port's state may come in many Responses, and with descriptors one vring may be spread over
 * several. The first appearance of a vring is its row; later ones only add descriptors.
 */
#include <stdlib.h>
#include <string.h>

#include "ports.h"
#include "text.h"

/* Room grows by doubling: there may be many thousand descriptors. */
static bool is_full(size_t n)
{
	return (n & (n - 1)) == 0;
}

#define APPEND(array, n, item)                                                                     \
	do {                                                                                       \
		if (is_full(n))                                                                    \
			(array) = text_grow((array), (n) ? 2 * (n) : 1, sizeof(*(array)));         \
		(array)[n] = (item);                                                               \
	} while (0)

static const pb_vring *find_vring(const struct port_view *view, uint32_t index)
{
	/* Mostly the last one, when a ring's descriptors come in parts. */
	for (size_t i = view->nr_vrings; i-- > 0;)
		if (view->vrings[i]->index == index)
			return view->vrings[i];
	return NULL;
}

static void add_vring(struct port_view *view, const pb_vring *vring)
{
	if (!find_vring(view, vring->index)) {
		APPEND(view->vrings, view->nr_vrings, vring);
		view->nr_vrings++;
	}
	for (size_t i = 0; i < vring->n_descriptors; i++) {
		APPEND(view->descriptors, view->nr_descriptors, vring->descriptors[i]);
		APPEND(view->descriptor_vrings, view->nr_descriptors, vring->index);
		view->nr_descriptors++;
	}
}

static int by_index(const void *a, const void *b)
{
	const pb_vring *const *left = a, *const *right = b;

	return ((*left)->index > (*right)->index) - ((*left)->index < (*right)->index);
}

static void put_together(struct port_view *view)
{
	for (size_t i = 0; i < view->reply.nr_parts; i++) {
		const Holdfast__Control__PortShowReply *part = view->reply.parts[i]->port_show;

		if (part->port && !view->port)
			view->port = part->port;
		for (size_t r = 0; r < part->n_regions; r++) {
			APPEND(view->regions, view->nr_regions, part->regions[r]);
			view->nr_regions++;
		}
		for (size_t v = 0; v < part->n_vrings; v++)
			add_vring(view, part->vrings[v]);
	}
	if (view->nr_vrings)
		qsort(view->vrings, view->nr_vrings, sizeof(*view->vrings), by_index);
}

enum client_status port_view_ask(struct client *client, const char *name, bool descriptors,
				 struct port_view *ret)
{
	Holdfast__Control__PortShowRequest show = HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct port_view view = {0};
	enum client_status status;

	show.name = (char *)(uintptr_t)name; /* only read */
	show.descriptors = descriptors;
	request.body_case = REQUEST_BODY(PORT_SHOW);
	request.port_show = &show;
	status = client_call(client, &request, RESPONSE_BODY(PORT_SHOW), &view.reply);
	if (status != CLIENT_OK)
		return status;
	put_together(&view);
	if (!view.port) {
		port_view_free(&view);
		snprintf(client->reason, sizeof(client->reason),
			 "an answer without a port; use the holdfast of the same version as "
			 "holdfastd");
		return CLIENT_GARBAGE;
	}
	*ret = view;
	return CLIENT_OK;
}

int port_view_get(struct cli *cli, const char *name, bool descriptors, struct port_view *ret)
{
	enum client_status status = port_view_ask(&cli->client, name, descriptors, ret);

	return status == CLIENT_OK ? EXIT_OK : cli_call_failed(cli, status);
}

void port_view_free(struct port_view *view)
{
	free(view->regions);
	free(view->vrings);
	free(view->descriptors);
	free(view->descriptor_vrings);
	reply_free(&view->reply);
	*view = (struct port_view){0};
}
