/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include <ctype.h>
#include <string.h>

/* FNV-1a: short, and spreads names that differ in their last letter only. */
static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261u;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 16777619u;
	return value;
}

void guest_make_mac(const char *name, char ret_mac[GUEST_MAC_TEXT])
{
	uint32_t value = hash(name);

	snprintf(ret_mac, GUEST_MAC_TEXT, "52:54:00:%02x:%02x:%02x", value >> 16 & 0xff,
		 value >> 8 & 0xff, value & 0xff);
}

/* Six pairs of digits, and not a group address: no guest may have one. */
static bool is_mac(const char *text)
{
	static const char odd[] = "13579bdfBDF";

	if (strlen(text) != GUEST_MAC_TEXT - 1)
		return false;
	for (size_t i = 0; i < GUEST_MAC_TEXT - 1; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return !strchr(odd, text[1]);
}

int guest_init(struct guest *guest, struct cli *cli, const struct args *args, const pb_port *port)
{
	const char *mac = args_option(args, "mac");

	*guest = (struct guest){.port = port, .queues = port_guest_queues(port)};
	if (!args_number(args, "queues", 1, 128, &guest->queues))
		return cli_bad_value(cli, args, "queues", "1 to 128");
	if (mac && !is_mac(mac))
		return cli_bad_value(cli, args, "mac", "a unicast address like 52:54:00:12:34:56");
	if (mac)
		memcpy(guest->mac, mac, GUEST_MAC_TEXT);
	else
		guest_make_mac(port->name, guest->mac);
	return EXIT_OK;
}
