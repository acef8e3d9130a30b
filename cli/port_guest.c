/* SPDX-License-Identifier: Apache-2.0 */
/* port qemu-args and port libvirt-xml. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libvirt.h"
#include "qemu.h"
#include "text.h"

#define DEFAULT_QEMU "qemu-system-x86_64"
#define DEFAULT_MEM  "1G"

struct qemu_row {
	const struct qemu_choice *choice;
	const struct qemu_args *args;
	const char *line;
};

static void get_program(const void *row, struct cell *ret)
{
	const struct qemu_row *qemu = row;

	cell_text(ret, "%s", qemu->choice->program);
}

static void get_version(const void *row, struct cell *ret)
{
	const struct qemu_version *version = &((const struct qemu_row *)row)->choice->version;

	if (version->major)
		cell_text(ret, "%u.%u", version->major, version->minor);
}

static void get_args(const void *row, struct cell *ret)
{
	const struct qemu_row *qemu = row;

	cell_list(ret);
	for (size_t i = 0; i < qemu->args->nr_args; i++)
		cell_list_add(ret, qemu->args->args[i]);
}

static void get_line(const void *row, struct cell *ret)
{
	const struct qemu_row *qemu = row;

	cell_text(ret, "%s", qemu->line);
}

static const struct column qemu_columns[] = {
	{"program", "PROGRAM", CELL_TEXT, get_program},
	{"version", "VERSION", CELL_TEXT, get_version},
	{"args", "ARGS", CELL_LIST, get_args},
	{"line", "LINE", CELL_TEXT, get_line},
};
static const struct table qemu_table = TABLE("qemu", qemu_columns, NULL);

/* "512M", "2G", "1024": what QEMU takes for -m and for size= alike. Without a unit -m means MiB and
 * size= means bytes, so a unit is asked for. */
static bool is_memory_size(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits && digits <= 9 && text[0] != '0' && text[digits] &&
	       strchr("MGTmgt", text[digits]) && !text[digits + 1];
}

static void remarks(struct cli *cli, const struct guest *guest, const struct qemu_choice *choice)
{
	if (!choice->version.major)
		cli_note(cli,
			 "no version from %s, so written for one before 9.2; to choose another: "
			 "--qemu "
			 "PATH",
			 choice->program);
	if (!choice->tcg && access("/dev/kvm", R_OK | W_OK) < 0)
		cli_note(cli, "/dev/kvm cannot be used here; for emulation (TCG) add --tcg");
	if (guest->port->kind == HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE)
		cli_note(
			cli,
			"QEMU wants the tap it is told of: ip tuntap add hf-%.9s mode tap vnet_hdr",
			guest->port->name);
}

static void print_qemu(struct cli *cli, const struct guest *guest, const struct qemu_choice *choice)
{
	struct qemu_args args;
	struct qemu_row row;
	char *line;

	qemu_build(guest, choice, &args);
	line = qemu_line(choice, &args);
	row = (struct qemu_row){choice, &args, line};
	output_begin(&cli->output, "port qemu-args");
	if (cli->output.format == OUTPUT_TABLE)
		output_remark(&cli->output, "line", TONE_PLAIN, "%s", line);
	else
		output_record(&cli->output, &qemu_table, &row);
	output_end(&cli->output);
	free(line);
	qemu_args_free(&args);
}

int port_qemu_args(struct cli *cli, const struct args *args)
{
	struct qemu_choice choice = {
		.program = args_option(args, "qemu"),
		.mem = args_option(args, "mem"),
		.tcg = args_flag(args, "tcg"),
	};
	struct port_view view;
	struct guest guest;
	int code;

	if (!choice.program)
		choice.program = DEFAULT_QEMU;
	if (!choice.mem)
		choice.mem = DEFAULT_MEM;
	if (!is_memory_size(choice.mem))
		return cli_bad_value(cli, args, "mem", "a number with M, G or T");
	code = port_view_get(cli, args->words[0], false, &view);
	if (code)
		return code;
	code = guest_init(&guest, cli, args, view.port);
	if (!code) {
		choice.version = qemu_probe(choice.program);
		remarks(cli, &guest, &choice);
		print_qemu(cli, &guest, &choice);
	}
	port_view_free(&view);
	return code;
}

int port_libvirt_xml(struct cli *cli, const struct args *args)
{
	struct port_view view;
	struct guest guest;
	char *xml;
	int code = port_view_get(cli, args->words[0], false, &view);

	if (code)
		return code;
	code = guest_init(&guest, cli, args, view.port);
	if (!code && view.port->kind == HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE)
		code = cli_fail(cli, EXIT_FAILED,
				"libvirt cannot use a cuse port; see holdfast port qemu-args %s",
				view.port->name);
	if (!code) {
		xml = libvirt_xml(&guest);
		output_begin(&cli->output, "port libvirt-xml");
		if (cli->output.format == OUTPUT_TABLE)
			fputs(xml, cli->out);
		else
			output_remark(&cli->output, "xml", TONE_PLAIN, "%s", xml);
		output_end(&cli->output);
		free(xml);
	}
	port_view_free(&view);
	return code;
}
