/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode is QEMU's side of the socket, so it is the opposite of the port's. memoryBacking belongs to
 * the domain, the interface to its devices: two pieces, each with a comment that says where.
 */
#include "libvirt.h"

#include <stdlib.h>

#include "text.h"

/* Characters that XML 1.0 does not allow at all were replaced by text_safe before. */
static void put_attribute(FILE *stream, const char *name, const char *value)
{
	char *safe = text_safe(value);

	fprintf(stream, " %s='", name);
	for (const char *c = safe; *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", stream);
			break;
		case '<':
			fputs("&lt;", stream);
			break;
		case '\'':
			fputs("&apos;", stream);
			break;
		default:
			fputc(*c, stream);
		}
	}
	fputc('\'', stream);
	free(safe);
}

static void put_source(FILE *stream, const pb_port *port)
{
	fputs("  <source type='unix'", stream);
	put_attribute(stream, "path", port->path);
	if (port->client)
		fputs(" mode='server'/>\n", stream);
	else
		fputs(" mode='client'>\n"
		      "    <reconnect enabled='yes' timeout='1'/>\n"
		      "  </source>\n",
		      stream);
}

char *libvirt_xml(const struct guest *guest)
{
	char *xml = NULL;
	size_t size;
	FILE *stream = open_memstream(&xml, &size);

	if (!stream)
		text_no_memory();
	fputs("<!-- in <domain>: memory that can be shared -->\n"
	      "<memoryBacking>\n"
	      "  <source type='memfd'/>\n"
	      "  <access mode='shared'/>\n"
	      "</memoryBacking>\n"
	      "<!-- in <devices> -->\n"
	      "<interface type='vhostuser'>\n"
	      "  <mac",
	      stream);
	put_attribute(stream, "address", guest->mac);
	fputs("/>\n", stream);
	put_source(stream, guest->port);
	fputs("  <model type='virtio'/>\n", stream);
	if (guest->queues > 1)
		fprintf(stream, "  <driver queues='%u'/>\n", guest->queues);
	fputs("</interface>\n", stream);
	if (fclose(stream))
		text_no_memory();
	return xml;
}
