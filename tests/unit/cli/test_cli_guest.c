/* SPDX-License-Identifier: Apache-2.0 */
/* The lines for QEMU and libvirt. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvirt.h"
#include "qemu.h"
#include "suite.h"

static pb_port port;
static struct guest guest;
static struct qemu_choice choice;

static void a_port(const char *name, const char *path)
{
	holdfast__control__port__init(&port);
	port.name = (char *)(uintptr_t)name;
	port.path = (char *)(uintptr_t)path;
	guest = (struct guest){.port = &port, .queues = 1};
	snprintf(guest.mac, sizeof(guest.mac), "52:54:00:00:00:01");
	choice = (struct qemu_choice){.program = "qemu-system-x86_64", .mem = "1G"};
}

static char *line(void)
{
	struct qemu_args args;
	char *text;

	qemu_build(&guest, &choice, &args);
	text = qemu_line(&choice, &args);
	qemu_args_free(&args);
	return text;
}

static bool has(const char *part)
{
	char *text = line();
	bool found = strstr(text, part) != NULL;

	if (!found)
		fprintf(stderr, "not in the line: %s\n  %s\n", part, text);
	free(text);
	return found;
}

static void a_server_port_gets_a_client_that_reconnects(void)
{
	a_port("p0", "/run/holdfast/p0.sock");
	CHECK(has("-object memory-backend-memfd,id=hf-mem,size=1G,share=on -numa "
		  "node,memdev=hf-mem"));
	CHECK(has("-chardev socket,id=hf-p0,path=/run/holdfast/p0.sock,reconnect=1 "));
	CHECK(has("-netdev vhost-user,id=hf-p0-net,chardev=hf-p0 "));
	CHECK(has("-device virtio-net-pci,netdev=hf-p0-net,mac=52:54:00:00:00:01"));
	CHECK(!has("server=on") && !has("vectors"));
}

static void a_client_port_gets_a_server_that_does_not_wait(void)
{
	a_port("p0", "/q/p0.sock");
	port.client = true;
	CHECK(has("path=/q/p0.sock,server=on,wait=off"));
	CHECK(!has("reconnect"));
}

static void reconnect_is_spelled_by_the_version(void)
{
	a_port("p0", "/p");
	choice.version = (struct qemu_version){9, 1};
	CHECK(has(",reconnect=1 "));
	choice.version = (struct qemu_version){9, 2};
	CHECK(has(",reconnect-ms=1000 "));
	choice.version = (struct qemu_version){10, 0};
	CHECK(has(",reconnect-ms=1000 "));
}

static void queues_bring_mq_and_vectors(void)
{
	a_port("p0", "/p");
	guest.queues = 4;
	CHECK(has("chardev=hf-p0,queues=4 ") && has(",mq=on,vectors=10"));
	choice.tcg = true;
	CHECK(has(",mq=on,vectors=0") && has("-accel tcg"));
}

static void names_and_paths_cannot_break_out_of_their_place(void)
{
	a_port("p'0; rm,x", "/run/a b,c'd.sock");
	CHECK(has("id=hf-p_0__rm_x"));
	CHECK(has("path=/run/a b,,c'\\''d.sock"));
}

static void a_cuse_port_is_a_tap_with_a_foreign_vhost_device(void)
{
	a_port("hf0", "hf0");
	port.kind = HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
	CHECK(has("-netdev "
		  "tap,id=hf-hf0-net,ifname=hf-hf0,script=no,downscript=no,vhost=on,vhostfd=9"));
	CHECK(has(" 9<>/dev/hf0"));
}

static void the_version_is_found_in_what_qemu_says(void)
{
	struct qemu_version v = {0, 0};

	CHECK(qemu_parse_version("QEMU emulator version 7.2.22 (Debian 1:7.2)\n", &v));
	CHECK(v.major == 7 && v.minor == 2);
	CHECK(qemu_parse_version("QEMU emulator version 9.2\n", &v) && v.minor == 2);
	CHECK(!qemu_parse_version("", &v));
	CHECK(!qemu_parse_version("version x.y", &v));
}

static void a_program_that_is_not_there_has_no_version(void)
{
	CHECK_EQ(qemu_probe("/no/such/qemu").major, 0);
	CHECK_EQ(qemu_probe("true").major, 0);
}

static void a_program_is_asked_for_its_version(void)
{
	char path[] = "/tmp/hf-cli-qemu-XXXXXX";
	int fd = mkstemp(path);
	struct qemu_version version;

	REQUIRE(fd >= 0);
	CHECK(dprintf(fd, "#!/bin/sh\necho 'QEMU emulator version 10.1.0'\n") > 0);
	fchmod(fd, 0700);
	close(fd);
	version = qemu_probe(path);
	CHECK(version.major == 10 && version.minor == 1);
	unlink(path);
}

static void an_address_belongs_to_its_name(void)
{
	char a[GUEST_MAC_TEXT], again[GUEST_MAC_TEXT], b[GUEST_MAC_TEXT];

	guest_make_mac("alpha", a);
	guest_make_mac("alpha", again);
	guest_make_mac("alphb", b);
	CHECK(!strcmp(a, again) && strcmp(a, b) != 0);
	CHECK(!strncmp(a, "52:54:00:", 9) && strlen(a) == 17);
}

static void libvirt_gets_the_other_side_of_the_socket(void)
{
	char *xml;

	a_port("p0", "/run/a'b<&.sock");
	guest.queues = 2;
	xml = libvirt_xml(&guest);
	CHECK(strstr(xml, "path='/run/a&apos;b&lt;&amp;.sock' mode='client'>") != NULL);
	CHECK(strstr(xml, "<reconnect enabled='yes' timeout='1'/>") != NULL);
	CHECK(strstr(xml, "<access mode='shared'/>") && strstr(xml, "<driver queues='2'/>"));
	free(xml);
	port.client = true;
	xml = libvirt_xml(&guest);
	CHECK(strstr(xml, "mode='server'/>") && !strstr(xml, "reconnect"));
	free(xml);
}

static const struct sentence sentences[] = {
	SENTENCE(a_server_port_gets_a_client_that_reconnects),
	SENTENCE(a_client_port_gets_a_server_that_does_not_wait),
	SENTENCE(reconnect_is_spelled_by_the_version),
	SENTENCE(queues_bring_mq_and_vectors),
	SENTENCE(names_and_paths_cannot_break_out_of_their_place),
	SENTENCE(a_cuse_port_is_a_tap_with_a_foreign_vhost_device),
	SENTENCE(the_version_is_found_in_what_qemu_says),
	SENTENCE(a_program_that_is_not_there_has_no_version),
	SENTENCE(a_program_is_asked_for_its_version),
	SENTENCE(an_address_belongs_to_its_name),
	SENTENCE(libvirt_gets_the_other_side_of_the_socket),
};
SUITE("cli guest", sentences)
