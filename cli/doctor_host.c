/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine. These steps do not build on each other, so all are shown. What makes things slow or
 * awkward is a note; broken is only what keeps traffic from passing.
 */
#include <inttypes.h>

#include "doctor.h"
#include "text.h"

#define MEMLOCK_WANTED	  (64u * 1024u * 1024u)
#define OPEN_FILES_WANTED 4096u

static void step_primary(const struct host_facts *facts, struct finding *ret)
{
	doctor_judge_primary(facts->trouble, facts->primary, ret);
}

static void step_checks(const struct host_facts *facts, struct finding *ret)
{
	const pb_health *health;

	if (!facts->health) {
		finding_note(ret, "not known");
		return;
	}
	health = facts->health->parts[0]->health;
	for (size_t i = 0; i < health->n_checks; i++) {
		const pb_check *check = health->checks[i];

		if (check->ok)
			continue;
		finding_note(ret, "%s: %s", check->name, check->detail);
		finding_remedy(ret, "holdfast health");
		return;
	}
	finding_ok(ret, "%zu checks passed, %u of %u ports ready", health->n_checks,
		   health->ports_ready, health->ports);
}

static void step_huge_pages(const struct host_facts *facts, struct finding *ret)
{
	const pb_health *health = facts->health ? facts->health->parts[0]->health : NULL;
	char size[TEXT_NUMBER_MAX];

	text_size(facts->huge_bytes, size);
	if (health && health->directory_on_huge_pages) {
		finding_ok(ret, "%" PRIu64 " of %" PRIu64 " of %s free; the directory is on them",
			   facts->huge_free, facts->huge_total, size);
	} else if (!facts->huge_free) {
		finding_note(ret, "0 of %" PRIu64 " free: ordinary pages are used, which is slower",
			     facts->huge_total);
		finding_remedy(ret, "sysctl vm.nr_hugepages=512, then restart holdfastd");
	} else if (health) {
		finding_note(ret,
			     "%" PRIu64 " of %" PRIu64 " of %s free, but the directory is on "
			     "ordinary pages",
			     facts->huge_free, facts->huge_total, size);
		finding_remedy(ret, "restart holdfastd");
	} else {
		finding_ok(ret, "%" PRIu64 " of %" PRIu64 " of %s free", facts->huge_free,
			   facts->huge_total, size);
	}
}

static void step_memlock(const struct host_facts *facts, struct finding *ret)
{
	char size[TEXT_NUMBER_MAX];

	if (!facts->have_limits) {
		finding_note(ret, "the limits of the primary cannot be read");
	} else if (facts->memlock == UINT64_MAX) {
		finding_ok(ret, "unlimited");
	} else if (facts->memlock < MEMLOCK_WANTED) {
		finding_note(ret, "the primary may lock %s only", text_size(facts->memlock, size));
		finding_remedy(ret, "LimitMEMLOCK=infinity in its unit, or ulimit -l unlimited");
	} else {
		finding_ok(ret, "%s", text_size(facts->memlock, size));
	}
}

static void step_open_files(const struct host_facts *facts, struct finding *ret)
{
	if (!facts->have_limits) {
		finding_note(ret, "the limits of the primary cannot be read");
	} else if (facts->open_files < OPEN_FILES_WANTED) {
		finding_note(ret, "the primary may open %" PRIu64 " files: enough for a few ports",
			     facts->open_files);
		finding_remedy(ret, "LimitNOFILE=65536 in its unit, or ulimit -n 65536");
	} else {
		finding_ok(ret, "up to %" PRIu64, facts->open_files);
	}
}

static void step_kvm(const struct host_facts *facts, struct finding *ret)
{
	if (!facts->have_kvm) {
		finding_note(ret, "no /dev/kvm: guests are emulated (TCG), which is slow");
		finding_remedy(ret, "holdfast port qemu-args NAME --tcg");
	} else if (!facts->kvm_usable) {
		finding_note(ret, "/dev/kvm is there, but not for this user");
		finding_remedy(ret, "usermod -aG kvm $USER");
	} else {
		/* Only a guest that boots proves more. */
		finding_ok(ret, "/dev/kvm may be opened; if guests hang on it, use TCG");
	}
}

static void step_secondaries(const struct host_facts *facts, struct finding *ret)
{
	if (!facts->have_secondaries) {
		finding_note(ret, "not known");
	} else if (!facts->nr_secondaries) {
		finding_broken(ret, "0 secondaries attached: nobody moves packets");
		finding_remedy(ret, "holdfast-vswitch --run-dir DIR");
	} else {
		finding_ok(ret, "%zu attached", facts->nr_secondaries);
	}
}

const struct host_step doctor_host_steps[] = {
	{"primary answers", step_primary},
	{"primary's own checks", step_checks},
	{"secondaries", step_secondaries},
	{"huge pages", step_huge_pages},
	{"locked memory", step_memlock},
	{"open files", step_open_files},
	{"KVM", step_kvm},
};
const size_t doctor_nr_host_steps = ARRAY_SIZE(doctor_host_steps);
