/* SPDX-License-Identifier: Apache-2.0 */
/* feature get, enable, disable. */
#include "bits.h"

#include <stdlib.h>
#include <string.h>

#include "ports.h"
#include "text.h"

typedef Holdfast__Control__FeatureRequest__Verb verb;
#define VERB(name) HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__##name

struct feature_row {
	unsigned bit;
	bool supported, offered;
	bool has_negotiated, negotiated; /* known of one connected port only */
};

static void get_bit(const void *row, struct cell *ret)
{
	const struct feature_row *feature = row;

	cell_number(ret, feature->bit);
}

static void get_name(const void *row, struct cell *ret)
{
	const struct feature_row *feature = row;
	const char *name = hf_bit_name(&hf_virtio_features, feature->bit);

	if (name)
		cell_text(ret, "%s", name);
}

static void get_supported(const void *row, struct cell *ret)
{
	const struct feature_row *feature = row;

	cell_bool(ret, feature->supported);
}

static void get_offered(const void *row, struct cell *ret)
{
	const struct feature_row *feature = row;

	cell_bool(ret, feature->offered);
	if (feature->supported && !feature->offered)
		ret->tone = TONE_WARN;
}

static void get_negotiated(const void *row, struct cell *ret)
{
	const struct feature_row *feature = row;

	if (feature->has_negotiated)
		cell_bool(ret, feature->negotiated);
}

static const struct column feature_columns[] = {
	{"bit", "BIT", CELL_NUMBER, get_bit},
	{"name", "FEATURE", CELL_TEXT, get_name},
	{"supported", "SUPPORTED", CELL_BOOL, get_supported},
	{"offered", "OFFERED", CELL_BOOL, get_offered},
	{"negotiated", "NEGOTIATED", CELL_BOOL, get_negotiated},
};
static const struct table feature_table =
	TABLE("features", feature_columns, "no features; is this a port?");

static int ask(struct cli *cli, verb what, const char *port, uint64_t mask, int body,
	       struct reply *ret)
{
	Holdfast__Control__FeatureRequest feature = HOLDFAST__CONTROL__FEATURE_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	feature.verb = what;
	feature.port = (char *)(uintptr_t)port; /* only read */
	feature.mask = mask;
	request.body_case = REQUEST_BODY(FEATURE);
	request.feature = &feature;
	return cli_call(cli, &request, body, ret);
}

static void print_features(struct cli *cli, const char *document, const pb_feature *feature,
			   const pb_port *port)
{
	struct feature_row rows[64];
	const void *pointers[64];
	bool connected = port && port_is_connected(port);
	uint64_t negotiated = connected ? port->features : 0;
	uint64_t all = feature->supported | feature->features | negotiated;
	size_t n = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(all >> bit & 1))
			continue;
		rows[n] = (struct feature_row){
			.bit = bit,
			.supported = feature->supported >> bit & 1,
			.offered = feature->features >> bit & 1,
			.has_negotiated = connected,
			.negotiated = negotiated >> bit & 1,
		};
		pointers[n] = &rows[n];
		n++;
	}
	output_begin(&cli->output, document);
	output_table(&cli->output, &feature_table, pointers, n);
	output_end(&cli->output);
}

static int show(struct cli *cli, const char *document, const char *port)
{
	struct port_view view = {0};
	struct reply reply;
	int code = ask(cli, VERB(GET), port, 0, RESPONSE_BODY(FEATURE), &reply);

	if (code)
		return code;
	if (*port)
		code = port_view_get(cli, port, false, &view);
	if (!code)
		print_features(cli, document, reply.parts[0]->feature, view.port);
	port_view_free(&view);
	reply_free(&reply);
	return code;
}

int feature_get(struct cli *cli, const struct args *args)
{
	const char *option = args_option(args, "port");

	if (option && args->nr_words)
		return cli_fail(cli, EXIT_USAGE, "the port is given twice; leave out --port");
	return show(cli, "feature get", option ? option : args->nr_words ? args->words[0] : "");
}

/* The first word is the port, unless it is a feature or --port named one. */
static int parse_words(struct cli *cli, const struct args *args, const char **ret_port,
		       uint64_t *ret_mask)
{
	const char *option = args_option(args, "port");
	uint64_t bits;
	size_t first = 0;

	*ret_port = option ? option : "";
	*ret_mask = 0;
	if (!option && !feature_parse(args->words[0], &bits)) {
		*ret_port = args->words[0];
		first = 1;
	}
	for (size_t i = first; i < args->nr_words; i++) {
		const char *near;

		if (feature_parse(args->words[i], &bits)) {
			*ret_mask |= bits;
			continue;
		}
		near = feature_nearest(args->words[i]);
		if (near)
			return cli_fail(cli, EXIT_USAGE, "no feature '%s'; did you mean: %s",
					args->words[i], near);
		return cli_fail(cli, EXIT_USAGE, "no feature '%s'; see holdfast feature get",
				args->words[i]);
	}
	if (!*ret_mask) {
		const char *near = first ? feature_nearest(args->words[0]) : NULL;

		return cli_fail(cli, EXIT_USAGE, "no feature named; %s%s",
				near ? "did you mean: " : "see holdfast feature get",
				near ? near : "");
	}
	return EXIT_OK;
}

static int change(struct cli *cli, const struct args *args, verb what, const char *document)
{
	const char *port;
	uint64_t mask;
	struct reply reply;
	int code = parse_words(cli, args, &port, &mask);

	if (!code)
		code = ask(cli, what, port, mask, RESPONSE_NO_BODY, &reply);
	if (code)
		return code;
	reply_free(&reply);
	return show(cli, document, port);
}

int feature_enable(struct cli *cli, const struct args *args)
{
	return change(cli, args, VERB(ENABLE), "feature enable");
}

int feature_disable(struct cli *cli, const struct args *args)
{
	return change(cli, args, VERB(DISABLE), "feature disable");
}
